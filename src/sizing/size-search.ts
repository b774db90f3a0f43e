import { ThroughputCurve, type CurvePoint, type SizeMeasurement } from './throughput-curve.js';

/** `climbing`: larger sizes are tried; `narrowing`: the smallest that does as well; `holding`: it was found. */
export type SizingPhase = 'climbing' | 'narrowing' | 'holding';

/** What to try next, and why. */
export interface SizeStep {
  readonly size: number;
  readonly phase: SizingPhase;
  readonly reason: string;
}

/** How a search judges. Shares are of 1. */
export interface SearchManner {
  readonly min: number;
  readonly max: number;
  /** A size does as well as another when it gives up no more than this share of throughput. */
  readonly tolerance: number;
  /** How far throughput or hold time may go from what they were before the load counts as another one. */
  readonly changeThreshold: number;
  /** Measurements in a row that have to say so. */
  readonly confirmations: number;
  /** Quiet measurements, at the most, after which other sizes are tried again. */
  readonly recheckEvery: number;
}

/** How much larger the next size is on the way up. */
const growth = 1.5;
/** Sizes larger by this without a gain, one after the other, end the way up: one of them may have been bad luck. */
const missesAllowed = 2;
/** What does less than this share of what is wanted is too small beyond doubt. */
const farBelow = 2 / 3;
/** Quiet measurements before a size that was just found is looked at again; twice as many each time it is confirmed. */
const firstRecheck = 8;

/**
 * Looks for the smallest size that has, but for the tolerance, the throughput of the best one. Throughput as a function
 * of size rises, in proportion at first, flattens where something in the server is full, and may fall from there on.
 *
 * Pure: measurements in, sizes out.
 */
export class SizeSearch {
  phase: SizingPhase = 'climbing';
  readonly #manner: SearchManner;
  #curve: ThroughputCurve;
  #misses = 0;
  #reference: { perSecond: number; holdMillis: number } | undefined = undefined;
  #strikes = 0;
  #held = 0;
  #recheckAfter = firstRecheck;
  /** What this load's search before this one ended with: the size, and the size below it that was too small. */
  #before: { readonly found: number; readonly tooSmall: number } | undefined = undefined;

  constructor(manner: SearchManner) {
    this.#manner = manner;
    this.#curve = new ThroughputCurve(manner.tolerance);
  }

  /** The best throughput seen in this search, in leases a second. */
  get best(): number {
    return this.#curve.best;
  }

  /** The least size that could carry the best throughput, by Little's law; `min` as long as that cannot be told. */
  get floor(): number {
    return Math.max(this.#manner.min, this.#curve.floor);
  }

  /** Nobody waits at this size: it is enough, and what it could do cannot be seen. */
  suffices(): void {
    this.phase = 'holding';
    this.#reference = undefined;
    this.#strikes = 0;
    this.#held = 0;
  }

  next(measurement: SizeMeasurement): SizeStep {
    switch (this.phase) {
      case 'climbing':
        return this.#climb(measurement);
      case 'narrowing':
        return this.#narrow(measurement);
      case 'holding':
        return this.#hold(measurement);
    }
  }

  // ── Climbing ──────────────────────────────────────────────────────────────────────────────────────────────────

  #climb(measurement: SizeMeasurement): SizeStep {
    const { size, perSecond } = measurement;
    const { max, tolerance } = this.#manner;
    const before = this.#curve.top?.perSecond;
    this.#curve.enter(measurement);
    const gain = before === undefined ? Infinity : perSecond / before - 1;
    this.#misses = gain > tolerance / 2 ? 0 : this.#misses + 1;
    const told =
      before === undefined ? 'the first measurement' : `${percent(gain)} against the best before`;
    if (size < max && this.#misses < missesAllowed) {
      return this.#step(
        this.#larger(size),
        `requests wait and ${rate(perSecond)} is ${told}: a larger size is tried`,
      );
    }
    this.phase = 'narrowing';
    const end = size >= max ? 'no larger size is allowed' : `more gives no more (${told})`;
    return this.#narrowOn(end);
  }

  #larger(size: number): number {
    return Math.min(this.#manner.max, Math.max(size + 1, Math.round(size * growth)));
  }

  // ── Narrowing ─────────────────────────────────────────────────────────────────────────────────────────────────

  #narrow(measurement: SizeMeasurement): SizeStep {
    const curve = this.#curve;
    curve.enter(measurement);
    const { size } = measurement;
    const { perSecond } = curve.points.find(point => point.size === size) as CurvePoint;
    const verdict = perSecond >= curve.threshold ? 'does as well' : 'is too small';
    return this.#narrowOn(
      `${size} ${verdict} (${percent(perSecond / curve.best - 1)} against the best)`,
    );
  }

  /** Between the smallest size known to be good and, below it, the largest known not to be. */
  #narrowOn(why: string): SizeStep {
    const { points, threshold, top } = this.#curve;
    const good = points.find(({ perSecond }) => perSecond >= threshold) as CurvePoint;
    const bad = points.findLast(({ size }) => size < good.size);
    const border = bad === undefined ? [good] : [good, bad];
    const doubtful = border.find(point => this.#curve.isDoubtful(point));
    if (doubtful !== undefined) {
      // By turns with the best, so that a machine that has become slower meanwhile does not make a size look small.
      const best = top as CurvePoint;
      const again = best.rates.length < doubtful.rates.length ? best : doubtful;
      return this.#step(
        again.size,
        `${why}; ${doubtful.size} is too near to the line to call: ${again.size} once more`,
      );
    }
    const below = Math.max(bad?.size ?? 0, this.floor - 1);
    if (good.size - below > Math.max(1, Math.floor(good.size / 20))) {
      return this.#step(this.#between(below, good.size), `${why}: a smaller size is tried`);
    }
    // One measurement alone may have fallen into a stall of the machine; none makes a size look that small.
    const single = border.find(
      ({ rates, perSecond }) => rates.length === 1 && perSecond > farBelow * threshold,
    );
    if (single !== undefined) {
      return this.#step(single.size, `${why}; ${single.size} was measured once only: once more`);
    }
    const isLeast = good.size === this.#manner.min ? 'is allowed' : 'does as well as the best';
    return this.#found(
      good,
      bad?.size ?? 0,
      `${why}: ${good.size} is the smallest that ${isLeast}`,
    );
  }

  #between(below: number, good: number): number {
    const { min } = this.#manner;
    const { found, tooSmall } = this.#before ?? { found: 0, tooSmall: 0 };
    // What was found before is confirmed by the size that was too small then; where that is good now, it was luck.
    if (good === found && tooSmall > below) return tooSmall;
    // Nothing is known below: half of it costs half the throughput at the most, and for one measurement.
    const isBlind = below < min;
    return Math.max(below + 1, min, isBlind ? good >> 1 : (below + good) >> 1);
  }

  // ── Holding ───────────────────────────────────────────────────────────────────────────────────────────────────

  #found({ size, perSecond, holdMillis }: CurvePoint, tooSmall: number, reason: string): SizeStep {
    this.phase = 'holding';
    this.#reference = { perSecond, holdMillis };
    this.#strikes = 0;
    this.#held = 0;
    const before = this.#before;
    const isConfirmed =
      before !== undefined && Math.abs(size - before.found) <= Math.max(1, size / 10);
    this.#recheckAfter = isConfirmed ? 2 * this.#recheckAfter : firstRecheck;
    this.#before = { found: size, tooSmall };
    return this.#step(size, reason);
  }

  #hold(measurement: SizeMeasurement): SizeStep {
    const { size, perSecond, holdMillis } = measurement;
    const { changeThreshold, confirmations, recheckEvery } = this.#manner;
    const reference = this.#reference;
    if (reference === undefined) {
      this.#begin();
      this.#before = undefined;
      const step = this.#climb(measurement);
      return { ...step, reason: `requests wait again; ${step.reason}` };
    }
    const byRate = perSecond / reference.perSecond - 1;
    const byHold = holdMillis / reference.holdMillis - 1;
    const hasChanged = Math.abs(byRate) > changeThreshold || Math.abs(byHold) > changeThreshold;
    this.#held += 1;
    if (hasChanged) {
      this.#strikes += 1;
      const facts = `throughput ${percent(byRate)}, hold time ${percent(byHold)}`;
      if (this.#strikes < confirmations) {
        return this.#step(size, `the load may be another one (${facts}): once more, to be sure`);
      }
      // What has just been measured may have seen both loads, and would be a best that no size ever has again.
      this.#begin();
      this.#before = undefined;
      return this.#step(size, `the load is another one (${facts}): it is measured from here on`);
    }
    this.#strikes = 0;
    // What drifts slowly is followed.
    reference.perSecond += (perSecond - reference.perSecond) / 8;
    reference.holdMillis += (holdMillis - reference.holdMillis) / 8;
    if (this.#held < Math.min(recheckEvery, this.#recheckAfter)) {
      return this.#step(size, `${size} stays: ${rate(perSecond)}, as it was`);
    }
    // Nothing became slower at this size, and yet another one may be the best by now, or has been all along: the
    // search may have fallen into a bad minute of the machine.
    this.#begin();
    this.#misses = missesAllowed - 1;
    this.#curve.enter(measurement);
    return this.#step(
      this.#larger(size),
      `${size} was right ${this.#held} times: other sizes are tried again, a larger one first`,
    );
  }

  #begin(): void {
    this.phase = 'climbing';
    this.#curve = new ThroughputCurve(this.#manner.tolerance);
    this.#misses = 0;
  }

  #step(size: number, reason: string): SizeStep {
    return { size, phase: this.phase, reason };
  }
}

function percent(share: number): string {
  if (share === Infinity) return 'far more';
  const rounded = Math.round(share * 100);
  return `${rounded >= 0 ? '+' : '−'}${Math.abs(rounded)} %`;
}

function rate(perSecond: number): string {
  return `${perSecond < 10 ? perSecond.toFixed(1) : String(Math.round(perSecond))} leases a second`;
}
