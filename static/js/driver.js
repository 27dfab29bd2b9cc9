/**
 * Drives the client core: feeds it what happens, stores what it says, and only then does the rest.
 * Owns the socket, requests and timers. Decides nothing.
 *
 * @module
 */

import init, { Roost } from '../wasm/roost_web.js';
import { Vault } from './vault.js';

/** Inputs handled before the next transaction. */
const BATCH = 64;
const REQUEST_MS = 60_000;
const TIMER_MS_MAX = 2 ** 31 - 1;

/** @typedef {{ url: string, group: string, had: boolean }} Hello */
/** @typedef {[action: string, fields: [string, string][]]} Action */
/** @typedef {(tab: string, message: object) => void} Post */
/** @typedef {[tab: string, number: number | undefined]} Handled None: the tab is gone. */
/** @typedef {{ feed: (roost: Roost) => void, handled?: Handled, done?: () => void }} Input */

const now = () => BigInt(Date.now());

export class Driver {
  /** @type {Vault} */ #vault;
  /** @type {Roost} */ #roost;
  /** @type {Post} */ #post;
  /** @type {(error: unknown) => void} */ #fail;
  /** @type {() => void} */ #stored;
  /** @type {Input[]} */ #queue = [];
  /** @type {import('./vault.js').Handled} Since the last transaction. */ #handled = new Map();
  #running = false;
  /** @type {WebSocket | undefined} */ #socket;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /**
   * @param {Vault} vault
   * @param {Roost} roost
   * @param {Post} post To a tab.
   * @param {(error: unknown) => void} fail This driver is over.
   * @param {() => void} stored What there was to store is stored.
   */
  constructor(vault, roost, post, fail, stored) {
    this.#vault = vault;
    this.#roost = roost;
    this.#post = post;
    this.#fail = fail;
    this.#stored = stored;
  }

  /**
   * Reads what is stored, also the last number handled of each tab.
   *
   * @param {string} name Of the store.
   * @param {Post} post
   * @param {(error: unknown) => void} fail
   * @param {() => void} stored
   * @returns {Promise<[Driver, Map<string, number>]>}
   */
  static async open(name, post, fail, stored) {
    await init({ module_or_path: new URL('../wasm/roost_web_bg.wasm', import.meta.url) });
    const vault = await Vault.open(name);
    const roost = new Roost(await vault.rows([...Roost.tables()]), now());
    const handled = await vault.handled();
    const driver = new Driver(vault, roost, post, fail, stored);
    driver.#feed(() => {});
    return [driver, handled];
  }

  /** @param {string} tab @param {Hello} hello */
  attach(tab, { url, group, had }) {
    this.#feed((roost) => roost.attach(tab, url, group, had, now()));
  }

  /** @param {string} tab */
  detach(tab) {
    this.#feed((roost) => roost.detach(tab, now()), [tab, undefined]);
  }

  /**
   * @param {string} tab
   * @param {number} number Stored with what the action writes: one that writes nothing may be repeated.
   * @param {Action} event
   * @param {() => void} done When it is stored.
   */
  event(tab, number, [action, fields], done) {
    const feed = (/** @type {Roost} */ roost) => {
      if (!roost.event(tab, action, fields, now())) console.warn('unknown action', action);
    };
    this.#feed(feed, [tab, number], done);
  }

  /** @param {string} sentence For the banner of every tab. */
  note(sentence) {
    this.#feed((roost) => roost.note(sentence));
  }

  /** The network is back. */
  connect() {
    this.#feed((roost) => roost.connect(now()));
  }

  close() {
    this.#queue = [];
    this.#running = true;
    clearTimeout(this.#timer);
    this.#drop();
    this.#vault.close();
  }

  /** @param {Input['feed']} feed @param {Handled} [handled] @param {Input['done']} [done] */
  #feed(feed, handled, done) {
    this.#queue.push({ feed, handled, done });
    if (!this.#running) this.#run();
  }

  async #run() {
    this.#running = true;
    try {
      while (this.#queue.length > 0) await this.#turn(this.#queue.splice(0, BATCH));
      this.#running = false;
    } catch (error) {
      this.close();
      this.#fail(error);
    }
  }

  /** @param {Input[]} batch */
  async #turn(batch) {
    for (const { feed, handled } of batch) {
      feed(this.#roost);
      if (handled) this.#handled.set(...handled);
    }
    const [writes, effects] = this.#roost.take();
    const stored = this.#store(writes);
    for (const [tab, ...patch] of this.#roost.render(now())) this.#post(tab, { patch });
    await stored;
    for (const effect of effects) this.#perform(effect);
    for (const input of batch) input.done?.();
  }

  /** @param {import('./vault.js').Write[]} writes */
  async #store(writes) {
    if (writes.length === 0) return;
    const handled = this.#handled;
    this.#handled = new Map();
    await this.#vault.store(writes, handled);
    this.#stored();
  }

  /** @param {[name: string, ...rest: any[]]} effect */
  #perform([name, ...rest]) {
    switch (name) {
      case 'http': return void this.#request(rest);
      case 'open': return this.#connect(rest[0]);
      case 'send': return this.#send(rest[0]);
      case 'close': return this.#drop();
      case 'wake': return this.#wake(Number(rest[0]));
      case 'load': return void this.#load(rest);
    }
  }

  /** @param {any[]} call */
  async #request([id, method, path, body, authorization]) {
    const headers = new Headers();
    if (authorization) headers.set('Authorization', authorization);
    if (body.length > 0) headers.set('Content-Type', 'application/cbor');
    try {
      const reply = await fetch(path, {
        method,
        headers,
        body: body.length > 0 ? body : undefined,
        cache: 'no-store',
        credentials: 'omit',
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      const bytes = new Uint8Array(await reply.arrayBuffer());
      this.#feed((roost) => roost.reply(id, reply.status, bytes, now()));
    } catch {
      this.#feed((roost) => roost.unreachable(id, now()));
    }
  }

  /** @param {string} path */
  #connect(path) {
    this.#drop();
    const socket = new WebSocket(location.origin.replace(/^http/, 'ws') + path);
    const ours = (/** @type {Input['feed']} */ feed) => this.#socket === socket && this.#feed(feed);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => ours((roost) => roost.socket_opened(now()));
    socket.onmessage = ({ data }) => {
      const bytes = new Uint8Array(data);
      ours((roost) => roost.frame(bytes, now()));
    };
    socket.onclose = () => {
      ours((roost) => roost.socket_closed(now()));
      if (this.#socket === socket) this.#socket = undefined;
    };
  }

  /** @param {Uint8Array} bytes What is not sent is sent again when the socket is back. */
  #send(bytes) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(bytes);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  /** @param {number} moment */
  #wake(moment) {
    clearTimeout(this.#timer);
    const wait = Math.min(Math.max(moment - Date.now(), 0), TIMER_MS_MAX);
    this.#timer = setTimeout(() => this.#feed((roost) => roost.tick(now())), wait);
  }

  /** @param {any[]} part */
  async #load([group, before, limit]) {
    try {
      const table = Roost.timeline_table();
      const { rows, more } = await this.#vault.timeline(table, group, before, limit);
      this.#feed((roost) => roost.timeline(group, rows, more, now()));
    } catch (error) {
      this.close();
      this.#fail(error);
    }
  }
}
