/**
 * How good a connection is, in words that people use. Looks at what the browser counts.
 *
 * @module
 */

const EVERY_MS = 2_000;
/** Shares of packets and seconds beyond which a call is hard to follow. */
const LOSS = 0.05;
const ROUND_TRIP_S = 0.4;

/** `weak`, or with `relayed` when it goes through the server; nothing while all is well and direct. */
export class Watch {
  #timer;
  #received = 0;
  #lost = 0;

  /** @param {() => Promise<RTCStatsReport>} stats @param {(quality: string) => void} changed */
  constructor(stats, changed) {
    this.#timer = setInterval(async () => changed(this.#judge(await stats())), EVERY_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** @param {RTCStatsReport} report */
  #judge(report) {
    let [received, lost, delay, relayed] = [0, 0, 0, false];
    report.forEach((entry) => {
      if (entry.type === 'inbound-rtp') {
        received += entry.packetsReceived ?? 0;
        lost += entry.packetsLost ?? 0;
      }
      if (entry.type !== 'transport') return;
      const pair = report.get(entry.selectedCandidatePairId);
      if (!pair) return;
      delay = pair.currentRoundTripTime ?? 0;
      relayed = [pair.localCandidateId, pair.remoteCandidateId].some((id) => report.get(id)?.candidateType === 'relay');
    });
    const [news, gone] = [received - this.#received, lost - this.#lost];
    [this.#received, this.#lost] = [received, lost];
    const isWeak = delay > ROUND_TRIP_S || (news > 0 && gone / (news + gone) > LOSS);
    return [isWeak ? 'weak' : '', relayed ? 'relayed' : ''].filter(Boolean).join(' ');
  }
}
