/**
 * The connection of a group call: to the server, which passes on what this browser sends and brings
 * what others send, all of it sealed. Owns negotiation and the places for other people's tracks.
 *
 * @module
 */

/** @typedef {import('./devices.js').Kind} Kind */
/** Somebody's track, on the screen or heard. @typedef {{ track: string, leaf: number, kind: Kind, height: number }} Wanted */
/** @typedef {{ number: number, kind: 'mic' | 'camera', transceiver: RTCRtpTransceiver, wanted?: Wanted }} Place */
/**
 * @typedef {object} Ears
 * @property {(sdp: string, isNew: boolean, sent: [mid: string, kind: Kind][]) => void} offer
 * @property {(wants: [mid: string, track: string, height: number][]) => void} watch
 * @property {(wanted: Wanted, track: MediaStreamTrack) => void} track It has a place.
 * @property {(wanted: Wanted, at: number | undefined) => void} begins Its first frame was opened in that place, of this time.
 * @property {(wanted: Wanted) => void} lost It has no place any more: that is somebody else's soon.
 * @property {(connected: boolean) => void} connected
 * @property {() => void} broken It will not come back by itself.
 */

/** The number of each kind in the name of its key. @type {Record<Kind, number>} */
const TRACKS = { mic: 0, camera: 1, screen: 2 };
const KINDS = /** @type {Kind[]} */ (Object.keys(TRACKS));
/** Pictures in three sizes, of which the server passes on what fits each of the others. */
const LAYERS = [
  { rid: 'l', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'm', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: 'h', scaleResolutionDownBy: 1, maxBitrate: 1_700_000 },
];
const DESCRIPTOR = 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension';
/** What a place does without: it would make an offer with all places longer than the server takes. */
const SPARED = /:(toffset|rtp-stream-id|repaired-rtp-stream-id)$|\/(playout-delay|video-content-type|video-timing|color-space|video-layers-allocation00)$/;
/** Places are made in such lots. */
const AHEAD = 4;
/** A connection that is gone for so long is made anew: it costs no more than to look for other ways. */
const PATIENCE_MS = 1_500;
/** The server's bound. */
const PLACES_MAX = 64;
/** Places are numbered over all connections of a call: what comes late is in none of the new ones. */
let last = 0;

export class Link {
  #pc;
  #seals;
  #ears;
  /** @type {Partial<Record<Kind, RTCRtpTransceiver>>} */ #sends = {};
  /** @type {Place[]} */ #places = [];
  /** @type {Wanted[]} */ #wanted = [];
  #isNew = true;
  #isAsking = false;
  #isDue = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #patience;
  #said = '';
  #over = false;

  /** Whether this browser can seal what it sends, and choose what it is sent as. */
  static isPossible() {
    return 'RTCRtpScriptTransform' in window && 'setCodecPreferences' in RTCRtpTransceiver.prototype && 'getCapabilities' in RTCRtpReceiver;
  }

  /** @param {Worker} seals @param {RTCIceServer[]} servers @param {Ears} ears */
  constructor(seals, servers, ears) {
    [this.#seals, this.#ears] = [seals, ears];
    this.#pc = new RTCPeerConnection({ iceServers: servers.map(beside).filter(({ urls }) => urls.length), bundlePolicy: 'max-bundle' });
    this.#pc.onconnectionstatechange = () => this.#onState();
    seals.addEventListener('message', this.#onSeals);
    for (const kind of KINDS) this.#sends[kind] = this.#sender(kind);
    this.#make('mic', 1);
    this.#make('camera', 1);
    this.offer();
  }

  /** @param {Kind} kind @param {MediaStreamTrack | undefined} track */
  send(kind, track) {
    const sender = this.#sends[kind]?.sender;
    if (sender && sender.track !== (track ?? null)) sender.replaceTrack(track ?? null).catch(() => {});
  }

  /** Offers what there is, one offer after the other. */
  async offer() {
    if (this.#isAsking) return void (this.#isDue = true);
    [this.#isAsking, this.#isDue] = [true, false];
    try {
      await this.#pc.setLocalDescription();
    } catch {
      return void (this.#over || this.#ears.broken());
    }
    const sent = KINDS.map((kind) => /** @type {[string, Kind]} */ ([this.#sends[kind]?.mid ?? '', kind]));
    this.#ears.offer(this.#pc.localDescription?.sdp ?? '', this.#isNew, sent);
    this.#isNew = false;
  }

  /** @param {string} sdp */
  async answer(sdp) {
    try {
      await this.#pc.setRemoteDescription({ type: 'answer', sdp });
    } catch {
      return void (this.#over || this.#ears.broken());
    }
    this.#isAsking = false;
    this.#said = '';
    this.want(this.#wanted);
    if (this.#isDue) this.offer();
  }

  /** What is to be heard and seen now. Sound comes first: pictures get the places that are left. @param {Wanted[]} wanted */
  want(wanted) {
    this.#wanted = [...wanted.filter(isSound), ...wanted.filter((one) => !isSound(one))];
    this.#settle();
    const lacks = this.#seat();
    this.#ask();
    const unheard = lacks.filter(isSound).length;
    const isMore = [this.#make('mic', unheard), this.#make('camera', lacks.length - unheard)].some(Boolean);
    if (isMore) this.offer();
    // Lines stay what they are: a new connection begins with those for sound.
    else if (unheard && this.#places.filter(({ kind }) => kind === 'camera').length > AHEAD) this.#ears.broken();
  }

  stats() {
    return this.#pc.getStats();
  }

  close() {
    this.#over = true;
    clearTimeout(this.#patience);
    this.#pc.onconnectionstatechange = null;
    this.#seals.removeEventListener('message', this.#onSeals);
    this.#seals.postMessage({ gone: this.#places.map(({ number }) => number) });
    this.#pc.close();
  }

  /** Places whose track is not wanted any more are free. */
  #settle() {
    for (const place of this.#places) {
      const still = this.#wanted.find((wanted) => isSame(wanted, place.wanted));
      if (!still && place.wanted) {
        this.#seals.postMessage({ slots: [[place.number, undefined]] });
        this.#ears.lost(place.wanted);
      }
      place.wanted = still;
    }
  }

  /** Gives each track that has none a place; tells for which there is none. */
  #seat() {
    return this.#wanted.filter((wanted) => {
      if (this.#places.some((place) => isSame(wanted, place.wanted))) return false;
      const free = this.#places.find(({ wanted: taken, kind }) => !taken && (kind === 'mic') === isSound(wanted));
      if (!free) return true;
      free.wanted = wanted;
      this.#seals.postMessage({ slots: [[free.number, sender(wanted)]] });
      this.#ears.track(wanted, free.transceiver.receiver.track);
      return false;
    });
  }

  /** @param {MessageEvent} event */
  #onSeals = ({ data: { first } }) => {
    if (!first) return;
    const [number, of, at] = first;
    const wanted = this.#places.find((place) => place.number === number)?.wanted;
    if (wanted && sender(wanted) === of) this.#ears.begins(wanted, at);
  };

  /** Tells the server, if it is not what was told last. */
  #ask() {
    const wants = this.#places.flatMap(({ wanted, transceiver }) => (wanted && transceiver.mid && transceiver.currentDirection ? [/** @type {[string, string, number]} */ ([transceiver.mid, wanted.track, wanted.height])] : []));
    const said = JSON.stringify(wants);
    if (said === this.#said) return;
    this.#said = said;
    this.#ears.watch(wants);
  }

  /** @param {Kind} kind */
  #sender(kind) {
    const sendEncodings = kind === 'camera' ? LAYERS : undefined;
    const transceiver = this.#pc.addTransceiver(kind === 'mic' ? 'audio' : 'video', { direction: 'sendonly', ...(sendEncodings && { sendEncodings }) });
    prepare(transceiver, kind);
    transceiver.sender.transform = new RTCRtpScriptTransform(this.#seals, { track: TRACKS[kind] });
    return transceiver;
  }

  /**
   * Places for other people's tracks, some more than are lacking; whether any was made.
   *
   * @param {'mic' | 'camera'} kind @param {number} lacking
   */
  #make(kind, lacking) {
    const count = Math.min(Math.ceil(lacking / AHEAD) * AHEAD, PLACES_MAX - this.#places.length);
    for (let made = 0; made < count; made += 1) {
      const transceiver = this.#pc.addTransceiver(kind === 'mic' ? 'audio' : 'video', { direction: 'recvonly' });
      prepare(transceiver, kind);
      last += 1;
      transceiver.receiver.transform = new RTCRtpScriptTransform(this.#seals, { slot: last });
      this.#places.push({ number: last, kind, transceiver });
    }
    return count > 0;
  }

  #onState() {
    const state = this.#pc.connectionState;
    clearTimeout(this.#patience);
    if (state === 'connected') return this.#ears.connected(true);
    if (state !== 'disconnected' && state !== 'failed') return;
    this.#ears.connected(false);
    this.#patience = setTimeout(() => this.#ears.broken(), state === 'failed' ? 0 : PATIENCE_MS);
  }
}

/** @param {Wanted} wanted */
const isSound = ({ kind }) => kind === 'mic';

/** As it is in the name of their keys. @param {Wanted} wanted */
const sender = ({ kind, leaf }) => (TRACKS[kind] << 8) | leaf;

/**
 * A server that was started anew counts tracks from the beginning: a number alone says little.
 *
 * @param {Wanted} one @param {Wanted | undefined} other
 */
function isSame(one, other) {
  return one.track === other?.track && one.leaf === other.leaf && one.kind === other.kind;
}

/**
 * Calls come in by the same UDP port as the relay. Where that is blocked both are, and where it is not
 * browsers would take what calls answer for the relay's: they are told of the other ways to it only.
 *
 * @param {RTCIceServer} server
 */
function beside({ urls, ...rest }) {
  const isOther = (/** @type {string} */ url) => url.startsWith('turns:') || url.endsWith('transport=tcp');
  return { ...rest, urls: [urls].flat().filter(isOther) };
}

/**
 * The server forwards Opus and VP8, and finds pictures that begin anew by the descriptor, since it
 * cannot look into what is sealed.
 *
 * @param {RTCRtpTransceiver} transceiver @param {Kind} kind
 */
function prepare(transceiver, kind) {
  const wanted = kind === 'mic' ? /opus/i : /\/(vp8|rtx)$/i;
  const codecs = RTCRtpReceiver.getCapabilities(kind === 'mic' ? 'audio' : 'video')?.codecs.filter(({ mimeType }) => wanted.test(mimeType));
  if (codecs?.length) transceiver.setCodecPreferences(codecs);
  if (kind === 'mic') return;
  const line = /** @type {any} */ (transceiver);
  const extensions = line.getHeaderExtensionsToNegotiate?.();
  for (const extension of extensions ?? []) {
    if (extension.uri === DESCRIPTOR) extension.direction = 'sendrecv';
    if (transceiver.direction === 'recvonly' && SPARED.test(extension.uri)) extension.direction = 'stopped';
  }
  if (extensions) line.setHeaderExtensionsToNegotiate(extensions);
}
