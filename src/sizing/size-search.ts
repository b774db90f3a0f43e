/** What a size came to while requests waited. */
export interface SizeMeasurement {
  readonly size: number;
  /** Leases that ended, in a second. */
  readonly perSecond: number;
  readonly holdMillis: number;
  /** The standard error of `perSecond`, as a share of it. */
  readonly noise: number;
}

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
  /** Measurements after which other sizes are tried again. */
  readonly recheckEvery: number;
}

/** How much larger the next size is on the way up. */
const growth = 1.5;
/** Sizes larger by this without a gain, one after the other, end the way up: one of them may have been bad luck. */
const missesAllowed = 2;
/** A size that is larger by less tells nothing of how hold times go with the size. */
const apart = 1.2;
/** Hold times that grow by less than this share of what the size does are the server's own. */
const flat = 0.2;
/** The same size is measured again so often when it is too close to call. */
const repeats = 2;

interface Point {
  readonly size: number;
  perSecond: number;
  holdMillis: number;
  count: number;
}

/**
 * Looks for the smallest size that has, but for the tolerance, the throughput of the best one. Throughput as a function
 * of size rises, in proportion at first, flattens where something in the server is full, and may fall from there on.
 *
 * Pure: measurements in, sizes out.
 */
export class SizeSearch {
  phase: SizingPhase = 'climbing';
  readonly #manner: SearchManner;
  #points = new Map<number, Point>();
  #misses = 0;
  #reference: { perSecond: number; holdMillis: number } | undefined = undefined;
  #strikes = 0;
  #held = 0;

  constructor(manner: SearchManner) {
    this.#manner = manner;
  }

  /** The best throughput seen in this search, in leases a second. */
  get best(): number {
    let best = 0;
    for (const { perSecond } of this.#points.values()) best = Math.max(best, perSecond);
    return best;
  }

  /**
   * The least size that could carry the best throughput, by Little's law: leases a second times seconds held. It can
   * be told only from hold times that do not fall any more with the size, and so are the server's own.
   */
  get floor(): number {
    const { min } = this.#manner;
    const sorted = this.#sorted();
    const smallest = sorted[0];
    if (smallest === undefined) return min;
    const next = sorted.find(({ size }) => size >= apart * smallest.size);
    if (next === undefined) return min;
    const slower = next.holdMillis / smallest.holdMillis - 1;
    if (slower > flat * (next.size / smallest.size - 1)) return min;
    return Math.max(min, Math.ceil((this.#threshold * smallest.holdMillis) / 1_000));
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
    const before = this.best;
    this.#enter(measurement);
    const gain = before === 0 ? Infinity : perSecond / before - 1;
    this.#misses = gain > tolerance / 2 ? 0 : this.#misses + 1;
    const told =
      before === 0 ? 'the first measurement' : `${percent(gain)} against the best before`;
    if (size < max && this.#misses < missesAllowed) {
      const larger = Math.min(max, Math.max(size + 1, Math.round(size * growth)));
      return this.#step(
        larger,
        `requests wait and ${rate(perSecond)} is ${told}: a larger size is tried`,
      );
    }
    this.phase = 'narrowing';
    const end = size >= max ? 'no larger size is allowed' : `more gives no more (${told})`;
    return this.#narrowOn(end);
  }

  // ── Narrowing ─────────────────────────────────────────────────────────────────────────────────────────────────

  #narrow(measurement: SizeMeasurement): SizeStep {
    const { size, noise } = measurement;
    const point = this.#enter(measurement);
    const off = point.perSecond / this.#threshold - 1;
    const margin = Math.max(noise / Math.sqrt(point.count), this.#manner.tolerance / 5);
    if (Math.abs(off) < margin && point.count <= repeats) {
      return this.#step(
        size,
        `${rate(point.perSecond)} is too near to the line to call: once more`,
      );
    }
    const share = percent(point.perSecond / this.best - 1);
    const verdict = off >= 0 ? 'does as well' : 'is too small';
    return this.#narrowOn(`${size} ${verdict} (${share} against the best)`);
  }

  /** The smallest size known to be good, and above it the largest known not to be. */
  #narrowOn(why: string): SizeStep {
    const sorted = this.#sorted();
    const best = sorted.reduce((one, other) => (other.perSecond > one.perSecond ? other : one));
    if (best.count === 1) {
      return this.#step(best.size, `${why}; the best so far may have had luck: once more`);
    }
    const threshold = this.#threshold;
    const good = sorted.find(({ perSecond }) => perSecond >= threshold) as Point;
    const floor = this.floor;
    let bad = 0;
    for (const { size } of sorted) if (size < good.size) bad = size;
    const below = Math.max(bad, floor - 1);
    if (good.size - below <= Math.max(1, Math.floor(good.size / 20))) {
      return this.#found(
        good,
        `${why}: ${good.size} is the smallest that does as well as the best`,
      );
    }
    // Nothing is known below: half of it costs half the throughput at the most, and for one measurement.
    const isBlind = bad === 0 && floor === this.#manner.min;
    const middle = isBlind ? good.size >> 1 : (below + good.size) >> 1;
    const smaller = Math.max(below + 1, this.#manner.min, middle);
    if (smaller >= good.size) {
      return this.#found(good, `${why}: ${good.size} is the smallest that is allowed`);
    }
    return this.#step(smaller, `${why}: a smaller size is tried`);
  }

  // ── Holding ───────────────────────────────────────────────────────────────────────────────────────────────────

  #found({ size, perSecond, holdMillis }: Point, reason: string): SizeStep {
    this.phase = 'holding';
    this.#reference = { perSecond, holdMillis };
    this.#strikes = 0;
    this.#held = 0;
    return this.#step(size, reason);
  }

  #hold(measurement: SizeMeasurement): SizeStep {
    const { size, perSecond, holdMillis } = measurement;
    const { changeThreshold, confirmations, recheckEvery, max } = this.#manner;
    const reference = this.#reference;
    if (reference === undefined) {
      this.#begin();
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
      return this.#step(size, `the load is another one (${facts}): it is measured from here on`);
    }
    this.#strikes = 0;
    // What drifts slowly is followed.
    reference.perSecond += (perSecond - reference.perSecond) / 8;
    reference.holdMillis += (holdMillis - reference.holdMillis) / 8;
    if (this.#held < recheckEvery) {
      return this.#step(size, `${size} stays: ${rate(perSecond)}, as it was`);
    }
    // Nothing became slower at this size, and yet another one may be the best by now.
    this.phase = 'climbing';
    this.#points = new Map();
    this.#misses = missesAllowed - 1;
    this.#enter({ ...measurement, perSecond: reference.perSecond });
    const larger = Math.min(max, Math.max(size + 1, Math.round(size * growth)));
    return this.#step(larger, 'it has been long: other sizes are tried, a larger one first');
  }

  #begin(): void {
    this.phase = 'climbing';
    this.#points = new Map();
    this.#misses = 0;
  }

  // ── What is known ─────────────────────────────────────────────────────────────────────────────────────────────

  /** From here on a size is as good as the best. */
  get #threshold(): number {
    return this.best * (1 - this.#manner.tolerance);
  }

  #enter({ size, perSecond, holdMillis }: SizeMeasurement): Point {
    const known = this.#points.get(size);
    if (known === undefined) {
      const point = { size, perSecond, holdMillis, count: 1 };
      this.#points.set(size, point);
      return point;
    }
    known.count += 1;
    known.perSecond += (perSecond - known.perSecond) / known.count;
    known.holdMillis += (holdMillis - known.holdMillis) / known.count;
    return known;
  }

  #sorted(): Point[] {
    return [...this.#points.values()].sort((one, other) => one.size - other.size);
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
