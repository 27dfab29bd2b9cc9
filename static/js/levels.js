/**
 * Who speaks. Marks elements whose `data-voice` names a track while there is sound in it.
 *
 * @module
 */

const EVERY_MS = 120;
/** Root mean square of samples between -1 and 1. */
const SPEECH = 0.015;

export class Levels {
  /** @type {AudioContext | undefined} */ #audio;
  /** @type {Map<string, { source: MediaStreamAudioSourceNode, analyser: AnalyserNode }>} */ #heard = new Map();
  /** @type {ReturnType<typeof setInterval> | undefined} */ #timer;
  #samples = new Float32Array(1024);

  /** @param {string} name @param {MediaStreamTrack | undefined} track */
  hear(name, track) {
    this.#heard.get(name)?.source.disconnect();
    this.#heard.delete(name);
    mark(name, false);
    if (!track) return;
    this.#audio ??= new AudioContext();
    const source = this.#audio.createMediaStreamSource(new MediaStream([track]));
    const analyser = this.#audio.createAnalyser();
    analyser.fftSize = this.#samples.length;
    source.connect(analyser);
    this.#heard.set(name, { source, analyser });
    this.#timer ??= setInterval(() => this.#mark(), EVERY_MS);
  }

  close() {
    clearInterval(this.#timer);
    this.#heard.clear();
    this.#audio?.close();
    this.#audio = undefined;
  }

  #mark() {
    for (const [name, { analyser }] of this.#heard) {
      analyser.getFloatTimeDomainData(this.#samples);
      const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / this.#samples.length;
      mark(name, Math.sqrt(power) > SPEECH);
    }
  }
}

/** @param {string} name @param {boolean} speaks */
function mark(name, speaks) {
  for (const element of document.querySelectorAll(`[data-voice="${name}"]`)) element.classList.toggle('speaking', speaks);
}
