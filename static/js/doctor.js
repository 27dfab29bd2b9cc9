/**
 * Looks whether calls can work from here, one thing after the other, and tells the worker what was
 * found; what it means in words comes from there.
 *
 * @module
 */

import { Devices } from './devices.js';
import { introduce, pair } from './pair.js';

/** @typedef {(name: string, result: string) => void} Tell */
/** @typedef {{ urls: string[], username: string, credential: string }} Pass */

const GATHER_MS = 6_000;
const CONNECT_MS = 8_000;

/** The examination that counts: a new one ends the one before. */
let latest = 0;

/** @param {Pass | undefined} pass @param {Tell} tell */
export async function examine(pass, tell) {
  latest += 1;
  const mine = latest;
  await look(pass, (name, result) => mine === latest && tell(name, result), () => mine === latest);
}

/** What is looked at no longer is not looked at any further. */
export function stop() {
  latest += 1;
}

/** @param {Pass | undefined} pass @param {Tell} tell @param {() => boolean} isWanted */
async function look(pass, tell, isWanted) {
  for (const kind of /** @type {const} */ (['mic', 'camera'])) {
    if (!isWanted()) return;
    tell(kind, await device(kind));
  }
  let [address, open] = ['', ''];
  for (const way of /** @type {const} */ (['udp', 'tcp', 'tls'])) {
    if (!isWanted()) return;
    const found = await relay(only(pass, way));
    address ||= /^on (.*)/.exec(found)?.[1] ?? '';
    if (address) open ||= way;
    tell(way, found);
  }
  if (!isWanted()) return;
  tell('echo', open ? await meets(only(pass, open)) : 'unknown');
  if (!isWanted()) return;
  tell('outside', open ? await relay(only(pass, open === 'tcp' ? 'tcp' : 'udp', address)) : 'unknown');
}

/** @param {'mic' | 'camera'} kind */
async function device(kind) {
  const devices = new Devices(() => {});
  await devices.turn(kind, true);
  const state = devices.states[kind];
  devices.close();
  return state;
}

/** Whether the server opens a relay when it is asked in this way. @param {RTCIceServer[]} servers */
async function relay(servers) {
  // A browser may refuse to ask: some ports it never connects to.
  return asks(servers).catch(() => 'closed');
}

/** @param {RTCIceServer[]} servers */
async function asks(servers) {
  if (servers.length === 0) return 'none';
  const connection = new RTCPeerConnection({ iceServers: servers, iceTransportPolicy: 'relay' });
  try {
    connection.createDataChannel('');
    const found = /** @type {Promise<string>} */ (new Promise((over) => {
      connection.onicecandidate = ({ candidate }) => candidate?.type === 'relay' && over(`on ${candidate.address}`);
      connection.onicecandidateerror = ({ errorCode }) => errorCode === 401 && over('denied');
      setTimeout(() => over('closed'), GATHER_MS);
    }));
    await connection.setLocalDescription();
    return await found;
  } finally {
    connection.close();
  }
}

/** Whether anything comes through, from relay to relay. @param {RTCIceServer[]} iceServers */
async function meets(iceServers) {
  if (iceServers.length === 0) return 'none';
  const ends = pair(iceServers);
  try {
    const connected = new Promise((over) => {
      ends.near.createDataChannel('').onopen = () => over('on');
      setTimeout(() => over('closed'), CONNECT_MS);
    });
    await introduce(ends);
    return await connected;
  } finally {
    ends.near.close();
    ends.far.close();
  }
}

/**
 * @param {Pass | undefined} pass
 * @param {string} way
 * @param {string} [host] Instead of the one that the pass names.
 * @returns {RTCIceServer[]}
 */
function only(pass, way, host) {
  const fits = (/** @type {string} */ url) => (way === 'tls' ? url.startsWith('turns:') : url.startsWith('turn:') && url.endsWith(`transport=${way}`));
  const there = host?.includes(':') ? `[${host}]` : host;
  const urls = (pass?.urls.filter(fits) ?? []).map((url) => (there ? url.replace(/^(turns?:).*(:\d+\?)/, `$1${there}$2`) : url));
  return pass && urls.length > 0 && host !== '' ? [{ ...pass, urls }] : [];
}
