import { setTimeout as sleep } from 'node:timers/promises';
import { countAlive, heapBytes } from '../garbage.js';
import type { Load } from './load.js';
import { growthOf, judge, type Sample, type Verdict } from './verdict.js';

export interface SoakOptions {
  readonly loads: readonly Load[];
  readonly millis: number;
  /** How long the load lasts between two samples. */
  readonly roundMillis: number;
  /** Samples from before are not judged. Default: a third of the time, a minute at most. */
  readonly warmUpMillis?: number;
  /** Aborting ends the soak early, with a verdict on what there was. */
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly sample: Sample;
  readonly operations: number;
  readonly growthBytes: number | undefined;
  readonly failures: number;
}

export interface SoakReport extends Verdict {
  readonly operations: number;
  readonly tookMillis: number;
  readonly samples: readonly Sample[];
}

const longestWarmUpMillis = 60_000;
/** Together longer than any hook of a load takes; and as turns, not as time, of which a busy machine may lose some. */
const settleTurns = 50;
const turnMillis = 5;

/** Loads pools in rounds, measures after each, closes them and judges. The loads belong to it from now on. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { loads, millis, roundMillis, signal, onProgress } = options;
  const startedAt = performance.now();
  const warmUpMillis = options.warmUpMillis ?? Math.min(longestWarmUpMillis, millis / 3);
  const samples: Sample[] = [];
  const operations = (): number => sum(loads.map(load => load.operations));
  const failures = [...loads.flatMap(load => load.failures)];
  const stray = watchStrays(failures);
  const elapsed = (): number => performance.now() - startedAt;
  while (elapsed() < millis && !signal.aborted) {
    await Promise.all(loads.map(load => load.play(roundMillis, signal)));
    await Promise.all(loads.map(load => load.rest()));
    const leastHandles = samples.length === 0 ? 0 : Math.min(...samples.map(each => each.handles));
    const sample = await measure(loads, elapsed(), leastHandles);
    samples.push(sample);
    const judged = samples.filter(({ atMillis }) => atMillis >= warmUpMillis);
    onProgress?.({
      sample,
      operations: operations(),
      growthBytes: growthOf(judged.map(each => each.heapBytes)),
      failures: sum(loads.map(load => load.failures.length)) + failures.length,
    });
  }
  await Promise.all(loads.map(load => load.close()));
  stray.stop();
  failures.push(...loads.flatMap(load => load.failures.map(failure => `${load.name}: ${failure}`)));
  const verdict = judge(samples, { warmUpMillis, pools: loads.length, failures });
  return { ...verdict, operations: operations(), tookMillis: elapsed(), samples };
}

async function measure(
  loads: readonly Load[],
  atMillis: number,
  leastHandles: number,
): Promise<Sample> {
  const settled = await settle(loads, leastHandles);
  await countAlive([]); // collects, several times
  return { atMillis, heapBytes: heapBytes(), ...settled };
}

/** Hooks under way, and those that the pool gave up, end by themselves in a while; a leak does not. */
async function settle(
  loads: readonly Load[],
  leastHandles: number,
): Promise<Pick<Sample, 'handles' | 'timers'>> {
  let handles = Infinity;
  let timers = Infinity;
  for (let turn = 1; turn <= settleTurns; turn += 1) {
    await sleep(turnMillis);
    const all = process.getActiveResourcesInfo().filter(kind => kind !== 'Immediate').length;
    handles = Math.min(handles, all - sum(loads.map(load => load.ownHandles)));
    timers = Math.min(timers, sum(loads.map(load => load.timers)));
    if (handles <= leastHandles && timers <= loads.length) break;
  }
  return { handles, timers };
}

/** A rejection that nobody handles, and a warning of Node's, are failures too. */
function watchStrays(failures: string[]): { stop(): void } {
  const onRejection = (error: unknown): void => {
    failures.push(`unhandled rejection: ${String(error)}`);
  };
  const onWarning = (warning: Error): void => {
    failures.push(`warning of Node: ${warning.message}`);
  };
  process.on('unhandledRejection', onRejection);
  process.on('uncaughtException', onRejection);
  process.on('warning', onWarning);
  return {
    stop() {
      process.off('unhandledRejection', onRejection);
      process.off('uncaughtException', onRejection);
      process.off('warning', onWarning);
    },
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
