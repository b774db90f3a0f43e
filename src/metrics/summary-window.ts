import type { PoolEvent, PoolEventType, PoolState } from '../index.js';
import { Histogram } from './histogram.js';

/** One kind of duration within a window, in milliseconds; all 0 when `count` is. */
export interface DurationSummary {
  /** How many were measured. */
  readonly count: number;
  /** The mean of them all. */
  readonly meanMillis: number;
  /** Half of them took no longer; as near as `Histogram` tells. */
  readonly p50Millis: number;
  /** 95 % of them took no longer. */
  readonly p95Millis: number;
  /** 99 % of them took no longer. */
  readonly p99Millis: number;
  /** The longest, exactly. */
  readonly maxMillis: number;
}

/** What happened in a pool from one moment to another. */
export interface PoolSummary {
  /** The pool's name; undefined as long as no event told it. */
  readonly pool: string | undefined;
  /** The window's ends, in milliseconds of the scheduler. */
  readonly from: number;
  /** The end of the window, exclusive: where the next one begins. */
  readonly to: number;
  /** How many events of each type there were. */
  readonly counts: Readonly<Record<PoolEventType, number>>;
  /** The same, by the length of the window. */
  readonly perSecond: Readonly<Record<PoolEventType, number>>;
  /** The share of `max` that was leased, weighted by time: 0 to 1; 0 for a pool without a finite `max`. */
  readonly utilisation: number;
  /** How many were leased, weighted by time. */
  readonly meanLeased: number;
  /** The most that were leased at one time. */
  readonly peakLeased: number;
  /** The most that waited at one time. */
  readonly peakWaiting: number;
  /** From request to lease, of the leases that began in the window. */
  readonly wait: DurationSummary;
  /** From lease to its end, of the leases that ended in the window. */
  readonly hold: DurationSummary;
  /** Of the creates that gave a resource in the window. */
  readonly create: DurationSummary;
  /** The state at the window's end; undefined as long as no event told it. */
  readonly state: PoolState | undefined;
}

const none: Readonly<Record<PoolEventType, number>> = {
  requested: 0,
  acquired: 0,
  cancelled: 0,
  timedOut: 0,
  rejected: 0,
  released: 0,
  creating: 0,
  created: 0,
  createFailed: 0,
  validating: 0,
  validated: 0,
  validateFailed: 0,
  resetting: 0,
  reset: 0,
  resetFailed: 0,
  evicted: 0,
  destroying: 0,
  destroyed: 0,
  destroyFailed: 0,
  resourceError: 0,
  permitLost: 0,
  nestedAcquire: 0,
  revoking: 0,
  leaked: 0,
  revoked: 0,
  resized: 0,
  paused: 0,
  resumed: 0,
  draining: 0,
  closed: 0,
};

/**
 * Adds events up between two moments: what `summarize` is made of, for those who close windows by themselves. Times
 * are those of the pool's clock. Three histograms of 8 kB are kept from the first duration on, and reused.
 *
 * @example
 * const window = new SummaryWindow(Date.now(), pool.state);
 * pool.stats$.subscribe(event => window.add(event));
 * interval(10_000).subscribe(() => show(window.close(Date.now()).wait.p99Millis));
 */
export class SummaryWindow {
  #counts: Record<PoolEventType, number> = { ...none };
  readonly #wait = new Histogram();
  readonly #hold = new Histogram();
  readonly #create = new Histogram();
  #state: PoolState | undefined;
  #pool: string | undefined = undefined;
  #from: number;
  /** Up to when the state is accounted for. */
  #accounted: number;
  #knownMillis = 0;
  #leasedMillis = 0;
  #capacityMillis = 0;
  #peakLeased: number;
  #peakWaiting: number;

  /** `state` is that of the pool at `from`, where it is known. */
  constructor(from: number, state?: PoolState) {
    this.#from = from;
    this.#accounted = from;
    this.#state = state;
    this.#peakLeased = state?.leased ?? 0;
    this.#peakWaiting = state?.waiting ?? 0;
  }

  /** To be given every event of the pool, in order. */
  add(event: PoolEvent): void {
    const { state } = event;
    this.#counts[event.type] += 1;
    if (state !== this.#state) {
      this.#account(event.at);
      this.#state = state;
      this.#pool = event.pool;
      if (state.leased > this.#peakLeased) this.#peakLeased = state.leased;
      if (state.waiting > this.#peakWaiting) this.#peakWaiting = state.waiting;
    }
    if (event.type === 'acquired') this.#wait.add(event.waitedMillis);
    else if (event.type === 'released') this.#hold.add(event.heldMillis);
    else if (event.type === 'created') this.#create.add(event.tookMillis);
  }

  /** Ends the window and begins the next one. */
  close(at: number): PoolSummary {
    this.#account(at);
    const seconds = (at - this.#from) / 1000;
    const counts = this.#counts;
    const summary: PoolSummary = {
      pool: this.#pool,
      from: this.#from,
      to: at,
      counts,
      perSecond: perSecond(counts, seconds),
      utilisation: ratio(this.#leasedMillis, this.#capacityMillis),
      meanLeased: ratio(this.#leasedMillis, this.#knownMillis),
      peakLeased: this.#peakLeased,
      peakWaiting: this.#peakWaiting,
      wait: summaryOf(this.#wait),
      hold: summaryOf(this.#hold),
      create: summaryOf(this.#create),
      state: this.#state,
    };
    this.#counts = { ...none };
    for (const histogram of [this.#wait, this.#hold, this.#create]) histogram.clear();
    this.#from = at;
    this.#accounted = at;
    this.#knownMillis = 0;
    this.#leasedMillis = 0;
    this.#capacityMillis = 0;
    this.#peakLeased = this.#state?.leased ?? 0;
    this.#peakWaiting = this.#state?.waiting ?? 0;
    return summary;
  }

  #account(at: number): void {
    const millis = at - this.#accounted;
    if (millis <= 0) return;
    this.#accounted = at;
    if (this.#state === undefined) return;
    this.#knownMillis += millis;
    this.#leasedMillis += millis * this.#state.leased;
    this.#capacityMillis += millis * this.#state.max;
  }
}

function perSecond(
  counts: Record<PoolEventType, number>,
  seconds: number,
): Record<PoolEventType, number> {
  const rates = { ...none };
  for (const type of Object.keys(counts) as PoolEventType[]) {
    rates[type] = ratio(counts[type], seconds);
  }
  return rates;
}

function summaryOf(durations: Histogram): DurationSummary {
  return {
    count: durations.count,
    meanMillis: durations.mean,
    p50Millis: durations.quantile(0.5),
    p95Millis: durations.quantile(0.95),
    p99Millis: durations.quantile(0.99),
    maxMillis: durations.max,
  };
}

function ratio(part: number, whole: number): number {
  return whole > 0 && whole < Infinity ? part / whole : 0;
}
