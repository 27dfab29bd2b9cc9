/**
 * The form of sealed frames (RFC 9605): which key, which number, and the nonce that follows from it.
 *
 * @module
 */

export const TAG_BYTES = 16;
/** How VP8 begins a frame with which pictures can begin, of no size, and any other (RFC 6386, section 9.1). */
const KEY = Uint8Array.of(0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0);
const DELTA = Uint8Array.of(0x11);

/**
 * What stands before a sealed picture, in clear. Browsers without descriptors, and the server where
 * they send, look there to know whether pictures can begin with it; it tells nothing else.
 *
 * @param {any} frame
 */
export function mark(frame) {
  if (!(frame instanceof RTCEncodedVideoFrame)) return new Uint8Array();
  return frame.type === 'key' ? KEY : DELTA;
}

/** How much of what came is its mark. @param {any} frame @param {Uint8Array} bytes */
export function markBytes(frame, bytes) {
  if (!(frame instanceof RTCEncodedVideoFrame)) return 0;
  return (bytes[0] ?? 0) & 1 ? DELTA.length : KEY.length;
}

/** RFC 9605, section 4.3. @param {number} kid @param {number} counter */
export function head(kid, counter) {
  const [kidBytes, counterBytes] = [long(kid), long(counter)];
  const first = (kid < 8 ? kid << 4 : 0x80 | ((kidBytes.length - 1) << 4)) | (counter < 8 ? counter : 0x08 | (counterBytes.length - 1));
  return new Uint8Array([first, ...(kid < 8 ? [] : kidBytes), ...(counter < 8 ? [] : counterBytes)]);
}

/** @param {Uint8Array} bytes */
export function parse(bytes) {
  const [first] = bytes;
  if (first === undefined) return undefined;
  const kidLength = first & 0x80 ? ((first >> 4) & 7) + 1 : 0;
  const counterLength = first & 0x08 ? (first & 7) + 1 : 0;
  const length = 1 + kidLength + counterLength;
  // No key of a call has a longer name, and none seals so many frames.
  if (bytes.length < length + TAG_BYTES || kidLength > 2 || counterLength > 5) return undefined;
  const kid = kidLength ? number(bytes.subarray(1, 1 + kidLength)) : (first >> 4) & 7;
  const counter = counterLength ? number(bytes.subarray(1 + kidLength, length)) : first & 7;
  return { kid, counter, length };
}

/** Section 4.4.3. @param {Uint8Array} salt @param {number} counter */
export function nonce(salt, counter) {
  const iv = salt.slice();
  long(counter).reverse().forEach((byte, at) => (iv[iv.length - 1 - at] = (iv[iv.length - 1 - at] ?? 0) ^ byte));
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
