import type { Admission } from './admission.js';
import { checkRules, duration, type Rule } from './internal/rules.js';
import { StandingQueue } from './internal/standing-queue.js';

/** Options of `adaptiveLifo`. Durations are whole milliseconds. */
export interface AdaptiveLifoOptions {
  /** How long a queue may stand before the newest goes first, in milliseconds. Default 100. */
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
  const { intervalMillis = 100, refuseAfterMillis = Infinity } = given;
  const queue = new StandingQueue(intervalMillis);
  return {
    admits(_request, load) {
      queue.see(load, 0);
      return true;
    },
    serves({ requestedAt }, load) {
      const stands = queue.stands(load.at);
      queue.see(load, 1);
      if (!stands) return 'oldest';
      return load.at - requestedAt > refuseAfterMillis ? 'refuse' : 'newest';
    },
  };
}
