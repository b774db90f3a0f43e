/** Values below this many units have a bucket each; above, so many buckets to each doubling. */
const STEPS = 64;
const STEP_BITS = 6;
const LINEAR = 2 * STEPS;
/** Units to a millisecond: a clock may give fractions. */
const UNITS = 16;
const LARGEST = 2 ** 31 - 1;
const BUCKETS = bucketOf(LARGEST) + 1;

/**
 * Durations in milliseconds, counted in buckets of which none is wider than 1.6 % of its value (or a sixteenth of a
 * millisecond), so that a percentile is that close to the true one. Adding costs some nanoseconds, and memory is the
 * same 8 kB for one value and for a billion. Above 37 hours only `max` is exact.
 *
 * @example
 * const waits = new Histogram();
 * pool.stats$.subscribe(event => {
 *   if (event.type === 'acquired') waits.add(event.waitedMillis);
 * });
 * interval(10_000).subscribe(() => show(waits.mean, waits.quantile(0.99), waits.max));
 */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #highest = -1;
  #count = 0;
  #sum = 0;
  #max = 0;

  /** How many were added. */
  get count(): number {
    return this.#count;
  }

  /** Of all that was added, in milliseconds. */
  get sum(): number {
    return this.#sum;
  }

  /** 0 when empty, as all figures. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  /** The longest, exactly; 0 when empty. */
  get max(): number {
    return this.#max;
  }

  /** A negative duration counts as 0. */
  add(millis: number): void {
    const value = millis > 0 ? millis : 0;
    const bucket = bucketOf(Math.min(Math.round(value * UNITS), LARGEST));
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    if (bucket > this.#highest) this.#highest = bucket;
    this.#count += 1;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
  }

  /** The value that a share of all values (0.95, say) does not exceed; never above `max`. */
  quantile(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket <= this.#highest; bucket += 1) {
      seen += this.#counts[bucket] as number;
      if (seen >= wanted) return Math.min(this.#max, highestOf(bucket) / UNITS);
    }
    return this.#max;
  }

  /** Forgets all that was added. */
  clear(): void {
    if (this.#count === 0) return;
    this.#counts.fill(0, 0, this.#highest + 1);
    this.#highest = -1;
    this.#count = 0;
    this.#sum = 0;
    this.#max = 0;
  }
}

function bucketOf(units: number): number {
  if (units < LINEAR) return units;
  const shift = 31 - Math.clz32(units) - STEP_BITS;
  return (shift << STEP_BITS) + (units >>> shift);
}

/** The largest whole number of units that falls into a bucket. */
function highestOf(bucket: number): number {
  if (bucket < LINEAR) return bucket;
  const shift = (bucket >>> STEP_BITS) - 1;
  const step = bucket - (shift << STEP_BITS);
  return (step + 1) * 2 ** shift - 1;
}
