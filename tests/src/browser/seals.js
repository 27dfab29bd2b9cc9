// The seals of the product's own worker (`static/js/sframe.js`), in a page that is in no call, over
// frames and keys that a test gives it. Each time anew: nothing is known of what was opened before.

const unpack = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const pack = (bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(''));
const [app] = document.querySelectorAll('script[src$="app.js"]');
const module = (name) => app.src.replace('app.js', name);

/** As the worker is told them: it reads the epoch that it seals in from the test's own key. */
const rows = (keys) => keys.map(([kid, raw, salt, isOwn]) => [BigInt(kid), unpack(raw), unpack(salt), isOwn]);

const begin = async (keys) => {
  window.seals = (window.seals ?? 0) + 1;
  const before = [self.onmessage, self.onrtctransform];
  await import(`${module('sframe.js')}?${window.seals}`);
  const [hear, transform] = [self.onmessage, self.onrtctransform];
  [self.onmessage, self.onrtctransform] = before;
  const own = keys.find(([, , , isOwn]) => isOwn);
  hear({ data: { keys: rows(keys), epoch: BigInt(own?.[0] ?? 0) } });
  // Keys are imported one after the other.
  await new Promise((done) => setTimeout(done, 200));
  return [hear, transform];
};

const sound = (bytes) => ({ data: bytes.buffer });
/** As browsers hand over pictures, which have a mark before what is sealed. */
const picture = (bytes) =>
  Object.create(RTCEncodedVideoFrame.prototype, { data: { value: bytes.buffer, writable: true }, getMetadata: { value: () => ({ rtpTimestamp: 0 }) } });

/** Frames that came out of a transformer. */
const through = async (transform, options, frames) => {
  const out = [];
  await new Promise((close) => {
    const readable = new ReadableStream({
      start(controller) {
        frames.forEach((frame) => controller.enqueue(frame));
        controller.close();
      },
    });
    const writable = new WritableStream({ write: ({ data }) => void out.push(pack(data)), close });
    transform({ transformer: { options, readable, writable } });
  });
  return out;
};

/** Sealed under the test's own key, one after the other. */
const seal = async (keys, frames) => {
  const [, transform] = await begin(keys);
  return through(transform, { track: Math.floor(keys.find(([, , , isOwn]) => isOwn)[0] / 4096) }, frames.map((frame) => sound(unpack(frame))));
};

/**
 * What each frame is when it is opened, or null: in the place of `sender`, or of who it says it is of. What
 * is of no use as a sound may be a picture.
 */
const open = async (keys, sender, frames) => {
  const { markBytes, parse } = await import(module('frame.js'));
  const [hear, transform] = await begin(keys);
  const opened = [];
  for (const frame of frames) {
    let found = null;
    for (const kind of [sound, picture]) {
      const bytes = unpack(frame);
      const whole = kind(bytes);
      const place = sender ?? Math.floor((parse(bytes.subarray(markBytes(whole, bytes)))?.kid ?? 0) / 16);
      hear({ data: { slots: [[1, place]] } });
      found ??= (await through(transform, { slot: 1 }, [whole]))[0] ?? null;
    }
    opened.push(found);
  }
  return opened;
};
