/**
 * One worker per tab, one leader among them: whoever holds the lock owns the client core, and the
 * other tabs' workers talk to it over a channel. Two owners would use the same keys twice.
 *
 * @module
 */

/** @typedef {import('./driver.js').Driver} Driver */
/** @typedef {import('./driver.js').Hello} Hello */
/** @typedef {import('./driver.js').Action} Action */
/** @typedef {{ tab: string, hello?: Hello, event?: Action, number?: number }} FromTab */

/** The page names its store; who shares it has one core. */
const LOCK = self.name;
const UNSTORED =
  'This browser could not store what just happened. It tries again; until then, leave this page open, and look whether the disk is full.';
const PAUSE_MS_MAX = 60_000;

const tab = crypto.randomUUID();
const channel = new BroadcastChannel(LOCK);
/** @type {Driver | undefined} */ let driver;
/** Lets another tab lead. @type {((over?: unknown) => void) | undefined} */ let release;
/** Times in a row that storing failed. */
let failures = 0;
/** @type {Hello | undefined} */ let hello;
/** @type {Map<number, Action>} Not yet stored by the leader, by number. */
const waiting = new Map();
let sent = 0;
/** @type {Map<string, number>} The leader's: the last number taken of each tab that said hello. */
const handled = new Map();
/** @type {Map<string, number>} The last number of each tab that was stored before this one led. */
let stored = new Map();
/** @type {Set<string>} Tabs whose end the leader waits for. */
const watched = new Set();

self.onmessage = ({ data }) => {
  if (data.at) hello = data.at;
  else if (data.hello) {
    hello = data.hello;
    toLeader({ tab, hello });
  } else {
    sent += 1;
    waiting.set(sent, data.event);
    toLeader({ tab, event: data.event, number: sent });
  }
};

channel.onmessage = ({ data }) => {
  if (data.to === 'leader' && driver) take(data);
  if (data.to === tab) fromLeader(data.message);
  if (data.to === 'all') introduce();
};

self.addEventListener('online', () => driver?.connect());

// Whoever holds a tab's lock is alive: the leader waits for it to know that the tab is gone.
navigator.locks.request(`${LOCK}-${tab}`, () => new Promise(() => {}));
navigator.locks.request(LOCK, () => new Promise((over) => {
  release = over;
  lead();
}));

async function lead() {
  try {
    const { Driver } = await import('./driver.js');
    [driver, stored] = await Driver.open(LOCK, post, failed, () => (failures = 0));
    for (const from of stored.keys()) watch(from);
    channel.postMessage({ to: 'all' });
    introduce();
  } catch (error) {
    trouble(error);
  }
}

/** Tells the leader who this is and what it has not stored. */
function introduce() {
  if (!hello) return;
  toLeader({ tab, hello });
  for (const [number, event] of waiting) toLeader({ tab, event, number });
}

/** @param {FromTab} message */
function toLeader(message) {
  if (driver) take(message);
  else channel.postMessage({ to: 'leader', ...message });
}

/** The leader's side. @param {FromTab} message */
function take({ tab: from, hello: said, event, number }) {
  if (said) {
    watch(from);
    if (!handled.has(from)) handled.set(from, stored.get(from) ?? 0);
    driver?.attach(from, said);
  }
  if (!event || number === undefined) return;
  const last = handled.get(from);
  if (last === undefined) return post(from, { who: true });
  // The leader before this one stored it, and went away before it could say so.
  if (number <= (stored.get(from) ?? 0)) return post(from, { done: number });
  if (number <= last) return;
  handled.set(from, number);
  driver?.event(from, number, event, () => post(from, { done: number }));
}

/** @param {string} from */
function watch(from) {
  if (from === tab || watched.has(from)) return;
  watched.add(from);
  navigator.locks.request(`${LOCK}-${from}`, () => {
    watched.delete(from);
    handled.delete(from);
    stored.delete(from);
    driver?.detach(from);
  });
}

/** @param {string} to @param {object} message */
function post(to, message) {
  if (to === tab) fromLeader(message);
  else channel.postMessage({ to, message });
}

/** @param {any} message */
function fromLeader(message) {
  if (message.done) waiting.delete(message.done);
  else if (message.who) introduce();
  else self.postMessage(message);
}

/** The core and what is stored may differ now: read it again. @param {unknown} error */
async function failed(error) {
  driver = undefined;
  if (error instanceof WebAssembly.RuntimeError) return trouble(error);
  console.error(error);
  handled.clear();
  // What the tabs have not had stored comes again with every try.
  const pause = Math.min(1000 * 2 ** failures, PAUSE_MS_MAX);
  failures += 1;
  await new Promise((over) => setTimeout(over, pause));
  await lead();
  driver?.note(UNSTORED);
}

/** This tab cannot lead; perhaps another one can. @param {unknown} error */
function trouble(error) {
  console.error(error);
  self.postMessage({ trouble: String(error instanceof Error ? error.message : error) });
  handled.clear();
  release?.();
}
