/**
 * Two connections of one page with each other: what goes in at one end comes out at the other, by
 * the way that is to be tried.
 *
 * @module
 */

/** @param {RTCIceServer[]} iceServers Only their relays are used, if there are any. */
export function pair(iceServers) {
  const iceTransportPolicy = /** @type {RTCIceTransportPolicy} */ (iceServers.length > 0 ? 'relay' : 'all');
  const end = () => new RTCPeerConnection({ iceServers, iceTransportPolicy });
  return { near: end(), far: end() };
}

/** Negotiates what the near end has. @param {ReturnType<typeof pair>} ends */
export async function introduce({ near, far }) {
  for (const [from, to] of /** @type {const} */ ([[near, far], [far, near]])) {
    from.onicecandidate = ({ candidate }) => void (candidate && to.addIceCandidate(candidate).catch(() => {}));
  }
  // Each knows of the other before the first candidate comes.
  const offer = await near.createOffer();
  await far.setRemoteDescription(offer);
  await near.setLocalDescription(offer);
  const answer = await far.createAnswer();
  await near.setRemoteDescription(answer);
  await far.setLocalDescription(answer);
}
