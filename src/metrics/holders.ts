import {
  asyncScheduler,
  interval,
  Observable,
  type OperatorFunction,
  type SchedulerLike,
} from 'rxjs';
import type { PoolEvent } from '../index.js';
import { checkCount, checkMillis, checkShare } from './check.js';

/** Somebody who holds a resource. */
export interface Holder {
  /** Of the resource. */
  readonly id: number;
  /** Of the request, as in events. */
  readonly requestId: number;
  /** Of its `AcquireOptions`. */
  readonly label: string | undefined;
  /** The pool's clock. */
  readonly since: number;
  /** From the request to the lease, in milliseconds. */
  readonly waitedMillis: number;
  /** Where it was acquired, for a sampled or leaked lease: the frames of the caller, without those of rxpool and RxJS. */
  readonly stack: string | undefined;
}

/** Somebody who waits for one. */
export interface Waiter {
  /** Of the request, as in events. */
  readonly requestId: number;
  /** Of its `AcquireOptions`. */
  readonly label: string | undefined;
  /** The pool's clock. */
  readonly since: number;
}

/**
 * Who holds a pool's resources and who waits, by its events. One map entry for each lease and each waiting request.
 * Requests and leases older than the book are unknown to it.
 *
 * @example
 * const book = new HolderBook(0.01);
 * pool.stats$.subscribe(event => book.add(event));
 * show(`${book.waiting} wait`);
 */
export class HolderBook {
  readonly #holders = new Map<number, Holder>();
  readonly #waiters = new Map<number, Waiter>();
  readonly #stacks = new Map<number, string | undefined>();
  readonly #sampleStacks: number;
  #owed = 0;

  /** The share of requests of which the caller's stack is kept: 0 to 1. A stack costs some microseconds. */
  constructor(sampleStacks = 0) {
    checkShare('holders', 'sampleStacks', sampleStacks);
    this.#sampleStacks = sampleStacks;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** To be given every event of the pool, in order. */
  add(event: PoolEvent): void {
    switch (event.type) {
      case 'requested': {
        const { requestId, label, at } = event;
        this.#waiters.set(requestId, { requestId, label, since: at });
        if (this.#sampleStacks > 0) this.#sample(requestId);
        break;
      }
      case 'acquired': {
        const { id, requestId, label, at, waitedMillis } = event;
        this.#waiters.delete(requestId);
        const stack = this.#stacks.get(requestId);
        if (stack !== undefined) this.#stacks.delete(requestId);
        this.#holders.set(requestId, { id, requestId, label, since: at, waitedMillis, stack });
        break;
      }
      case 'released':
        this.#holders.delete(event.requestId);
        break;
      case 'cancelled':
      case 'timedOut':
      case 'rejected':
        this.#waiters.delete(event.requestId);
        this.#stacks.delete(event.requestId);
        break;
      case 'leaked':
      case 'revoked': {
        const holder = this.#holders.get(event.requestId);
        if (holder !== undefined && holder.stack === undefined && event.stack !== undefined) {
          this.#holders.set(event.requestId, { ...holder, stack: callerFrames(event.stack) });
        }
        break;
      }
    }
  }

  /** The oldest leases first. */
  longest(count: number): Holder[] {
    return firstOf(this.#holders, count);
  }

  /** The oldest requests first. */
  waiters(count: number): Waiter[] {
    return firstOf(this.#waiters, count);
  }

  /** An event leaves when the outermost call ends: that is where the request was made, unless it was made in a callback. */
  #sample(requestId: number): void {
    this.#owed += this.#sampleStacks;
    if (this.#owed < 1) return;
    this.#owed -= 1;
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 50;
    const { stack } = new Error('acquired here');
    Error.stackTraceLimit = limit;
    if (stack !== undefined) this.#stacks.set(requestId, callerFrames(stack));
  }
}

/** Options of `longestHeld`. */
export interface LongestHeldOptions {
  /** How many at most. Default 10. */
  readonly count?: number | undefined;
  /** How often. Default 1000. */
  readonly everyMillis?: number | undefined;
  /** The share of requests of which the caller's stack is kept. Default 0. */
  readonly sampleStacks?: number | undefined;
  /** Tells when to ask again; the one of the pool. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

/**
 * Who has held a resource for longest, asked again and again: the answer to "who has all my connections?". Cold: each
 * subscription keeps a book of its own, from then on; one timer. Completes with the pool. Throws InvalidOptionsError.
 *
 * @example
 * pool.stats$.pipe(longestHeld({ count: 3, everyMillis: 60_000, sampleStacks: 0.01 })).subscribe(console.table);
 */
export function longestHeld<T = unknown>(
  options: LongestHeldOptions = {},
): OperatorFunction<PoolEvent<T>, readonly Holder[]> {
  const { count = 10, everyMillis = 1000, sampleStacks = 0, scheduler = asyncScheduler } = options;
  checkCount('longestHeld', 'count', count);
  checkMillis('longestHeld', 'everyMillis', everyMillis);
  checkShare('longestHeld', 'sampleStacks', sampleStacks);
  return events =>
    new Observable(subscriber => {
      const book = new HolderBook(sampleStacks);
      subscriber.add(
        interval(everyMillis, scheduler).subscribe(() => {
          subscriber.next(book.longest(count));
        }),
      );
      subscriber.add(
        events.subscribe({
          next: event => {
            book.add(event);
          },
          error: (error: unknown) => {
            subscriber.error(error);
          },
          complete: () => {
            subscriber.complete();
          },
        }),
      );
    });
}

const ownFolder = new URL('..', import.meta.url).href;

/**
 * The frames of a stack that are the caller's: without its message, rxpool and RxJS.
 *
 * @example
 * pool.stats$.subscribe(event => {
 *   if (event.type === 'leaked' && event.stack !== undefined) show(callerFrames(event.stack));
 * });
 */
export function callerFrames(stack: string): string {
  const folder = ownFolder.replace('file://', '');
  return stack
    .split('\n')
    .filter(line => /^\s+at /.test(line))
    .filter(line => !line.includes(folder) && !/[\\/]node_modules[\\/]rxjs[\\/]/.test(line))
    .map(line => line.trim())
    .join('\n');
}

function firstOf<V>(values: ReadonlyMap<number, V>, count: number): V[] {
  const first: V[] = [];
  for (const value of values.values()) {
    if (first.length >= count) break;
    first.push(value);
  }
  return first;
}
