/**
 * Tones of a call: that one is called, and that it rings at the other end. Browsers keep a page
 * silent that nobody has touched yet; then only the screen tells.
 *
 * @module
 */

/** Hertz, seconds of sound, seconds until the next. @type {Record<string, [number[], number, number]>} */
const TONES = {
  in: [[660, 880], 0.9, 2.4],
  out: [[425], 1, 4],
};
const LOUDNESS = 0.08;

/** @type {AudioContext | undefined} */ let audio;
/** @type {ReturnType<typeof setInterval> | undefined} */ let again;

/** @param {string} tone `in`, `out`, or anything else for silence. */
export function ring(tone) {
  clearInterval(again);
  again = undefined;
  const [notes, length, pause] = TONES[tone] ?? [];
  if (!notes || !length || !pause) return silence();
  audio ??= new AudioContext();
  play(notes, length);
  again = setInterval(() => play(notes, length), pause * 1_000);
}

function silence() {
  audio?.close();
  audio = undefined;
}

/** @param {number[]} notes One after the other. @param {number} length Of all together. */
function play(notes, length) {
  const on = audio;
  if (!on) return;
  // A new one sleeps until it is woken.
  if (on.state !== 'running') return void on.resume().then(() => on === audio && on.state === 'running' && sound(on, notes, length)).catch(() => {});
  sound(on, notes, length);
}

/** @param {AudioContext} on @param {number[]} notes @param {number} length */
function sound(on, notes, length) {
  const part = length / notes.length;
  for (const [at, hertz] of notes.entries()) note(on, hertz, on.currentTime + at * part, part);
}

/** @param {AudioContext} on @param {number} hertz @param {number} start @param {number} length */
function note(on, hertz, start, length) {
  const [tone, volume] = [on.createOscillator(), on.createGain()];
  tone.frequency.value = hertz;
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(LOUDNESS, start + 0.03);
  volume.gain.setValueAtTime(LOUDNESS, start + length - 0.06);
  volume.gain.linearRampToValueAtTime(0, start + length);
  tone.connect(volume).connect(on.destination);
  tone.start(start);
  tone.stop(start + length);
}
