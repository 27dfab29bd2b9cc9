/**
 * The open conversation: where it is scrolled to, jumps, and what of it is seen.
 *
 * @module
 */

import { byId } from './patch.js';

/** Nearer to the end than this counts as being there, in pixels. */
const NEAR = 48;
/** Earlier messages are asked for this far from the top, in pixels. */
const EARLY = 600;
/** Of 150 entries each. */
const JUMP_PAGES_MAX = 300;

/** @type {(action: string, fields?: [string, string][]) => void} */ let tell = () => {};
let isAtEnd = true;
let asked = false;
let group = '';
let count = 0;
let told = '';
let size = '';
/** @type {{ to: string, pages: number } | undefined} */ let jumping;

/** @param {typeof tell} send */
export function start(send) {
  tell = send;
  document.addEventListener('scroll', ({ target }) => {
    if (target === byId('messages')) onScroll();
  }, { capture: true, passive: true });
  document.addEventListener('visibilitychange', watch);
}

/** Stays at the end when the keyboard opens or the composer grows. */
const resizes = new ResizeObserver(() => {
  if (isAtEnd) toEnd();
});

/**
 * Call before the page changes; then call what it returns.
 *
 * @param {boolean} hasList Whether the list of messages is among what changes.
 */
export function before(hasList) {
  const list = byId('messages');
  // Screen readers hear what is new, not what was loaded.
  if (list && hasList && (asked || count === 0)) list.ariaBusy = 'true';
  const anchor = list && !isAtEnd ? firstVisible(list) : undefined;
  const top = anchor?.getBoundingClientRect().top ?? 0;
  const id = anchor?.id;
  return () => after(hasList, id, top);
}

/** @param {boolean} hasList @param {string | undefined} anchor @param {number} top */
function after(hasList, anchor, top) {
  const list = byId('messages');
  if (!list) {
    group = '';
    return;
  }
  if (list.dataset.group !== group) opened(list);
  if (!hasList) return;
  asked = false;
  const messages = list.querySelectorAll('article').length;
  if (count === 0 && messages > 0) toStart(list);
  else if (isAtEnd) toEnd();
  else if (anchor) {
    const now = byId(anchor)?.getBoundingClientRect().top;
    if (now !== undefined) list.scrollTop += now - top;
  }
  count = messages;
  setTimeout(() => { list.ariaBusy = 'false'; }, 100);
  rove(list);
  onScroll();
  if (jumping) jump(jumping.to, jumping.pages + 1);
}

/** @param {HTMLElement} list */
function opened(list) {
  group = list.dataset.group ?? '';
  count = 0;
  isAtEnd = true;
  told = '';
  jumping = undefined;
  resizes.observe(list);
}

/** The first look at a conversation: at what is new, else at the end. @param {HTMLElement} list */
function toStart(list) {
  const line = byId('new-line');
  if (!line) return toEnd();
  list.scrollTop = line.offsetTop - list.offsetTop - NEAR;
  isAtEnd = nearEnd(list);
}

/** Shows the newest message. */
export function toEnd() {
  const list = byId('messages');
  if (!list) return;
  list.scrollTop = list.scrollHeight;
  isAtEnd = true;
}

function onScroll() {
  const list = byId('messages');
  if (!list) return;
  // The window changed, not the wish of who looks at it.
  const now = `${list.clientWidth} ${list.clientHeight}`;
  if (now !== size && isAtEnd) list.scrollTop = list.scrollHeight;
  size = now;
  isAtEnd = nearEnd(list);
  const button = byId('jump');
  if (button) button.hidden = isAtEnd;
  if (list.scrollTop < EARLY && !isAtEnd) older();
  watch();
}

function older() {
  if (asked || !byId('older')) return;
  asked = true;
  tell('older');
}

/** Tells the worker whether somebody sees the newest message. */
export function watch() {
  const now = `${document.visibilityState === 'visible'} ${isAtEnd}`;
  if (!byId('messages') || now === told) return;
  told = now;
  const [visible, bottom] = now.split(' ');
  tell('watch', [['visible', visible], ['bottom', bottom]]);
}

/**
 * Goes to a message and lights it up, asking for earlier ones until it is there.
 *
 * @param {string} to
 * @param {number} [pages]
 */
export function jump(to, pages = 0) {
  const message = byId(to);
  jumping = undefined;
  if (message) {
    isAtEnd = false;
    message.scrollIntoView({ block: 'center' });
    message.classList.remove('found');
    void message.offsetWidth;
    message.classList.add('found');
    message.focus({ preventScroll: true });
    setTimeout(() => message.classList.remove('found'), 2_000);
  } else if (byId('older') && pages < JUMP_PAGES_MAX) {
    jumping = { to, pages };
    asked = false;
    older();
  }
}

/** Exactly one message can be reached by Tab. @param {HTMLElement} list */
function rove(list) {
  const messages = /** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll('article'));
  const chosen = list.querySelector('article:focus') ?? messages[messages.length - 1];
  for (const message of messages) message.tabIndex = message === chosen ? 0 : -1;
}

/** @param {HTMLElement} list */
function nearEnd(list) {
  return list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;
}

/** @param {HTMLElement} list @returns {HTMLElement | undefined} */
function firstVisible(list) {
  const top = list.getBoundingClientRect().top;
  const children = /** @type {HTMLElement[]} */ ([...list.children]);
  return children.find((child) => child.id !== 'older' && child.getBoundingClientRect().bottom > top);
}
