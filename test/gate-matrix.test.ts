import { describe, expect, it } from 'vitest';
import type { GateOutcome, SettleStyle } from '../src/testing/index.js';
import { playLife } from './simulation/life.js';
import {
  plainOptions,
  plainProfile,
  type Operation,
  type Plan,
  type Profile,
} from './simulation/plan.js';

// Every hook in every way of ending, with every other hook in every way of ending, with borrowers who leave at every
// stage, on pools of several sizes: all combinations. After every step the pool must agree with the model and with
// the oracle; then the gates that stayed shut are opened, and nobody may be left waiting and nothing left over.

const outcomes = ['ok', 'error', 'slow', 'never'] as const satisfies readonly GateOutcome[];
const styles = ['sync', 'promise'] as const satisfies readonly SettleStyle[];
const sizes = [
  { min: 0, max: 1 },
  { min: 1, max: 1 },
  { min: 0, max: 2 },
  { min: 2, max: 4 },
] as const;

/** A slow hook takes so long. The time limits are above it, and what never ends runs into them. */
const slowMillis = 10;
const limitMillis = 25;
/** Before anything, in mid-create, in mid-validate, with the lease, in mid-reset, after a time limit. */
const leavings = [undefined, 0, 4, 14, 23, 31] as const;

const profiles: Readonly<Record<GateOutcome, Profile>> = {
  ok: plainProfile,
  error: { ...plainProfile, error: 1 },
  slow: { ...plainProfile, now: 0, leastMillis: slowMillis, longestMillis: slowMillis },
  never: { ...plainProfile, now: 0, never: 1 },
};

interface Combination {
  readonly style: SettleStyle;
  readonly size: (typeof sizes)[number];
  readonly create: GateOutcome;
  readonly validate: GateOutcome;
  readonly reset: GateOutcome;
  readonly destroy: GateOutcome;
  readonly leaveAfterMillis: number | undefined;
}

function planOf({ style, size, leaveAfterMillis, ...hooks }: Combination): Plan {
  return {
    options: {
      ...plainOptions,
      ...size,
      acquireTimeoutMillis: 60,
      createTimeoutMillis: limitMillis,
      validateTimeoutMillis: limitMillis,
      resetTimeoutMillis: limitMillis,
      destroyTimeoutMillis: limitMillis,
      validate: true,
      validateOnBorrow: true,
      reset: true,
    },
    hooks: {
      seed: 1,
      styles: [style],
      reenter: 0,
      create: profiles[hooks.create],
      validate: profiles[hooks.validate],
      reset: profiles[hooks.reset],
      destroy: profiles[hooks.destroy],
    },
    operations: borrowing(leaveAfterMillis),
    reactions: [],
    heard: true,
  };
}

/** Some stay, some leave, one destroys; the second round finds what the first one left. */
function borrowing(leaveAfterMillis: number | undefined): readonly Operation[] {
  const round: readonly Operation[] = [
    { do: 'arrive', way: 'acquire', holdMillis: 12, ending: 'release', leaveAfterMillis },
    { do: 'arrive', way: 'use', holdMillis: 3, ending: 'release', answer: 'promise' },
    { do: 'arrive', way: 'lease', holdMillis: 0, ending: 'destroy' },
    { do: 'advance', millis: 20 },
    { do: 'arrive', way: 'take', holdMillis: 0, ending: 'release', leaveAfterMillis },
    { do: 'advance', millis: 30 },
  ];
  return [...round, ...round];
}

function combinations(
  style: SettleStyle,
  size: Combination['size'],
  create: GateOutcome,
): readonly Combination[] {
  return outcomes.flatMap(validate =>
    outcomes.flatMap(reset =>
      outcomes.flatMap(destroy =>
        leavings.map(leaveAfterMillis => ({
          style,
          size,
          create,
          validate,
          reset,
          destroy,
          leaveAfterMillis,
        })),
      ),
    ),
  );
}

describe.each(styles)('with hooks of the style %s', style => {
  describe.each(sizes)('min $min, max $max', size => {
    it.each(outcomes)(
      'a create that ends in "%s" leaves nobody stuck, whatever the other hooks do and whoever leaves when',
      async create => {
        const failures: string[] = [];
        const all = combinations(style, size, create);
        for (const combination of all) {
          const { failure } = await playLife(planOf(combination));
          if (failure !== undefined) failures.push(`${JSON.stringify(combination)}: ${failure}`);
        }
        expect(all).toHaveLength(4 ** 3 * leavings.length);
        expect(failures).toEqual([]);
      },
      240_000,
    );
  });
});
