/**
 * The page's side of a group call: what is sent, what is heard, what is on the screen. What there is
 * to see comes from the worker; what is on the screen is what the server is asked for.
 *
 * @module
 */

import { Devices, chosen } from './devices.js';
import { Levels } from './levels.js';
import { Link } from './link.js';
import { byId, script } from './patch.js';
import { Seat, play } from './play.js';
import { Watch } from './quality.js';

/** @typedef {import('./devices.js').Kind} Kind */
/** @typedef {import('./link.js').Wanted} Wanted */
/** @typedef {(action: string, fields?: [string, string][]) => void} Tell */

/** Heights that are asked for: sizes of tiles change with every pixel of a window. */
const HEIGHTS = [90, 180, 360, 720, 1080];
const LOOK_MS = 500;
/** A connection that cannot be made is tried again after so long. */
const AGAIN_MS = 1_000;

export class Room {
  /** @type {Link | undefined} */ #link;
  #seals = new Worker(script(new URL('./sframe.js', import.meta.url).href), { type: 'module', name: 'seals' });
  #levels = new Levels();
  /** @type {[track: string, leaf: number, kind: Kind][]} */ #tracks = [];
  /** What arrives, by `leaf kind`. @type {Map<string, Seat>} */ #theirs = new Map();
  /** @type {Map<number, HTMLAudioElement>} */ #sounds = new Map();
  /** @type {Watch | undefined} */ #watch;
  /** @type {RTCIceServer[]} */ #servers = [];
  #quality = '';
  #told = '';
  #timer;
  #over = false;
  #tell;

  /** @param {boolean} video @param {Tell} tell */
  constructor(video, tell) {
    this.#tell = tell;
    this.devices = new Devices((kind) => this.#onDevice(kind));
    if (!Link.isPossible()) return;
    this.devices.turn('mic', true);
    if (video) this.devices.turn('camera', true);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** A newer pass for the relay, for the next connection. @param {RTCIceServer[]} servers */
  relays(servers) {
    this.#servers = servers;
  }

  /** Makes a new connection. @param {RTCIceServer[]} [servers] */
  connect(servers = this.#servers) {
    if (this.#over) return;
    this.#servers = servers;
    if (!Link.isPossible()) return this.#tell('room-unable');
    if (this.#link) this.#tell('room-connected', [['is', 'false']]);
    this.#link?.close();
    for (const wanted of this.#theirs.keys()) this.#lose(wanted);
    const link = new Link(this.#seals, servers, {
      offer: (sdp, isNew, sent) => this.#tell('room-offer', [['offer', sdp], ['new', String(isNew)], ...sent.map(([mid, kind]) => /** @type {[string, string]} */ (['sent', `${mid} ${kind}`]))]),
      watch: (wants) => this.#tell('room-watch', wants.map((want) => ['want', want.join(' ')])),
      track: ({ leaf, kind }, track) => {
        this.#lose(`${leaf} ${kind}`);
        this.#theirs.set(`${leaf} ${kind}`, new Seat(track));
        if (kind === 'mic') this.#levels.hear(String(leaf), track);
        this.show();
      },
      begins: ({ leaf, kind }, at) => this.#theirs.get(`${leaf} ${kind}`)?.begins(at),
      // The place goes on with somebody else, and so does its track.
      lost: ({ leaf, kind }) => {
        this.#lose(`${leaf} ${kind}`);
        if (kind === 'mic') this.#levels.hear(String(leaf), undefined);
        this.show();
      },
      connected: (is) => this.#tell('room-connected', [['is', String(is)]]),
      broken: () => setTimeout(() => this.#link === link && this.connect(), AGAIN_MS),
    });
    this.#link = link;
    for (const [kind, track] of Object.entries(this.devices.tracks)) link.send(/** @type {Kind} */ (kind), track);
    this.#watch?.stop();
    this.#watch = new Watch(() => link.stats(), (quality) => {
      this.#quality = quality;
      this.#say();
    });
    this.#look();
  }

  /** The server may have forgotten this connection. */
  again() {
    this.#link?.offer();
  }

  /** @param {string} sdp */
  answer(sdp) {
    this.#link?.answer(sdp);
  }

  refused() {
    this.#link?.close();
    this.#link = undefined;
  }

  /** @param {bigint} epoch @param {any[]} keys */
  keys(epoch, keys) {
    this.#seals.postMessage({ keys, epoch });
  }

  /** Who sends what. @param {[string, number, Kind][]} tracks */
  tracks(tracks) {
    this.#tracks = tracks;
    this.#look();
  }

  /** @param {Kind} kind */
  toggle(kind) {
    const { states } = this.devices;
    if (Link.isPossible()) this.devices.turn(kind, states[kind] !== 'on' && states[kind] !== 'waiting');
  }

  networkChanged() {
    if (this.#link) this.connect();
  }

  speakThrough() {
    for (const sound of this.#sounds.values()) sound.setSinkId?.(chosen('speaker') ?? '').catch(() => {});
  }

  /** How many frames were sealed, opened and refused. @returns {Promise<any>} */
  counts() {
    return new Promise((resolve) => {
      this.#seals.onmessage = ({ data }) => 'sealed' in data && resolve(data);
      this.#seals.postMessage({ count: true });
    });
  }

  leave() {
    this.close();
  }

  close() {
    this.#over = true;
    clearInterval(this.#timer);
    this.#watch?.stop();
    this.#levels.close();
    this.#link?.close();
    for (const seat of this.#theirs.values()) seat.close();
    this.#seals.terminate();
    this.devices.close();
    for (const sound of this.#sounds.values()) sound.remove();
    this.#sounds.clear();
  }

  /** Puts tracks where they belong. */
  show() {
    for (const video of pictures()) {
      const { leaf, kind } = video.dataset;
      const theirs = this.#theirs.get(`${leaf} ${kind}`);
      if (theirs) theirs.show(video);
      else play(video, leaf === 'own' ? this.devices.tracks.camera : undefined);
    }
    const heard = this.#tracks.filter(([, , kind]) => kind === 'mic').map(([, leaf]) => leaf);
    for (const [leaf, sound] of this.#sounds) if (!heard.includes(leaf)) this.#silence(leaf, sound);
    for (const leaf of heard) this.#sound(leaf);
  }

  /** @param {string} wanted */
  #lose(wanted) {
    this.#theirs.get(wanted)?.close();
    this.#theirs.delete(wanted);
  }

  /** @param {number} leaf */
  #sound(leaf) {
    const track = this.#theirs.get(`${leaf} mic`)?.track;
    if (!track && !this.#sounds.has(leaf)) return;
    const sound = this.#sounds.get(leaf) ?? document.createElement('audio');
    if (!this.#sounds.has(leaf)) {
      sound.id = `room-sound-${leaf}`;
      sound.autoplay = true;
      document.body.append(sound);
      this.#sounds.set(leaf, sound);
      sound.setSinkId?.(chosen('speaker') ?? '').catch(() => {});
    }
    play(sound, track);
  }

  /** @param {number} leaf @param {HTMLAudioElement} sound */
  #silence(leaf, sound) {
    sound.remove();
    this.#sounds.delete(leaf);
    this.#lose(`${leaf} mic`);
    this.#levels.hear(String(leaf), undefined);
  }

  /** Everybody is heard; what is on the screen is seen, in the size that it has there. */
  #look() {
    const seen = new Map(pictures().map((video) => [`${video.dataset.leaf} ${video.dataset.kind}`, height(video)]));
    const wanted = this.#tracks.flatMap(([track, leaf, kind]) => {
      const of = kind === 'mic' ? 1 : seen.get(`${leaf} ${kind}`) ?? 0;
      return of ? [{ track, leaf, kind, height: of }] : [];
    });
    this.#link?.want(wanted);
    this.show();
  }

  /** @param {Kind} kind */
  #onDevice(kind) {
    const track = this.devices.tracks[kind];
    this.#link?.send(kind, track);
    if (kind === 'mic') this.#levels.hear('own', track);
    this.show();
    this.#say();
  }

  /** Tells the worker what this page is at, if it is not what was told last. */
  #say() {
    const { mic, camera, screen } = this.devices.states;
    const fields = /** @type {[string, string][]} */ ([['mic', mic], ['camera', camera], ['screen', screen], ['quality', this.#quality]]);
    const told = JSON.stringify(fields);
    if (told === this.#told) return;
    this.#told = told;
    this.#tell('room-media', fields);
  }
}

/** @returns {HTMLVideoElement[]} */
function pictures() {
  return [.../** @type {HTMLElement} */ (byId('room-tiles') ?? document.createElement('div')).querySelectorAll('video')];
}

/** Lines that are worth asking for; 0 for what cannot be seen. @param {HTMLVideoElement} video */
function height(video) {
  if (video.hidden || document.hidden || !video.clientHeight) return 0;
  const lines = video.clientHeight * devicePixelRatio;
  return HEIGHTS.find((height) => height >= lines) ?? HEIGHTS[HEIGHTS.length - 1] ?? 0;
}
