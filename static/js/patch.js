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
  const keep = remember(element);
  element.innerHTML = policy.createHTML(html);
  element.hidden = html === '' && element.classList.contains('replying');
  keep();
}

/** @param {List} list Children are matched by id; what has not changed is not touched. */
export function arrange([id, keys, changed]) {
  const list = byId(id);
  if (!list) return;
  const keep = remember(list);
  const isFirst = list.childElementCount === 0;
  for (const [key, html] of changed) {
    const child = make(html);
    const old = byId(key);
    if (old?.parentElement === list) old.replaceWith(child);
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
function make(html) {
  const template = document.createElement('template');
  template.innerHTML = policy.createHTML(html);
  return /** @type {HTMLElement} */ (template.content.firstElementChild);
}

/**
 * What people typed and where they are survives new markup with the same ids.
 *
 * @param {HTMLElement} element
 */
function remember(element) {
  const active = /** @type {HTMLElement | null} */ (document.activeElement);
  const focus = active && element.contains(active) ? path(active, element) : undefined;
  const fields = [...element.querySelectorAll('input[id], textarea[id]')].map((field) => {
    const { id, value, checked, selectionStart, selectionEnd } = /** @type {HTMLInputElement} */ (field);
    return { id, value, checked, selectionStart, selectionEnd };
  });
  return () => {
    for (const was of fields) {
      const field = /** @type {HTMLInputElement | null} */ (byId(was.id));
      if (!field || field.value === was.value && field.checked === was.checked) continue;
      if (was.value) field.value = was.value;
      field.checked = was.checked;
      if (field === focus?.() && was.selectionStart !== null) field.setSelectionRange(was.selectionStart, was.selectionEnd);
    }
    if (focus && !element.contains(document.activeElement)) focus()?.focus({ preventScroll: true });
  };
}

/** Finds an element again: by its id, or as the same kind of thing inside the nearest one with an id. */
function path(/** @type {HTMLElement} */ element, /** @type {HTMLElement} */ within) {
  const named = /** @type {HTMLElement | null} */ (element.closest('[id]'));
  const id = named?.id ?? within.id;
  if (!named || named === element) return () => byId(id);
  const tag = element.tagName.toLowerCase();
  const at = [...named.querySelectorAll(tag)].indexOf(element);
  return () => /** @type {HTMLElement | null} */ (byId(id)?.querySelectorAll(tag)[at] ?? byId(id));
}
