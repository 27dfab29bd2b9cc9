/**
 * Tracks in the elements that play them, and pictures that are shown once they are of who is named.
 *
 * @module
 */

/** After so long nothing is left of the picture before, even where frames are not numbered. */
const SURE_MS = 1_000;
/** Times of frames are counted in so many bits. */
const HALF = 2 ** 31;

/** @param {HTMLMediaElement} element @param {MediaStreamTrack | undefined} track */
export function play(element, track) {
  const now = /** @type {MediaStream | null} */ (element.srcObject);
  if (now?.getTracks()[0] !== track) element.srcObject = track ? new MediaStream([track]) : null;
  // What somebody else paused, a headset or the browser, goes on.
  if (track && element.paused) element.play().catch(() => {});
}

/**
 * Somebody's track in a place that may have been another person's: what is on its way still to the
 * screen is of that one.
 */
export class Seat {
  /** @type {number | undefined} The time of the first frame of whose place it is now. */ #first;
  #isThere = false;
  /** @type {[HTMLVideoElement, number] | undefined} */ #watching;

  /** @param {MediaStreamTrack} track */
  constructor(track) {
    this.track = track;
  }

  /** The first frame of whose place it is now was opened. @param {number | undefined} at */
  begins(at) {
    this.#first ??= at;
    setTimeout(() => (this.#isThere = true), SURE_MS);
  }

  /** Shows the picture if it is the right one; to be called again now and then. @param {HTMLVideoElement} video */
  show(video) {
    play(video, this.track);
    video.style.visibility = this.#isThere ? '' : 'hidden';
    this.close();
    if (this.#isThere || !video.requestVideoFrameCallback) return;
    const look = video.requestVideoFrameCallback((_, { rtpTimestamp }) => {
      const isOwn = this.#first !== undefined && rtpTimestamp !== undefined && (rtpTimestamp - this.#first) >>> 0 < HALF;
      this.#isThere ||= isOwn;
      this.show(video);
    });
    this.#watching = [video, look];
  }

  /** The place is another person's. */
  close() {
    this.#watching?.[0].cancelVideoFrameCallback(this.#watching[1]);
    this.#watching = undefined;
  }
}
