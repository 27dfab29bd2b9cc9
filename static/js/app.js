/**
 * The page: shows what the worker says and tells it what people do. Owns focus, the address bar,
 * the composer and the dialog. Knows nothing of conversations: markup and actions only.
 *
 * @module
 */

import { arrange, byId, fill, script } from './patch.js';
import * as call from './call.js';
import * as keys from './keys.js';
import * as talk from './talk.js';

const DRAFT_MS = 50;
const TYPING_MS = 3_000;
const MARKER = 'roost-account';
const DAY_MS = 86_400_000;

/** @type {Worker} */ let worker;
/** @type {ReturnType<typeof setTimeout> | undefined} */ let draft;
let typed = 0;
/** The conversation whose unsent text was put into the composer. */
let restored = '';
/** Whether focus in a field would bring up a keyboard on the screen. */
let isTouched = matchMedia('(pointer: coarse)').matches;

/** @typedef {[string, string][]} Fields */

/** @param {string} action @param {Fields} [fields] */
function tell(action, fields = []) {
  worker.postMessage({ event: [action, fields] });
}

/** What the worker asks for that is not markup. @type {Record<string, (value: any) => void>} */
const acts = {
  title: (text) => { document.title = text; },
  reading: (is) => byId('app-main')?.classList.toggle('reading', is),
  panel,
  text: restore,
  insert: (text) => write((old, from, to) => old.slice(0, from) + text + old.slice(to)),
  compose: () => { if (!isTouched) byId('text')?.focus(); },
  say: (text) => { const said = byId('said'); if (said) said.textContent = text; },
  address: (url) => { history[location.pathname.startsWith('/i/') ? 'replaceState' : 'pushState'](null, '', url); route(); },
  visit: (url) => { location.href = url; if (sameDocument(url)) location.reload(); },
  ready: () => { for (const button of document.querySelectorAll('[data-ready]')) /** @type {HTMLButtonElement} */ (button).disabled = false; },
  keep: () => { remember(); navigator.storage?.persist?.(); },
  newest: () => talk.toEnd(),
  focus: (id) => byId(id)?.focus(),
  call: call.act,
  room: call.actInRoom,
  reveal: (id) => { const element = byId(id); if (element) element.hidden = false; },
};

/** Local actions: what the page does by itself. @type {Record<string, (button: HTMLElement) => void>} */
const local = {
  jump: (button) => talk.jump(button.dataset.to ?? ''),
  newest: () => { talk.toEnd(); byId('text')?.focus(); },
  reload: () => location.reload(),
  copy: async (button) => {
    await navigator.clipboard.writeText(button.dataset.text ?? '');
    acts.say(button.dataset.said ?? 'Copied');
    if (button.dataset.said) flash(button, button.dataset.said);
  },
  ...call.local,
  share: (button) => navigator.share({ url: button.dataset.text }).catch(() => {}),
};

function start() {
  const missing = lacks();
  if (missing) return trouble('Roost cannot run here', missing);
  worker = new Worker(script(new URL('./worker.js', import.meta.url).href), { type: 'module', name: store() });
  worker.onmessage = ({ data }) => {
    if (data.patch) show(data.patch);
    if (data.trouble) trouble('Something went wrong', 'Nothing that was sent is lost. If trying again does not help, tell the person who runs this server what it says below.', data.trouble);
  };
  worker.onerror = (event) => trouble('Roost could not start', 'The page did not load completely.', event.message);
  keys.start(tell);
  talk.start(tell);
  call.start(tell);
  document.addEventListener('pointerdown', ({ pointerType }) => { isTouched = pointerType === 'touch'; }, true);
  document.addEventListener('keydown', () => { isTouched = false; }, true);
  document.addEventListener('click', onClick);
  document.addEventListener('submit', onSubmit);
  document.addEventListener('input', onInput);
  document.addEventListener('change', onChange);
  document.addEventListener('cancel', onCancel, true);
  window.addEventListener('hashchange', route);
  window.addEventListener('popstate', route);
  window.addEventListener('pagehide', flush);
  worker.postMessage({ hello: here() });
}

/** @param {[import('./patch.js').Fragment[], import('./patch.js').List[], [string, any][]]} patch */
function show([fragments, lists, wishes]) {
  const settle = talk.before(lists.some(([id]) => id === 'messages'));
  fragments.forEach(fill);
  lists.forEach(arrange);
  settle();
  call.drawn();
  for (const [name, value] of wishes) acts[name]?.(value);
  call.raise();
  for (const button of document.querySelectorAll('[data-local=share][hidden]')) {
    /** @type {HTMLElement} */ (button).hidden = !navigator.share;
  }
  for (const field of document.querySelectorAll('[data-filter]')) {
    const { dataset, value } = /** @type {HTMLInputElement} */ (field);
    if (value) filter(dataset.filter ?? '', value);
  }
}

/** @param {MouseEvent} event */
function onClick(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.id === 'panel') return tell('close-panel');
  if (target.closest('#rows .row')) keys.findAll();
  const button = /** @type {HTMLElement | null} */ (target.closest('[data-action], [data-local]'));
  if (!button || button.tagName === 'FORM') return touch(target);
  if (button.dataset.local) return local[button.dataset.local]?.(button);
  tell(button.dataset.action ?? '', dataOf(button));
}

/** A message that was tapped shows what can be done with it. @param {HTMLElement} target */
function touch(target) {
  const message = /** @type {HTMLElement | null} */ (target.closest('article[data-message]'));
  if (message && !target.closest('a') && !getSelection()?.toString()) message.focus({ preventScroll: true });
}

/** @param {SubmitEvent} event */
function onSubmit(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const action = form.dataset.action;
  if (!action) return;
  event.preventDefault();
  const fields = /** @type {Fields} */ ([...new FormData(form)].map(([name, value]) => [name, String(value)]));
  if (action === 'send') return send(form, fields);
  if (action === 'join') for (const button of form.querySelectorAll('button')) button.disabled = true;
  tell(action, [...fields, ...dataOf(form)]);
}

/** @param {HTMLFormElement} form @param {Fields} fields */
function send(form, fields) {
  const text = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem('text'));
  clearTimeout(draft);
  draft = undefined;
  if (!text.value.trim()) return;
  tell('send', fields);
  text.value = '';
  grow(text);
  text.focus();
}

/** @param {Event} event */
function onInput(event) {
  const field = /** @type {HTMLInputElement} */ (event.target);
  if (field.id === 'text') return onText(/** @type {any} */ (field));
  if (field.dataset.input) tell(field.dataset.input, [['value', field.value]]);
  if (field.dataset.filter) filter(field.dataset.filter, field.value);
}

/** @param {Event} event */
function onChange(event) {
  const field = /** @type {HTMLInputElement | HTMLSelectElement} */ (event.target);
  const { choose } = field.dataset;
  if (choose) call.choose(choose, field.type === 'checkbox' ? String(/** @type {HTMLInputElement} */ (field).checked) : field.value);
}

/** @param {HTMLTextAreaElement} text */
function onText(text) {
  grow(text);
  draft ??= setTimeout(flush, DRAFT_MS);
  if (text.value && Date.now() - typed > TYPING_MS) {
    typed = Date.now();
    tell('typing');
  }
}

/** Keeps unsent text before it can be lost. */
function flush() {
  if (draft === undefined) return;
  clearTimeout(draft);
  draft = undefined;
  const text = /** @type {HTMLTextAreaElement | null} */ (byId('text'));
  if (text) tell('draft', [['text', text.value]]);
}

/** Escape in the dialog: the worker decides what is open. @param {Event} event */
function onCancel(event) {
  event.preventDefault();
  tell('close-panel');
}

function route() {
  flush();
  worker.postMessage({ at: here() });
  tell('route', [['group', group()]]);
}

/** Where this tab is, for whoever leads now or later. */
function here() {
  return { url: location.href, group: group(), had: wasHere() };
}

/** What this page's store is called. A guest has one of its own for each link, as long as its account lasts. */
function store() {
  const guest = /^\/c\/([\w-]+)$/.exec(location.pathname)?.[1];
  return guest ? `roost-guest-${Math.floor(Date.now() / DAY_MS)}-${guest}` : 'roost';
}

function group() {
  return /^#\/c\/([0-9a-f]{32})$/.exec(location.hash)?.[1] ?? '';
}

/** @param {boolean} open */
function panel(open) {
  const dialog = /** @type {HTMLDialogElement | null} */ (byId('panel'));
  if (!dialog || dialog.open === open) return;
  if (!open) return dialog.close();
  dialog.showModal();
  const first = !isTouched && dialog.querySelector('.body input');
  /** @type {HTMLElement | null} */ (first || byId('panel-title'))?.focus();
}

/** Unsent text comes back; what is being typed is newer. @param {string} text */
function restore(text) {
  const field = /** @type {HTMLTextAreaElement | null} */ (byId('text'));
  if (field?.value && restored === group()) return;
  restored = group();
  write(() => text);
}

/** @param {(old: string, from: number, to: number) => string} change */
function write(change) {
  const text = /** @type {HTMLTextAreaElement | null} */ (byId('text'));
  if (!text) return;
  text.value = change(text.value, text.selectionStart, text.selectionEnd);
  grow(text);
}

/** Where the style sheet cannot let it grow with its text. @param {HTMLTextAreaElement} text */
function grow(text) {
  if (CSS.supports('field-sizing', 'content')) return;
  text.style.height = 'auto';
  text.style.height = `${text.scrollHeight + 2}px`;
}

/** @param {string} list @param {string} words */
function filter(list, words) {
  const wanted = words.trim().toLowerCase();
  for (const item of document.querySelectorAll(`${list} > li`)) {
    const { name } = /** @type {HTMLElement} */ (item).dataset;
    /** @type {HTMLElement} */ (item).hidden = !name?.toLowerCase().includes(wanted);
  }
}

/** Data attributes of an element and of the message it belongs to. @param {HTMLElement} element */
function dataOf(element) {
  const message = /** @type {HTMLElement | null} */ (element.closest('[data-message]'));
  const all = { ...(message ? { message: message.dataset.message } : {}), ...element.dataset };
  return /** @type {Fields} */ (Object.entries(all).filter(([, value]) => value !== undefined));
}

/** @param {HTMLElement} button @param {string} words */
function flash(button, words) {
  const before = button.textContent;
  button.textContent = words;
  setTimeout(() => { button.textContent = before; }, 1_600);
}

/** @param {string} url */
function sameDocument(url) {
  return url.split('#')[0] === location.href.split('#')[0];
}

function wasHere() {
  try { return localStorage.getItem(MARKER) !== null; } catch { return false; }
}

function remember() {
  try { localStorage.setItem(MARKER, '1'); } catch { /* Storage is off: the marker is a courtesy. */ }
}

/** @returns {string | undefined} What this browser lacks, and what to do. */
function lacks() {
  if (!window.isSecureContext) return 'Messages can only be sealed over a secure connection. Open this address with https:// in front.';
  if (!navigator.locks || !window.BroadcastChannel) return 'This browser cannot keep two tabs apart. Update it, or use another one.';
  if (!window.indexedDB || !crypto.subtle || !window.WebAssembly) return 'This browser cannot store sealed messages. Leave private mode, update it, or use another one.';
  return undefined;
}

/** Built without markup, since this must work when nothing else does. @param {string} title @param {string} text @param {string} [detail] */
function trouble(title, text, detail) {
  const make = (/** @type {string} */ tag, /** @type {string} */ name, /** @type {(Node | string)[]} */ ...inside) => {
    const element = document.createElement(tag);
    element.className = name;
    element.append(...inside);
    return element;
  };
  call.act(['drop']);
  const again = make('button', 'primary', 'Try again');
  again.dataset.local = 'reload';
  again.addEventListener('click', () => location.reload());
  const card = make('div', 'card', make('h1', '', title), make('p', '', text), again);
  if (detail) card.append(make('p', 'quiet', detail));
  card.setAttribute('role', 'alert');
  byId('app')?.replaceChildren(make('main', 'page', card));
}

start();
