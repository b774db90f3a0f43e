/** What was measured with the pools at rest and all garbage collected. */
export interface Sample {
  readonly atMillis: number;
  readonly heapBytes: number;
  /** Handles of the process beyond those that living resources hold by right. */
  readonly handles: number;
  /** Timers that the pools have armed. */
  readonly timers: number;
}

export interface Verdict {
  readonly passed: boolean;
  /** Between the first and the last samples after the warm-up; undefined where these are too few. */
  readonly heapGrowthBytes: number | undefined;
  readonly lines: readonly string[];
}

export interface Conditions {
  /** Samples from before are not judged: code is compiled, caches fill up. */
  readonly warmUpMillis: number;
  /** Each pool may have one timer armed. */
  readonly pools: number;
  readonly failures: readonly string[];
}

export const heapLimitBytes = 1_000_000;
/** The median of this many stands for the beginning and for the end: one sample alone moves by some kilobytes. */
const mostAtEachEnd = 9;
const fewestSamples = 4;

export function judge(samples: readonly Sample[], conditions: Conditions): Verdict {
  const { warmUpMillis, pools, failures } = conditions;
  const judged = samples.filter(({ atMillis }) => atMillis >= warmUpMillis);
  const heapGrowthBytes = growthOf(judged.map(({ heapBytes }) => heapBytes));
  // Of a soak that ended before it was warm, handles and timers still tell something.
  const looked = judged.length > 0 ? judged : samples;
  const handles = rangeOf(looked.map(sample => sample.handles));
  const timers = rangeOf(looked.map(sample => sample.timers));
  const isFlat = heapGrowthBytes === undefined || heapGrowthBytes < heapLimitBytes;
  const isConstant = handles.least === handles.most;
  const isFew = timers.most <= pools;
  const failed = failures.length === 0 ? 'none' : String(failures.length);
  return {
    passed: isFlat && isConstant && isFew && failures.length === 0,
    heapGrowthBytes,
    lines: [
      `${mark(isFlat)} heap after warm-up: ${described(heapGrowthBytes)} (${judged.length} samples)`,
      `${mark(isConstant)} handles beside the resources' own: ${worded(handles)} (constant)`,
      `${mark(isFew)} timers of the pools at rest: ${worded(timers)} (at most ${pools})`,
      `${mark(failures.length === 0)} failures: ${failed}`,
      ...failures.map(failure => `     ${failure}`),
    ],
  };
}

/** Megabytes, with a sign. */
export function megabytes(bytes: number): string {
  return `${bytes < 0 ? '−' : '+'}${(Math.abs(bytes) / 1_000_000).toFixed(3)} MB`;
}

export function growthOf(heap: readonly number[]): number | undefined {
  if (heap.length < fewestSamples) return undefined;
  const count = Math.min(mostAtEachEnd, Math.floor(heap.length / 2));
  return median(heap.slice(-count)) - median(heap.slice(0, count));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function described(growth: number | undefined): string {
  if (growth === undefined) return 'not judged, too few samples';
  return `${megabytes(growth)} (limit ${megabytes(heapLimitBytes)})`;
}

interface Range {
  readonly least: number;
  readonly most: number;
}

function rangeOf(values: readonly number[]): Range {
  return values.length === 0
    ? { least: 0, most: 0 }
    : { least: Math.min(...values), most: Math.max(...values) };
}

function worded({ least, most }: Range): string {
  return least === most ? String(least) : `${least} to ${most}`;
}

function mark(isFine: boolean): string {
  return isFine ? 'ok  ' : 'FAIL';
}
