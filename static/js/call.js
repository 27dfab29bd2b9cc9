/**
 * The page's side of calls, and of one between two: media, levels, how the connection is. What there
 * is to see comes from the worker, which is told all that the page knows.
 *
 * @module
 */

import { Devices, chosen, list, remember } from './devices.js';
import * as doctor from './doctor.js';
import { Echo } from './echo.js';
import { Levels } from './levels.js';
import { byId } from './patch.js';
import { Peer } from './peer.js';
import { play } from './play.js';
import { ring } from './ring.js';
import { Room } from './room.js';
import { Watch } from './quality.js';

/** @typedef {import('./devices.js').Kind} Kind */
/** @typedef {[string, string][]} Fields */

const SECOND_MS = 1_000;
const LINGER_MS = 4_000;
/** So long the other one's word by the server may take, which says more. */
const BYE_MS = 1_000;
const EARLY_MAX = 128;
const RELAY_ONLY = 'roost-relay-only';

/** @type {(action: string, fields?: Fields) => void} */ let tell = () => {};
/** @type {Call | undefined} */ let call;
/** @type {Room | undefined} */ let room;
/** A call to oneself. @type {Echo | undefined} */ let echo;
/** What the server relays by, as far as the doctor was told. @type {RTCIceServer[]} */ let relays = [];

/** @param {typeof tell} send */
export function start(send) {
  tell = send;
  setInterval(clock, SECOND_MS);
  window.addEventListener('pagehide', leave);
  window.addEventListener('online', () => (call ?? room)?.networkChanged());
  navigator.mediaDevices?.addEventListener?.('devicechange', () => (call ?? room) && devices());
}

/** What the worker asks for. @type {Record<string, (...values: any[]) => void>} */
const asked = {
  open: (id, video) => {
    spare();
    leave();
    call = new Call(id, video);
  },
  connect: (id, offers, servers) => call?.id === id && call.connect(offers, servers.map(server)),
  signal: (id, ...signal) => call?.id === id && call.take(signal),
  close: (id, lingers) => {
    if (call?.id !== id) return;
    // Said on the connection too: the way by the server may be broken just now.
    call.leave();
    call = undefined;
    if (lingers) setTimeout(() => tell('call-dismiss', [['call', id]]), LINGER_MS);
  },
  examine: (servers) => {
    hush();
    relays = servers.map(server);
    doctor.examine(servers.map(server)[0], (name, result) => tell('doctor-found', [['name', name], ['result', result]]));
  },
  /** Whoever leads now knows of no call in this tab. */
  drop: () => {
    spare();
    leave();
  },
  spare,
  ring,
};

/** Nothing is examined any more, and nobody hears themselves. */
function spare() {
  doctor.stop();
  hush();
}

/** One call at a time. */
function leave() {
  call?.leave();
  room?.leave();
  [call, room] = [undefined, undefined];
}

/** @param {[string, ...any[]]} wish */
export function act([name, ...values]) {
  asked[name]?.(...values);
}

/** What the worker asks for in a group call. @type {Record<string, (...values: any[]) => void>} */
const askedInRoom = {
  open: (video) => {
    spare();
    leave();
    room = new Room(video, tell);
  },
  connect: (servers) => room?.connect(servers.map(server)),
  relays: (servers) => room?.relays(servers.map(server)),
  again: () => room?.again(),
  answer: (sdp) => room?.answer(sdp),
  refused: () => room?.refused(),
  keys: (epoch, keys) => room?.keys(epoch, keys),
  tracks: (tracks) => room?.tracks(tracks),
  close: () => {
    room?.close();
    room = undefined;
  },
};

/** @param {[string, ...any[]]} wish */
export function actInRoom([name, ...values]) {
  askedInRoom[name]?.(...values);
}

/** For tests and for whoever wants to know. */
export const counts = () => room?.counts();

/** What buttons do that the page does by itself. @type {Record<string, (button: HTMLElement) => void>} */
export const local = {
  'call-mic': () => (call ?? room)?.toggle('mic'),
  'call-camera': () => (call ?? room)?.toggle('camera'),
  'call-screen': () => (call ?? room)?.toggle('screen'),
  'call-float': () => call?.float(),
  'call-devices': () => devices(true),
  echo: hearOneself,
};

const ECHO = {
  on: 'Speak: what you say goes to this server’s relay and comes back, and you hear it a moment later.',
  off: '',
  silent: 'Nothing came back. Look again.',
  missing: 'The microphone cannot be used: see above.',
};

/** Begins a call to oneself, or ends it. */
async function hearOneself() {
  const begins = !echo;
  hush();
  if (!begins) return;
  const mine = new Echo(relays);
  echo = mine;
  const found = await mine.start().catch(() => /** @type {const} */ ('silent'));
  if (echo !== mine) return;
  if (found !== 'on') hush();
  sayOfEcho(found);
}

function hush() {
  echo?.close();
  echo = undefined;
  sayOfEcho('off');
}

/** @param {keyof ECHO} state */
function sayOfEcho(state) {
  const status = byId('echo-status');
  if (status) status.textContent = ECHO[state];
}

/** Elements were drawn anew, perhaps. */
export function drawn() {
  (call ?? room)?.show();
  clock();
  const app = byId('app-main');
  // What is behind a call is not to be reached by the keyboard.
  if (app) app.inert = !!document.querySelector('.call:not(.small)');
}

/** Who calls is in front of a dialog that is open, which would keep every finger from the answer. */
export function raise() {
  const ring = /** @type {HTMLDialogElement | null} */ (byId('ring'));
  if (!ring || ring.matches(':modal') || !document.querySelector('#panel:modal')) return;
  ring.close();
  ring.showModal();
}

/** @param {string} kind @param {string} id */
export async function choose(kind, id) {
  if (kind === 'relay') return setRelayOnly(id === 'true');
  const on = call ?? room;
  if (kind === 'speaker' || !on) {
    remember(kind, id);
    on?.speakThrough();
  } else await on.devices.choose(/** @type {Kind} */ (kind), id);
  devices();
}

/** Tells which devices there are. @param {boolean} [opens] */
async function devices(opens) {
  const all = (await list()).map(({ kind, id, label, chosen: is }) => /** @type {[string, string]} */ ([`${kind}${is ? '*' : ''}`, `${id} ${label}`]));
  tell('call-devices', [...all, ['relay', String(isRelayOnly())]]);
  if (opens) tell('panel', [['panel', 'devices']]);
}

class Call {
  /** @type {Peer | undefined} */ #peer;
  /** @type {any[]} That came before there was a connection. */ #early = [];
  /** @type {Partial<Record<Kind, MediaStreamTrack>>} Of the other one. */ #theirs = {};
  /** @type {import('./peer.js').Word} */ #word = { mic: true, camera: false, screen: false };
  #levels = new Levels();
  /** @type {Watch | undefined} */ #watch;
  #quality = '';
  /** This device's address is hidden, and nothing relays. */ #hasNoWay = false;
  #told = '';

  /** @param {string} id @param {boolean} video */
  constructor(id, video) {
    this.id = id;
    this.devices = new Devices((kind) => this.#onDevice(kind));
    this.devices.turn('mic', true);
    if (video) this.devices.turn('camera', true);
  }

  /** @param {boolean} offers @param {RTCIceServer[]} iceServers */
  connect(offers, iceServers) {
    if (this.#peer) return this.#peer.relays(iceServers);
    const iceTransportPolicy = isRelayOnly() ? 'relay' : 'all';
    this.#hasNoWay = isRelayOnly() && !iceServers.length;
    const peer = new Peer(offers, { iceServers, iceTransportPolicy, bundlePolicy: 'max-bundle' }, {
      signal: ([kind, ...rest]) => tell('call-signal', [['call', this.id], ['kind', kind], ...rest.map((text, at) => /** @type {[string, string]} */ ([`text${at}`, text]))]),
      track: (kind, track) => {
        this.#theirs[kind] = track;
        if (kind === 'mic') this.#levels.hear('theirs', track);
        this.show();
      },
      word: (word) => this.#onWord(word),
      connected: (is) => {
        this.#quality = is ? '' : 'gone';
        tell(is ? 'call-connected' : 'call-lost', [['call', this.id]]);
        this.#tell();
      },
      forged: () => tell('call-forged', [['call', this.id]]),
    });
    this.#peer = peer;
    this.#watch = new Watch(() => peer.stats(), (quality) => {
      if (this.#quality !== 'gone') this.#quality = quality;
      this.#tell();
    });
    for (const [kind, track] of Object.entries(this.devices.tracks)) peer.send(/** @type {Kind} */ (kind), track);
    this.#say();
    this.#tell();
    for (const signal of this.#early.splice(0)) this.take(signal);
  }

  /** @param {any[]} signal */
  take(signal) {
    if (this.#peer) this.#peer.take(/** @type {any} */ (signal));
    else if (this.#early.length < EARLY_MAX) this.#early.push(signal);
  }

  /** @param {Kind} kind */
  toggle(kind) {
    const { states } = this.devices;
    this.devices.turn(kind, states[kind] !== 'on' && states[kind] !== 'waiting');
  }

  networkChanged() {
    this.#peer?.restart();
  }

  /** In a window above all others, while one does something else. */
  async float() {
    if (document.pictureInPictureElement) return void document.exitPictureInPicture();
    const shown = /** @type {HTMLVideoElement | null} */ (byId(this.#word.screen ? 'call-their-screen' : 'call-their-camera'));
    await shown?.requestPictureInPicture?.().catch(() => {});
  }

  speakThrough() {
    const sound = /** @type {HTMLAudioElement | null} */ (byId('call-sound'));
    sound?.setSinkId?.(chosen('speaker') ?? '').catch(() => {});
  }

  /** The other one need not wait until the connection is found to be dead. */
  leave() {
    this.#peer?.say({ ...this.#own(), bye: true });
    this.close();
  }

  close() {
    this.#watch?.stop();
    this.#levels.close();
    this.#peer?.close();
    this.devices.close();
    if (document.pictureInPictureElement) document.exitPictureInPicture().catch(() => {});
  }

  /** Puts streams into the elements that are there for them. */
  show() {
    const { tracks } = this.devices;
    if (place('call-sound', this.#theirs.mic)) this.speakThrough();
    place('call-their-camera', this.#theirs.camera);
    place('call-their-screen', this.#theirs.screen);
    place('call-own-camera', tracks.camera);
  }

  /** @param {Kind} kind */
  #onDevice(kind) {
    const track = this.devices.tracks[kind];
    this.#peer?.send(kind, track);
    if (kind === 'mic') this.#levels.hear('own', track);
    this.show();
    this.#say();
    this.#tell();
  }

  /** @param {import('./peer.js').Word} word */
  #onWord(word) {
    const { bye, ...is } = word;
    if (bye) return void setTimeout(() => call === this && tell('call-hang-up', [['call', this.id]]), BYE_MS);
    this.#word = is;
    this.#tell();
  }

  #own() {
    const { mic, camera, screen } = this.devices.states;
    return { mic: mic === 'on', camera: camera === 'on', screen: screen === 'on' };
  }

  #say() {
    this.#peer?.say(this.#own());
  }

  /** Tells the worker what there is to see, if it is not what was told last. */
  #tell() {
    const { mic, camera, screen } = this.devices.states;
    const theirs = Object.entries(this.#word).map(([kind, is]) => /** @type {[string, string]} */ ([`their-${kind}`, String(is)]));
    const fields = /** @type {Fields} */ ([['call', this.id], ['mic', mic], ['camera', camera], ['screen', screen], ...theirs, ['quality', `${this.#quality}${this.#hasNoWay ? ' no-way' : ''}`]]);
    const told = JSON.stringify(fields);
    if (told === this.#told) return;
    this.#told = told;
    tell('call-media', fields);
  }
}

/** @param {[urls: string[], username: string, credential: string]} pass @returns {RTCIceServer} */
function server([urls, username, credential]) {
  return { urls, username, credential };
}

/** Whether it is another one than before. @param {string} id @param {MediaStreamTrack | undefined} track */
function place(id, track) {
  const element = /** @type {HTMLMediaElement | null} */ (byId(id));
  const before = element?.srcObject;
  if (element) play(element, track);
  return element?.srcObject !== before;
}

/** How long it has been, without asking the worker. */
function clock() {
  for (const element of document.querySelectorAll('time[data-since]')) {
    const seconds = Math.max(0, Math.floor((Date.now() - Number(/** @type {HTMLElement} */ (element).dataset.since)) / SECOND_MS));
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const shown = parts[0] ? parts : parts.slice(1);
    element.textContent = shown.map((part, at) => String(part).padStart(at ? 2 : 1, '0')).join(':');
  }
}

function isRelayOnly() {
  try { return localStorage.getItem(RELAY_ONLY) !== null; } catch { return false; }
}

/** @param {boolean} is */
function setRelayOnly(is) {
  try {
    if (is) localStorage.setItem(RELAY_ONLY, '1');
    else localStorage.removeItem(RELAY_ONLY);
  } catch { /* Storage is off: addresses are told to the other one, as the page said before. */ }
}
