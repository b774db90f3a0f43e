import type { Subscription } from 'rxjs';
import { AcquireTimeoutError, type Pool, type PoolEvent } from '../index.js';
import { checkCount } from './check.js';

/**
 * The last values of many: a ring, so that a long life costs no more than a short one.
 *
 * @example
 * const last = new Ring<string>(3);
 * for (const name of ['a', 'b', 'c', 'd']) last.add(name);
 * show(last.toArray()); // b, c, d
 */
export class Ring<V> {
  readonly #limit: number;
  readonly #values: V[] = [];
  #next = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The newest; where the ring is full the oldest goes. */
  add(value: V): void {
    this.#values[this.#next] = value;
    this.#next = this.#next + 1 === this.#limit ? 0 : this.#next + 1;
  }

  /** Oldest first; at most so many of the newest. */
  toArray(count: number = Infinity): V[] {
    const all =
      this.#values.length < this.#limit
        ? this.#values.slice()
        : [...this.#values.slice(this.#next), ...this.#values.slice(0, this.#next)];
    return all.length > count ? all.slice(all.length - count) : all;
  }
}

/** A recording of a pool's last events. Ends with the pool, or by `unsubscribe`; what it has stays readable. */
export interface EventHistory<T = unknown> extends Disposable {
  /** Oldest first. A `timedOut` has its error's message in place of the error. */
  readonly events: readonly PoolEvent<T>[];
  /** Ends the recording; what it has stays readable. */
  unsubscribe(): void;
}

/**
 * Records the last `count` events of a pool from now on. Every AcquireTimeoutError of the pool then knows what
 * the pool was doing: `historyOf(error)`, or `error.history`, which is kept out of logs that print whole objects. One
 * subscription, no timer. Throws InvalidOptionsError for a senseless `count`.
 *
 * @example
 * history(pool, 50);
 * pool.use(work).subscribe({ error: error => logger.error(error, historyOf(error)?.map(({ type }) => type)) });
 */
export function history<T>(pool: Pool<T>, count = 100): EventHistory<T> {
  checkCount(pool.name, 'count', count);
  const ring = new Ring<PoolEvent<T>>(count);
  const subscription: Subscription = pool.stats$.subscribe(event => {
    if (event.type !== 'timedOut' || !(event.error instanceof AcquireTimeoutError)) {
      ring.add(event);
      return;
    }
    // An error kept here would keep its history, with the errors before it, and so on for ever.
    ring.add({ ...event, error: event.error.message });
    Object.defineProperty(event.error, 'history', {
      value: ring.toArray(),
      configurable: true,
      enumerable: false,
      writable: true,
    });
  });
  return {
    get events() {
      return ring.toArray();
    },
    unsubscribe() {
      subscription.unsubscribe();
    },
    [Symbol.dispose]() {
      subscription.unsubscribe();
    },
  };
}

/**
 * The last events before a request timed out, oldest first; undefined where `history` was not switched on.
 *
 * @example
 * history(pool, 50);
 * pool.use(work).subscribe({
 *   error: error => logger.error(error, historyOf(error)?.map(({ type }) => type)),
 * });
 */
export function historyOf(error: unknown): readonly PoolEvent[] | undefined {
  return error instanceof AcquireTimeoutError
    ? (error as { history?: readonly PoolEvent[] }).history
    : undefined;
}
