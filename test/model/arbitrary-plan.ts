import fc from 'fast-check';
import type { HookName } from '../../src/index.js';
import type { SettleStyle } from '../../src/testing/index.js';
import {
  gatedProfile,
  plainOptions,
  plainProfile,
  type Arrival,
  type Ending,
  type Occasion,
  type Operation,
  type Plan,
  type PlannedOptions,
  type Profile,
  type Reaction,
} from '../simulation/plan.js';

// The commands of the model, and the pools that they are given to. Simple values come first, so that shrinking ends
// with them; an index is taken modulo the number of what there is, so that any command fits anywhere.

const index = fc.nat(5);
const ending = fc.constantFrom<Ending>('release', 'leave', 'twice', 'destroy', 'break', 'detach');
const hook = fc.constantFrom<HookName>('create', 'validate', 'reset', 'destroy');

function arrival(within?: fc.Arbitrary<Operation>): fc.Arbitrary<Arrival> {
  return fc
    .record(
      {
        way: fc.constantFrom('acquire', 'take', 'use', 'lease', 'try'),
        holdMillis: fc.constantFrom(undefined, 0, 1, 7),
        ending,
        answer: fc.constantFrom('value', 'promise', 'observable'),
        timeoutMillis: fc.constantFrom(1, 10),
        priority: fc.constantFrom(0, -1, 1),
        signal: fc.constantFrom('later', 'before'),
        leaveAfterMillis: fc.constantFrom(0, 3),
        onCancel: fc.constantFrom('release', 'destroy'),
        throws: fc.constant(true),
        ...(within === undefined ? undefined : { within }),
      },
      { requiredKeys: ['way', 'holdMillis', 'ending'] },
    )
    .map(facts => ({ do: 'arrive', ...facts }));
}

const ended = fc.record({ do: fc.constant('end'), index, ending });
const left = fc.record({ do: fc.constantFrom('leave', 'abort', 'touch'), index });
const closed = fc.record({
  do: fc.constant('close'),
  waiters: fc.constantFrom('reject', 'serve'),
  drainTimeoutMillis: fc.constantFrom(30_000, 5),
  force: fc.boolean(),
});
const resized = fc
  .record({ min: fc.nat(2), more: fc.nat(2) })
  .map(({ min, more }) => ({ do: 'resize' as const, min, max: Math.max(1, min + more) }));
const managed = fc.oneof(
  fc.record({ do: fc.constantFrom('pause', 'resume', 'recycle', 'evict', 'check') }),
  fc.record({ do: fc.constant('prefill'), count: fc.nat(3) }),
  resized,
);
const opened = fc.record({
  do: fc.constant('open'),
  hook,
  index,
  outcome: fc.constantFrom('ok', 'error', 'invalid', 'empty'),
});
const passed = fc.record({ do: fc.constant('advance'), millis: fc.constantFrom(0, 1, 5, 20, 60) });

/** What can be done inside somebody's callback. */
const innermost = fc.oneof(arrival(), ended, left, managed, closed) as fc.Arbitrary<Operation>;

/** What can be done in the same tick as something else. */
export const immediate: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: arrival(innermost) },
  { weight: 4, arbitrary: ended },
  { weight: 2, arbitrary: left },
  { weight: 1, arbitrary: managed },
);

/** Every command. */
export const command: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 8, arbitrary: immediate },
  { weight: 6, arbitrary: opened },
  { weight: 4, arbitrary: passed },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('settle') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('together'),
      operations: fc.array(immediate, { minLength: 2, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: closed },
);

const occasion = fc.constantFrom<Occasion>(
  'requested',
  'acquired',
  'released',
  'created',
  'createFailed',
  'validated',
  'reset',
  'destroying',
  'destroyed',
  'timedOut',
  'draining',
  'create hook',
  'validate hook',
  'reset hook',
  'destroy hook',
);

export const reactions: fc.Arbitrary<Reaction[]> = fc.array(
  fc.record({ on: occasion, nth: fc.integer({ min: 1, max: 4 }), operation: innermost }),
  { maxLength: 3 },
);

export const options: fc.Arbitrary<PlannedOptions> = fc
  .record(
    {
      max: fc.constantFrom(1, 2, 3),
      min: fc.nat(2),
      minIdle: fc.nat(1),
      maxWaiting: fc.constantFrom(0, 1, 2),
      maxUses: fc.constantFrom(1, 2),
      createConcurrency: fc.constantFrom(1, 2),
      order: fc.constantFrom('lifo', 'fifo', 'leastUsed'),
      acquireTimeoutMillis: fc.constantFrom(10, 50),
      createTimeoutMillis: fc.constantFrom(20),
      validateTimeoutMillis: fc.constantFrom(20),
      resetTimeoutMillis: fc.constantFrom(20),
      destroyTimeoutMillis: fc.constantFrom(20),
      idleTimeoutMillis: fc.constantFrom(20, 60),
      maxLifetimeMillis: fc.constantFrom(30, 100),
      validateOnBorrow: fc.boolean(),
      validateOnReturn: fc.boolean(),
      validateIdleEveryMillis: fc.constantFrom(15),
      maxLeaseMillis: fc.constantFrom(25),
      onCancel: fc.constantFrom('release', 'destroy'),
      validate: fc.boolean(),
      reset: fc.boolean(),
    },
    { requiredKeys: ['max', 'validate', 'reset'] },
  )
  .map(given => {
    const filled = { ...plainOptions, ...given } as PlannedOptions;
    return { ...filled, min: Math.min(filled.min, filled.max) };
  });

/** A hook answers at once, waits to be opened, or does now one and now the other and fails at times. */
const profile = fc.constantFrom<Profile>(
  plainProfile,
  gatedProfile,
  { ...plainProfile, now: 0.5, longestMillis: 4 },
  { ...plainProfile, now: 0.5, never: 0.3, error: 0.3, invalid: 0.2, empty: 0.1 },
);

/** The life of a pool whose hooks answer in one style. */
export function plans(style: SettleStyle): fc.Arbitrary<Plan> {
  return fc.record({
    options,
    hooks: fc.record({
      seed: fc.nat(1_000),
      styles: fc.constant([style]),
      reenter: fc.constant(0),
      create: profile,
      validate: profile,
      reset: profile,
      destroy: profile,
    }),
    operations: fc.array(command, { maxLength: 40, size: 'max' }),
    reactions,
    heard: fc.constant(true),
  });
}
