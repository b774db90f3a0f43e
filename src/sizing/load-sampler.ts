import type { Pool } from '../index.js';

/** What a pool did from one moment to another. */
export interface LoadSample {
  /** Leases that ended, in a second. */
  readonly perSecond: number;
  /** Of those, the mean; 0 where none ended. */
  readonly holdMillis: number;
  readonly leases: number;
  /** The standard error of `perSecond`, as a share of it. */
  readonly noise: number;
  /** The share of looks at which requests waited. */
  readonly waitingShare: number;
}

/** Reads a pool's running totals now and then: that costs the pool nothing, as a subscription to its events would. */
export class LoadSampler {
  readonly #pool: Pool<unknown>;
  #startAt = 0;
  #lastAt = 0;
  #startLeases = 0;
  #startHold = 0;
  #lastLeases = 0;
  #looks = 0;
  #waiting = 0;
  #rates: number[] = [];

  constructor(pool: Pool<unknown>) {
    this.#pool = pool;
  }

  get leases(): number {
    return this.#lastLeases - this.#startLeases;
  }

  /** The standard error of the rate so far, as a share of it. */
  get noise(): number {
    return noiseOf(this.#rates);
  }

  start(now: number): void {
    const { hold } = this.#pool.stats;
    this.#startAt = now;
    this.#lastAt = now;
    this.#startLeases = hold.count;
    this.#lastLeases = hold.count;
    this.#startHold = hold.count * hold.meanMillis;
    this.#looks = 0;
    this.#waiting = 0;
    this.#rates = [];
  }

  look(now: number): void {
    const { count } = this.#pool.stats.hold;
    const millis = now - this.#lastAt;
    if (millis <= 0) return;
    this.#rates.push((count - this.#lastLeases) / millis);
    this.#lastLeases = count;
    this.#lastAt = now;
    this.#looks += 1;
    if (this.#pool.state.waiting > 0) this.#waiting += 1;
  }

  take(): LoadSample {
    const { hold } = this.#pool.stats;
    const leases = this.leases;
    const millis = Math.max(1, this.#lastAt - this.#startAt);
    const heldMillis = hold.count * hold.meanMillis - this.#startHold;
    const ended = hold.count - this.#startLeases;
    return {
      perSecond: (leases * 1_000) / millis,
      holdMillis: ended === 0 ? 0 : heldMillis / ended,
      leases,
      noise: this.noise,
      waitingShare: this.#looks === 0 ? 0 : this.#waiting / this.#looks,
    };
  }
}

function noiseOf(rates: readonly number[]): number {
  const count = rates.length;
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / Math.max(1, count);
  if (count < 2 || mean === 0) return 1;
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / (count - 1);
  return Math.sqrt(variance / count) / mean;
}
