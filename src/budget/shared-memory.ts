import type { Ledger } from './ledger.js';

/** Words in front of the text: whose turn it is, the version, the length of each page's text. */
const LOCK = 0;
const VERSION = 1;
const LENGTHS = [2, 3] as const;
const HEADER_WORDS = 4;

/** Smaller memory holds no budget of any use. */
export const LEAST_BYTES = 1_024;

/** A thread needs some µs for its turn; one that has had it for so long was ended in the middle of it. */
const LONGEST_TURN_MILLIS = 1_000;

/** `Atomics.waitAsync`, which the library of ES2023 does not know. */
type WaitAsync = (
  array: Int32Array,
  index: number,
  value: number,
) => { readonly async: boolean; readonly value: unknown };

/**
 * The books of a budget in memory that threads share, as text on one of two pages. A turn writes the other page and
 * then changes the version, so a thread that is ended in the middle of its turn has changed nothing.
 */
export class SharedMemory {
  readonly #words: Int32Array;
  readonly #pages: readonly [Uint8Array, Uint8Array];
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, HEADER_WORDS);
    const start = HEADER_WORDS * Int32Array.BYTES_PER_ELEMENT;
    const bytes = Math.floor((memory.byteLength - start) / 2);
    this.#pages = [
      new Uint8Array(memory, start, bytes),
      new Uint8Array(memory, start + bytes, bytes),
    ];
  }

  /** Lets the work see the books, and keeps what it returns, if anything; nobody else does meanwhile. */
  turn<R>(work: (ledger: Ledger | undefined) => { ledger: Ledger | undefined; result: R }): R {
    const turn = this.#enter();
    try {
      const { ledger, result } = work(this.#read());
      if (ledger !== undefined) this.#write(ledger, turn);
      return result;
    } finally {
      // Whoever found this turn too long has taken it over.
      Atomics.compareExchange(this.#words, LOCK, turn, 0);
    }
  }

  get version(): number {
    return Atomics.load(this.#words, VERSION);
  }

  /** Resolves once the version is another; undefined where threads can not wait without standing still. */
  changed(version: number): Promise<unknown> | undefined {
    const { waitAsync } = Atomics as unknown as { readonly waitAsync?: WaitAsync };
    if (waitAsync === undefined) return undefined;
    const { value } = waitAsync(this.#words, VERSION, version);
    return Promise.resolve(value);
  }

  #enter(): number {
    // Never 0, and never that of a turn that is taken over.
    const mine = 1 + Math.floor(Math.random() * (2 ** 31 - 2));
    let holder = 0;
    let heldSince = 0;
    for (;;) {
      const found = Atomics.compareExchange(this.#words, LOCK, 0, mine);
      if (found === 0) return mine;
      const now = performance.now();
      if (found !== holder) {
        holder = found;
        heldSince = now;
      } else if (now - heldSince > LONGEST_TURN_MILLIS) {
        if (Atomics.compareExchange(this.#words, LOCK, found, mine) === found) return mine;
      }
    }
  }

  #read(): Ledger | undefined {
    const version = this.version;
    if (version === 0) return undefined;
    const current = (version & 1) as 0 | 1;
    const length = Atomics.load(this.#words, LENGTHS[current]);
    // A copy: text can not be decoded from shared memory.
    const text = this.#decoder.decode(this.#pages[current].slice(0, length));
    return JSON.parse(text) as Ledger;
  }

  #write(ledger: Ledger, turn: number): void {
    const version = this.version;
    const next = ((version + 1) & 1) as 0 | 1;
    const bytes = this.#encoder.encode(JSON.stringify(ledger));
    const page = this.#pages[next];
    if (bytes.length > page.length) {
      throw new RangeError(
        `the books of the budget need ${bytes.length * 2 + HEADER_WORDS * 4} bytes of shared memory, ` +
          `and have ${page.length * 2 + HEADER_WORDS * 4}`,
      );
    }
    if (Atomics.load(this.#words, LOCK) !== turn) {
      throw new Error('this thread stood still in the middle of its turn, and others took it over');
    }
    page.set(bytes);
    Atomics.store(this.#words, LENGTHS[next], bytes.length);
    // Zero is for memory that was never written to; two further keeps the page.
    Atomics.store(this.#words, VERSION, version === 2 ** 31 - 1 ? 2 : version + 1);
    Atomics.notify(this.#words, VERSION);
  }
}
