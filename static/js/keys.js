/**
 * The keyboard: arrows in lists, `r` replies, `+` reacts, Ctrl+K finds, Escape goes back, Alt+C
 * goes to a call, where `m` is the microphone, `v` the camera and `s` the screen.
 *
 * @module
 */

import { byId } from './patch.js';

/** @type {(action: string, fields?: [string, string][]) => void} */ let tell = () => {};

/** @param {typeof tell} send */
export function start(send) {
  tell = send;
  document.addEventListener('keydown', (event) => {
    if (event.isComposing) return;
    const target = /** @type {HTMLElement} */ (event.target);
    if (act(event, target)) event.preventDefault();
  });
}

/** @param {KeyboardEvent} event @param {HTMLElement} target @returns {boolean} Whether it meant something. */
function act(event, target) {
  const { key } = event;
  if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === 'k') return find();
  if (event.altKey && key.toLowerCase() === 'c') return toCall();
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  if (target.closest('.call') || (isNowhere(target) && document.querySelector('.call:not(.small)'))) return inCall(key);
  if (key === 'Escape' && !document.querySelector('#panel[open]')) return back(target);
  if (target.closest('#find')) return inFind(key);
  if (target.closest('#rows')) return along(key, target, '#rows .row') || false;
  if (target.closest('#emoji')) return inGrid(key, target);
  if (target.id === 'emoji-find') return inEmojiFinder(key, /** @type {HTMLInputElement} */ (target));
  if (target.id === 'text') return inComposer(event, /** @type {HTMLTextAreaElement} */ (target));
  const message = /** @type {HTMLElement | null} */ (target.closest('article[data-message]'));
  return message ? inMessage(key, target, message) : false;
}

/** What had the focus is gone: keys are for what fills the screen. @param {HTMLElement} target */
function isNowhere(target) {
  return target === document.body && !document.querySelector('dialog[open]');
}

/** To who calls, or to the call that one is in. */
function toCall() {
  const place = byId('ring-title') ?? byId('call-place');
  place?.focus();
  return !!place;
}

/** @param {string} key */
function inCall(key) {
  const buttons = /** @type {Record<string, string>} */ ({ m: '[data-local=call-mic]', v: '[data-local=call-camera]', s: '[data-local=call-screen]', h: '[data-action=room-hand]' });
  const button = /** @type {HTMLElement | null} */ (buttons[key] ? document.querySelector(`.call ${buttons[key]}`) : null);
  const shrinks = /** @type {HTMLElement | null} */ (key === 'Escape' ? document.querySelector('.call [data-small=true]') : null);
  (button ?? shrinks)?.click();
  return !!button || key === 'Escape';
}

function find() {
  if (document.querySelector('#panel[open]')) return false;
  if (byId('find')?.offsetParent === null) location.hash = '#/';
  setTimeout(() => byId('find')?.focus());
  return true;
}

/** @param {HTMLElement} target */
function back(target) {
  const field = /** @type {HTMLInputElement | null} */ (byId('find'));
  if (target === field && field?.value) findAll();
  else if (byId('replying')?.hidden === false) tell('cancel-reply');
  else if (target.closest('#messages')) byId('text')?.focus();
  // A guest has no conversations, and the link of the call stands after the #.
  else if (byId('rows')) location.hash = '#/';
  return true;
}

/** @param {string} key */
function inFind(key) {
  const first = /** @type {HTMLElement | null} */ (document.querySelector('#rows .row'));
  if (!first) return false;
  if (key === 'ArrowDown') first.focus();
  else if (key === 'Enter') first.click();
  else return false;
  return true;
}

/** Shows all conversations again. */
export function findAll() {
  const field = /** @type {HTMLInputElement} */ (byId('find'));
  if (!field.value) return;
  field.value = '';
  field.dispatchEvent(new Event('input', { bubbles: true }));
}

/** @param {string} key @param {HTMLElement} target @param {string} all */
function along(key, target, all) {
  const items = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(all)]);
  const at = items.findIndex((item) => item.contains(target));
  const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
  const next = items[/** @type {Record<string, number>} */ (steps)[key] ?? -1];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
  return next !== undefined;
}

/** Enter takes what was found; if nothing was, the emoji that was typed. @param {string} key @param {HTMLInputElement} field */
function inEmojiFinder(key, field) {
  const first = /** @type {HTMLElement | null} */ (document.querySelector('#emoji li:not([hidden]) button'));
  if (!first) return false;
  if (key === 'ArrowDown') first.focus();
  else if (key === 'Enter' && field.value.trim()) first.click();
  else return false;
  return true;
}

/** @param {string} key @param {HTMLElement} target */
function inGrid(key, target) {
  const items = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('#emoji li:not([hidden]) button')]);
  const at = items.indexOf(target);
  const first = items.findIndex((item) => item.offsetTop > (items[0]?.offsetTop ?? 0));
  const columns = first < 0 ? items.length : first;
  const forward = getComputedStyle(target).direction === 'rtl' ? -1 : 1;
  const steps = { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: columns, ArrowUp: -columns };
  const step = /** @type {Record<string, number>} */ (steps)[key];
  if (step === undefined || at < 0) return false;
  (items[at + step] ?? (step === -columns ? byId('emoji-find') : undefined))?.focus();
  return true;
}

/** @param {KeyboardEvent} event @param {HTMLTextAreaElement} text */
function inComposer(event, text) {
  if (event.key === 'Enter' && !event.shiftKey) {
    text.form?.requestSubmit();
    return true;
  }
  if (event.key !== 'ArrowUp' || text.value) return false;
  const messages = document.querySelectorAll('#messages article');
  /** @type {HTMLElement | undefined} */ (messages[messages.length - 1])?.focus();
  return true;
}

/** @param {string} key @param {HTMLElement} target @param {HTMLElement} message */
function inMessage(key, target, message) {
  const about = /** @type {[string, string][]} */ ([['message', message.dataset.message ?? '']]);
  if (key === 'r' && message.querySelector('[data-action=reply]')) tell('reply', about);
  else if (key === '+' && message.querySelector('[data-panel=react]')) tell('panel', [['panel', 'react'], ...about]);
  else if (key === 'ArrowDown' && isLast(message)) byId('text')?.focus();
  else return along(key, target, '#messages article');
  return true;
}

/** @param {HTMLElement} message */
function isLast(message) {
  const messages = document.querySelectorAll('#messages article');
  return messages[messages.length - 1] === message;
}
