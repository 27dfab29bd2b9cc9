/**
 * Microphone, camera and screen of this device. Owns their streams and why one is missing. A call
 * goes on with what there is.
 *
 * @module
 */

/** `waiting` while the browser asks. @typedef {'off' | 'waiting' | 'on' | 'refused' | 'absent' | 'busy'} State */
/** @typedef {'mic' | 'camera' | 'screen'} Kind */

const CHOICES = 'roost-devices';
const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
/** @type {Record<string, State>} */
const REASONS = { NotAllowedError: 'refused', SecurityError: 'refused', NotFoundError: 'absent', OverconstrainedError: 'absent' };

export class Devices {
  /** @type {Record<Kind, State>} */ states = { mic: 'off', camera: 'off', screen: 'off' };
  /** @type {Partial<Record<Kind, MediaStreamTrack>>} */ tracks = {};
  /** @type {(kind: Kind) => void} */ #changed;
  /** What was asked for last is what counts: the browser may take long to answer. */
  #asked = { mic: 0, camera: 0, screen: 0 };
  /** What is opened goes on muted. */ #isMuted = false;
  #over = false;

  /** @param {(kind: Kind) => void} changed Its track or state is another one now. */
  constructor(changed) {
    this.#changed = changed;
  }

  /** @param {Kind} kind @param {boolean} on */
  async turn(kind, on) {
    const track = this.tracks[kind];
    if (kind === 'mic' && track) {
      // Kept open, so that the first word after it is heard.
      [track.enabled, this.#isMuted] = [on, !on];
      return this.#set(kind, on ? 'on' : 'off', track);
    }
    if (kind === 'mic') this.#isMuted = !on;
    if (!on) return this.#stop(kind);
    if (this.states[kind] === 'on' || this.states[kind] === 'waiting') return;
    await this.#open(kind);
  }

  /** Another microphone or camera, from now on. @param {Kind} kind @param {string} id */
  async choose(kind, id) {
    remember(kind, id);
    if (!this.tracks[kind] && this.states[kind] !== 'waiting') return;
    this.#stop(kind);
    await this.#open(kind);
  }

  close() {
    this.#over = true;
    for (const track of Object.values(this.tracks)) track.stop();
    this.tracks = {};
  }

  /** @param {Kind} kind */
  async #open(kind) {
    this.#asked[kind] += 1;
    const asked = this.#asked[kind];
    const isLate = () => this.#over || asked !== this.#asked[kind];
    this.#set(kind, 'waiting');
    const track = await ask(kind).catch((error) => {
      const reason = REASONS[error instanceof DOMException ? error.name : ''] ?? 'busy';
      // Who closes the choice of a screen has not been refused anything.
      if (!isLate()) this.#set(kind, kind === 'screen' && reason === 'refused' ? 'off' : reason);
    });
    if (!track) return;
    if (isLate()) return track.stop();
    track.onended = () => this.tracks[kind] === track && this.#set(kind, kind === 'screen' ? 'off' : 'absent');
    const isMuted = kind === 'mic' && this.#isMuted;
    track.enabled = !isMuted;
    this.#set(kind, isMuted ? 'off' : 'on', track);
  }

  /** @param {Kind} kind */
  #stop(kind) {
    this.#asked[kind] += 1;
    this.tracks[kind]?.stop();
    this.#set(kind, 'off');
  }

  /** @param {Kind} kind @param {State} state @param {MediaStreamTrack} [track] */
  #set(kind, state, track) {
    this.states[kind] = state;
    if (track) this.tracks[kind] = track;
    else delete this.tracks[kind];
    this.#changed(kind);
  }
}

/** Microphones, cameras and loudspeakers, by the names that the browser tells once it may. */
export async function list() {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const kinds = /** @type {const} */ ({ audioinput: 'mic', videoinput: 'camera', audiooutput: 'speaker' });
  return all
    .filter(({ deviceId, label }) => deviceId && label)
    .map(({ kind, deviceId, label }) => ({ kind: kinds[kind], id: deviceId, label, chosen: chosen(kinds[kind]) === deviceId }));
}

/** @param {string} kind */
export function chosen(kind) {
  try { return JSON.parse(localStorage.getItem(CHOICES) ?? '{}')[kind]; } catch { return undefined; }
}

/** @param {string} kind @param {string} id */
export function remember(kind, id) {
  try {
    const all = JSON.parse(localStorage.getItem(CHOICES) ?? '{}');
    localStorage.setItem(CHOICES, JSON.stringify({ ...all, [kind]: id }));
  } catch { /* Storage is off: the choice holds for this call. */ }
}

/** @param {Kind} kind @returns {Promise<MediaStreamTrack>} */
async function ask(kind) {
  const media = navigator.mediaDevices;
  if (!media || (kind === 'screen' && !media.getDisplayMedia)) throw new DOMException('none here', 'NotFoundError');
  const id = chosen(kind);
  const which = id ? { deviceId: { ideal: id } } : {};
  const stream = kind === 'screen'
    ? await media.getDisplayMedia({ video: { frameRate: { ideal: 15 } }, audio: false })
    : await media.getUserMedia(kind === 'mic' ? { audio: { ...AUDIO, ...which } } : { video: { ...VIDEO, ...which } });
  const [track] = stream.getTracks();
  if (!track) throw new DOMException('nothing came', 'NotFoundError');
  if (kind === 'screen') track.contentHint = 'detail';
  return track;
}
