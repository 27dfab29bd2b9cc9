/**
 * A call to oneself: what the microphone hears goes out to the server's relay, comes back, and is
 * heard a moment later, so that one can judge how one sounds to others.
 *
 * @module
 */

import { Devices } from './devices.js';
import { introduce, pair } from './pair.js';

const DELAY_S = 1.5;
const CONNECT_MS = 8_000;

export class Echo {
  #devices = new Devices(() => {});
  #context = new AudioContext();
  #ends;
  #sound = document.createElement('audio');
  /** Some browsers let a stream flow only while an element plays it. */
  #drain = document.createElement('audio');

  /** @param {RTCIceServer[]} servers */
  constructor(servers) {
    this.#ends = pair(servers);
    this.#sound.id = 'echo-sound';
    this.#drain.muted = true;
    document.body.append(this.#sound, this.#drain);
  }

  /** @returns {Promise<'on' | 'missing' | 'silent'>} Whether one hears oneself. */
  async start() {
    await this.#devices.turn('mic', true);
    const { mic } = this.#devices.tracks;
    if (!mic) return 'missing';
    const { near, far } = this.#ends;
    far.ontrack = ({ track }) => this.#play(track);
    near.addTrack(mic);
    await introduce(this.#ends);
    return new Promise((over) => {
      near.onconnectionstatechange = () => near.connectionState === 'connected' && over('on');
      setTimeout(() => over('silent'), CONNECT_MS);
    });
  }

  close() {
    this.#devices.close();
    this.#ends.near.close();
    this.#ends.far.close();
    this.#context.close();
    this.#sound.remove();
    this.#drain.remove();
  }

  /** @param {MediaStreamTrack} track */
  #play(track) {
    const stream = new MediaStream([track]);
    const out = this.#context.createMediaStreamDestination();
    const delay = new DelayNode(this.#context, { maxDelayTime: DELAY_S, delayTime: DELAY_S });
    this.#context.createMediaStreamSource(stream).connect(delay).connect(out);
    for (const [element, source] of /** @type {const} */ ([[this.#drain, stream], [this.#sound, out.stream]])) {
      element.srcObject = source;
      element.play().catch(() => {});
    }
  }
}
