import { NEVER, Subject, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { createPool, HookTimeoutError, type PoolEvent, type PoolState } from '../src/index.js';
import {
  borrow,
  eventsOf,
  microtasks,
  outcomeOf,
  type Thing,
  typesOf,
  virtualPool,
  warm,
} from './virtual-pool.js';

const REQUEST_ENDS = new Set(['acquired', 'cancelled', 'timedOut', 'rejected']);

/** Which events ended each request, and which each resource. */
function endings(events: readonly PoolEvent[]) {
  const requests = new Map<number, string[]>();
  const resources = new Map<number, string[]>();
  for (const event of events) {
    if (event.type === 'requested') requests.set(event.requestId, []);
    else if (event.type === 'created') resources.set(event.id, []);
    else if (REQUEST_ENDS.has(event.type) && 'requestId' in event)
      requests.get(event.requestId)!.push(event.type);
    else if (event.type === 'destroyed' || event.type === 'destroyFailed')
      resources.get(event.id)!.push(event.type);
  }
  return { requests: [...requests.values()], resources: [...resources.values()] };
}

/** Which events tell of this resource, in order. */
function lifeOf(events: readonly PoolEvent[], id: number): string[] {
  return typesOf(events.filter(event => 'id' in event && event.id === id));
}

describe('stats$', () => {
  it('EV-01: each request and each resource ends in exactly one event, and there are no others', async () => {
    let creates = 0;
    const { pool, events } = virtualPool({
      max: 3,
      create: () => {
        creates += 1;
        if (creates === 2) throw new Error('refused');
        return { number: creates, ended: 0 };
      },
      destroy: ({ number }) => {
        if (number === 3) throw new Error('stuck');
      },
    });
    const first = borrow(pool);
    const failed = borrow(pool);
    const second = borrow(pool);
    expect(failed.error).toMatchObject({ code: 'CREATE_FAILED' });
    first.leave();
    second.leave();
    await pool.close().catch(() => undefined);

    const { requests, resources } = endings(events);
    expect(requests).toStrictEqual([['acquired'], ['rejected'], ['acquired']]);
    expect([...resources].sort()).toStrictEqual([['destroyFailed'], ['destroyed']]);
    expect(typesOf(events)).toStrictEqual([
      'requested',
      'creating',
      'created',
      'acquired',
      'requested',
      'creating',
      'createFailed',
      'rejected',
      'requested',
      'creating',
      'created',
      'acquired',
      'released',
      'released',
      'draining',
      'destroying',
      'destroyed',
      'destroying',
      'destroyFailed',
      'closed',
    ]);
  });

  it('EV-01: requests that time out, leave, are aborted, refused or closed out each end once', async () => {
    const { pool, time, events } = virtualPool({
      max: 1,
      maxWaiting: 4,
      acquireTimeoutMillis: 100,
    });
    borrow(pool);
    const abort = new AbortController();
    borrow(pool);
    borrow(pool, { signal: abort.signal });
    borrow(pool).leave();
    time.advanceTo(50);
    abort.abort();
    time.advanceTo(100);
    for (let i = 0; i < 5; i += 1) borrow(pool);
    await pool.close({ force: true });
    const { requests } = endings(events);
    expect(requests.map(ends => ends.length)).toStrictEqual(requests.map(() => 1));
    expect(requests.map(([end]) => end)).toStrictEqual([
      'acquired',
      'timedOut',
      'cancelled',
      'cancelled',
      'rejected',
      'rejected',
      'rejected',
      'rejected',
      'rejected',
    ]);
    expect(eventsOf(events, 'cancelled').map(({ reason }) => reason)).toStrictEqual([
      'unsubscribed',
      'aborted',
    ]);
    expect(eventsOf(events, 'rejected').map(({ reason }) => reason)).toStrictEqual([
      'waitingLimit',
      'closed',
      'closed',
      'closed',
      'closed',
    ]);
  });

  it('EV-02: a create in flight is creating and waiting, and becomes leased in one snapshot', () => {
    const { pool, time, states, events } = virtualPool({}, { create: 1000 });
    borrow(pool);
    time.advanceTo(999);
    expect(pool.state).toMatchObject({ leased: 0, creating: 1, waiting: 1, size: 0 });
    time.advanceTo(1000);
    expect(pool.state).toMatchObject({ leased: 1, creating: 0, waiting: 0, size: 1 });
    expect(states.every(({ leased, creating }) => leased + creating <= 1)).toBe(true);
    expect(states.slice(1).every(({ leased, waiting }) => leased + waiting === 1)).toBe(true);
    const [created] = eventsOf(events, 'created');
    const [acquired] = eventsOf(events, 'acquired');
    expect(created?.state).toBe(acquired?.state);
    expect(created).toMatchObject({ tookMillis: 1000, at: 1000 });
  });

  it('EV-04: no counter is ever negative or no number, also as seen inside handlers and hooks', () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed % below;
    };
    const seen: PoolState[] = [];
    const { pool, time } = virtualPool(
      {
        min: 1,
        max: 4,
        idleTimeoutMillis: 20,
        maxLifetimeMillis: 90,
        acquireTimeoutMillis: 30,
        watch: () => {
          seen.push(pool.state);
          return NEVER;
        },
      },
      { create: 3, reset: 2, validate: 1, destroy: 2 },
    );
    pool.stats$.subscribe(() => seen.push(pool.state));
    const borrowers = Array.from({ length: 300 }, (_, step) => {
      const borrower = borrow(pool, undefined, lease => {
        seen.push(pool.state);
        if (random(4) === 0) void lease.destroy();
        else if (random(3) === 0) void lease.release();
      });
      if (random(3) === 0) borrower.leave();
      if (step % 2 === 0) time.advance(random(6));
      return borrower;
    });
    for (const borrower of borrowers) borrower.leave();
    time.advance(1000);
    expect(seen.length).toBeGreaterThan(1000);
    const counts = [...seen, pool.state].flatMap(state =>
      (Object.values(state) as unknown[]).filter(value => typeof value === 'number'),
    );
    expect(counts.filter(count => !Number.isInteger(count) || count < 0)).toStrictEqual([]);
    const { wait, hold, create, ...totals } = pool.stats;
    const figures = [
      ...Object.values(totals),
      ...[wait, hold, create].flatMap(({ count, meanMillis, maxMillis }) => [
        count,
        meanMillis,
        maxMillis,
      ]),
    ];
    expect(figures.filter(figure => !(Number.isFinite(figure) && figure >= 0))).toStrictEqual([]);
    expect(totals.acquired).toBe(totals.released);
  });

  it('EV-05: the counts are right in the very line after subscribe, unsubscribe and release', () => {
    const { pool } = virtualPool({ max: 1 });
    const first = borrow(pool);
    expect(pool.state).toMatchObject({ leased: 1, waiting: 0 });
    expect(pool.stats).toMatchObject({ acquired: 1, released: 0 });
    const second = borrow(pool);
    expect(pool.state).toMatchObject({ leased: 1, waiting: 1 });
    second.leave();
    expect(pool.state).toMatchObject({ leased: 1, waiting: 0 });
    expect(pool.stats.cancelled).toBe(1);
    void first.lease.release();
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
    expect(pool.stats.released).toBe(1);
    void borrow(pool).lease.destroy();
    expect(pool.state).toMatchObject({ leased: 0, idle: 0, size: 0 });
    expect(pool.stats.destroyed).toBe(1);
  });

  it('EV-06: createFailed carries the cause and how long it took', () => {
    const error = new Error('refused');
    const attempt = new Subject<Thing>();
    const { pool, time, events } = virtualPool({ create: () => attempt });
    borrow(pool);
    time.advanceTo(30);
    attempt.error(error);
    expect(eventsOf(events, 'createFailed')).toMatchObject([{ error, tookMillis: 30, at: 30 }]);
    expect(eventsOf(events, 'rejected')).toMatchObject([{ reason: 'createFailed' }]);
    expect(pool.stats).toMatchObject({ createFailed: 1, rejected: 1, created: 0 });
  });

  it('EV-06: a create past its limit is a createFailed with its HookTimeoutError', () => {
    const { pool, time, events } = virtualPool({ create: () => NEVER, createTimeoutMillis: 50 });
    borrow(pool);
    time.advanceTo(50);
    const failures = eventsOf(events, 'createFailed');
    expect(failures).toHaveLength(1);
    expect(failures[0]?.error).toBeInstanceOf(HookTimeoutError);
    expect(failures[0]?.error).toMatchObject({ hook: 'create', pool: pool.name });
  });

  it.each([
    ['an error', () => throwError(() => new Error('no answer')), new Error('no answer')],
    ['a plain no', () => false, undefined],
  ])('EV-06: validateFailed tells %s once', (_, validate, error) => {
    const { pool, events, ended } = virtualPool({ validate });
    borrow(pool).leave();
    borrow(pool);
    const failures = eventsOf(events, 'validateFailed');
    expect(failures).toHaveLength(1);
    expect(failures[0]?.error).toStrictEqual(error);
    expect(ended.map(({ reason }) => reason)).toStrictEqual(['invalid']);
    expect(pool.stats.validateFailed).toBe(1);
  });

  it('EV-06: resetFailed and destroyFailed carry their causes, and the size falls all the same', () => {
    const { pool, events } = virtualPool({
      reset: () => throwError(() => new Error('dirty')),
      destroy: () => throwError(() => new Error('stuck')),
    });
    const sizes: number[] = [];
    pool.stats$.subscribe(({ type, state }) => {
      if (type === 'destroyFailed') sizes.push(state.size, pool.state.size);
    });
    borrow(pool).leave();
    expect(eventsOf(events, 'resetFailed')).toMatchObject([{ error: new Error('dirty') }]);
    expect(eventsOf(events, 'destroyFailed')).toMatchObject([
      { error: new Error('stuck'), reason: 'resetFailed' },
    ]);
    expect(sizes).toStrictEqual([0, 0]);
    expect(pool.stats).toMatchObject({ resetFailed: 1, destroyFailed: 1, destroyed: 0 });
  });

  it('EV-06: timedOut carries the error that the borrower got', () => {
    const { pool, time, events } = virtualPool({ max: 1, acquireTimeoutMillis: 100 });
    borrow(pool);
    const waiter = borrow(pool, { label: 'report' });
    time.advanceTo(100);
    expect(eventsOf(events, 'timedOut')).toMatchObject([
      { error: waiter.error, label: 'report', waitedMillis: 100, at: 100 },
    ]);
    expect(pool.stats.timedOut).toBe(1);
  });

  it('EV-07: twenty grants are twenty acquired and twenty released, and nothing adds to them', async () => {
    const { pool, events } = virtualPool({ max: 20 });
    const borrowers = Array.from({ length: 20 }, () => borrow(pool));
    for (const { lease } of borrowers) {
      void lease.release();
      void lease.release();
    }
    for (const borrower of borrowers) {
      borrower.leave();
      borrower.leave();
      await borrower.lease.destroy();
    }
    expect(eventsOf(events, 'acquired')).toHaveLength(20);
    expect(eventsOf(events, 'released')).toHaveLength(20);
    expect(eventsOf(events, 'cancelled')).toHaveLength(0);
    expect(pool.stats).toMatchObject({ acquired: 20, released: 20, cancelled: 0, peakLeased: 20 });
  });

  it('EV-07: released says how the lease ended and how long it was held', () => {
    const { pool, time, events } = virtualPool({ maxLeaseMillis: 100 });
    const ends = [1, 2, 3, 4].map(() => borrow(pool, { label: 'job' }).lease);
    time.advanceTo(40);
    void ends[0]!.release();
    void ends[1]!.destroy();
    ends[2]!.detach();
    time.advanceTo(100);
    expect(eventsOf(events, 'released')).toMatchObject([
      { reason: 'released', heldMillis: 40, label: 'job' },
      { reason: 'destroyed', heldMillis: 40 },
      { reason: 'detached', heldMillis: 40 },
      { reason: 'revoked', heldMillis: 100 },
    ]);
    expect(eventsOf(events, 'destroyed').map(({ reason }) => reason)).toStrictEqual([
      'released',
      'revoked',
    ]);
  });

  // The case calls one reason `explicit`; with us it is `released`, or `broken` when the borrower gave an error.
  it('EV-08: the life of one resource is told in order, and closed is the last of all', async () => {
    const { pool, time, events } = virtualPool(
      { validateOnReturn: true, idleTimeoutMillis: 100 },
      { create: 5, validate: 5, reset: 5, destroy: 5 },
    );
    const holder = borrow(pool);
    time.advanceTo(5);
    holder.leave();
    time.advanceTo(15);
    const again = borrow(pool);
    time.advanceTo(20);
    again.leave();
    time.advanceTo(135);
    await pool.close();
    expect(lifeOf(events, 1)).toStrictEqual([
      'creating',
      'created',
      'acquired',
      'released',
      'validating',
      'validated',
      'resetting',
      'reset',
      'validating',
      'validated',
      'acquired',
      'released',
      'validating',
      'validated',
      'resetting',
      'reset',
      'evicted',
      'destroying',
      'destroyed',
    ]);
    expect(typesOf(events).at(-1)).toBe('closed');
    expect(eventsOf(events, 'destroyed')).toMatchObject([{ reason: 'idle', tookMillis: 5 }]);
  });

  it('EV-08: each destroy has its reason, and evicted precedes those that the pool decided', async () => {
    const { pool, time, events } = virtualPool({
      max: 20,
      maxUses: 3,
      maxLeaseMillis: 1000,
      maxLifetimeMillis: 500,
      idleTimeoutMillis: 100,
      validateIdleEveryMillis: 40,
      validate: ({ number }) => number !== 1,
      reset: ({ number }) => {
        if (number === 2) throw new Error('dirty');
      },
    });
    const holders = Array.from({ length: 9 }, () => borrow(pool));
    holders[0]!.leave();
    time.advanceTo(40);
    holders[1]!.leave();
    void holders[2]!.lease.destroy();
    void holders[3]!.lease.destroy(new Error('broken'));
    holders[4]!.leave();
    for (let use = 0; use < 2; use += 1) borrow(pool).leave();
    holders[5]!.leave();
    time.advanceTo(140);
    const recycled = pool.recycle();
    holders[6]!.leave();
    const old = borrow(pool);
    time.advanceTo(640);
    old.leave();
    pool.resize({ max: 1 });
    holders[7]!.leave();
    time.advanceTo(1000);
    borrow(pool).leave();
    await pool.close();
    await recycled;
    const reasons = new Map(
      eventsOf(events, 'destroying').map(({ id, reason }) => [id, reason] as const),
    );
    expect(Object.fromEntries(reasons)).toStrictEqual({
      1: 'invalid',
      2: 'resetFailed',
      3: 'released',
      4: 'broken',
      5: 'maxUses',
      6: 'idle',
      7: 'recycled',
      8: 'recycled',
      9: 'revoked',
      10: 'lifetime',
      11: 'closed',
    });
    const evicted = eventsOf(events, 'evicted').map(({ id, reason }) => [id, reason]);
    expect(evicted).toStrictEqual([
      [5, 'maxUses'],
      [6, 'idle'],
      [7, 'recycled'],
      [10, 'lifetime'],
      [8, 'recycled'],
    ]);
    for (const { id, seq } of eventsOf(events, 'evicted')) {
      expect(eventsOf(events, 'destroying').find(event => event.id === id)?.seq).toBe(seq + 1);
    }
  });

  it('EV-09: wait, hold and create times are those of the scheduler, and 0 for an immediate grant', () => {
    const { pool, time, events } = virtualPool({ max: 1 }, { create: 20 });
    const first = borrow(pool);
    time.advanceTo(20);
    const second = borrow(pool);
    time.advanceTo(50);
    first.leave();
    time.advanceTo(60);
    second.leave();
    const third = borrow(pool);
    third.leave();
    expect(eventsOf(events, 'acquired').map(({ waitedMillis }) => waitedMillis)).toStrictEqual([
      20, 30, 0,
    ]);
    expect(eventsOf(events, 'released').map(({ heldMillis }) => heldMillis)).toStrictEqual([
      30, 10, 0,
    ]);
    expect(pool.stats.wait).toStrictEqual({ count: 3, meanMillis: 50 / 3, maxMillis: 30 });
    expect(pool.stats.hold).toStrictEqual({ count: 3, meanMillis: 40 / 3, maxMillis: 30 });
    expect(pool.stats.create).toStrictEqual({ count: 1, meanMillis: 20, maxMillis: 20 });
  });

  it('EV-09: the same without any time limit, and for lease(), use() and tryAcquire()', async () => {
    const { pool, time } = virtualPool(
      { acquireTimeoutMillis: Infinity, idleTimeoutMillis: Infinity },
      { create: 10 },
    );
    const promised = pool.lease();
    time.advanceTo(10);
    const lease = await promised;
    time.advanceTo(15);
    await lease.release();
    pool.use(() => 1).subscribe();
    pool.tryAcquire()?.[Symbol.dispose]();
    expect(pool.stats.wait).toStrictEqual({ count: 3, meanMillis: 10 / 3, maxMillis: 10 });
    expect(pool.stats.hold).toStrictEqual({ count: 3, meanMillis: 5 / 3, maxMillis: 5 });
  });

  it('every event carries its type, its place, its time, its pool and a state', () => {
    const { pool, time, events } = virtualPool({ name: 'orders' }, { create: 5 });
    borrow(pool);
    time.advanceTo(5);
    expect(events.map(({ seq }) => seq)).toStrictEqual([1, 2, 3, 4]);
    expect(events.map(({ at }) => at)).toStrictEqual([0, 0, 5, 5]);
    expect(events.every(event => event.pool === 'orders')).toBe(true);
    expect(events.at(-1)?.state).toBe(pool.state);
  });

  it('seq counts what nobody heard, so that a gap shows', () => {
    const pool = createPool({ create: () => ({}) });
    borrow(pool).leave();
    const seqs: number[] = [];
    const subscription = pool.stats$.subscribe(({ seq }) => seqs.push(seq));
    borrow(pool);
    subscription.unsubscribe();
    borrow(pool);
    pool.stats$.subscribe(({ seq }) => seqs.push(seq));
    borrow(pool);
    expect(seqs).toStrictEqual([6, 7, 12, 13, 14, 15]);
  });

  it('totals are kept when nobody listens, and a snapshot stays as it was', () => {
    const pool = createPool({ create: () => ({}), max: 2 });
    const before = pool.stats;
    const borrowers = [borrow(pool), borrow(pool), borrow(pool)];
    for (const borrower of borrowers) borrower.leave();
    expect(pool.stats).toMatchObject({
      created: 2,
      acquired: 3,
      released: 3,
      peakLeased: 2,
      peakWaiting: 1,
    });
    expect(before).toMatchObject({ created: 0, acquired: 0, peakLeased: 0 });
  });

  it('an event keeps no resource alive: it carries ids, not resources', () => {
    const { pool, made, events } = virtualPool({}, { reset: 0 });
    borrow(pool).leave();
    void borrow(pool).lease.destroy(new Error('broken'));
    const held = events.flatMap(event => Object.values(event) as unknown[]);
    expect(held.some(value => made.includes(value as Thing))).toBe(false);
  });
});

describe('resources()', () => {
  it('lists every resource, oldest first, where it stands and since when', () => {
    const { pool, time } = virtualPool({ max: 5 }, { reset: 20, destroy: 20 });
    const holders = [1, 2, 3, 4].map(() => borrow(pool));
    time.advanceTo(100);
    holders[0]!.leave();
    time.advanceTo(120);
    time.advanceTo(150);
    holders[1]!.leave();
    void holders[2]!.lease.destroy();
    expect(pool.resources()).toMatchObject([
      { id: 1, state: 'idle', createdAt: 0, ageMillis: 150, idleMillis: 30, uses: 1, stale: false },
      { id: 2, state: 'resetting', idleMillis: 0, lastUsedAt: 150 },
      { id: 3, state: 'destroying', stale: true },
      { id: 4, state: 'leased', idleMillis: 0, uses: 1, lastUsedAt: 0 },
    ]);
  });

  it('ids are never given twice', () => {
    const { pool } = virtualPool({ max: 1 });
    const ids: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const { lease } = borrow(pool);
      ids.push(lease.info.id);
      void lease.destroy();
    }
    expect(ids).toStrictEqual([1, 2, 3, 4, 5]);
  });

  it('shows what is under validation, and nothing for what is being created', () => {
    const { pool } = virtualPool({ max: 2 }, { validate: 10 });
    borrow(pool).leave();
    borrow(pool);
    expect(pool.resources()).toMatchObject([{ id: 1, state: 'validating' }]);
    const slow = virtualPool({ max: 2 }, { create: 10 }).pool;
    borrow(slow);
    expect(slow.resources()).toStrictEqual([]);
  });
});

describe('healthCheck()', () => {
  it('is healthy when everything is well, with the state and the resources it saw', async () => {
    const { pool } = virtualPool({ max: 2 }, { validate: 0 });
    warm(pool, 2);
    const health = await pool.healthCheck();
    expect(health).toMatchObject({ status: 'healthy', reasons: [], invalid: 0 });
    expect(health.state).toBe(pool.state);
    expect(health.resources).toHaveLength(2);
  });

  it('is healthy for a pool that has never been used', async () => {
    const { pool } = virtualPool();
    await expect(pool.healthCheck()).resolves.toMatchObject({ status: 'healthy', resources: [] });
  });

  it('validates every idle resource, destroys the bad ones and is degraded by them', async () => {
    const { pool, time, ended } = virtualPool({
      max: 3,
      validate: ({ number }) => (number === 2 ? throwError(() => new Error('dead')) : true),
    });
    warm(pool, 3);
    const health = await pool.healthCheck();
    expect(health).toMatchObject({ status: 'degraded', invalid: 1 });
    expect(health.reasons).toHaveLength(1);
    expect(ended).toStrictEqual([{ number: 2, reason: 'invalid', at: time.now() }]);
    expect(pool.state).toMatchObject({ idle: 2, size: 2 });
  });

  it('waits for a check that takes time, and for none longer than its limit', async () => {
    const { pool, time } = virtualPool({ validateTimeoutMillis: 100, validate: () => NEVER });
    warm(pool, 2);
    const health = outcomeOf(pool.healthCheck());
    time.advanceTo(99);
    await microtasks();
    expect(health.settled).toBe(false);
    time.advanceTo(100);
    await microtasks();
    expect(health.value).toMatchObject({ status: 'degraded', invalid: 2 });
  });

  it('is degraded while the last create failed and something still works', async () => {
    let fails = false;
    const { pool } = virtualPool({
      create: () => {
        if (fails) throw new Error('down');
        return { number: 1, ended: 0 };
      },
    });
    borrow(pool);
    fails = true;
    borrow(pool);
    await expect(pool.healthCheck()).resolves.toMatchObject({ status: 'degraded' });
  });

  it('is critical when nothing is there and creates fail', async () => {
    const { pool } = virtualPool({
      create: () => {
        throw new Error('down');
      },
    });
    borrow(pool);
    const health = await pool.healthCheck();
    expect(health.status).toBe('critical');
    expect(health.reasons.length).toBeGreaterThan(0);
  });

  it('is critical when all is taken and somebody waits', async () => {
    const { pool } = virtualPool({ max: 1 });
    borrow(pool);
    await expect(pool.healthCheck()).resolves.toMatchObject({ status: 'healthy' });
    borrow(pool);
    await expect(pool.healthCheck()).resolves.toMatchObject({ status: 'critical' });
  });

  it('is degraded when paused, and critical when somebody waits for it', async () => {
    const { pool } = virtualPool();
    pool.pause();
    await expect(pool.healthCheck()).resolves.toMatchObject({ status: 'degraded' });
    borrow(pool);
    await expect(pool.healthCheck()).resolves.toMatchObject({ status: 'critical' });
  });

  it('is closed while it drains and after', async () => {
    const { pool } = virtualPool();
    const holder = borrow(pool);
    const closing = pool.close();
    await expect(pool.healthCheck()).resolves.toMatchObject({ status: 'closed' });
    holder.leave();
    await closing;
    await expect(pool.healthCheck()).resolves.toMatchObject({ status: 'closed', resources: [] });
  });
});
