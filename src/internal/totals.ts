import type { DurationStats, PoolStats } from '../stats.js';

/** Count, sum and maximum: enough for a mean, and nothing to keep per sample. */
export class Durations {
  count = 0;
  sum = 0;
  max = 0;

  add(millis: number): void {
    this.count += 1;
    this.sum += millis;
    if (millis > this.max) this.max = millis;
  }

  snapshot(): DurationStats {
    const { count } = this;
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
    return {
      created: this.created,
      destroyed: this.destroyed,
      acquired: this.acquired,
      released: this.released,
      timedOut: this.timedOut,
      cancelled: this.cancelled,
      rejected: this.rejected,
      createFailed: this.createFailed,
      validateFailed: this.validateFailed,
      resetFailed: this.resetFailed,
      destroyFailed: this.destroyFailed,
      expired: this.expired,
      pruned: this.pruned,
      recycled: this.recycled,
      leaked: this.leaked,
      revoked: this.revoked,
      peakLeased: this.peakLeased,
      peakWaiting: this.peakWaiting,
      wait: this.wait.snapshot(),
      hold: this.hold.snapshot(),
      create: this.create.snapshot(),
    };
  }
}
