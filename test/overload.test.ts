import { config } from 'rxjs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  adaptiveLifo,
  codel,
  createPool,
  deadlineAware,
  OverloadedError,
  type Admission,
  type PoolLoad,
  type PoolOptions,
  type WaitingRequest,
} from '../src/index.js';
import { type Outcome, playMinute } from './overload/minute.js';
import { borrow, eventsOf, typesOf, type VirtualPool, virtualPool } from './virtual-pool.js';

/** Sixty virtual seconds, at so many times the capacity of ten resources that are held for 20 ms in the mean. */
function minuteAt(load: number, options: Partial<PoolOptions<object>> = {}): Outcome {
  return playMinute({ load, resources: 10, meanHoldMillis: 20, holds: 'exponential', options });
}

describe('three times the capacity for a minute', () => {
  let known: Outcome | undefined;
  // Not as the file is read: a mutation run would take all of the engine for code that runs at start.
  const unloaded = (): Outcome => (known ??= minuteAt(0.3));

  it('without a policy everybody waits for as long as the limit allows', () => {
    const { p99, goodput, timedOut } = minuteAt(3);
    expect(p99).toBeGreaterThan(5 * unloaded().p99);
    expect(goodput).toBeGreaterThan(0.9);
    expect(timedOut).toBeGreaterThan(50_000);
  });

  it.each<[string, Partial<PoolOptions<object>>]>([
    ['codel', { admission: codel() }],
    ['deadlineAware', { admission: deadlineAware(), acquireTimeoutMillis: 80 }],
    ['adaptiveLifo', { admission: adaptiveLifo({ refuseAfterMillis: 100 }) }],
  ])(
    'with %s the slowest of those who are served take at most twice as long as in good times, and nothing stands idle',
    (_name, options) => {
      const overloaded = minuteAt(3, options);
      expect(overloaded.p99).toBeLessThan(2 * unloaded().p99);
      expect(overloaded.goodput).toBeGreaterThan(0.9);
      expect(overloaded.refused).toBeGreaterThan(50_000);
    },
  );

  it.each<[string, number, () => Admission]>([
    ['codel', 5, codel],
    ['codel', 200, codel],
    ['adaptiveLifo', 5, adaptiveLifo],
    ['adaptiveLifo', 200, adaptiveLifo],
  ])(
    'with %s the same where leases always take %i ms, although nobody said so',
    (_name, meanHoldMillis, policy) => {
      const work = { holds: 'constant', meanHoldMillis, resources: 2 } as const;
      const good = playMinute({ ...work, load: 0.3 });
      const overloaded = playMinute({ ...work, load: 3, options: { admission: policy() } });
      expect(overloaded.p99).toBeLessThan(2 * good.p99);
      expect(overloaded.goodput).toBeGreaterThan(0.9);
    },
  );

  it.each<[string, Partial<PoolOptions<object>>]>([
    ['codel', { admission: codel() }],
    ['deadlineAware', { admission: deadlineAware() }],
    ['adaptiveLifo', { admission: adaptiveLifo({ refuseAfterMillis: 100 }) }],
  ])('%s refuses nobody in good times', (_name, options) => {
    expect(minuteAt(0.3, options)).toMatchObject({ refused: 0, served: unloaded().served });
  });
});

const load = (facts: Partial<PoolLoad>): PoolLoad => ({
  at: 0,
  waiting: 0,
  leased: 1,
  max: 1,
  ...facts,
});
const request = (facts: Partial<WaitingRequest>): WaitingRequest => ({
  priority: 0,
  label: undefined,
  requestedAt: 0,
  dueAt: Infinity,
  ...facts,
});

describe('deadlineAware', () => {
  it('admits who can be served in the share of its time that the margin leaves', () => {
    const policy = deadlineAware({ margin: 0.5 });
    policy.ended?.(10, 0);
    // The fourth in line behind two resources that are held for 10 ms waits 20 ms.
    const busy = load({ waiting: 3, leased: 2 });
    expect(policy.admits(request({ dueAt: 40 }), busy)).toBe(true);
    expect(policy.admits(request({ dueAt: 39 }), busy)).toBe(false);
    expect(policy.admits(request({ dueAt: Infinity }), busy)).toBe(true);
  });

  it('admits everybody before it knows how long a lease is held, and while nothing is lent', () => {
    const policy = deadlineAware();
    expect(policy.admits(request({ dueAt: 1 }), load({ waiting: 1_000 }))).toBe(true);
    policy.ended?.(10, 0);
    expect(policy.admits(request({ dueAt: 1 }), load({ waiting: 1_000, leased: 0 }))).toBe(true);
    expect(policy.admits(request({ dueAt: 1 }), load({ waiting: 1_000 }))).toBe(false);
  });

  it('follows a change of the work', () => {
    const policy = deadlineAware({ margin: 1 });
    for (let i = 0; i < 200; i += 1) policy.ended?.(10, 0);
    for (let i = 0; i < 200; i += 1) policy.ended?.(1_000, 0);
    expect(policy.admits(request({ dueAt: 900 }), load({}))).toBe(false);
    expect(policy.admits(request({ dueAt: 1_001 }), load({}))).toBe(true);
  });
});

/** A resource is free because a lease ended: who waited for it came before. */
function freed(policy: Admission, requestedAt: number, facts: Partial<PoolLoad>): string {
  const now = load(facts);
  policy.ended?.(10, now.at);
  return policy.serves(request({ requestedAt }), now);
}

describe('codel', () => {
  it('lets a burst wait up to the interval, and a queue that stands for the target only', () => {
    const policy = codel({ targetMillis: 5, intervalMillis: 50 });
    policy.admits(request({}), load({ at: 0 }));
    expect(freed(policy, 0, { at: 10, waiting: 9 })).toBe('oldest');
    expect(freed(policy, 10, { at: 60, waiting: 9, leased: 0 })).toBe('oldest');
    expect(freed(policy, 56, { at: 61, waiting: 8, leased: 0 })).toBe('oldest');
    expect(freed(policy, 55, { at: 61, waiting: 7, leased: 0 })).toBe('refuse');
  });

  it('forgets the overload when the queue has emptied', () => {
    const policy = codel({ targetMillis: 5, intervalMillis: 50 });
    policy.admits(request({}), load({ at: 0 }));
    expect(freed(policy, 0, { at: 1, waiting: 9 })).toBe('oldest');
    expect(freed(policy, 60, { at: 66, waiting: 1, leased: 0 })).toBe('refuse');
    expect(freed(policy, 60, { at: 70, waiting: 1, leased: 0 })).toBe('oldest');
  });

  it('takes a queue that its refusals emptied for no end of the overload, until an interval has passed', () => {
    const policy = codel({ targetMillis: 5, intervalMillis: 50 });
    policy.admits(request({}), load({ at: 0 }));
    expect(freed(policy, 0, { at: 1, waiting: 99 })).toBe('oldest');
    for (let count = 0; count < 10; count += 1) {
      expect(freed(policy, 60, { at: 100, waiting: 10 - count, leased: 0 })).toBe('refuse');
    }
    policy.admits(request({}), load({ at: 101 }));
    expect(freed(policy, 101, { at: 107, waiting: 2, leased: 0 })).toBe('refuse');
    policy.admits(request({}), load({ at: 160 }));
    expect(freed(policy, 160, { at: 170, waiting: 2, leased: 0 })).toBe('oldest');
  });
});

describe('adaptiveLifo', () => {
  it('serves the oldest, and the newest once the queue has stood for the interval', () => {
    const policy = adaptiveLifo({ intervalMillis: 50, refuseAfterMillis: 60 });
    policy.admits(request({}), load({ at: 0 }));
    expect(freed(policy, 0, { at: 1, waiting: 9 })).toBe('oldest');
    expect(freed(policy, 1, { at: 51, waiting: 3, leased: 0 })).toBe('oldest');
    expect(freed(policy, 1, { at: 52, waiting: 3, leased: 0 })).toBe('newest');
    expect(freed(policy, 1, { at: 62, waiting: 3, leased: 0 })).toBe('refuse');
  });
});

describe.each<[string, () => Admission]>([
  ['codel', () => codel()],
  ['adaptiveLifo', () => adaptiveLifo({ refuseAfterMillis: 50 })],
])('a pool with %s whose resources take long to make', (_name, policy) => {
  const connectMillis = 300;

  /** So many borrow for so long, as soon as they can. */
  function crowd({ pool, time }: VirtualPool, size: number, holdMillis: number) {
    const borrowers = Array.from({ length: size }, () => borrow(pool));
    const left = new Map(borrowers.map(borrower => [borrower, holdMillis]));
    return {
      pass(millis: number): void {
        for (let passed = 0; passed < millis; passed += 1) {
          time.advance(1);
          for (const [borrower, millisLeft] of left) {
            if (borrower.leases.length === 0) continue;
            left.set(borrower, millisLeft - 1);
            if (millisLeft > 1) continue;
            left.delete(borrower);
            borrower.leave();
          }
        }
      },
      get served(): number {
        return borrowers.filter(({ leases }) => leases.length > 0).length;
      },
    };
  }

  it('refuses nobody for waiting until it has started, the first time and again', async () => {
    const fixture = virtualPool({ max: 2, admission: policy() }, { create: connectMillis });
    const first = crowd(fixture, 4, 20);
    first.pass(1_000);
    expect(first.served).toBe(4);
    await fixture.pool.recycle();
    const second = crowd(fixture, 4, 20);
    second.pass(1_000);
    expect(second.served).toBe(4);
    expect(fixture.pool.stats.rejected).toBe(0);
  });

  it('nor for waiting until it has grown', () => {
    const fixture = virtualPool({ max: 4, admission: policy() }, { create: connectMillis });
    const warm = crowd(fixture, 2, 20);
    warm.pass(1_000);
    // The two that are there are lent for longer than the others take to be made.
    const burst = crowd(fixture, 4, 400);
    burst.pass(2_000);
    expect(burst.served).toBe(4);
    expect(fixture.pool.stats.rejected).toBe(0);
  });
});

describe('a policy in the pool', () => {
  const always = (policy: Partial<Admission>): Admission => ({
    admits: () => true,
    serves: () => 'oldest',
    ...policy,
  });

  it('refuses at once with OverloadedError, and is not asked about those who need not wait', () => {
    const asked: WaitingRequest[] = [];
    const { pool, events } = virtualPool({
      max: 2,
      name: 'busy',
      admission: always({ admits: each => (asked.push(each), false) }),
    });
    const borrowers = [borrow(pool), borrow(pool)];
    const refused = borrow(pool, { label: 'late', priority: 3, timeoutMillis: 70 });
    expect(refused.error).toBeInstanceOf(OverloadedError);
    expect(refused.error).toMatchObject({
      code: 'OVERLOADED',
      waitedMillis: 0,
      message: expect.stringContaining(
        '[busy] refused after 0 ms: more is asked of the pool than it can lend in time',
      ) as string,
    });
    expect(asked).toEqual([{ priority: 3, label: 'late', requestedAt: 0, dueAt: 70 }]);
    expect(eventsOf(events, 'rejected')).toMatchObject([{ reason: 'overloaded', label: 'late' }]);
    expect(pool.stats.rejected).toBe(1);
    for (const borrower of borrowers) borrower.leave();
  });

  it('turns away those who waited too long in the transition that serves the next', () => {
    const { pool, events, time } = virtualPool({
      max: 1,
      admission: always({
        serves: ({ requestedAt }, { at }) => (at - requestedAt > 5 ? 'refuse' : 'oldest'),
      }),
    });
    const holder = borrow(pool);
    const early = [borrow(pool), borrow(pool)];
    time.advance(10);
    const late = borrow(pool);
    const before = events.length;
    holder.leave();
    expect(early.map(({ error }) => error)).toEqual([
      expect.objectContaining({ code: 'OVERLOADED', waitedMillis: 10 }),
      expect.objectContaining({ code: 'OVERLOADED', waitedMillis: 10 }),
    ]);
    expect(late.lease.resource.number).toBe(1);
    expect(typesOf(events.slice(before))).toEqual(['released', 'rejected', 'rejected', 'acquired']);
    late.leave();
  });

  it('serves the newest when it says so, and a resource that nobody is left for stays idle', () => {
    let verdict: 'newest' | 'refuse' = 'newest';
    const { pool } = virtualPool({ max: 1, admission: always({ serves: () => verdict }) });
    const holder = borrow(pool);
    const [first, second] = [borrow(pool), borrow(pool)];
    holder.leave();
    expect(second?.leases).toHaveLength(1);
    verdict = 'refuse';
    second?.leave();
    expect(first?.error).toBeInstanceOf(OverloadedError);
    expect(pool.state).toMatchObject({ idle: 1, waiting: 0 });
  });

  it('hears of each lease that ended, for how long it was held and when', () => {
    const ended: number[][] = [];
    const { pool, time } = virtualPool({
      admission: always({ ended: (heldMillis, at) => ended.push([heldMillis, at]) }),
    });
    time.advance(5);
    const holder = borrow(pool);
    time.advance(20);
    holder.leave();
    expect(ended).toEqual([[20, 25]]);
  });

  it('works with checks before lending: each resource is checked once for each grant', () => {
    const { pool, validations } = virtualPool({ max: 1, admission: always({}) }, { validate: 0 });
    const holder = borrow(pool);
    const waiter = borrow(pool);
    holder.leave();
    expect(waiter.leases).toHaveLength(1);
    expect(validations).toEqual([1]);
    waiter.leave();
  });

  it('that throws has no say, and its error is reported to nobody in particular', () => {
    const reported: unknown[] = [];
    const { onUnhandledError } = config;
    vi.useFakeTimers();
    config.onUnhandledError = error => reported.push(error);
    onTestFinished(() => {
      vi.useRealTimers();
      config.onUnhandledError = onUnhandledError;
    });
    const fails = (): never => {
      throw new Error('policy');
    };
    const { pool } = virtualPool({
      max: 1,
      admission: { admits: fails, serves: fails, ended: fails },
    });
    const holder = borrow(pool);
    const waiters = [borrow(pool), borrow(pool)];
    holder.leave();
    expect(waiters.map(({ leases }) => leases.length)).toEqual([1, 0]);
    for (const waiter of waiters) waiter.leave();
    vi.runAllTimers();
    expect(reported.length).toBeGreaterThan(3);
  });

  it("'wait' is the default by name; anything else that is no policy is refused", () => {
    expect(() => createPool({ create: () => ({}), admission: 'wait' })).not.toThrow();
    expect(() => createPool({ create: () => ({}), admission: {} as Admission })).toThrow(
      'admission',
    );
    expect(() => deadlineAware({ margin: 0 })).toThrow('margin');
    expect(() => codel({ targetMillis: 0 })).toThrow('targetMillis');
    expect(() => adaptiveLifo({ intervalMillis: -1 })).toThrow('intervalMillis');
  });
});
