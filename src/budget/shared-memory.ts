import { asapScheduler, Observable } from 'rxjs';
import type { Ledger } from './ledger.js';

/**
 * Words in front of the text: whose turn it is, the version, the length of each page's text, the limit that was named
 * first, and the number of the channel of those who are told of changes by message.
 */
const LOCK = 0;
const VERSION = 1;
const LENGTHS = [2, 3] as const;
const LIMIT = 4;
const CHANNEL = 5;
const HEADER_WORDS = 6;

/** Smaller memory holds no budget of any use. */
export const LEAST_BYTES = 1_024;

/** A thread needs some µs for its turn; one that has had it for so long was ended in the middle of it. */
const LONGEST_TURN_MILLIS = 1_000;

/** Who looks all the time and yet did not look for so long stood still, and so may have who has the turn. */
const LONGEST_LOOK_MILLIS = 250;

/** `Atomics.waitAsync`, which the library of ES2023 does not know. */
type WaitAsync = (
  array: Int32Array,
  index: number,
  value: number,
) => { readonly async: boolean; readonly value: unknown };

/** Of Node and browsers; types of it would come from either. */
interface Channel {
  onmessage: unknown;
  postMessage(message: unknown): void;
  close(): void;
  /** Node's: it keeps no thread alive. */
  unref?(): void;
}
type ChannelConstructor = new (name: string) => Channel;

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

  /** Undefined until somebody has named one. */
  get limit(): number | undefined {
    const limit = Atomics.load(this.#words, LIMIT);
    return limit === 0 ? undefined : limit;
  }

  /** For those who name none; the first one stays. */
  suggest(limit: number): void {
    Atomics.compareExchange(this.#words, LIMIT, 0, Math.min(limit, 2 ** 31 - 1));
  }

  /**
   * Cold: emits after changes of the books, by whomever. By `Atomics.waitAsync` or, where threads can not wait without
   * standing still, by message. Undefined where there is neither.
   */
  get changes$(): Observable<undefined> | undefined {
    const { waitAsync } = Atomics as unknown as { readonly waitAsync?: WaitAsync };
    if (waitAsync !== undefined) return this.#awaited(waitAsync);
    const Channel = channels();
    return Channel === undefined ? undefined : this.#told(Channel);
  }

  #awaited(waitAsync: WaitAsync): Observable<undefined> {
    return new Observable(output => {
      const wait = (seen: number): void => {
        const { version } = this;
        if (version !== seen) {
          // Not inside somebody's turn to speak.
          output.add(
            asapScheduler.schedule(() => {
              output.next(undefined);
              wait(version);
            }),
          );
          return;
        }
        const { value } = waitAsync.call(Atomics, this.#words, VERSION, version);
        void Promise.resolve(value).then(() => {
          if (!output.closed) wait(version);
        });
      };
      wait(this.version);
    });
  }

  #told(Channel: ChannelConstructor): Observable<undefined> {
    return new Observable(output => {
      // From here on those who write know that somebody has to be told.
      Atomics.compareExchange(this.#words, CHANNEL, 0, anyNumber());
      const channel = new Channel(channelName(Atomics.load(this.#words, CHANNEL)));
      channel.unref?.();
      channel.onmessage = () => {
        output.next(undefined);
      };
      return () => {
        channel.close();
      };
    });
  }

  /** Those who wait by `Atomics.waitAsync` were woken; the others, if there are any, get a message. */
  #tell(): void {
    const number = Atomics.load(this.#words, CHANNEL);
    const Channel = number === 0 ? undefined : channels();
    if (Channel === undefined) return;
    const channel = new Channel(channelName(number));
    channel.postMessage(null);
    channel.close();
  }

  #enter(): number {
    const mine = anyNumber();
    let holder = 0;
    let heldSince = 0;
    let lookedAt = performance.now();
    for (;;) {
      const found = Atomics.compareExchange(this.#words, LOCK, 0, mine);
      if (found === 0) return mine;
      const now = performance.now();
      // In a process that was suspended whoever has the turn goes on with it now, and must not meet a second one.
      if (now - lookedAt > LONGEST_LOOK_MILLIS) heldSince += now - lookedAt;
      lookedAt = now;
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
    this.#tell();
  }
}

/** Never 0, and never that of somebody else. */
function anyNumber(): number {
  return 1 + Math.floor(Math.random() * (2 ** 31 - 2));
}

function channelName(number: number): string {
  return `rxpool budget ${number}`;
}

function channels(): ChannelConstructor | undefined {
  const { BroadcastChannel } = globalThis as unknown as { BroadcastChannel?: ChannelConstructor };
  return BroadcastChannel;
}
