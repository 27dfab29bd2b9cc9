/**
 * Seals and opens the frames of a group call (RFC 9605, suite AES_256_GCM_SHA512_128), in a worker of
 * its own: the server passes on what it cannot read. Owns the counters: no nonce is used twice with
 * a key. Keys come from the client core.
 *
 * @module
 */

import { TAG_BYTES, head, mark, markBytes, nonce, parse } from './frame.js';

/** @typedef {[kid: bigint, raw: Uint8Array, salt: Uint8Array, isMine: boolean]} Row */
/** @typedef {{ raw: Uint8Array, salt: Uint8Array, key: CryptoKey, counter: number, seen: Seen }} Key */
/**
 * The place for one track: whose frames it takes, and whether none of theirs has come yet.
 *
 * @typedef {{ number: number, sender?: number, isNew?: boolean, transformer?: any, isLacking?: boolean }} Slot
 */

/** A KID is `track << 12 | leaf << 4 | epoch mod 16`. */
const EPOCHS = 16;
const TRACK_SHIFT = 12;
/** Frames that may come later than one that was sent after them. */
const WINDOW = 512;
const COUNTER_MAX = 2 ** 40;

/** @type {Map<number, Key>} */ let keys = new Map();
/** What this device sends with, by track: keys of the newest epoch. @type {Map<number, number>} */ let own = new Map();
/** @type {Map<number, Slot>} */ const slots = new Map();
/** One batch of keys after the other. */ let turn = Promise.resolve();
const counts = { sealed: 0, opened: 0, refused: 0 };

self.onmessage = ({ data }) => {
  if (data.keys) turn = turn.then(() => learn(data.keys, data.epoch)).catch(() => own.clear());
  if (data.slots) for (const [number, sender] of data.slots) Object.assign(slot(number), { sender, isNew: true });
  if (data.gone) for (const number of data.gone) slots.delete(number);
  if (data.count) self.postMessage(counts);
};

/** @param {any} event */
self.onrtctransform = ({ transformer }) => {
  const { options: { track, slot: number }, readable, writable } = transformer;
  if (number !== undefined) slot(number).transformer = transformer;
  const work = number === undefined ? (/** @type {any} */ frame) => seal(frame, track) : (/** @type {any} */ frame) => open(frame, slot(number));
  const each = new TransformStream({
    async transform(frame, controller) {
      if (await work(frame).catch(() => false)) controller.enqueue(frame);
    },
  });
  readable.pipeThrough(each).pipeTo(writable).catch(() => {});
};

/** Of frames that came: which numbers were there already. */
class Seen {
  #top = -1;
  #bits = new Uint8Array(WINDOW);

  /** @param {number} counter Of a frame that was opened. */
  note(counter) {
    for (let at = Math.max(this.#top + 1, counter - WINDOW + 1); at <= counter; at += 1) this.#bits[at % WINDOW] = 0;
    this.#top = Math.max(this.#top, counter);
    this.#bits[counter % WINDOW] = 1;
  }

  /** @param {number} counter */
  has(counter) {
    return counter <= this.#top - WINDOW || (counter <= this.#top && this.#bits[counter % WINDOW] === 1);
  }
}

/** @param {number} number */
function slot(number) {
  const found = slots.get(number) ?? { number };
  slots.set(number, found);
  return found;
}

/** @param {Row[]} rows @param {bigint} epoch */
async function learn(rows, epoch) {
  const now = new Map();
  const mine = new Map();
  for (const [name, raw, salt, isMine] of rows) {
    const kid = Number(name);
    const before = keys.get(kid);
    // A key that stays keeps its counter.
    now.set(kid, before && isSame(before.raw, raw) ? before : { raw, salt, counter: 0, seen: new Seen(), key: await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, [isMine ? 'encrypt' : 'decrypt']) });
    if (isMine && kid % EPOCHS === Number(epoch % BigInt(EPOCHS))) mine.set(kid >> TRACK_SHIFT, kid);
  }
  [keys, own] = [now, mine];
  for (const waiting of slots.values()) wake(waiting);
}

/** What could not be opened may have been the picture that all others build on. @param {Slot} waiting */
function wake(waiting) {
  if (!waiting.isLacking) return;
  waiting.isLacking = false;
  waiting.transformer?.sendKeyFrameRequest?.().catch(() => {});
}

/** @param {any} frame @param {number} track @returns {Promise<boolean>} */
async function seal(frame, track) {
  const kid = own.get(track);
  const key = kid === undefined ? undefined : keys.get(kid);
  if (kid === undefined || !key || key.counter >= COUNTER_MAX) return false;
  const counter = key.counter;
  key.counter += 1;
  const [before, header] = [mark(frame), head(kid, counter)];
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce(key.salt, counter), additionalData: joined(header, before), tagLength: TAG_BYTES * 8 }, key.key, frame.data);
  frame.data = joined(before, header, new Uint8Array(sealed)).buffer;
  counts.sealed += 1;
  return true;
}

/** @param {any} frame @param {Slot} into @returns {Promise<boolean>} */
async function open(frame, into) {
  const whole = new Uint8Array(frame.data);
  const before = whole.subarray(0, markBytes(frame, whole));
  const bytes = whole.subarray(before.length);
  const read = parse(bytes);
  const key = read && keys.get(read.kid);
  // The server may not put one person's frames in another's place.
  const sender = read && Math.floor(read.kid / EPOCHS);
  const isFor = read && sender === into.sender;
  if (isFor && !key) into.isLacking = true;
  if (!read || !key || !isFor || key.seen.has(read.counter)) return refuse();
  const additionalData = joined(bytes.subarray(0, read.length), before);
  try {
    frame.data = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: nonce(key.salt, read.counter), additionalData, tagLength: TAG_BYTES * 8 }, key.key, bytes.subarray(read.length));
  } catch {
    into.isLacking = true;
    return refuse();
  }
  key.seen.note(read.counter);
  // The place was given to somebody else meanwhile.
  if (sender !== into.sender) return refuse();
  counts.opened += 1;
  if (into.isNew) self.postMessage({ first: [into.number, sender, frame.getMetadata?.().rtpTimestamp ?? frame.timestamp] });
  into.isNew = false;
  return true;
}

function refuse() {
  counts.refused += 1;
  return false;
}

/** @param {Uint8Array[]} parts */
function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

/** @param {Uint8Array} one @param {Uint8Array} other */
function isSame(one, other) {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
