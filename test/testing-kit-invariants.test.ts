import {
  concatMap,
  from,
  map,
  NEVER,
  of,
  Subject,
  Subscription,
  timer,
  type SchedulerLike,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describe, expect, it } from 'vitest';
import {
  createPool,
  type Lease,
  type Pool,
  type PoolEvent,
  type PoolOptions,
  type PoolState,
} from '../src/index.js';
import {
  assertInvariants,
  assertQuiescent,
  checkInvariants,
  InvariantError,
  type InvariantOptions,
  type InvariantRule,
  type PoolFacts,
  type QuiescenceFacts,
} from '../src/testing/index.js';
import { RequestRules } from '../src/testing/request-rules.js';

/** One pool's life with something of everything, recorded: true, so that each lie put into it is the only one. */
function recordLife(): PoolEvent[] {
  const events: PoolEvent[] = [];
  const scheduler = new TestScheduler(() => undefined);
  scheduler.run(() => {
    const pool = createPool<number>({
      name: 'told',
      create: () => timer(5).pipe(map(() => 7)),
      validate: () => timer(1).pipe(map(() => true)),
      reset: () => timer(2),
      destroy: () => timer(3),
      max: 2,
      maxUses: 2,
    });
    pool.stats$.subscribe(event => events.push(event));
    const ignored = { error: () => undefined };
    const leases: Lease<number>[] = [];
    for (let count = 0; count < 3; count += 1) {
      pool.acquire().subscribe({ next: lease => leases.push(lease), ...ignored });
    }
    pool.acquire({ timeoutMillis: 4 }).subscribe(ignored);
    pool.acquire().subscribe(ignored).unsubscribe();
    const at = (millis: number, act: () => void) => scheduler.schedule(act, millis);
    at(10, () => void leases[0]?.release());
    at(11, () => void leases[1]?.destroy(new Error('broken')));
    at(30, () => void leases[2]?.release());
    at(50, () => {
      pool.pause();
    });
    at(51, () => {
      pool.resume();
    });
    at(60, () => void pool.close());
    scheduler.flush();
  });
  return events;
}

const life = recordLife();

/** The rules that a stream of events breaks, as the operator tells them. */
function brokenBy(events: readonly PoolEvent[], options?: InvariantOptions): InvariantRule[] {
  let rules: InvariantRule[] = [];
  from(events)
    .pipe(checkInvariants(options))
    .subscribe({
      error: (error: unknown) => {
        if (!(error instanceof InvariantError)) throw error;
        rules = error.violations.map(({ rule }) => rule);
      },
    });
  return rules;
}

function indexOf(type: PoolEvent['type'], nth = 0): number {
  const places = life.flatMap((event, index) => (event.type === type ? [index] : []));
  const place = places.at(nth);
  if (place === undefined) throw new Error(`the story has no ${type}`);
  return place;
}

/** Numbers the events anew, so that a list with something put in or left out has no gap. */
function renumbered(events: readonly PoolEvent[]): PoolEvent[] {
  return events.map((event, index) => ({ ...event, seq: index + 1 }));
}

function changed(index: number, change: object): PoolEvent[] {
  return life.map((event, place) => (place === index ? { ...event, ...change } : event));
}

/** The events of one transition: all that carry the state of this one. */
function changedState(index: number, change: Partial<PoolState>): PoolEvent[] {
  const told = life[index]!.state;
  const state = { ...told, ...change };
  return life.map(event => (event.state === told ? { ...event, state } : event));
}

function without(index: number): PoolEvent[] {
  return renumbered(life.filter((_event, place) => place !== index));
}

function withInserted(index: number, event: object): PoolEvent[] {
  const inserted = { ...life[index], ...event } as PoolEvent;
  return renumbered([...life.slice(0, index + 1), inserted, ...life.slice(index + 1)]);
}

function repeated(index: number): PoolEvent[] {
  return withInserted(index, {});
}

function factsOf(index: number): Record<string, unknown> {
  return { ...life[index] };
}

interface Lie {
  readonly name: string;
  readonly rule: InvariantRule;
  readonly events: () => readonly PoolEvent[];
  readonly options?: InvariantOptions;
}

const lies: readonly Lie[] = [
  {
    name: 'a lost event',
    rule: 'sequence',
    events: () => life.filter((_event, index) => index !== 3),
  },
  {
    name: 'I29: a clock that goes back',
    rule: 'time',
    events: () => changed(indexOf('created', 1), { at: 1 }),
  },
  {
    name: 'I29: a negative duration',
    rule: 'time',
    events: () => changed(indexOf('acquired'), { waitedMillis: -1 }),
  },
  {
    name: 'I29: a hook whose time is not a number',
    rule: 'time',
    events: () => changed(indexOf('created'), { tookMillis: NaN }),
  },
  {
    name: 'I2: a size that is not the sum of its parts',
    rule: 'counts',
    events: () => changedState(indexOf('created'), { size: 2, leased: 1, idle: 0 }),
  },
  {
    name: 'I3: a negative count',
    rule: 'counts',
    events: () => changedState(indexOf('created'), { waiting: -1 }),
  },
  {
    name: 'I3: half a resource',
    rule: 'counts',
    events: () => changedState(indexOf('created'), { idle: 0.5 }),
  },
  {
    name: 'a min above max',
    rule: 'counts',
    events: () => changedState(indexOf('created'), { min: 5 }),
  },
  {
    name: 'I4: a third resource with a max of two',
    rule: 'capacity',
    events: () => {
      const place = indexOf('creating', 1);
      const { state } = life[place]!;
      const more = { ...state, creating: state.creating + 1 };
      const extra = { type: 'creating', id: 99, state: more };
      return withInserted(place, extra);
    },
  },
  {
    name: 'I1: a size that forgot a resource',
    rule: 'fold',
    events: () => changedState(indexOf('created'), { size: 0, leased: 0, idle: 0 }),
  },
  {
    name: 'I8: a request that is not counted',
    rule: 'fold',
    events: () => changedState(indexOf('requested', 2), { waiting: 0 }),
  },
  {
    name: 'I9: a lease that is not counted',
    rule: 'fold',
    events: () => changedState(indexOf('acquired', -1), { leased: 0, idle: 1 }),
  },
  {
    name: 'I26: a state that no event explains',
    rule: 'fold',
    events: () => changedState(indexOf('draining'), { lifecycle: 'running' }),
  },
  {
    name: 'I7: one waiter more than may wait',
    rule: 'waitingLimit',
    events: () => life,
    options: { maxWaiting: 1 },
  },
  {
    name: 'I6: a request that ends twice',
    rule: 'requestEnd',
    events: () => repeated(indexOf('timedOut')),
  },
  {
    name: 'I15: a lease for a request that was cancelled',
    rule: 'requestEnd',
    events: () => {
      const { requestId } = factsOf(indexOf('cancelled'));
      return changed(indexOf('acquired', 2), { requestId });
    },
  },
  {
    name: 'an end of a request that was never made',
    rule: 'requestEnd',
    events: () => withInserted(0, { type: 'cancelled', requestId: 77, waitedMillis: 0 }),
  },
  {
    name: 'I16: a younger request that overtakes',
    rule: 'order',
    events: () => {
      const [first, second] = [indexOf('acquired'), indexOf('acquired', 1)];
      const ids = [factsOf(first)['requestId'], factsOf(second)['requestId']];
      return changed(first, { requestId: ids[1] }).map((event, index) =>
        index === second ? ({ ...event, requestId: ids[0] } as PoolEvent) : event,
      );
    },
    options: { fifo: true },
  },
  {
    name: 'I10, I18: a resource with two leases',
    rule: 'oneLease',
    events: () => changed(indexOf('acquired', 1), { id: factsOf(indexOf('acquired'))['id'] }),
  },
  {
    name: 'I11: a lease that is released twice',
    rule: 'releaseOnce',
    events: () => repeated(indexOf('released')),
  },
  {
    name: 'I11: a lease that ends for another request',
    rule: 'releaseOnce',
    events: () => changed(indexOf('released'), { requestId: 2 }),
  },
  {
    name: 'I11: a second reset for one lease',
    rule: 'releaseOnce',
    events: () => {
      const place = indexOf('reset');
      const id = factsOf(place)['id'];
      return withInserted(place, { type: 'resetting', id });
    },
  },
  {
    name: 'I12: a resource lent while it is reset',
    rule: 'lendable',
    events: () => {
      const { requestId } = factsOf(indexOf('acquired', 2));
      return withInserted(indexOf('resetting'), { type: 'acquired', requestId, waitedMillis: 0 });
    },
  },
  {
    name: 'I12: a resource lent after its validation failed',
    rule: 'lendable',
    events: () => changed(indexOf('validated'), { type: 'validateFailed', error: undefined }),
  },
  {
    name: 'I12: a resource lent that broke',
    rule: 'lendable',
    events: () =>
      withInserted(indexOf('reset'), { type: 'resourceError', error: new Error('broke') }),
  },
  {
    name: 'I12: a resource lent that was evicted',
    rule: 'lendable',
    events: () => withInserted(indexOf('reset'), { type: 'evicted', reason: 'idle' }),
  },
  {
    name: 'I12: a resource lent past its lifetime',
    rule: 'lendable',
    events: () => life,
    options: { maxLifetimeMillis: 3 },
  },
  {
    name: 'I13: an id given twice',
    rule: 'identity',
    events: () => changed(indexOf('creating', 1), { id: factsOf(indexOf('creating'))['id'] }),
  },
  {
    name: 'I13: a request id given twice',
    rule: 'identity',
    events: () => changed(indexOf('requested', 1), { requestId: 1 }),
  },
  {
    name: 'I13: a destroyed resource that comes back',
    rule: 'identity',
    events: () => {
      const { id } = factsOf(indexOf('destroyed'));
      return withInserted(indexOf('destroyed'), { type: 'validating', id });
    },
  },
  {
    name: 'I14: a destroy under a lease',
    rule: 'destroyLeased',
    events: () =>
      without(life.findIndex(event => event.type === 'released' && event.reason === 'destroyed')),
  },
  {
    name: 'a destroy that ends in destroyed and in destroyFailed',
    rule: 'destroyOnce',
    events: () => withInserted(indexOf('destroyed'), { type: 'destroyFailed', error: undefined }),
  },
  {
    name: 'a destroy that ends and never began',
    rule: 'destroyOnce',
    events: () => withInserted(indexOf('created'), { type: 'destroyed', reason: 'idle' }),
  },
  {
    name: 'a destroy that ends for another reason',
    rule: 'destroyOnce',
    events: () => changed(indexOf('destroyed'), { reason: 'idle' }),
  },
  {
    name: 'a late resource of a create that was not given up',
    rule: 'destroyOnce',
    events: () => withInserted(indexOf('created'), { type: 'destroying', reason: 'lateCreate' }),
  },
  {
    name: 'a decision of the pool without evicted',
    rule: 'evicted',
    events: () => without(indexOf('evicted')),
  },
  {
    name: 'an eviction that was no decision',
    rule: 'evicted',
    events: () => changed(indexOf('evicted'), { reason: 'broken' }),
  },
  {
    name: 'a destroy for another reason than the eviction',
    rule: 'evicted',
    events: () => changed(indexOf('evicted'), { reason: 'idle' }),
  },
  {
    name: 'I17: a reset during the validation',
    rule: 'hookOverlap',
    events: () => {
      const { id } = factsOf(indexOf('validating'));
      return withInserted(indexOf('validating'), { type: 'resetting', id });
    },
  },
  {
    name: 'I17: a destroy during the reset',
    rule: 'hookOverlap',
    events: () => {
      const { id } = factsOf(indexOf('resetting'));
      return withInserted(indexOf('resetting'), { type: 'destroying', id, reason: 'broken' });
    },
  },
  {
    name: 'I17: a hook that ends and never began',
    rule: 'hookOverlap',
    events: () => withInserted(indexOf('created'), { type: 'reset' }),
  },
  {
    name: 'a lease while paused',
    rule: 'lifecycle',
    events: () => {
      const place = indexOf('acquired') - 1;
      return withInserted(place, { type: 'paused' });
    },
  },
  {
    name: 'a create while paused',
    rule: 'lifecycle',
    events: () => withInserted(indexOf('creating') - 1, { type: 'paused' }),
  },
  {
    name: 'an event after closed',
    rule: 'lifecycle',
    events: () => withInserted(indexOf('closed'), { type: 'resumed' }),
  },
  {
    name: 'I24: a closed pool with a resource left',
    rule: 'lifecycle',
    events: () => changedState(indexOf('closed'), { size: 1, idle: 1 }),
  },
];

describe('checkInvariants', () => {
  it('passes the events of a healthy life on, untouched', () => {
    const seen: PoolEvent[] = [];
    from(life)
      .pipe(checkInvariants({ fifo: true, maxWaiting: 5 }))
      .subscribe(event => seen.push(event));
    expect(seen).toEqual(life);
    expect(new Set(life.map(event => event.type)).size).toBeGreaterThan(17);
  });

  for (const { name, rule, events, options } of lies) {
    it(`finds ${name} (${rule})`, () => {
      expect(brokenBy(events(), options)).toContain(rule);
    });
  }

  it('finds a lie in the last transition when the stream completes', () => {
    const short = life.slice(0, indexOf('creating') + 1);
    const last = short.at(-1)!;
    const lied = { ...last, state: { ...last.state, creating: 0 } };
    expect(brokenBy(short)).toEqual([]);
    expect(brokenBy([...short.slice(0, -1), lied])).toContain('fold');
  });

  it('I11: follows leases that leak, are taken back or leave the pool with their resource', () => {
    const scheduler = new TestScheduler(() => undefined);
    scheduler.run(() => {
      const events: PoolEvent[] = [];
      const limits = { leakWarningMillis: 5, maxLeaseMillis: 9, revokeGraceMillis: 3 };
      const pool = createPool<number>({ create: () => 7, max: 2, ...limits });
      pool.stats$.subscribe(event => events.push(event));
      pool.acquire().subscribe({ error: () => undefined });
      pool.acquire().subscribe(lease => {
        scheduler.schedule(() => lease.detach(), 2);
      });
      scheduler.flush();
      expect(brokenBy(events)).toEqual([]);
      const lied = (type: PoolEvent['type'], change: object) =>
        brokenBy(events.map(event => (event.type === type ? { ...event, ...change } : event)));
      expect(lied('leaked', { requestId: 2 })).toContain('releaseOnce');
      expect(lied('revoking', { requestId: 2 })).toContain('releaseOnce');
      expect(lied('revoked', { requestId: 2 })).toContain('releaseOnce');
      expect(lied('leaked', { id: 2 })).toContain('identity');
    });
  });

  it('errors with what is wrong, and with the last events', () => {
    let failure: unknown;
    const events = repeated(indexOf('released'));
    from(events)
      .pipe(checkInvariants({ history: 3 }))
      .subscribe({
        error: (error: unknown) => {
          failure = error;
        },
      });
    expect(failure).toBeInstanceOf(InvariantError);
    const error = failure as InvariantError;
    expect(error.code).toBe('INVARIANT');
    expect(error.pool).toBe('told');
    expect(error.events).toEqual(events.slice(indexOf('released') - 1, indexOf('released') + 2));
    expect(error.message).toMatch(
      /releaseOnce: #\d+ released 1 for 1 .*nobody has the lease of it/,
    );
    expect(error.message).toContain('last events: #');
  });

  it('carries no events when it shall keep none', () => {
    const failures: unknown[] = [];
    from(repeated(indexOf('released')))
      .pipe(checkInvariants({ history: 0 }))
      .subscribe({ error: (error: unknown) => failures.push(error) });
    expect(failures).toHaveLength(1);
    expect((failures[0] as InvariantError).events).toEqual([]);
  });

  it('checks each subscription for itself', () => {
    const checked$ = from(life).pipe(checkInvariants());
    for (let round = 0; round < 2; round += 1) {
      const seen: PoolEvent[] = [];
      checked$.subscribe(event => seen.push(event));
      expect(seen).toHaveLength(life.length);
    }
  });

  it('heard from the middle on, accepts what was there before', () => {
    for (let start = 1; start < life.length; start += 1) {
      expect(brokenBy(life.slice(start)), `from event ${start + 1} on`).toEqual([]);
    }
  });

  it('heard from the middle on, still finds a double lending', () => {
    const late = (events: readonly PoolEvent[]) => events.slice(indexOf('requested', 1));
    const { id } = factsOf(indexOf('acquired'));
    expect(brokenBy(late(changed(indexOf('acquired', 1), { id })))).toContain('oneLease');
  });

  it('takes what is left of a larger max for no violation, and growth above it for one', () => {
    const pool = createPool<number>({ name: 'shrunk', create: () => 7, max: 4 });
    const events: PoolEvent[] = [];
    pool.stats$.subscribe(event => events.push(event));
    const leases = [1, 2, 3, 4].map(() => pool.acquire().subscribe());
    pool.resize({ max: 2 });
    leases[0]!.unsubscribe();
    expect(pool.state.size + pool.state.destroying).toBeGreaterThan(2);
    expect(brokenBy(events)).toEqual([]);
    const last = events.at(-1)!;
    const grown = { ...last.state, creating: 2 };
    const more = { type: 'creating', id: 9, seq: last.seq + 1, state: grown };
    const evenMore = { type: 'creating', id: 10, seq: last.seq + 2, state: grown };
    const lied = [...events, { ...last, ...more }, { ...last, ...evenMore }] as PoolEvent[];
    expect(brokenBy(lied)).toContain('capacity');
    leases.forEach(lease => lease.unsubscribe());
  });

  it('I7: does not blame a refused request for one that waits since its validation failed', () => {
    const { pool, events } = told<number>({
      create: () => 7,
      validate: () => false,
      destroy: () => NEVER,
      maxWaiting: 0,
      max: 1,
    });
    pool.acquire().subscribe().unsubscribe();
    const ignored = { error: () => undefined };
    const waiting = pool.acquire().subscribe(ignored);
    pool.pause();
    pool.resume();
    pool.acquire().subscribe(ignored);
    expect(events.at(-1)?.type).toBe('rejected');
    expect(pool.state.waiting).toBe(1);
    expect(brokenBy(events, { maxWaiting: 0 })).toEqual([]);
    waiting.unsubscribe();
  });

  it('accepts a resource that came after its create was given up', () => {
    const scheduler = new TestScheduler(() => undefined);
    scheduler.run(() => {
      const events: PoolEvent[] = [];
      const pool = createPool<number>({
        create: () => timer(10).pipe(map(() => 7)),
        createTimeoutMillis: 5,
        destroy: () => timer(2),
      });
      pool.stats$.subscribe(event => events.push(event));
      pool.acquire().subscribe({ error: () => undefined });
      scheduler.flush();
      expect(events.map(event => event.type)).toContain('destroyed');
      expect(brokenBy(events)).toEqual([]);
      expect(brokenBy(renumbered([...events, events.at(-1)!]))).toContain('destroyOnce');
    });
  });
});

function told<T>(options: PoolOptions<T>) {
  const pool = createPool({ name: 'told', idleTimeoutMillis: Infinity, ...options });
  const events: PoolEvent[] = [];
  const states: PoolState[] = [];
  pool.stats$.subscribe(event => events.push(event));
  pool.state$.subscribe(state => states.push(state));
  return { pool, events, states };
}

function rulesOf(act: () => void): InvariantRule[] {
  try {
    act();
  } catch (error) {
    if (error instanceof InvariantError) return error.violations.map(({ rule }) => rule);
    throw error;
  }
  return [];
}

/** The pool with some of its answers replaced: a pool that lies. */
function lying<T>(pool: Pool<T>, answers: Partial<Pool<T>>): Pool<T> {
  return new Proxy(pool, {
    get: (target, name): unknown => {
      const answer: unknown = Reflect.get(name in answers ? answers : target, name, target);
      return typeof answer === 'function' ? answer.bind(target) : answer;
    },
  });
}

describe('assertInvariants', () => {
  it('accepts a pool whose books are right, at every step', () => {
    const { pool, events, states } = told({ create: () => 7, max: 3 });
    const check = (leased: number) => {
      assertInvariants(pool, { events, states, leased, waiting: 0, fifo: true });
    };
    check(0);
    const first = pool.acquire().subscribe();
    check(1);
    const second = pool.acquire().subscribe();
    check(2);
    first.unsubscribe();
    check(1);
    second.unsubscribe();
    check(0);
    expect(events).toHaveLength(10);
  });

  it('accepts a single state, and finds what is wrong with one', () => {
    const { state } = createPool({ create: () => 1, max: 2 });
    assertInvariants(state);
    const broken: readonly (readonly [Partial<PoolState>, InvariantRule])[] = [
      [{ size: 1 }, 'counts'],
      [{ idle: 3, size: 3 }, 'capacity'],
      [{ creating: 3 }, 'capacity'],
      [{ waiting: -1 }, 'counts'],
      [{ lifecycle: 'closed', waiting: 1 }, 'lifecycle'],
    ];
    for (const [change, rule] of broken) {
      expect(rulesOf(() => assertInvariants({ ...state, ...change }))).toContain(rule);
    }
  });

  const wrongFacts: readonly (readonly [string, InvariantRule, (right: Right) => PoolFacts])[] = [
    [
      'I5: an oracle that counts one more',
      'outside',
      () => ({ oracle: { live: 3, violations: [] } }),
    ],
    ['an oracle that complains', 'outside', () => ({ oracle: { live: 2, violations: ['twice'] } })],
    [
      'I5: one that should be abandoned',
      'outside',
      () => ({ oracle: { live: 2, violations: [] }, abandoned: 1 }),
    ],
    ['I9: one lease more', 'outside', () => ({ leased: 2 })],
    ['I6: one waiter more', 'outside', () => ({ waiting: 1 })],
    [
      'a lie in the events',
      'requestEnd',
      ({ events }) => ({
        events: events.slice(1).map((event, index) => ({ ...event, seq: index + 1 })),
      }),
    ],
    ['events that end too early', 'fold', ({ events }) => ({ events: events.slice(0, -1) })],
    [
      'events that do not add up to stats',
      'books',
      ({ events }) => ({ events: events.slice(0, -1) }),
    ],
    [
      'I27: a state$ that skips a state',
      'states',
      ({ events, states }) => ({ events, states: [...states.slice(0, 2), ...states.slice(3)] }),
    ],
    [
      'I27: a state$ that ends elsewhere',
      'states',
      ({ states }) => ({ states: states.slice(0, -1) }),
    ],
  ];

  interface Right {
    readonly events: readonly PoolEvent[];
    readonly states: readonly PoolState[];
  }

  for (const [name, rule, facts] of wrongFacts) {
    it(`finds ${name}`, () => {
      const { pool, events, states } = told({ create: () => 7, max: 3 });
      pool.acquire().subscribe();
      pool.acquire().subscribe().unsubscribe();
      assertInvariants(pool, {
        events,
        states,
        oracle: { live: 2, violations: [] },
        leased: 1,
        waiting: 0,
      });
      expect(rulesOf(() => assertInvariants(pool, facts({ events, states })))).toContain(rule);
    });
  }

  it('finds books that differ from the state', () => {
    const { pool, events } = told({ create: () => 7, max: 3 });
    pool.acquire().subscribe();
    const { stats } = pool;
    const [resource] = pool.resources();
    const wrong: readonly (readonly [Partial<Pool<number>>, InvariantRule])[] = [
      [{ resources: () => [] }, 'books'],
      [{ resources: () => [resource!, resource!] }, 'identity'],
      [{ resources: () => [{ ...resource!, state: 'idle' }] }, 'books'],
      [{ stats: { ...stats, acquired: 9 } }, 'books'],
      [{ stats: { ...stats, hold: { ...stats.hold, count: 4 } } }, 'books'],
    ];
    for (const [answers, rule] of wrong) {
      expect(rulesOf(() => assertInvariants(lying(pool, answers), { events }))).toContain(rule);
    }
    assertInvariants(pool, { events });
  });

  it('accepts that a closed pool counts refusals of which it tells nobody', async () => {
    const { pool, events } = told({ create: () => 7 });
    await pool.close();
    pool.acquire().subscribe({ error: () => undefined });
    expect(pool.stats.rejected).toBe(1);
    assertInvariants(pool, { events });
    const fewer = { stats: { ...pool.stats, rejected: 0 } };
    const refused = { ...events[0]!, type: 'rejected', seq: 0 } as PoolEvent;
    const lied = renumbered([refused, ...events]);
    expect(rulesOf(() => assertInvariants(lying(pool, fewer), { events: lied }))).toContain(
      'books',
    );
  });

  it('names the pool, the state and the last events in its error', () => {
    const { pool, events } = told({ create: () => 7, max: 3 });
    pool.acquire().subscribe();
    expect(() => assertInvariants(pool, { events, leased: 5, history: 2 })).toThrow(
      /\[told\] outside: 5 leases are held, the pool counts 1; last events: #\d+ created 1, #\d+ acquired 1 for 1 \(running: 1 of 3 leased/,
    );
  });
});

describe('assertQuiescent', () => {
  function stuck(change: Partial<PoolState>, facts?: QuiescenceFacts): InvariantRule[] {
    const pool = createPool<number>({ name: 'resting', create: () => 7, max: 2 });
    const state = { ...pool.state, ...change };
    return rulesOf(() => assertQuiescent(lying(pool, { state }), facts));
  }

  it('accepts a pool at rest, also with leases out and a queue behind them', () => {
    const { pool } = told({ create: () => 7, max: 1, acquireTimeoutMillis: Infinity });
    assertQuiescent(pool);
    const held = pool.acquire().subscribe();
    const waiting = pool.acquire().subscribe();
    expect(pool.state.waiting).toBe(1);
    assertQuiescent(pool);
    waiting.unsubscribe();
    held.unsubscribe();
    assertQuiescent(pool);
  });

  it('accepts a closed pool whose streams have completed', async () => {
    const { pool } = told({ create: () => 7 });
    await pool.close();
    assertQuiescent(pool);
    expect(pool.state.lifecycle).toBe('closed');
  });

  const wrong: readonly (readonly [string, InvariantRule, Partial<PoolState>])[] = [
    [
      'I19: a waiter beside an idle resource',
      'stuckWaiter',
      { waiting: 1, idle: 1, size: 1, max: 1 },
    ],
    ['I20: a waiter beside a free slot', 'stuckWaiter', { waiting: 1, leased: 1, size: 1 }],
    ['I21: a create that nobody runs', 'unsettledHook', { creating: 1 }],
    ['I21: a destroy that nobody runs', 'unsettledHook', { destroying: 1, size: 1 }],
    ['I22: a min that is not kept', 'minimum', { min: 1 }],
    ['I24: a closed pool with something left', 'close', { lifecycle: 'closed', size: 1, idle: 1 }],
    ['I24: a closed pool whose streams go on', 'close', { lifecycle: 'closed' }],
    ['I25: a drain that does not end', 'close', { lifecycle: 'draining', idle: 1, size: 1 }],
  ];
  for (const [name, rule, change] of wrong) {
    it(`finds ${name}`, () => {
      expect(stuck({})).toEqual([]);
      expect(stuck(change)).toContain(rule);
    });
  }

  it('knows hooks that the test keeps open', () => {
    const created = new Subject<number>();
    const { pool } = told({ create: () => created, max: 1 });
    const request = pool.acquire().subscribe();
    assertQuiescent(pool, { unsettled: 1 });
    expect(rulesOf(() => assertQuiescent(pool))).toEqual(['unsettledHook']);
    created.next(7);
    assertQuiescent(pool);
    request.unsubscribe();
  });

  it('lets a request wait beside a free slot where a budget or createConcurrency decides', () => {
    const change = { waiting: 2, creating: 1 };
    expect(stuck(change, { unsettled: 1 })).toEqual(['stuckWaiter']);
    expect(stuck(change, { unsettled: 1, permits: true })).toEqual([]);
    expect(stuck(change, { unsettled: 1, createConcurrency: 1 })).toEqual([]);
  });

  it('I23: finds a request that outlived its deadline', () => {
    const { pool, events } = told({ create: () => new Subject<number>(), max: 1 });
    const request = pool.acquire().subscribe();
    const requestedAt = events[0]!.at;
    const facts = { unsettled: 1, events, acquireTimeoutMillis: 100 };
    assertQuiescent(pool, { ...facts, now: requestedAt + 100 });
    const late = { ...facts, now: requestedAt + 101 };
    expect(rulesOf(() => assertQuiescent(pool, late))).toEqual(['deadline']);
    request.unsubscribe();
  });

  it('finds what a broken pool would leave behind, in a real story', () => {
    const { pool, events } = told({
      create: () => of(7),
      max: 2,
      reset: () => of(1).pipe(concatMap(() => of(2))),
    });
    pool.acquire().subscribe().unsubscribe();
    assertInvariants(pool, { events, oracle: { live: 1, violations: [] } });
    assertQuiescent(pool);
    expect(pool.state.idle).toBe(1);
  });
});

describe('a real pool under checkInvariants', () => {
  it('I29: its events never go back in time, also when time passes inside a synchronous hook', () => {
    let now = 0;
    const scheduler: SchedulerLike = {
      now: () => now,
      schedule: () => Subscription.EMPTY,
    };
    const create = () => {
      now += 3;
      return 7;
    };
    const pool = createPool<number>({ create, max: 3, idleTimeoutMillis: Infinity, scheduler });
    const failures: unknown[] = [];
    const times: number[] = [];
    pool.stats$.pipe(checkInvariants()).subscribe({
      next: ({ at }) => times.push(at),
      error: (error: unknown) => failures.push(error),
    });
    pool.pause();
    const borrowers = [1, 2, 3].map(() => pool.acquire().subscribe());
    pool.resume();
    expect(failures).toEqual([]);
    expect(times.at(-1)).toBe(9);
    borrowers.forEach(borrower => borrower.unsubscribe());
  });
});

describe('the rules of requests', () => {
  const told = { seq: 1, at: 0, pool: 'told', state: createPool({ create: () => 7 }).state };

  it('cost as much for one of 200,000 that wait as for one of few', () => {
    const complaints: string[] = [];
    const rules = new RequestRules((_, message) => complaints.push(message), true, true);
    const ids = Array.from({ length: 200_000 }, (_, index) => index + 1);
    const facts = { ...told, label: undefined };
    for (const requestId of ids) rules.asked({ ...facts, type: 'requested', requestId });
    const grants = ids.map(
      requestId => ({ ...facts, type: 'acquired', requestId, id: 1, waitedMillis: 0 }) as const,
    );
    const before = process.cpuUsage();
    for (const grant of grants) rules.served(grant);
    const { user } = process.cpuUsage(before);
    expect(complaints).toEqual([]);
    // Microseconds of the processor: a tenth of this, and six times as much where each looks from the start on.
    expect(user).toBeLessThan(1_000_000);
  });

  it('know the oldest again when an id was given twice, and end with an id that nobody gave', () => {
    const complaints: string[] = [];
    const rules = new RequestRules((_, message) => complaints.push(message), true, true);
    const ask = (requestId: number): void => {
      rules.asked({ ...told, type: 'requested', requestId, label: undefined });
    };
    const serve = (requestId: number): string[] => {
      const facts = { type: 'acquired', id: 1, label: undefined, waitedMillis: 0 } as const;
      rules.served({ ...told, ...facts, requestId });
      return complaints.splice(0);
    };
    [1, 2, 3].forEach(ask);
    expect(serve(1)).toEqual([]);
    expect(serve(3)).toEqual([expect.stringContaining('is served while request 2 waits')]);
    expect(serve(2)).toEqual([]);
    expect(serve(2 ** 53)).toEqual([expect.stringContaining('does not wait')]);
    ask(1);
    ask(4);
    complaints.length = 0;
    expect(serve(4)).toEqual([expect.stringContaining('is served while request 1 waits')]);
  });
});
