import type { Admission } from './admission.js';
import { checkRules, type Rule } from './internal/rules.js';
import { RecentHold } from './recent-hold.js';

/** Options of `deadlineAware`. */
export interface DeadlineAwareOptions {
  /**
   * How much of the time that is left to a request its expected wait may take: 1 refuses who would be served too
   * late on average, 0.5 only admits who has twice the time. Default 0.8, for the variance of holds.
   */
  readonly margin?: number | undefined;
}

const rules: Record<keyof DeadlineAwareOptions, Rule> = {
  margin: {
    check: value => typeof value === 'number' && value > 0 && value <= 1,
    expected: 'must be a number above 0, up to 1',
  },
};

/**
 * An admission policy: refuses at once a request whose deadline the queue cannot meet, so that its caller hears of it
 * while there is still time for something else. What it expects is Little's law: those who wait, times the recent mean
 * hold, over the resources at work. Before the first lease has ended it admits everybody.
 *
 * For callers with deadlines of their own (`timeoutMillis`) that are worth nothing after them. Throws InvalidOptionsError for bad options.
 *
 * @example
 * const pool = createPool({ create: connect, max: 10, acquireTimeoutMillis: 200, admission: deadlineAware() });
 */
export function deadlineAware(options: DeadlineAwareOptions = {}): Admission {
  const { margin = 0.8 } = checkRules('deadlineAware', options, rules);
  const hold = new RecentHold();
  return {
    admits({ dueAt }, { at, waiting, leased }) {
      const { meanMillis } = hold;
      if (meanMillis === undefined || leased === 0) return true;
      const expectedWait = ((waiting + 1) * meanMillis) / leased;
      return expectedWait <= (dueAt - at) * margin;
    },
    serves: () => 'oldest',
    ended(heldMillis) {
      hold.ended(heldMillis);
    },
  };
}
