/**
 * What this browser stores: rows of the client core, each encrypted with a key that script cannot
 * read. Owns IndexedDB and WebCrypto. Never looks inside a value.
 *
 * @module
 */

const GUEST = /^roost-guest-(\d+)-/;
const DAY_MS = 86_400_000;
const VERSION = 2;
const ROWS = 'rows';
const KEYS = 'keys';
/** The last number handled of each tab. */
const HANDLED = 'handled';
const IV_BYTES = 12;

/** @typedef {[table: number, key: Uint8Array, value: Uint8Array]} Row */
/** @typedef {[table: number, key: Uint8Array, value: Uint8Array | undefined]} Write */
/** @typedef {Map<string, number | undefined>} Handled Of tabs, the last number; none of one that is gone. */

export class Vault {
  /** @type {IDBDatabase} */ #database;
  /** @type {CryptoKey} */ #key;

  /** @param {IDBDatabase} database @param {CryptoKey} key */
  constructor(database, key) {
    this.#database = database;
    this.#key = key;
  }

  /** Opens the database, making it and its key the first time. @param {string} name */
  static async open(name) {
    if (GUEST.test(name)) await forgetGuests();
    const opening = indexedDB.open(name, VERSION);
    opening.onupgradeneeded = ({ oldVersion }) => {
      if (oldVersion < 1) {
        opening.result.createObjectStore(ROWS);
        opening.result.createObjectStore(KEYS);
      }
      if (oldVersion < 2) opening.result.createObjectStore(HANDLED);
    };
    const database = await answer(opening);
    // A tab that could not lead may still hold it open.
    database.onversionchange = () => database.close();
    return new Vault(database, await wrappingKey(database));
  }

  /** Lets go, so that another version of this page may open it. */
  close() {
    this.#database.close();
  }

  /** @param {number[]} tables @returns {Promise<Row[]>} All rows of these tables. */
  async rows(tables) {
    const store = this.#database.transaction(ROWS).objectStore(ROWS);
    const found = await Promise.all(tables.map((table) => all(store, within(table))));
    return Promise.all(found.flat().map(([key, value]) => this.#read(key, value)));
  }

  /** @returns {Promise<Map<string, number>>} The last number handled of each tab. */
  async handled() {
    const found = await all(this.#database.transaction(HANDLED).objectStore(HANDLED));
    return new Map(/** @type {[string, any][]} */ (found));
  }

  /**
   * The newest rows of one conversation.
   *
   * @param {number} table
   * @param {Uint8Array} group
   * @param {Uint8Array | undefined} before Rows from this index on are left out.
   * @param {number} limit
   * @returns {Promise<{ rows: Row[], more: boolean }>} Oldest first.
   */
  async timeline(table, group, before, limit) {
    const from = [table, joined(group, new Uint8Array(8))];
    const upto = [table, joined(group, before ?? new Uint8Array(8).fill(0xff))];
    const store = this.#database.transaction(ROWS).objectStore(ROWS);
    const range = IDBKeyRange.bound(from, upto, false, before !== undefined);
    const { start, more } = await tail(store, range, limit);
    const found = await all(store, IDBKeyRange.bound(start, upto, false, before !== undefined));
    const rows = await Promise.all(found.map(([key, value]) => this.#read(key, value)));
    return { rows, more };
  }

  /**
   * Stores all of this, durably, or nothing.
   *
   * @param {Write[]} writes In order; the last one to a key counts.
   * @param {Handled} handled What was handled by the time of these writes.
   */
  async store(writes, handled) {
    const last = new Map(writes.map((write) => [`${write[0]}:${write[1]}`, write]));
    // A transaction ends when it waits for anything else: encrypt first.
    const sealed = await Promise.all([...last.values()].map((write) => this.#seal(write)));
    const names = [ROWS, HANDLED];
    const transaction = this.#database.transaction(names, 'readwrite', { durability: 'strict' });
    putAll(transaction.objectStore(ROWS), sealed);
    putAll(transaction.objectStore(HANDLED), handled);
    await completed(transaction);
  }

  /** @param {Write} write @returns {Promise<[IDBValidKey, Uint8Array | undefined]>} */
  async #seal([table, key, value]) {
    if (value === undefined) return [[table, key], undefined];
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const parameters = { name: 'AES-GCM', iv, additionalData: place(table, key) };
    const sealed = await crypto.subtle.encrypt(parameters, this.#key, value);
    return [[table, key], joined(iv, new Uint8Array(sealed))];
  }

  /** @param {IDBValidKey} place_ @param {Uint8Array} stored @returns {Promise<Row>} */
  async #read(place_, stored) {
    const [table, raw] = /** @type {[number, ArrayBuffer]} */ (place_);
    const key = new Uint8Array(raw);
    const iv = stored.subarray(0, IV_BYTES);
    const parameters = { name: 'AES-GCM', iv, additionalData: place(table, key) };
    const value = await crypto.subtle.decrypt(parameters, this.#key, stored.subarray(IV_BYTES));
    return [table, key, new Uint8Array(value)];
  }
}

/**
 * Where the last `limit` keys of a range begin, and whether there are others before. The cursor
 * leaps, so that a long conversation opens as fast as a short one.
 *
 * @param {IDBObjectStore} store
 * @param {IDBKeyRange} range
 * @param {number} limit More than one.
 * @returns {Promise<{ start: IDBValidKey, more: boolean }>}
 */
function tail(store, range, limit) {
  return new Promise((resolve, reject) => {
    const request = store.openKeyCursor(range, 'prev');
    const leaps = [limit - 1, 1];
    /** @type {IDBValidKey} */ let start = range.lower;
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      const leap = leaps.shift();
      if (!cursor) resolve({ start, more: false });
      else if (leap) {
        if (leaps.length === 0) start = cursor.key;
        cursor.advance(leap);
      } else resolve({ start, more: true });
    };
  });
}

/** Accounts of guests last a day: what is stored of earlier ones is of no use to anybody. */
async function forgetGuests() {
  const yesterday = Math.floor(Date.now() / DAY_MS) - 1;
  for (const { name } of await indexedDB.databases?.() ?? []) {
    if (Number(GUEST.exec(name ?? '')?.[1] ?? Infinity) < yesterday) indexedDB.deleteDatabase(name ?? '');
  }
}

/** @param {IDBDatabase} database */
async function wrappingKey(database) {
  const found = await answer(database.transaction(KEYS).objectStore(KEYS).get('rows'));
  if (found) return /** @type {CryptoKey} */ (found);
  const algorithm = { name: 'AES-GCM', length: 256 };
  const key = await crypto.subtle.generateKey(algorithm, false, ['encrypt', 'decrypt']);
  const transaction = database.transaction(KEYS, 'readwrite', { durability: 'strict' });
  transaction.objectStore(KEYS).add(key, 'rows');
  await completed(transaction);
  return /** @type {CryptoKey} */ (key);
}

/** A value belongs to its place: moved elsewhere it does not open. */
function place(/** @type {number} */ table, /** @type {Uint8Array} */ key) {
  return joined(new Uint8Array([table]), key);
}

/** @param {number} table Arrays sort by element, and any array with a second one lies between. */
function within(table) {
  return IDBKeyRange.bound([table], [table + 1], false, true);
}

/** @param {IDBObjectStore} store @param {Iterable<[IDBValidKey, any]>} entries Undefined is deleted. */
function putAll(store, entries) {
  for (const [key, value] of entries) {
    if (value === undefined) store.delete(key);
    else store.put(value, key);
  }
}

/** @param {IDBObjectStore} store @param {IDBKeyRange} [range] */
async function all(store, range) {
  const [keys, values] = await Promise.all([
    answer(store.getAllKeys(range)),
    answer(store.getAll(range)),
  ]);
  return keys.map((key, at) => /** @type {[IDBValidKey, Uint8Array]} */ ([key, values[at]]));
}

function joined(/** @type {Uint8Array} */ first, /** @type {Uint8Array} */ second) {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
function completed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
  });
}
