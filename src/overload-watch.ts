import type { PoolLoad, WaitingRequest } from './admission.js';
import { RecentHold } from './recent-hold.js';

/** A queue that stands for no longer is a burst, however short the leases are. */
const LEAST_INTERVAL_MILLIS = 100;
/** In good times the last of a burst may wait for so many leases in a row. */
const HOLDS_IN_INTERVAL = 2;

/** How much one decision changes the share of those who were refused: about the last fifty count. */
const WEIGHT = 0.04;
/** Where more are refused an empty queue is the work of the refusals, and no end of the overload. */
const FEW_REFUSED = 0.2;

/** What a free resource finds. */
export interface QueueSight {
  /** How long the oldest has waited for others to end. */
  readonly waitedMillis: number;
  /** The queue has not been empty for longer than the interval. */
  readonly stands: boolean;
}

/**
 * Tells a queue that stands, because more is asked of the pool than it can serve, from one that comes and goes, and
 * from one of a pool that is on its way to its size: there requests wait for resources to be made, not for each other,
 * and their wait says nothing of the load.
 */
export class OverloadWatch {
  readonly #intervalMillis: number | undefined;
  readonly #hold = new RecentHold();
  #emptyAt = -Infinity;
  #endedAt = -Infinity;
  #grewAt = -Infinity;
  /** Most that were lent since the queue was empty. */
  #mostLeased = 0;
  #refusedAt = -Infinity;
  #refusedShare = 0;

  /** Without an interval: twice as long as a lease is held in the mean, and 100 ms at least. */
  constructor(intervalMillis: number | undefined) {
    this.#intervalMillis = intervalMillis;
  }

  /** Undefined before the first lease has ended. */
  get meanHoldMillis(): number | undefined {
    return this.#hold.meanMillis;
  }

  get intervalMillis(): number {
    const { meanMillis = 0 } = this.#hold;
    return this.#intervalMillis ?? Math.max(LEAST_INTERVAL_MILLIS, HOLDS_IN_INTERVAL * meanMillis);
  }

  /** Somebody comes, and is not counted yet. */
  arrives({ at, waiting }: PoolLoad): void {
    if (waiting === 0) this.#empty(at);
  }

  /** A resource is free, and `oldest` is the first of those who wait. */
  look(oldest: WaitingRequest, { at, waiting, leased }: PoolLoad): QueueSight {
    const { requestedAt } = oldest;
    // It was not lent before: no lease has ended since somebody waits, or never as many were out.
    if (requestedAt > this.#endedAt || leased >= this.#mostLeased) {
      this.#grewAt = at;
      this.#emptyAt = at;
      this.#mostLeased = leased + 1;
    }
    const stands = at - this.#emptyAt > this.intervalMillis;
    if (waiting <= 1) this.#empty(at);
    return { waitedMillis: at - Math.max(requestedAt, this.#grewAt), stands };
  }

  ended(heldMillis: number, at: number): void {
    this.#hold.ended(heldMillis);
    this.#endedAt = at;
  }

  /** What became of the oldest after a look. */
  decided(isRefused: boolean, at: number): void {
    this.#refusedShare += WEIGHT * (Number(isRefused) - this.#refusedShare);
    if (isRefused) this.#refusedAt = at;
  }

  #empty(at: number): void {
    const isOverloaded =
      this.#refusedShare > FEW_REFUSED && at - this.#refusedAt <= this.intervalMillis;
    if (isOverloaded) return;
    this.#emptyAt = at;
    this.#mostLeased = 0;
  }
}
