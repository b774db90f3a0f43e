import {
  BehaviorSubject,
  defer,
  finalize,
  NEVER,
  Observable,
  of,
  Subject,
  throwError,
  timer,
  map,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  CreateError,
  createPool,
  InvalidOptionsError,
  type Permit,
  type PermitSource,
} from '../src/index.js';
import {
  borrow,
  type Borrower,
  eventsOf,
  microtasks,
  outcomeOf,
  record,
  SteppedScheduler,
  type Thing,
  typesOf,
  virtualPool,
  warm,
} from './virtual-pool.js';

describe('never above max', () => {
  const styles = ['sync', 'microtask', 'timed', 'mixed'] as const;

  it.each(styles)('SZ-01: 100 requests at once against max 3, creating %s', async style => {
    const time = new SteppedScheduler();
    let begun = 0;
    let pending = 0;
    let live = 0;
    let peak = 0;
    const pool = createPool({
      max: 3,
      scheduler: time,
      create: () => {
        const number = ++begun;
        pending += 1;
        peak = Math.max(peak, pending + live);
        const done = (): { number: number } => {
          pending -= 1;
          live += 1;
          return { number };
        };
        const kind = style === 'mixed' ? styles[number % 3] : style;
        if (kind === 'sync') return done();
        if (kind === 'microtask') return Promise.resolve().then(done);
        return timer(10, time).pipe(map(done));
      },
    });
    record(pool);
    const borrowers = Array.from({ length: 100 }, () => borrow(pool));
    await microtasks();
    time.advanceTo(10);
    expect(peak).toBe(3);
    expect(begun).toBe(3);
    expect(pool.state).toMatchObject({ leased: 3, waiting: 97, creating: 0, size: 3 });
    expect(borrowers.filter(({ leases }) => leases.length === 1)).toHaveLength(3);
  });

  it('SZ-06: a resource under destroy holds its slot until the destroy has settled', () => {
    const { pool, time, world } = virtualPool({ max: 1 }, { destroy: 100 });
    const holder = borrow(pool);
    const waiter = borrow(pool);
    void holder.lease.destroy();
    for (const frame of [0, 1, 50, 99]) {
      time.advanceTo(frame);
      expect(pool.state).toMatchObject({ size: 1, destroying: 1, creating: 0, waiting: 1 });
    }
    time.advanceTo(100);
    expect(waiter.lease.resource.number).toBe(2);
    expect(world.peak).toBe(1);
  });

  it('SZ-06: the same when that destroy fails in the end', () => {
    const failing = new Subject<never>();
    const { pool, events } = virtualPool({ max: 1, destroy: () => failing });
    const holder = borrow(pool);
    const waiter = borrow(pool);
    void holder.lease.destroy();
    expect(pool.state).toMatchObject({ size: 1, destroying: 1, creating: 0 });
    failing.error(new Error('stuck'));
    expect(waiter.lease.resource.number).toBe(2);
    expect(eventsOf(events, 'destroyFailed')).toMatchObject([{ id: 1, error: new Error('stuck') }]);
  });

  it('createConcurrency limits the creates in flight, not the size', () => {
    const { pool, time, world, made } = virtualPool(
      { max: 5, createConcurrency: 2 },
      { create: 10 },
    );
    const borrowers = Array.from({ length: 5 }, () => borrow(pool));
    expect(pool.state.creating).toBe(2);
    time.advanceTo(10);
    expect(pool.state).toMatchObject({ creating: 2, leased: 2 });
    time.advanceTo(30);
    expect(pool.state).toMatchObject({ creating: 0, leased: 5 });
    expect(made).toHaveLength(5);
    expect(world.peak).toBe(5);
    expect(borrowers.every(({ leases }) => leases.length === 1)).toBe(true);
  });
});

describe('min', () => {
  it('makes nothing in the tick of createPool, so that its fill can be heard', () => {
    const { pool, time, made, events } = virtualPool({ min: 2 });
    expect(made).toStrictEqual([]);
    expect(pool.state).toMatchObject({ size: 0, creating: 0 });
    time.advanceTo(0);
    expect(made).toHaveLength(2);
    expect(typesOf(events).filter(type => type === 'created')).toHaveLength(2);
  });

  it('SZ-02: counts all resources, not only the idle ones', () => {
    const { pool, time, made } = virtualPool({ min: 4, max: 8 });
    time.advanceTo(0);
    expect(pool.state).toMatchObject({ size: 4, idle: 4 });
    borrow(pool);
    expect(pool.state).toMatchObject({ size: 4, idle: 3 });
    time.advanceTo(100);
    expect(made).toHaveLength(4);
  });

  it('SZ-02: an acquire in the tick of createPool brings the fill no further than min', () => {
    const { pool, time, made } = virtualPool({ min: 4, max: 8 }, { create: 10 });
    borrow(pool);
    time.advanceTo(10);
    expect(pool.state).toMatchObject({ size: 4, idle: 3, leased: 1 });
    expect(made).toHaveLength(4);
  });

  it('SZ-03: is refilled when resources are destroyed, with exactly as many creates as it lacks', () => {
    const { pool, time, made, world } = virtualPool({ min: 3, max: 4 });
    time.advanceTo(0);
    expect(made).toHaveLength(3);
    const holders = [borrow(pool), borrow(pool), borrow(pool), borrow(pool)];
    expect(made).toHaveLength(4);
    for (const holder of holders.slice(0, 3)) void holder.lease.destroy();
    time.advanceTo(1);
    expect(made).toHaveLength(6);
    expect(pool.state).toMatchObject({ size: 3, idle: 2, leased: 1 });
    expect(world.peak).toBe(4);
    borrow(pool);
    time.advanceTo(100);
    expect(made).toHaveLength(6);
  });

  it('SZ-03: waits for the slots of a slow destroy before it refills', () => {
    const { pool, time, made, world } = virtualPool({ min: 3, max: 4 }, { destroy: 100 });
    time.advanceTo(0);
    const holders = [borrow(pool), borrow(pool), borrow(pool), borrow(pool)];
    for (const holder of holders.slice(0, 3)) void holder.lease.destroy();
    time.advanceTo(99);
    expect(made).toHaveLength(4);
    expect(pool.state).toMatchObject({ size: 4, destroying: 3, leased: 1 });
    time.advanceTo(100);
    expect(made).toHaveLength(6);
    expect(pool.state).toMatchObject({ size: 3, idle: 2, leased: 1 });
    expect(world.peak).toBe(4);
  });

  it('SZ-05: a pool of exactly one keeps, lends, takes back and replaces it without churn', async () => {
    const { pool, time, made, ended } = virtualPool({ min: 1, max: 1, idleTimeoutMillis: 100 });
    time.advanceTo(0);
    time.advanceTo(60_000);
    expect(made).toHaveLength(1);
    const holder = borrow(pool);
    expect(holder.lease.resource.number).toBe(1);
    holder.leave();
    time.advanceTo(120_000);
    expect(made).toHaveLength(1);
    expect(ended).toStrictEqual([]);
    await borrow(pool).lease.destroy();
    expect(pool.state).toMatchObject({ size: 1, idle: 1 });
    expect(made).toHaveLength(2);
    time.advanceTo(180_000);
    expect(made).toHaveLength(2);
  });

  it('a fill that fails is tried again later and later, on the scheduler, and fails nobody', () => {
    const attempts: number[] = [];
    const { time, events } = virtualPool({
      min: 1,
      create: () => {
        attempts.push(time.now());
        throw new Error('down');
      },
    });
    time.advanceTo(0);
    expect(attempts).toStrictEqual([0]);
    time.advanceTo(10_000);
    const gaps = attempts.slice(1).map((at, index) => at - attempts[index]!);
    expect(gaps.length).toBeGreaterThan(2);
    expect(gaps.every((gap, index) => index === 0 || gap >= gaps[index - 1]!)).toBe(true);
    expect(gaps.length).toBeLessThan(12);
    expect(eventsOf(events, 'createFailed')).toHaveLength(attempts.length);
    expect(typesOf(events)).not.toContain('rejected');
  });

  it('a waiter that counted on a fill that fails gets a create of its own at once', () => {
    let creates = 0;
    const fill = new Subject<Thing>();
    const { pool, time } = virtualPool({
      min: 1,
      max: 1,
      create: () => {
        creates += 1;
        return creates === 1 ? fill : { number: creates, ended: 0 };
      },
    });
    time.advanceTo(0);
    const waiter = borrow(pool);
    expect(creates).toBe(1);
    fill.error(new Error('down'));
    expect(creates).toBe(2);
    expect(waiter.lease.resource.number).toBe(2);
  });

  it('minIdle keeps so many ready beside the leased ones, within max', () => {
    const { pool, time, made } = virtualPool({ minIdle: 2, max: 4, idleTimeoutMillis: 100 });
    time.advanceTo(0);
    expect(pool.state.idle).toBe(2);
    const holders = [borrow(pool), borrow(pool)];
    expect(pool.state).toMatchObject({ leased: 2, idle: 2 });
    holders.push(borrow(pool));
    expect(pool.state).toMatchObject({ leased: 3, idle: 1, size: 4 });
    expect(made).toHaveLength(4);
    for (const holder of holders) holder.leave();
    time.advanceTo(1000);
    expect(pool.state).toMatchObject({ size: 2, idle: 2 });
  });
});

describe('prefill', () => {
  it('SZ-07: brings the size up to a count and says how many it made', async () => {
    const { pool, made } = virtualPool({ max: 10 });
    borrow(pool);
    await expect(pool.prefill(4)).resolves.toBe(3);
    expect(pool.state).toMatchObject({ size: 4, idle: 3, leased: 1 });
    expect(made).toHaveLength(4);
  });

  it('SZ-07: twice, when already full, or for nothing makes nothing more', async () => {
    const { pool, made } = virtualPool({ max: 5 });
    await expect(pool.prefill(3)).resolves.toBe(3);
    await expect(pool.prefill(3)).resolves.toBe(0);
    await expect(pool.prefill(0)).resolves.toBe(0);
    await expect(pool.prefill()).resolves.toBe(2);
    await expect(pool.prefill()).resolves.toBe(0);
    expect(made).toHaveLength(5);
  });

  it('SZ-07: never goes above max, whatever is asked', async () => {
    const { pool, made } = virtualPool({ max: 10 });
    await expect(pool.prefill(1000)).resolves.toBe(10);
    expect(made).toHaveLength(10);
    expect(pool.state.size).toBe(10);
  });

  it('SZ-07: two at the same time share the creates in flight and make none twice', async () => {
    const { pool, time, made } = virtualPool({ max: 10 }, { create: 20 });
    const first = outcomeOf(pool.prefill(4));
    const second = outcomeOf(pool.prefill(6));
    time.advanceTo(19);
    await microtasks();
    expect([first.settled, second.settled]).toStrictEqual([false, false]);
    time.advanceTo(20);
    await microtasks();
    expect([first.value, second.value]).toStrictEqual([4, 2]);
    expect(made).toHaveLength(6);
  });

  it('SZ-07: waits for a create that was in flight before, without counting it as its own', async () => {
    const { pool, time } = virtualPool({ max: 10 }, { create: 20 });
    borrow(pool);
    time.advanceTo(10);
    const filled = outcomeOf(pool.prefill(1));
    await microtasks();
    expect(filled.settled).toBe(false);
    time.advanceTo(20);
    await microtasks();
    expect(filled).toMatchObject({ settled: true, value: 0 });
  });

  it('when some creates fail, rejects after all have settled and says how many were made', async () => {
    const attempts = [new Subject<Thing>(), new Subject<Thing>(), new Subject<Thing>()];
    let creates = 0;
    const { pool } = virtualPool({ create: () => attempts[creates++]! });
    const filled = outcomeOf(pool.prefill(3));
    const refused = new Error('refused');
    attempts[0]!.error(refused);
    attempts[1]!.next({ number: 2, ended: 0 });
    await microtasks();
    expect(filled.settled).toBe(false);
    attempts[2]!.next({ number: 3, ended: 0 });
    await microtasks();
    expect(filled.error).toBeInstanceOf(CreateError);
    expect(filled.error).toMatchObject({ made: 2, cause: refused, code: 'CREATE_FAILED' });
    expect((filled.error as Error).message).toContain('2 of 3');
    expect(pool.state).toMatchObject({ size: 2, idle: 2, creating: 0 });
    expect(creates).toBe(3);
  });

  it('a failure of it fails no waiter', async () => {
    const attempts: Subject<Thing>[] = [];
    const { pool } = virtualPool({
      max: 1,
      create: () => {
        const attempt = new Subject<Thing>();
        attempts.push(attempt);
        return attempt;
      },
    });
    const filled = outcomeOf(pool.prefill(1));
    const waiter = borrow(pool);
    attempts[0]!.error(new Error('refused'));
    expect(waiter.waits).toBe(true);
    attempts[1]!.next({ number: 2, ended: 0 });
    expect(waiter.lease.resource.number).toBe(2);
    await microtasks();
    expect(filled.error).toBeInstanceOf(CreateError);
  });

  it.each([-1, 1.5, NaN, '3'])('refuses the count %s', async count => {
    const { pool, made } = virtualPool();
    await expect(pool.prefill(count as number)).rejects.toBeInstanceOf(InvalidOptionsError);
    expect(made).toStrictEqual([]);
  });
});

describe('resize', () => {
  it('retires idle surplus now and leased surplus on return', () => {
    const { pool, ended, events } = virtualPool({ max: 5 });
    const holders = Array.from({ length: 5 }, () => borrow(pool));
    holders[0]!.leave();
    holders[1]!.leave();
    pool.resize({ max: 2 });
    expect(ended.map(({ number, reason }) => [number, reason])).toStrictEqual([
      [1, 'surplus'],
      [2, 'surplus'],
    ]);
    expect(pool.state).toMatchObject({ max: 2, size: 3, leased: 3 });
    holders[2]!.leave();
    expect(ended).toHaveLength(3);
    expect(pool.state).toMatchObject({ size: 2, leased: 2 });
    holders[3]!.leave();
    expect(ended).toHaveLength(3);
    expect(pool.state).toMatchObject({ size: 2, leased: 1, idle: 1 });
    expect(eventsOf(events, 'evicted').map(({ reason }) => reason)).toStrictEqual([
      'surplus',
      'surplus',
      'surplus',
    ]);
  });

  it('grows nothing while the live size is above the new max', () => {
    const { pool, made } = virtualPool({ max: 3 });
    const holders = Array.from({ length: 3 }, () => borrow(pool));
    pool.resize({ max: 1 });
    const waiter = borrow(pool);
    holders[0]!.leave();
    holders[1]!.leave();
    expect(waiter.waits).toBe(true);
    expect(made).toHaveLength(3);
    holders[2]!.leave();
    expect(waiter.lease.resource.number).toBe(3);
  });

  it('serves those who wait as soon as max grows', () => {
    const { pool } = virtualPool({ max: 1 });
    borrow(pool);
    const waiters = [borrow(pool), borrow(pool), borrow(pool)];
    pool.resize({ max: 3 });
    expect(waiters.map(({ waits }) => waits)).toStrictEqual([false, false, true]);
  });

  it('fills up to a larger min, and lets what is above a smaller one go', () => {
    const { pool, time } = virtualPool({ min: 1, max: 5, idleTimeoutMillis: 100 });
    time.advanceTo(0);
    pool.resize({ min: 3 });
    time.advanceTo(1);
    expect(pool.state).toMatchObject({ min: 3, size: 3, idle: 3 });
    time.advanceTo(1000);
    expect(pool.state.size).toBe(3);
    pool.resize({ min: 0 });
    time.advanceTo(1200);
    expect(pool.state.size).toBe(0);
  });

  it('a resource that arrives above the new max is surplus', () => {
    const { pool, time, ended } = virtualPool({ max: 2 }, { create: 10 });
    const first = borrow(pool);
    borrow(pool).leave();
    pool.resize({ max: 1 });
    time.advanceTo(10);
    expect(first.leases).toHaveLength(1);
    expect(ended.map(({ reason }) => reason)).toStrictEqual(['surplus']);
    expect(pool.state).toMatchObject({ size: 1, leased: 1 });
  });

  it('publishes one resized with the new sizes, and nothing when they are the same', () => {
    const { pool, events } = virtualPool({ min: 0, max: 4 });
    pool.resize({ min: 1, max: 6 });
    pool.resize({ max: 6 });
    pool.resize({});
    expect(eventsOf(events, 'resized')).toHaveLength(1);
    expect(eventsOf(events, 'resized')[0]?.state).toMatchObject({ min: 1, max: 6 });
  });

  it.each([{ max: 0 }, { min: -1 }, { min: 5, max: 4 }, { max: 1.5 }, { min: NaN }, { min: 11 }])(
    'refuses %o and changes nothing',
    sizes => {
      const { pool, events } = virtualPool({ max: 10 });
      expect(() => pool.resize(sizes)).toThrow(InvalidOptionsError);
      expect(pool.state).toMatchObject({ min: 0, max: 10 });
      expect(events).toStrictEqual([]);
    },
  );
});

describe('live min and max', () => {
  it('the defaults stand until the Observables have emitted', () => {
    const min = new Subject<number>();
    const max = new Subject<number>();
    const { pool, time, made } = virtualPool({ min, max });
    time.advanceTo(0);
    expect(pool.state).toMatchObject({ min: 0, max: 10 });
    expect(made).toStrictEqual([]);
    max.next(3);
    min.next(2);
    expect(pool.state).toMatchObject({ min: 2, max: 3 });
    time.advanceTo(1);
    expect(pool.state.size).toBe(2);
  });

  it('a value that is there at once counts from the first tick, and still makes nothing in it', () => {
    const { pool, time, made } = virtualPool({ min: of(2), max: new BehaviorSubject(4) });
    expect(pool.state).toMatchObject({ min: 2, max: 4 });
    expect(made).toStrictEqual([]);
    time.advanceTo(0);
    expect(made).toHaveLength(2);
  });

  it('each value takes effect like a resize: those who wait are served, surplus is retired', () => {
    const max = new BehaviorSubject(1);
    const { pool, ended } = virtualPool({ max });
    const first = borrow(pool);
    const second = borrow(pool);
    max.next(2);
    expect(second.leases).toHaveLength(1);
    max.next(1);
    first.leave();
    expect(ended).toStrictEqual([{ number: 1, reason: 'surplus', at: 0 }]);
  });

  it('an error of the Observable is an event, and the last value stays', () => {
    const max = new Subject<number>();
    const { pool, events } = virtualPool({ max });
    max.next(3);
    const error = new Error('settings are gone');
    max.error(error);
    expect(pool.state.max).toBe(3);
    expect(eventsOf(events, 'resized').at(-1)).toMatchObject({ error });
    expect(borrow(pool).leases).toHaveLength(1);
  });

  it.each([0, -1, 2.5, NaN, 'many', undefined])(
    'a senseless value, %s, is an event and the last one stays',
    value => {
      const max = new Subject<number>();
      const { pool, events } = virtualPool({ max });
      max.next(3);
      max.next(value as number);
      expect(pool.state.max).toBe(3);
      const { error } = eventsOf(events, 'resized').at(-1)!;
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect(error).toMatchObject({ option: 'max', value });
      max.next(5);
      expect(pool.state.max).toBe(5);
    },
  );

  it('when max falls below min, max wins until it grows again', () => {
    const max = new BehaviorSubject(5);
    const { pool, time, ended } = virtualPool({ min: 3, max, idleTimeoutMillis: Infinity });
    time.advanceTo(0);
    expect(pool.state.size).toBe(3);
    max.next(1);
    expect(pool.state).toMatchObject({ min: 1, max: 1, size: 1 });
    expect(ended).toHaveLength(2);
    max.next(5);
    time.advanceTo(1);
    expect(pool.state).toMatchObject({ min: 3, max: 5, size: 3 });
  });

  it('a completed Observable leaves its last value', () => {
    const { pool } = virtualPool({ max: of(2) });
    expect(pool.state.max).toBe(2);
    borrow(pool);
    borrow(pool);
    expect(borrow(pool).waits).toBe(true);
  });

  it('closing the pool unsubscribes them', async () => {
    const min = new Subject<number>();
    const max = new Subject<number>();
    const { pool } = virtualPool({ min, max });
    expect([min.observed, max.observed]).toStrictEqual([true, true]);
    await pool.close();
    expect([min.observed, max.observed]).toStrictEqual([false, false]);
  });
});

describe('pause and resume', () => {
  it('holds grants and creates, and lets them go on in order', () => {
    const { pool, made, events } = virtualPool({ max: 2 });
    warm(pool, 1);
    pool.pause();
    expect(pool.state.lifecycle).toBe('paused');
    const first = borrow(pool);
    const second = borrow(pool);
    const third = borrow(pool);
    expect(pool.state.waiting).toBe(3);
    expect(pool.tryAcquire()).toBeUndefined();
    expect(made).toHaveLength(1);
    pool.resume();
    expect(first.lease.resource.number).toBe(1);
    expect(second.lease.resource.number).toBe(2);
    expect(third.waits).toBe(true);
    expect(typesOf(events).filter(type => type === 'paused' || type === 'resumed')).toStrictEqual([
      'paused',
      'resumed',
    ]);
  });

  it('deadlines keep running while it is paused', () => {
    const { pool, time } = virtualPool({ acquireTimeoutMillis: 100 });
    pool.pause();
    const waiter = borrow(pool);
    time.advanceTo(99);
    expect(waiter.waits).toBe(true);
    time.advanceTo(100);
    expect(waiter.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
  });

  it('leases can come back while it is paused, and wait for resume', () => {
    const { pool, ended } = virtualPool({ max: 1 }, { reset: 0 });
    const holder = borrow(pool);
    const waiter = borrow(pool);
    pool.pause();
    holder.leave();
    expect(pool.state).toMatchObject({ lifecycle: 'paused', idle: 1, leased: 0, waiting: 1 });
    expect(waiter.waits).toBe(true);
    pool.resume();
    expect(waiter.leases).toHaveLength(1);
    expect(ended).toStrictEqual([]);
  });

  it('a create that was in flight is kept and not granted', () => {
    const { pool, time } = virtualPool({}, { create: 10 });
    const waiter = borrow(pool);
    pool.pause();
    time.advanceTo(10);
    expect(waiter.waits).toBe(true);
    expect(pool.state).toMatchObject({ idle: 1, creating: 0 });
    pool.resume();
    expect(waiter.leases).toHaveLength(1);
  });

  it('the fill for min waits for resume', () => {
    const { pool, time, made } = virtualPool({ min: 2 });
    pool.pause();
    time.advanceTo(100);
    expect(made).toStrictEqual([]);
    pool.resume();
    time.advanceTo(101);
    expect(made).toHaveLength(2);
  });

  it('pausing twice or resuming a running pool does nothing', () => {
    const { pool, events } = virtualPool();
    pool.resume();
    pool.pause();
    pool.pause();
    pool.resume();
    pool.resume();
    expect(typesOf(events)).toStrictEqual(['paused', 'resumed']);
  });
});

describe('recycle', () => {
  it('retires idle ones now, leased ones on return and those in flight on arrival, then resolves', async () => {
    const { pool, time, ended, events } = virtualPool({ max: 5 }, { create: 20 });
    const holder = borrow(pool);
    const other = borrow(pool);
    time.advanceTo(20);
    other.leave();
    const passing = borrow(pool);
    borrow(pool).leave();
    passing.leave();
    expect(pool.state).toMatchObject({ leased: 1, idle: 1, creating: 1 });

    const recycled = outcomeOf(pool.recycle());
    expect(ended).toStrictEqual([{ number: 2, reason: 'recycled', at: 20 }]);
    expect(holder.lease.info.stale).toBe(true);
    time.advanceTo(40);
    expect(ended).toHaveLength(2);
    expect(ended[1]).toMatchObject({ number: 3, reason: 'recycled' });
    await microtasks();
    expect(recycled.settled).toBe(false);
    holder.leave();
    await microtasks();
    expect(recycled.settled).toBe(true);
    expect(ended[2]).toMatchObject({ number: 1, reason: 'recycled' });
    expect(eventsOf(events, 'evicted')).toHaveLength(3);
    expect(pool.stats.recycled).toBe(3);
    expect(pool.state.size).toBe(0);
  });

  it('a waiter whose create was in flight gets a new one instead', () => {
    const { pool, time } = virtualPool({ max: 1 }, { create: 20 });
    const waiter = borrow(pool);
    time.advanceTo(10);
    void pool.recycle();
    time.advanceTo(20);
    expect(waiter.waits).toBe(true);
    time.advanceTo(40);
    expect(waiter.lease.resource.number).toBe(2);
  });

  it('leaves what is made afterwards alone', async () => {
    const { pool } = virtualPool({ max: 3 });
    const old = borrow(pool);
    const recycled = pool.recycle();
    const fresh = borrow(pool);
    fresh.leave();
    expect(pool.state.idle).toBe(1);
    old.leave();
    await recycled;
    expect(pool.state).toMatchObject({ size: 1, idle: 1 });
    expect(borrow(pool).lease.resource.number).toBe(2);
  });

  it('resolves at once when there is nothing, and waits for a slow destroy when there is', async () => {
    const { pool, time } = virtualPool({}, { destroy: 30 });
    await pool.recycle();
    warm(pool, 1);
    const recycled = outcomeOf(pool.recycle());
    time.advanceTo(29);
    await microtasks();
    expect(recycled.settled).toBe(false);
    time.advanceTo(30);
    await microtasks();
    expect(recycled.settled).toBe(true);
  });

  it('refills min with the new generation', () => {
    const { pool, time, made } = virtualPool({ min: 2, max: 4 });
    time.advanceTo(0);
    void pool.recycle();
    time.advanceTo(1);
    expect(made).toHaveLength(4);
    expect(pool.resources().every(({ stale }) => !stale)).toBe(true);
    expect(pool.state).toMatchObject({ size: 2, idle: 2 });
  });

  it('a second one while the first still waits resolves on its own terms', async () => {
    const { pool } = virtualPool({ max: 3 });
    const first = borrow(pool);
    const one = outcomeOf(pool.recycle());
    const second = borrow(pool);
    const two = outcomeOf(pool.recycle());
    first.leave();
    await microtasks();
    expect([one.settled, two.settled]).toStrictEqual([true, false]);
    second.leave();
    await microtasks();
    expect(two.settled).toBe(true);
  });
});

/** A budget that hands out permits when the test says so. */
class HandBudget implements PermitSource {
  readonly asks: Subject<Permit>[] = [];
  withdrawn = 0;
  released = 0;
  free: number;

  constructor(free = 0) {
    this.free = free;
  }

  acquire(): Observable<Permit> {
    return new Observable<Permit>(subscriber => {
      if (this.free > 0) {
        this.free -= 1;
        subscriber.next(this.permit());
        return undefined;
      }
      const ask = new Subject<Permit>();
      let granted = false;
      this.asks.push(ask);
      subscriber.add(
        ask.subscribe({
          next: permit => {
            granted = true;
            subscriber.next(permit);
          },
          error: (error: unknown) => subscriber.error(error),
        }),
      );
      return () => {
        if (!granted) this.withdrawn += 1;
        this.asks.splice(this.asks.indexOf(ask), 1);
      };
    });
  }

  permit(): Permit {
    return {
      release: () => {
        this.released += 1;
      },
    };
  }

  grant(): void {
    this.asks[0]!.next(this.permit());
  }
}

describe('permits', () => {
  it('a create waits for its permit and begins when it is granted', () => {
    const permits = new HandBudget();
    const { pool, made, events } = virtualPool({ permits });
    const waiter = borrow(pool);
    expect(permits.asks).toHaveLength(1);
    expect(made).toStrictEqual([]);
    expect(pool.state).toMatchObject({ creating: 0, waiting: 1 });
    permits.grant();
    expect(made).toHaveLength(1);
    expect(waiter.leases).toHaveLength(1);
    expect(typesOf(events)).toStrictEqual(['requested', 'creating', 'created', 'acquired']);
  });

  it('a permit that is granted at once delays nothing', () => {
    const permits = new HandBudget(2);
    const { pool } = virtualPool({ permits });
    expect([borrow(pool), borrow(pool), borrow(pool)].map(({ waits }) => waits)).toStrictEqual([
      false,
      false,
      true,
    ]);
    expect(permits.asks).toHaveLength(1);
  });

  it('asks no more often than max has slots', () => {
    const permits = new HandBudget();
    const { pool } = virtualPool({ permits, max: 3 });
    for (let i = 0; i < 10; i += 1) borrow(pool);
    expect(permits.asks).toHaveLength(3);
  });

  it('is given back once, after the destroy has settled', () => {
    const permits = new HandBudget(1);
    const { pool, time } = virtualPool({ permits }, { destroy: 50 });
    const holder = borrow(pool);
    void holder.lease.destroy();
    time.advanceTo(49);
    expect(permits.released).toBe(0);
    time.advanceTo(50);
    expect(permits.released).toBe(1);
  });

  it('is given back when its create fails, and when its lease is detached', () => {
    const permits = new HandBudget(2);
    let fails = true;
    const { pool } = virtualPool({
      permits,
      create: () => {
        if (fails) throw new Error('refused');
        return { number: 1, ended: 0 };
      },
    });
    expect(borrow(pool).error).toMatchObject({ code: 'CREATE_FAILED' });
    expect(permits.released).toBe(1);
    fails = false;
    borrow(pool).lease.detach();
    expect(permits.released).toBe(2);
  });

  it('a request for one is withdrawn when nobody needs it any more', () => {
    const permits = new HandBudget();
    const { pool } = virtualPool({ permits, max: 2 });
    const waiter = borrow(pool);
    expect(permits.asks).toHaveLength(1);
    waiter.leave();
    expect(permits.asks).toHaveLength(0);
    expect(permits.withdrawn).toBe(1);
  });

  it('a request for one is withdrawn when a lease comes back for the waiter instead', () => {
    const permits = new HandBudget(1);
    const { pool } = virtualPool({ permits, max: 2 });
    const holder = borrow(pool);
    const waiter = borrow(pool);
    expect(permits.asks).toHaveLength(1);
    holder.leave();
    expect(waiter.leases).toHaveLength(1);
    expect(permits.asks).toHaveLength(0);
    expect(permits.released).toBe(0);
  });

  it('a withdrawal whose teardown acquires leaves that request no worse off', () => {
    const inside: Borrower<Thing>[] = [];
    let asked = 0;
    const { pool } = virtualPool({
      permits: {
        acquire: () => {
          asked += 1;
          if (asked > 1) return of({ release: () => undefined });
          return NEVER.pipe(finalize(() => inside.push(borrow(pool))));
        },
      },
    });
    borrow(pool).leave();
    expect(inside).toHaveLength(1);
    expect(inside[0]!.leases).toHaveLength(1);
    expect(pool.state).toMatchObject({ leased: 1, waiting: 0 });
  });

  it('a denial fails the oldest waiter, with the error of the budget as its cause', () => {
    const permits = new HandBudget();
    const { pool } = virtualPool({ permits, max: 1 });
    const first = borrow(pool);
    const second = borrow(pool);
    const denied = new Error('over budget');
    permits.asks[0]!.error(denied);
    expect(first.error).toMatchObject({ code: 'CREATE_FAILED', cause: denied });
    expect(second.waits).toBe(true);
    expect(permits.asks).toHaveLength(1);
  });

  it('a budget that throws in acquire() is a denial', () => {
    const { pool } = virtualPool({
      permits: {
        acquire: () => {
          throw new Error('no budget here');
        },
      },
    });
    expect(borrow(pool).error).toMatchObject({ cause: new Error('no budget here') });
    expect(pool.state).toMatchObject({ waiting: 0, creating: 0, size: 0 });
  });

  it('a budget that never answers leaves the deadline of the request in force', () => {
    const { pool, time } = virtualPool({
      permits: { acquire: () => NEVER },
      acquireTimeoutMillis: 100,
    });
    const waiter = borrow(pool);
    time.advanceTo(100);
    expect(waiter.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
  });

  it('two pools that share a budget never have more than it allows, and each gets on when the other gives back', () => {
    const shared = new HandBudget(1);
    const one = virtualPool({ permits: shared });
    const two = virtualPool({ permits: shared });
    const holder = borrow(one.pool);
    const waiter = borrow(two.pool);
    expect(waiter.waits).toBe(true);
    void holder.lease.destroy();
    expect(shared.released).toBe(1);
    shared.grant();
    expect(waiter.leases).toHaveLength(1);
    expect(one.world.live + two.world.live).toBe(1);
  });

  it('closing withdraws every request and gives every permit back', async () => {
    const permits = new HandBudget(2);
    const { pool } = virtualPool({ permits, max: 5 });
    warm(pool, 2);
    borrow(pool);
    borrow(pool);
    const waiter = borrow(pool);
    expect(permits.asks).toHaveLength(1);
    await pool.close({ force: true });
    expect(waiter.error).toMatchObject({ code: 'POOL_CLOSED' });
    expect(permits.asks).toHaveLength(0);
    expect(permits.released).toBe(2);
  });

  it('a fill for min asks too, and a budget that fails it is asked again later', () => {
    let asked = 0;
    const { time } = virtualPool({
      min: 1,
      permits: {
        acquire: () =>
          defer(() => {
            asked += 1;
            return throwError(() => new Error('over budget'));
          }),
      },
    });
    time.advanceTo(0);
    expect(asked).toBe(1);
    time.advanceTo(1000);
    expect(asked).toBeGreaterThan(1);
    expect(asked).toBeLessThan(10);
  });

  it('a permit that comes while the pool is paused is given back, and asked for again on resume', () => {
    const permits = new HandBudget();
    const { pool, made } = virtualPool({ permits });
    const waiter = borrow(pool);
    pool.pause();
    permits.grant();
    expect(permits.released).toBe(1);
    expect(made).toStrictEqual([]);
    pool.resume();
    permits.grant();
    expect(waiter.leases).toHaveLength(1);
    expect(permits.released).toBe(1);
  });
});
