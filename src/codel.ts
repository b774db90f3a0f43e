import type { Admission } from './admission.js';
import { checkRules, duration, type Rule } from './internal/rules.js';
import { OverloadWatch } from './overload-watch.js';

/** Options of `codel`. Durations are whole milliseconds. */
export interface CodelOptions {
  /**
   * How long a request may wait while the queue does not empty. Default: half as long as leases are held in the recent
   * mean, so that nobody takes more than half longer than a lease does.
   */
  readonly targetMillis?: number | undefined;
  /**
   * How long a queue may stand before it counts as overload: longer than the bursts that are fine. Default: twice
   * as long as leases are held in the recent mean, and 100 at least.
   */
  readonly intervalMillis?: number | undefined;
}

const rules: Record<keyof CodelOptions, Rule> = {
  targetMillis: duration,
  intervalMillis: duration,
};

/** Clocks have whole milliseconds: a shorter wait than this is none. */
const LEAST_TARGET_MILLIS = 1;

/**
 * An admission policy: controlled delay. A burst may queue; but once the queue has not been empty for
 * `intervalMillis`, a request that waited longer than `targetMillis` is refused when its turn comes, so that the wait
 * of those who are served stays short however many come. Otherwise a request may wait up to `intervalMillis`. Who
 * waits for a resource to be made, as all do in a pool that has just started, is not refused for that.
 *
 * Idea: CoDel (Nichols and Jacobson, 2012) in the form that suits a server's queue (Maurer, "Fail at Scale", 2015).
 *
 * Throws InvalidOptionsError for bad options.
 *
 * @example
 * const pool = createPool({ create: connect, max: 10, admission: codel({ targetMillis: 20 }) });
 */
export function codel(options: CodelOptions = {}): Admission {
  const { targetMillis, intervalMillis } = checkRules('codel', options, rules);
  const watch = new OverloadWatch(intervalMillis);
  return {
    admits(_request, load) {
      watch.arrives(load);
      return true;
    },
    serves(oldest, load) {
      const { waitedMillis, stands } = watch.look(oldest, load);
      const { meanHoldMillis = 0 } = watch;
      const target = targetMillis ?? Math.max(LEAST_TARGET_MILLIS, meanHoldMillis / 2);
      const limit = stands ? target : Math.max(target, watch.intervalMillis);
      const isRefused = waitedMillis > limit;
      watch.decided(isRefused, load.at);
      return isRefused ? 'refuse' : 'oldest';
    },
    ended(heldMillis, at) {
      watch.ended(heldMillis, at);
    },
  };
}
