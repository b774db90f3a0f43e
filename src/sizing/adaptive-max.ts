/// <reference lib="esnext.disposable" preserve="true" />
import {
  asyncScheduler,
  Subject,
  type Observable,
  type SchedulerLike,
  type Subscription,
  type Unsubscribable,
} from 'rxjs';
import type { Pool } from '../index.js';
import { later } from '../shared/later.js';
import { LoadSampler, type LoadSample } from './load-sampler.js';
import { checkAdaptiveMax } from './rules.js';
import { SizeSearch, type SizingPhase } from './size-search.js';

/** Options of {@link adaptiveMax}. Durations are whole milliseconds, shares are of 1. */
export interface AdaptiveMaxOptions {
  /** No size is smaller. Default 1, or the pool's `min` where that is more. */
  readonly min?: number | undefined;
  /** No size is larger: what the server can bear at all. */
  readonly max: number;
  /**
   * How long a size is measured, at least: up to three times as long while the rate varies much, and up to ten times
   * until 30 leases have ended. Default 2,000.
   */
  readonly sampleMillis?: number | undefined;
  /**
   * A smaller size is as good when it costs no more than this share of the best throughput: how much speed a smaller
   * crowd at the server is worth. Default 0.05.
   */
  readonly tolerance?: number | undefined;
  /** Throughput or hold time that go this far from what they were are another load. Default 0.2. */
  readonly changeThreshold?: number | undefined;
  /** Measurements in a row that have to say so, before anything is changed. Default 2. */
  readonly confirmations?: number | undefined;
  /** So many quiet measurements at the most, and other sizes are tried again, whatever happens. Default 60. */
  readonly recheckEvery?: number | undefined;
  /** Clock and timer. It does not keep a Node process alive. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

/** One decision about the size, and what it was made from. */
export interface SizingDecision {
  /** The scheduler's clock, in milliseconds. */
  readonly at: number;
  /** The size that was measured. */
  readonly from: number;
  /** The size from now on: the same where it stays. */
  readonly to: number;
  /** `sufficient`: nobody waits, so the size limits nobody. */
  readonly phase: SizingPhase | 'sufficient';
  /** Why, in one plain sentence. */
  readonly reason: string;
  /** Leases that ended, in a second. */
  readonly perSecond: number;
  /** How long they were held, in the mean, in milliseconds. */
  readonly holdMillis: number;
  /** The share of looks at which requests waited. */
  readonly waitingShare: number;
  /** The best throughput of this search, in leases a second. */
  readonly bestPerSecond: number;
  /** The least size that could carry it, by Little's law; `min` as long as that cannot be told. */
  readonly floor: number;
}

/** A running controller of a pool's `max`. */
export interface AdaptiveMax extends Unsubscribable, Disposable {
  /** `holding` and `sufficient` are at rest. */
  readonly phase: SizingDecision['phase'];
  /** Hot, nothing replayed: every decision, those that change nothing included. Completes at the end; never errors. */
  readonly explain$: Observable<SizingDecision>;
  /** The latest decision; undefined before the first. */
  readonly last: SizingDecision | undefined;
  /** It has ended: by hand, or with its pool. */
  readonly closed: boolean;
  /** Ends it, and leaves the pool with the size it has. */
  unsubscribe(): void;
}

/**
 * Finds a pool's `max` by trying, and follows when the load changes.
 *
 * While requests wait it measures throughput (leases that end) and hold time at one size after the other: up by half
 * as long as throughput rises, then the smallest size that does as well as the best but for `tolerance`, found by
 * halving; never below what Little's law asks for. What lies too near to the line is measured again, by turns with the
 * best. That size stays until throughput or hold time, at the same size, have become others; other sizes are tried all
 * the same after 8 quiet measurements, and ever less often while that finds the same. Where nobody waits, `max` limits
 * nobody: it stays, and nothing can be learned.
 *
 * It starts at once, reads only `pool.stats` and `pool.state`, calls `pool.resize({ max })`, and ends when the pool
 * closes. It takes every lease for one piece of work: leases that fail fast look like throughput, so put a
 * `circuitBreaker` before a server that fails. While it searches, sizes that are too large or too small are in use for
 * a few seconds each. The family of algorithms is that of gradient concurrency limits, which climb as long as more
 * concurrency gives more throughput.
 *
 * Do not give the pool a live `max` beside it. Throws InvalidOptionsError.
 *
 * @example
 * const sizing = adaptiveMax(pool, { min: 2, max: 100 });
 * sizing.explain$.subscribe(({ from, to, reason }) => console.log(`${from} -> ${to}: ${reason}`));
 */
export function adaptiveMax<T>(pool: Pool<T>, options: AdaptiveMaxOptions): AdaptiveMax {
  checkAdaptiveMax(pool, options);
  return new Controller(pool, options);
}

/** So many looks make one measurement. */
const looks = 20;
/** A mean of fewer is an anecdote. */
const fewestLeases = 30;
const longestFactor = 10;
/** A rate that varies is measured for longer. */
const unsureFactor = 3;
/** Of the looks, those at which somebody has to wait for the size to be what limits. */
const waitingNeeded = 0.5;

class Controller implements AdaptiveMax {
  readonly explain$: Observable<SizingDecision>;
  last: SizingDecision | undefined = undefined;
  closed = false;
  readonly #pool: Pool<unknown>;
  readonly #search: SizeSearch;
  readonly #sampler: LoadSampler;
  readonly #scheduler: SchedulerLike;
  readonly #sampleMillis: number;
  readonly #lookMillis: number;
  readonly #tolerance: number;
  readonly #decisions = new Subject<SizingDecision>();
  #timer: Subscription | undefined = undefined;
  /** When the present measurement began; undefined while the pool is on its way to its size. */
  #since: number | undefined = undefined;
  #resizedAt: number;
  #settleMillis = 0;

  constructor(pool: Pool<unknown>, options: AdaptiveMaxOptions) {
    const { sampleMillis = 2_000, max, scheduler = asyncScheduler } = options;
    const min = options.min ?? Math.max(1, pool.state.min);
    this.#pool = pool;
    this.#scheduler = scheduler;
    this.#sampleMillis = sampleMillis;
    this.#tolerance = options.tolerance ?? 0.05;
    this.#lookMillis = Math.max(1, Math.round(sampleMillis / looks));
    this.explain$ = this.#decisions.asObservable();
    this.#sampler = new LoadSampler(pool);
    this.#search = new SizeSearch({
      min,
      max,
      tolerance: this.#tolerance,
      changeThreshold: options.changeThreshold ?? 0.2,
      confirmations: options.confirmations ?? 2,
      recheckEvery: options.recheckEvery ?? 60,
    });
    this.#resizedAt = scheduler.now();
    const size = Math.min(max, Math.max(min, pool.state.max));
    if (size !== pool.state.max) pool.resize({ max: size });
    this.#plan();
  }

  get phase(): SizingDecision['phase'] {
    return this.last?.phase ?? 'climbing';
  }

  unsubscribe(): void {
    if (this.closed) return;
    this.closed = true;
    this.#timer?.unsubscribe();
    this.#decisions.complete();
  }

  [Symbol.dispose](): void {
    this.unsubscribe();
  }

  #plan(): void {
    this.#timer = later(this.#scheduler, this.#lookMillis, () => {
      this.#look();
      if (!this.closed) this.#plan();
    });
  }

  #look(): void {
    const now = this.#scheduler.now();
    const { lifecycle } = this.#pool.state;
    if (lifecycle === 'draining' || lifecycle === 'closed') {
      this.unsubscribe();
      return;
    }
    if (this.#since === undefined) {
      if (!this.#hasSettled(now)) return;
      this.#since = now;
      this.#sampler.start(now);
      return;
    }
    this.#sampler.look(now);
    const millis = now - this.#since;
    if (millis < this.#sampleMillis) return;
    const isUnsure = this.#sampler.noise > this.#tolerance / 2;
    if (isUnsure && millis < unsureFactor * this.#sampleMillis) return;
    const isLong = millis >= longestFactor * this.#sampleMillis;
    if (this.#sampler.leases < fewestLeases && !isLong) return;
    this.#since = undefined;
    this.#decide(this.#sampler.take(), now);
  }

  /** The pool has its new size, and what was lent at the old one is back. */
  #hasSettled(now: number): boolean {
    const { size, creating, max, waiting, lifecycle } = this.#pool.state;
    if (lifecycle === 'paused') return false;
    const waited = now - this.#resizedAt;
    if (waited < this.#settleMillis) return false;
    const isThere = size <= max && creating === 0 && (size === max || waiting === 0);
    return isThere || waited >= longestFactor * this.#sampleMillis;
  }

  #decide(sample: LoadSample, at: number): void {
    const from = this.#pool.state.max;
    const search = this.#search;
    const { perSecond, holdMillis, noise, waitingShare } = sample;
    if (waitingShare < waitingNeeded || sample.leases === 0) {
      search.suffices();
      const reason = `nobody waits at a max of ${from}, so it limits nobody and stays`;
      this.#tell({ ...this.#facts(sample, at), from, to: from, phase: 'sufficient', reason });
      return;
    }
    const { size: to, phase, reason } = search.next({ size: from, perSecond, holdMillis, noise });
    this.#settleMillis = Math.min(2 * holdMillis, this.#sampleMillis);
    if (to !== from) {
      this.#resizedAt = at;
      this.#pool.resize({ max: to });
    }
    this.#tell({ ...this.#facts(sample, at), from, to, phase, reason });
  }

  #facts({ perSecond, holdMillis, waitingShare }: LoadSample, at: number) {
    const { best, floor } = this.#search;
    return { at, perSecond, holdMillis, waitingShare, bestPerSecond: best, floor };
  }

  #tell(decision: SizingDecision): void {
    this.last = decision;
    this.#decisions.next(decision);
  }
}
