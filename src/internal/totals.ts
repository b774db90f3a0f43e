import type { DurationStats, PoolStats } from '../stats.js';

/** Sum and maximum: with a count that is kept anyway, enough for a mean. */
export class Durations {
  sum = 0;
  max = 0;

  add(millis: number): void {
    this.sum += millis;
    if (millis > this.max) this.max = millis;
  }

  snapshot(count: number): DurationStats {
    return { count, meanMillis: count === 0 ? 0 : this.sum / count, maxMillis: this.max };
  }
}

/** The running totals behind `pool.stats`. */
export class Totals {
  created = 0;
  destroyed = 0;
  acquired = 0;
  released = 0;
  timedOut = 0;
  cancelled = 0;
  rejected = 0;
  createFailed = 0;
  validateFailed = 0;
  resetFailed = 0;
  destroyFailed = 0;
  expired = 0;
  pruned = 0;
  recycled = 0;
  leaked = 0;
  revoked = 0;
  peakLeased = 0;
  peakWaiting = 0;
  readonly wait: Durations = new Durations();
  readonly hold: Durations = new Durations();
  readonly create: Durations = new Durations();

  snapshot(): PoolStats {
    const { wait, hold, create } = this;
    return Object.assign({}, this, {
      wait: wait.snapshot(this.acquired),
      hold: hold.snapshot(this.released),
      create: create.snapshot(this.created),
    });
  }
}
