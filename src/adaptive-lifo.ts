import type { Admission } from './admission.js';
import { checkRules, duration, type Rule } from './internal/rules.js';
import { OverloadWatch } from './overload-watch.js';

/** Options of `adaptiveLifo`. Durations are whole milliseconds. */
export interface AdaptiveLifoOptions {
  /**
   * How long a queue may stand before the newest goes first. Default: twice as long as leases are held in the
   * recent mean, and 100 at least.
   */
  readonly intervalMillis?: number | undefined;
  /** While the queue stands, who has waited for longer is refused when a resource is free. Default Infinity: they time out. */
  readonly refuseAfterMillis?: number | undefined;
}

const rules: Record<keyof AdaptiveLifoOptions, Rule> = {
  intervalMillis: duration,
  refuseAfterMillis: duration,
};

/**
 * An admission policy: first come, first served in good times; once the queue has not been empty for
 * `intervalMillis`, the newest goes first, because the oldest has the least chance that its caller still waits. Those
 * left behind time out or, with `refuseAfterMillis`, are refused.
 *
 * Idea: Maurer, "Fail at Scale" (2015). With priorities, the newest of the best priority goes first.
 *
 * Throws InvalidOptionsError for bad options.
 *
 * @example
 * const pool = createPool({ create: connect, admission: adaptiveLifo({ refuseAfterMillis: 500 }) });
 */
export function adaptiveLifo(options: AdaptiveLifoOptions = {}): Admission {
  const given = checkRules('adaptiveLifo', options, rules);
  const { intervalMillis, refuseAfterMillis = Infinity } = given;
  const watch = new OverloadWatch(intervalMillis);
  return {
    admits(_request, load) {
      watch.arrives(load);
      return true;
    },
    serves(oldest, load) {
      const { waitedMillis, stands } = watch.look(oldest, load);
      if (!stands) return 'oldest';
      return waitedMillis > refuseAfterMillis ? 'refuse' : 'newest';
    },
    ended(heldMillis, at) {
      watch.ended(heldMillis, at);
    },
  };
}
