import {
  asyncScheduler,
  interval,
  Observable,
  type OperatorFunction,
  type SchedulerLike,
} from 'rxjs';
import type { PoolEvent } from '../index.js';
import { checkMillis } from './check.js';
import { SummaryWindow, type PoolSummary } from './summary-window.js';

/** Options of `summarize`. */
export interface SummarizeOptions {
  /** The length of a window. Default 1000. */
  readonly everyMillis?: number | undefined;
  /** Ends the windows; the one of the pool, so that both have one clock. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

/**
 * One record for each window of a pool's events, the empty ones too, and one for the unfinished window at the end.
 * Rates, means and percentiles are those of the window alone; a window that came late is longer, and says so.
 *
 * Cold: each subscription counts for itself, costs one timer, and ends with the pool. For events of several pools in
 * one stream, `groupBy(event => event.pool)` first. Throws InvalidOptionsError for a senseless `everyMillis`.
 *
 * @example
 * pool.stats$.pipe(summarize({ everyMillis: 10_000 })).subscribe(({ wait, perSecond }) =>
 *   logger.info({ p99: wait.p99Millis, leases: perSecond.acquired }));
 */
export function summarize<T = unknown>(
  options: SummarizeOptions = {},
): OperatorFunction<PoolEvent<T>, PoolSummary> {
  const { everyMillis = 1000, scheduler = asyncScheduler } = options;
  checkMillis('summarize', 'everyMillis', everyMillis);
  return events =>
    new Observable(subscriber => {
      const window = new SummaryWindow(scheduler.now());
      const close = (): void => {
        subscriber.next(window.close(scheduler.now()));
      };
      subscriber.add(interval(everyMillis, scheduler).subscribe(close));
      subscriber.add(
        events.subscribe({
          next: event => {
            window.add(event);
          },
          error: (error: unknown) => {
            subscriber.error(error);
          },
          complete: () => {
            close();
            subscriber.complete();
          },
        }),
      );
    });
}
