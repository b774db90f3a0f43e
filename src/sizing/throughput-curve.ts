/** What a size came to while requests waited. */
export interface SizeMeasurement {
  readonly size: number;
  /** Leases that ended, in a second. */
  readonly perSecond: number;
  readonly holdMillis: number;
  /** The standard error of `perSecond` within this measurement, as a share of it. */
  readonly noise: number;
}

/** What is known of a size. */
export interface CurvePoint {
  readonly size: number;
  /** The median of its measurements: one that fell into a stall of the machine does not count. */
  readonly perSecond: number;
  readonly holdMillis: number;
  readonly noise: number;
  /** Each of its measurements, in leases a second. */
  readonly rates: readonly number[];
}

/** Measurements of one size beyond these settle nothing any more. */
const mostMeasurements = 4;
/** So many standard errors away from the line, a size is on its side of it: nine times of ten. */
const sureErrors = 1.5;
/** The spread is believed to be half the tolerance until about so many repetitions have told. */
const priorRepetitions = 3;
/** A size that is larger by less tells nothing of how hold times go with the size. */
const apart = 1.2;
/** Hold times that grow by less than this share of what the size does are the server's own. */
const flat = 0.2;

/** Throughput as a function of size, as far as it was measured: with repetitions, because every measurement errs. */
export class ThroughputCurve {
  readonly #tolerance: number;
  #points: readonly CurvePoint[] = [];

  constructor(tolerance: number) {
    this.#tolerance = tolerance;
  }

  /** By size, the smallest first. */
  get points(): readonly CurvePoint[] {
    return this.#points;
  }

  enter({ size, perSecond, holdMillis, noise }: SizeMeasurement): void {
    const known = this.#points.find(point => point.size === size);
    const rates = [...(known?.rates ?? []), perSecond];
    const mean = (before: number | undefined, now: number): number =>
      before === undefined ? now : before + (now - before) / rates.length;
    const point = {
      size,
      rates,
      perSecond: median(rates),
      holdMillis: mean(known?.holdMillis, holdMillis),
      noise: mean(known?.noise, noise),
    };
    this.#points = [...this.#points.filter(other => other !== known), point].sort(
      (one, other) => one.size - other.size,
    );
  }

  /** The size whose throughput is the most. */
  get top(): CurvePoint | undefined {
    return this.#points.reduce<CurvePoint | undefined>(
      (most, point) => (most === undefined || point.perSecond > most.perSecond ? point : most),
      undefined,
    );
  }

  /**
   * The best throughput, in leases a second; 0 before any. It is the mean of all sizes that cannot be told from the
   * one that has the most: of many that do the same, the most is the one that had luck, and a line drawn from there
   * is one that the others do not reach.
   */
  get best(): number {
    const plateau = this.#plateau;
    const sum = plateau.reduce((all, { perSecond, rates }) => all + perSecond * rates.length, 0);
    return sum / Math.max(1, countOf(plateau));
  }

  /** From here on a size does as well as the best. */
  get threshold(): number {
    return this.best * (1 - this.#tolerance);
  }

  /**
   * The least size that could carry the threshold, by Little's law: leases a second times seconds held. It can be told
   * only from hold times that do not fall any more with the size, and so are the server's own; 0 until then.
   */
  get floor(): number {
    const [smallest] = this.#points;
    if (smallest === undefined) return 0;
    const next = this.#points.find(({ size }) => size >= apart * smallest.size);
    if (next === undefined) return 0;
    const slower = next.holdMillis / smallest.holdMillis - 1;
    if (slower > flat * (next.size / smallest.size - 1)) return 0;
    return Math.ceil((this.threshold * smallest.holdMillis) / 1_000);
  }

  /** It lies so near to the line that another measurement may put it on the other side. */
  isDoubtful({ perSecond, rates, noise }: CurvePoint): boolean {
    if (rates.length >= mostMeasurements) return false;
    const spread = this.#spread;
    const own = Math.max(spread, noise, deviation(rates)) ** 2 / rates.length;
    const ofTheLine = spread ** 2 / countOf(this.#plateau);
    return Math.abs(perSecond / this.threshold - 1) < sureErrors * Math.sqrt(own + ofTheLine);
  }

  get #plateau(): readonly CurvePoint[] {
    const most = this.top?.perSecond ?? 0;
    // Wider where measurements err more, and never so wide that what the tolerance is about is averaged away.
    const width = Math.min(this.#tolerance, sureErrors * this.#spread);
    return this.#points.filter(({ perSecond }) => perSecond >= most * (1 - width));
  }

  /** The standard deviation of a measurement, as a share of it, by those of the same size. */
  get #spread(): number {
    let squares = priorRepetitions * (this.#tolerance / 2) ** 2;
    let repetitions = priorRepetitions;
    for (const { rates } of this.#points) {
      squares += (rates.length - 1) * deviation(rates) ** 2;
      repetitions += rates.length - 1;
    }
    return Math.sqrt(squares / repetitions);
  }
}

function countOf(points: readonly CurvePoint[]): number {
  return points.reduce((sum, { rates }) => sum + rates.length, 0);
}

/** The standard deviation, as a share of the median; 0 of one alone. */
function deviation(rates: readonly number[]): number {
  if (rates.length < 2) return 0;
  const middle = median(rates);
  const squares = rates.reduce((sum, rate) => sum + (rate / middle - 1) ** 2, 0);
  return Math.sqrt(squares / (rates.length - 1));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}
