import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SettleStyle } from '../src/testing/index.js';
import { command, immediate, plans } from './model/arbitrary-plan.js';
import { playLife } from './simulation/life.js';
import { gatedProfile, plainOptions, type Operation, type Plan } from './simulation/plan.js';

// Any sequence of commands, on any pool, with hooks that settle in any order: after every step the pool must agree
// with a model that counts for itself and with the oracle that made the resources; in the end, with all hooks open,
// nobody may be left waiting and nothing left over. MODEL_RUNS sets how many sequences, FC_SEED which.

const runs = Number(process.env['MODEL_RUNS'] ?? 250);
const styles = ['sync', 'promise', 'scheduler'] as const satisfies readonly SettleStyle[];
const limitMillis = 60_000 + runs * 100;

async function mustSurvive(plan: Plan): Promise<void> {
  const { failure } = await playLife(plan);
  if (failure === undefined) return;
  // Once more, now with everything written down.
  const { trace } = await playLife(plan, true);
  throw new Error(`${failure}\n${trace.join('\n')}`);
}

describe.each(styles)('with hooks of the style %s', style => {
  it(
    'a pool keeps every invariant under any commands, and in the end serves everybody and closes',
    async () => {
      await fc.assert(fc.asyncProperty(plans(style), mustSurvive), { numRuns: runs });
    },
    limitMillis,
  );

  it(
    'two commands in one tick may come in either order',
    async () => {
      const situations = fc.array(command, { maxLength: 8, size: 'max' });
      await fc.assert(
        fc.asyncProperty(
          plans(style),
          situations,
          fc.tuple(immediate, immediate),
          async (plan, operations, [one, other]) => {
            const pair = (...both: Operation[]): Plan => ({
              ...plan,
              operations: [...operations, { do: 'together', operations: both }],
            });
            await mustSurvive(pair(one, other));
            await mustSurvive(pair(other, one));
          },
        ),
        { numRuns: runs },
      );
    },
    limitMillis,
  );

  it(
    'I30: the same commands bring about the same events in the same order',
    async () => {
      await fc.assert(
        fc.asyncProperty(plans(style), async plan => {
          const [one, other] = [await playLife(plan, true), await playLife(plan, true)];
          expect(one.trace).toEqual(other.trace);
        }),
        { numRuns: Math.ceil(runs / 5) },
      );
    },
    limitMillis,
  );
});

describe('the model itself', () => {
  const plan: Plan = {
    options: { ...plainOptions, max: 1, reset: true },
    hooks: {
      seed: 1,
      styles: ['sync'],
      reenter: 0,
      create: gatedProfile,
      validate: gatedProfile,
      reset: gatedProfile,
      destroy: gatedProfile,
    },
    operations: [
      { do: 'arrive', way: 'acquire', holdMillis: 5, ending: 'release' },
      { do: 'open', hook: 'create', index: 0, outcome: 'ok' },
      { do: 'advance', millis: 5 },
    ],
    reactions: [],
    heard: true,
  };

  it('does what it is told, step by step', async () => {
    const { failure, trace, operations } = await playLife(plan, true);
    expect(failure).toBeUndefined();
    expect(operations).toBe(3);
    const events = trace.filter(line => line.includes('#')).map(line => line.split('#')[1]);
    expect(events).toEqual([
      '1 requested for 1',
      '2 creating 1',
      '3 created 1',
      '4 acquired 1 for 1',
      '5 released 1 for 1 (released)',
      '6 resetting 1',
      '7 reset 1',
      '8 draining',
      '9 destroying 1 (closed)',
      '10 destroyed 1 (closed)',
      '11 closed',
    ]);
  });
});
