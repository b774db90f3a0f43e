import type { Admission } from './admission.js';
import { checkRules, duration, type Rule } from './internal/rules.js';
import { StandingQueue } from './internal/standing-queue.js';

/** Options of `codel`. Durations are whole milliseconds. */
export interface CodelOptions {
  /** How long a request may wait while the queue does not empty. Default 20. */
  readonly targetMillis?: number | undefined;
  /** How long a queue may stand before it counts as overload: longer than the bursts that are fine. Default 100. */
  readonly intervalMillis?: number | undefined;
}

const rules: Record<keyof CodelOptions, Rule> = {
  targetMillis: duration,
  intervalMillis: duration,
};

/**
 * An admission policy: controlled delay. A burst may queue; but once the queue has not been empty for
 * `intervalMillis`, a request that waited longer than `targetMillis` is refused when its turn comes, so that the wait
 * of those who are served stays short however many come. Otherwise a request may wait up to `intervalMillis`.
 *
 * Idea: CoDel (Nichols and Jacobson, 2012) in the form that suits a server's queue (Maurer, "Fail at Scale", 2015).
 *
 * Throws InvalidOptionsError for bad options.
 *
 * @example
 * const pool = createPool({ create: connect, max: 10, admission: codel({ targetMillis: 20 }) });
 */
export function codel(options: CodelOptions = {}): Admission {
  const { targetMillis = 20, intervalMillis = 100 } = checkRules('codel', options, rules);
  const queue = new StandingQueue(intervalMillis);
  return {
    admits(_request, load) {
      queue.see(load, 0);
      return true;
    },
    serves({ requestedAt }, load) {
      const limit = queue.stands(load.at) ? targetMillis : Math.max(targetMillis, intervalMillis);
      const verdict = load.at - requestedAt > limit ? 'refuse' : 'oldest';
      queue.see(load, 1);
      return verdict;
    },
  };
}
