/**
 * Puts markup from the worker into the page. Owns the one Trusted Types policy: all markup is the
 * output of templates in the worker, which escape what people wrote.
 *
 * @module
 */

/** @typedef {[id: string, html: string]} Fragment */
/** @typedef {[id: string, keys: string[], changed: Fragment[]]} List */

const policy = window.trustedTypes?.createPolicy('roost', {
  createHTML: (/** @type {string} */ html) => html,
  createScriptURL: (/** @type {string} */ url) => {
    if (new URL(url).origin !== location.origin) throw new TypeError('not from here');
    return url;
  },
}) ?? { createHTML: (/** @type {string} */ html) => html, createScriptURL: (/** @type {string} */ url) => url };

/** @param {string} url */
export const script = (url) => policy.createScriptURL(url);

/** @param {string} id */
export const byId = (id) => document.getElementById(id);

/** @param {Fragment} fragment */
export function fill([id, html]) {
  const element = byId(id);
  if (!element) return;
  const keep = focus();
  morphChildren(element, parse(html));
  if (element.classList.contains('replying')) element.hidden = html === '';
  keep();
}

/** @param {List} list Children are matched by id; what has not changed is not touched. */
export function arrange([id, keys, changed]) {
  const list = byId(id);
  if (!list) return;
  const keep = focus();
  const isFirst = list.childElementCount === 0;
  for (const [key, html] of changed) {
    const child = parse(html).firstElementChild;
    const old = byId(key);
    if (!child) continue;
    if (old?.parentElement === list) morph(old, child);
    else {
      if (!isFirst && key === keys[keys.length - 1]) child.classList.add('arriving');
      list.append(child);
    }
  }
  const wanted = new Set(keys);
  for (const child of [...list.children]) if (!wanted.has(child.id)) child.remove();
  let place = list.firstElementChild;
  for (const key of keys) {
    if (place?.id === key) place = place.nextElementSibling;
    else {
      const child = byId(key);
      if (child) list.insertBefore(child, place);
    }
  }
  keep();
}

/** @param {string} html */
function parse(html) {
  const template = document.createElement('template');
  template.innerHTML = policy.createHTML(html);
  return template.content;
}

/**
 * Makes a node look like another one and keeps what people are at: focus, typed text, a button
 * that is being pressed. Elements with another id or of another kind are replaced. What is in a
 * slot comes by itself and stays, unless the slot is for another conversation now.
 *
 * @param {Node} old
 * @param {Node} now
 */
function morph(old, now) {
  if (old.isEqualNode(now)) return;
  const [was, is] = [/** @type {Element} */ (old), /** @type {Element} */ (now)];
  if (old.nodeName !== now.nodeName || was.id !== is.id || does(was) !== does(is)) return replace(was, is);
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = now.nodeValue;
    return;
  }
  const stays = is.hasAttribute('data-slot') && was.getAttribute('data-group') === is.getAttribute('data-group');
  const lit = was.classList.contains('found');
  for (const { name } of [...was.attributes]) if (!is.hasAttribute(name)) was.removeAttribute(name);
  for (const { name, value } of is.attributes) if (was.getAttribute(name) !== value) was.setAttribute(name, value);
  if (lit) was.classList.add('found');
  if (!stays && was.nodeName !== 'TEXTAREA') morphChildren(was, is);
}

/**
 * Who presses a button means what it said when they aimed: one that does something else, or does it
 * to somebody else, is another button.
 *
 * @param {Element} element
 */
function does(element) {
  return element instanceof HTMLButtonElement ? JSON.stringify({ ...element.dataset }) : '';
}

/** @param {Element} was @param {Element} is */
function replace(was, is) {
  const isSameAct = was === document.activeElement && was instanceof HTMLElement && was.dataset.action === /** @type {HTMLElement} */ (is).dataset?.action;
  was.replaceWith(is);
  if (isSameAct) /** @type {HTMLElement} */ (is).focus({ preventScroll: true });
}

/** @param {Element} element @param {ParentNode & Node} wanted */
function morphChildren(element, wanted) {
  const nodes = [...wanted.childNodes];
  const kept = [...element.childNodes];
  for (const extra of kept.slice(nodes.length)) extra.remove();
  nodes.forEach((node, at) => {
    const old = kept[at];
    if (old) morph(old, node);
    else element.append(node);
  });
}

/** What had the keyboard and was only moved has it afterwards. */
function focus() {
  const active = /** @type {HTMLElement | null} */ (document.activeElement);
  return () => {
    if (active && active !== document.activeElement && active.isConnected) active.focus({ preventScroll: true });
  };
}
