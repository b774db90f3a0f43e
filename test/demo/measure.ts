import { buffer, filter, map, scan, startWith, type Observable } from 'rxjs';
import type { PoolEvent } from '../../src/index.js';

/** What the events of the last seconds say. */
export interface Measurement {
  readonly leasesPerSecond: number;
  /** Leases per second, tick by tick, the latest last. */
  readonly history: readonly number[];
  /** From request to lease, in milliseconds. */
  readonly wait: { readonly p50: number; readonly p95: number; readonly p99: number; max: number };
}

interface Tick {
  readonly millis: number;
  readonly waits: readonly number[];
}

const windowMillis = 5_000;
const historyLength = 40;

/** One measurement per tick, from nothing but `stats$`. */
export function measure(
  events$: Observable<PoolEvent>,
  tick$: Observable<unknown>,
): Observable<Measurement> {
  let tickedAt = performance.now();
  return events$.pipe(
    filter(event => event.type === 'acquired'),
    map(({ waitedMillis }) => waitedMillis),
    buffer(tick$),
    scan((ticks: readonly Tick[], waits) => {
      const now = performance.now();
      const millis = now - tickedAt;
      tickedAt = now;
      return [...ticks, { millis, waits }].slice(-historyLength);
    }, []),
    map(summary),
    startWith(summary([])),
  );
}

function summary(ticks: readonly Tick[]): Measurement {
  let millis = 0;
  const waits: number[] = [];
  for (const tick of ticks.toReversed()) {
    if (millis >= windowMillis) break;
    millis += tick.millis;
    waits.push(...tick.waits);
  }
  waits.sort((a, b) => a - b);
  const percentile = (share: number): number =>
    waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? 0;
  return {
    leasesPerSecond: millis === 0 ? 0 : (waits.length * 1_000) / millis,
    history: ticks.map(tick => (tick.waits.length * 1_000) / tick.millis),
    wait: {
      p50: percentile(0.5),
      p95: percentile(0.95),
      p99: percentile(0.99),
      max: percentile(1),
    },
  };
}
