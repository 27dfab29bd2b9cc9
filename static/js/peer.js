/**
 * The connection of a call between two. Owns negotiation: the caller offers, also anew when the
 * network changes. Descriptions and candidates travel inside the conversation's encryption, so
 * that nobody in between can put another key into them.
 *
 * @module
 */

/** @typedef {import('./devices.js').Kind} Kind */
/** What each says to the other on the connection itself. @typedef {{ mic: boolean, camera: boolean, screen: boolean, bye?: boolean }} Word */
/** @typedef {['offer' | 'answer', sdp: string] | ['candidate', candidate: string, mid: string, line: string] | ['restart']} Signal */
/**
 * @typedef {object} Ears
 * @property {(signal: Signal) => void} signal
 * @property {(kind: Kind, track: MediaStreamTrack) => void} track
 * @property {(word: Word) => void} word
 * @property {(connected: boolean) => void} connected
 * @property {() => void} forged The key at the other end is not the one that was told.
 */

/** The order of media in descriptions: the same in every call. @type {Kind[]} */
const KINDS = ['mic', 'camera', 'screen'];
/** A connection that is gone for this long is made anew. */
const RESTART_MS = 2_500;
const WORD_CHARS_MAX = 256;
/** Candidates of the other one that are taken between two descriptions. */
const CANDIDATES_MAX = 128;

export class Peer {
  /** @type {RTCPeerConnection} */ #pc;
  /** @type {RTCDataChannel} */ #words;
  /** @type {Ears} */ #ears;
  #offers;
  /** @type {Promise<void>} Signals are taken one after the other. */ #turn = Promise.resolve();
  /** @type {RTCIceCandidateInit[]} That came before the description they belong to. */ #early = [];
  #candidates = 0;
  /** @type {Partial<Record<Kind, MediaStreamTrack>>} */ #tracks = {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #patience;
  /** @type {Word | undefined} */ #last;
  #face = new MediaStream();

  /** @param {boolean} offers @param {RTCConfiguration} configuration @param {Ears} ears */
  constructor(offers, configuration, ears) {
    this.#offers = offers;
    this.#ears = ears;
    this.#pc = new RTCPeerConnection(configuration);
    this.#words = this.#pc.createDataChannel('words', { negotiated: true, id: 0 });
    this.#words.onopen = () => this.#last && this.say(this.#last);
    this.#words.onmessage = ({ data }) => this.#hear(data);
    this.#pc.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) ears.signal(['candidate', candidate.candidate, candidate.sdpMid ?? '', String(candidate.sdpMLineIndex ?? 0)]);
    };
    this.#pc.onconnectionstatechange = () => this.#onState();
    this.#pc.ontrack = ({ transceiver, track }) => {
      const kind = KINDS[this.#pc.getTransceivers().indexOf(transceiver)];
      if (kind) ears.track(kind, track);
    };
    if (!offers) return;
    for (const kind of KINDS) this.#pc.addTransceiver(kind === 'mic' ? 'audio' : 'video', { direction: 'sendrecv', streams: this.#streams(kind) });
    this.#do(() => this.#offer(false));
  }

  /** @param {Kind} kind @param {MediaStreamTrack | undefined} track */
  send(kind, track) {
    if (track) this.#tracks[kind] = track;
    else delete this.#tracks[kind];
    this.#do(() => this.#replace(kind));
  }

  /** @param {Word} word Said again when the connection is there. */
  say(word) {
    this.#last = word;
    if (this.#words.readyState === 'open') this.#words.send(JSON.stringify(word));
  }

  /** @param {Signal} signal Of the other one. */
  take(signal) {
    this.#do(() => this.#take(signal));
  }

  /** A newer pass for the relay, for the next time that a way is looked for. @param {RTCIceServer[]} iceServers */
  relays(iceServers) {
    this.#pc.setConfiguration({ ...this.#pc.getConfiguration(), iceServers });
  }

  /** The network may be another one now. */
  restart() {
    if (this.#offers) this.#do(() => this.#offer(true));
    else this.#ears.signal(['restart']);
  }

  stats() {
    return this.#pc.getStats();
  }

  close() {
    clearTimeout(this.#patience);
    this.#pc.onconnectionstatechange = null;
    this.#pc.close();
  }

  /** @param {() => Promise<void>} work */
  #do(work) {
    this.#turn = this.#turn.then(work).catch((error) => {
      if (this.#pc.signalingState !== 'closed') console.warn('call', error);
    });
  }

  /** @param {boolean} iceRestart */
  async #offer(iceRestart) {
    if (this.#pc.signalingState !== 'stable') return;
    await this.#pc.setLocalDescription(await this.#pc.createOffer({ iceRestart }));
    this.#describe();
  }

  #describe() {
    const description = this.#pc.localDescription;
    if (description?.type === 'offer' || description?.type === 'answer') this.#ears.signal([description.type, description.sdp]);
  }

  /** @param {Signal} signal */
  async #take([kind, ...rest]) {
    if (kind === 'restart') {
      if (this.#offers) await this.#offer(true);
      return;
    }
    if (kind === 'candidate') return this.#addCandidate(rest);
    this.#candidates = this.#early.length;
    await this.#pc.setRemoteDescription({ type: kind, sdp: rest[0] ?? '' });
    for (const candidate of this.#early.splice(0)) await this.#pc.addIceCandidate(candidate).catch(() => {});
    if (kind === 'answer') return;
    for (const [at, transceiver] of this.#pc.getTransceivers().entries()) {
      transceiver.direction = 'sendrecv';
      transceiver.sender.setStreams(...this.#streams(KINDS[at]));
    }
    for (const known of KINDS) await this.#replace(known);
    await this.#pc.setLocalDescription(await this.#pc.createAnswer());
    this.#describe();
  }

  /** @param {string[]} parts */
  async #addCandidate([candidate, sdpMid, line]) {
    this.#candidates += 1;
    if (this.#candidates > CANDIDATES_MAX) return;
    const found = { candidate, sdpMid, sdpMLineIndex: Number(line) };
    if (!this.#pc.remoteDescription) this.#early.push(found);
    // One that this browser does not understand is none that it could use.
    else await this.#pc.addIceCandidate(found).catch(() => {});
  }

  /** Lips and voice belong together. @param {Kind | undefined} kind */
  #streams(kind) {
    return kind === 'screen' ? [] : [this.#face];
  }

  /** @param {Kind} kind */
  async #replace(kind) {
    const sender = this.#pc.getTransceivers()[KINDS.indexOf(kind)]?.sender;
    const track = this.#tracks[kind] ?? null;
    if (sender && sender.track !== track) await sender.replaceTrack(track);
  }

  #onState() {
    const state = this.#pc.connectionState;
    clearTimeout(this.#patience);
    if (state === 'connected') return this.#ears.connected(true);
    if (state !== 'disconnected' && state !== 'failed') return;
    if (this.#isForged()) return this.#ears.forged();
    this.#ears.connected(false);
    this.#patience = setTimeout(() => this.#insist(), state === 'failed' ? 0 : RESTART_MS);
  }

  /** No new way to the other end would help. */
  #isForged() {
    return this.#pc.getSenders().some(({ transport }) => transport?.state === 'failed');
  }

  /** Tries until it works or the call is over. */
  #insist() {
    this.restart();
    this.#patience = setTimeout(() => this.#insist(), 2 * RESTART_MS);
  }

  /** @param {unknown} data */
  #hear(data) {
    if (typeof data !== 'string' || data.length > WORD_CHARS_MAX) return;
    try {
      const { mic, camera, screen, bye } = JSON.parse(data) ?? {};
      this.#ears.word({ mic: mic === true, camera: camera === true, screen: screen === true, bye: bye === true });
    } catch { /* What is no word says nothing. */ }
  }
}
