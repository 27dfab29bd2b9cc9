/**
 * Seals and opens the frames of a group call (RFC 9605, suite AES_256_GCM_SHA512_128): the server
 * passes on what it cannot read. Runs in a worker of its own; keys come from the client core.
 *
 * @module
 */

/** @typedef {{ kid: number, key: CryptoKey, raw: Uint8Array, salt: Uint8Array, counter: number }} Key */

const TAG_BITS = 128;
/** A KID is `track << 12 | leaf << 4 | epoch mod 16`. */
const EPOCH_BITS = 4;

/** @type {Map<number, Key>} */ let keys = new Map();
/** One's own key of each track, of the newest epoch. @type {Map<number, Key>} */ let own = new Map();
/** Which sender's track a place on the screen is for: the server may not put another there. @type {Map<string, number>} */ const wanted = new Map();
/** Keys are imported one batch after the other. */ let turn = Promise.resolve();
const counts = { sealed: 0, opened: 0, refused: 0 };

self.onmessage = ({ data }) => {
  if (data.keys) turn = turn.then(() => learn(data.keys, data.epoch));
  if (data.slot) wanted.set(data.slot, data.wanted);
  if (data.count) self.postMessage({ counts });
};

/** @param {any} event */
self.onrtctransform = ({ transformer }) => {
  const { options, readable, writable } = transformer;
  const work = options.slot === undefined ? (/** @type {any} */ frame) => seal(frame, options.track) : (/** @type {any} */ frame) => open(frame, options.slot);
  const each = new TransformStream({
    async transform(frame, controller) {
      if (await work(frame).catch(() => false)) controller.enqueue(frame);
    },
  });
  readable.pipeThrough(each).pipeTo(writable).catch(() => {});
};

/** @param {[kid: number, raw: Uint8Array, salt: Uint8Array, isMine: boolean][]} rows @param {number} epoch */
async function learn(rows, epoch) {
  const now = new Map();
  const mine = new Map();
  for (const [kid, raw, salt, isMine] of rows) {
    const before = keys.get(kid);
    const same = before && before.raw.every((byte, at) => byte === raw[at]);
    // A key that stays keeps its counter: no nonce is used twice.
    const key = same ? before : { kid, raw, salt, counter: 0, key: await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, [isMine ? 'encrypt' : 'decrypt']) };
    if (isMine) {
      if (kid % (1 << EPOCH_BITS) === epoch % (1 << EPOCH_BITS)) mine.set(kid >> 12, key);
      // One does not hear oneself, and the counter must outlive the epoch that is over.
      now.set(kid, key);
    } else now.set(kid, key);
  }
  [keys, own] = [now, mine];
}

/** @param {any} frame @param {number} track @returns {Promise<boolean>} */
async function seal(frame, track) {
  const key = own.get(track);
  if (!key) return false;
  const header = head(key.kid, key.counter);
  const iv = nonce(key.salt, key.counter);
  key.counter += 1;
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: header, tagLength: TAG_BITS }, key.key, frame.data);
  const whole = new Uint8Array(header.length + sealed.byteLength);
  whole.set(header);
  whole.set(new Uint8Array(sealed), header.length);
  frame.data = whole.buffer;
  counts.sealed += 1;
  return true;
}

/** @param {any} frame @param {string} slot @returns {Promise<boolean>} */
async function open(frame, slot) {
  const bytes = new Uint8Array(frame.data);
  const read = parse(bytes);
  const key = read && keys.get(read.kid);
  if (!read || !key || read.kid >> EPOCH_BITS !== wanted.get(slot)) {
    counts.refused += 1;
    return false;
  }
  const additionalData = bytes.subarray(0, read.length);
  const iv = nonce(key.salt, read.counter);
  try {
    frame.data = await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData, tagLength: TAG_BITS }, key.key, bytes.subarray(read.length));
  } catch {
    counts.refused += 1;
    return false;
  }
  counts.opened += 1;
  return true;
}

/** RFC 9605, section 4.3. @param {number} kid @param {number} counter */
export function head(kid, counter) {
  const [kidBytes, counterBytes] = [long(kid), long(counter)];
  const first = (kid < 8 ? kid << 4 : 0x80 | ((kidBytes.length - 1) << 4)) | (counter < 8 ? counter : 0x08 | (counterBytes.length - 1));
  return new Uint8Array([first, ...(kid < 8 ? [] : kidBytes), ...(counter < 8 ? [] : counterBytes)]);
}

/** @param {Uint8Array} bytes */
export function parse(bytes) {
  const first = bytes[0];
  if (first === undefined) return undefined;
  const kidLength = first & 0x80 ? ((first >> 4) & 7) + 1 : 0;
  const counterLength = first & 0x08 ? (first & 7) + 1 : 0;
  const length = 1 + kidLength + counterLength;
  // No key of ours has a longer name, and no call so many frames.
  if (bytes.length < length || kidLength > 2 || counterLength > 6) return undefined;
  const kid = kidLength ? number(bytes.subarray(1, 1 + kidLength)) : (first >> 4) & 7;
  const counter = counterLength ? number(bytes.subarray(1 + kidLength, length)) : first & 7;
  return { kid, counter, length };
}

/** Section 4.4.3. @param {Uint8Array} salt @param {number} counter */
function nonce(salt, counter) {
  const iv = salt.slice();
  long(counter).reverse().forEach((byte, at) => { iv[iv.length - 1 - at] = (iv[iv.length - 1 - at] ?? 0) ^ byte; });
  return iv;
}

/** Big-endian, as short as it can be. @param {number} value */
function long(value) {
  const bytes = [];
  for (let rest = value; bytes.length === 0 || rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return bytes;
}

/** @param {Uint8Array} bytes */
function number(bytes) {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}
