import { asyncScheduler } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { createPool } from '../src/index.js';
import { watchAwakeTimers } from './awake-timers.js';
import {
  after,
  borrow,
  eventsOf,
  microtasks,
  outcomeOf,
  SteppedScheduler,
  typesOf,
  virtualPool,
  warm,
  type Thing,
} from './virtual-pool.js';

describe('fills that fail', () => {
  it('pause for as long as at first again after a create succeeded', () => {
    let isDown = true;
    const attempts: number[] = [];
    const { pool, time } = virtualPool({
      min: 1,
      idleTimeoutMillis: Infinity,
      create: () => {
        attempts.push(time.now());
        if (isDown) throw new Error('down');
        return { number: attempts.length, ended: 0 };
      },
      destroy: () => undefined,
    });
    time.advanceTo(300);
    isDown = false;
    time.advanceTo(1000);
    expect(attempts).toEqual([0, 100, 300, 700]);
    isDown = true;
    void pool.tryAcquire()?.destroy();
    time.advanceTo(1450);
    expect(attempts.slice(4)).toEqual([1000, 1100, 1300]);
  });

  it('several that fail during one pause count once', () => {
    const attempts: number[] = [];
    const { time } = virtualPool({
      min: 3,
      create: () => {
        attempts.push(time.now());
        return after(10, time, () => {
          throw new Error('down');
        });
      },
      destroy: () => undefined,
    });
    time.advanceTo(400);
    expect(attempts).toEqual([0, 0, 0, 110, 110, 110, 320, 320, 320]);
  });

  it('pause no longer once a create for a request succeeds', () => {
    let isDown = true;
    const attempts: number[] = [];
    const { pool, time } = virtualPool({
      min: 2,
      idleTimeoutMillis: Infinity,
      create: () => {
        attempts.push(time.now());
        if (isDown) throw new Error('down');
        return { number: attempts.length, ended: 0 };
      },
      destroy: () => undefined,
    });
    time.advanceTo(50);
    isDown = false;
    borrow(pool);
    expect(attempts).toEqual([0, 50, 50]);
    expect(pool.state).toMatchObject({ leased: 1, idle: 1 });
  });

  it('a create for a request in the tick of createPool does not bring the fill forward', () => {
    const { pool, time, made } = virtualPool({ min: 2 });
    borrow(pool);
    expect(made).toHaveLength(1);
    time.advanceTo(0);
    expect(made).toHaveLength(2);
  });
});

describe('idle resources and hooks that call the pool', () => {
  it('an evict inside the destroy of an evict destroys nothing twice', async () => {
    const ended: number[] = [];
    const { pool, time } = virtualPool({
      maxLifetimeMillis: 10,
      idleTimeoutMillis: Infinity,
      destroy: ({ number }) => {
        ended.push(number);
        if (ended.length === 1) void pool.evict();
        return after(5, time, () => undefined);
      },
    });
    warm(pool, 3);
    time.freezeUntil(20);
    const evicted = outcomeOf(pool.evict());
    time.advance(10);
    await microtasks();
    expect(ended).toEqual([1, 2, 3]);
    expect(evicted.settled).toBe(true);
    expect(pool.state.size).toBe(0);
  });

  it('a recycle inside the destroy of a recycle destroys nothing twice', async () => {
    const ended: number[] = [];
    const recycled: number[] = [];
    const { pool, time } = virtualPool({
      destroy: ({ number }) => {
        ended.push(number);
        if (ended.length === 1) void pool.recycle().then(() => recycled.push(2));
        return after(5, time, () => undefined);
      },
    });
    warm(pool, 3);
    void pool.recycle().then(() => recycled.push(1));
    time.advance(5);
    await microtasks();
    expect(ended).toEqual([1, 2, 3]);
    expect(recycled.sort()).toEqual([1, 2]);
  });

  it('what is lent inside the destroy of a recycle is none of the old generation', () => {
    const lent: (number | undefined)[] = [];
    let isAsking = false;
    const { pool } = virtualPool({
      max: 5,
      destroy: () => {
        const isFirst = !isAsking;
        isAsking = true;
        if (isFirst) {
          lent.push(pool.tryAcquire()?.resource.number);
          borrow(pool, undefined, lease => lent.push(lease.resource.number));
        }
      },
    });
    warm(pool, 3);
    void pool.recycle();
    expect(lent).toEqual([undefined, 4]);
  });

  it('healthCheck leaves alone what a validate lent meanwhile', () => {
    const validated: number[] = [];
    const { pool } = virtualPool({
      validateOnBorrow: false,
      validate: ({ number }) => {
        validated.push(number);
        if (validated.length === 1) expect(pool.tryAcquire()?.resource.number).toBe(3);
      },
    });
    warm(pool, 3);
    void pool.healthCheck();
    expect(validated).toEqual([1, 2]);
    expect(pool.state).toMatchObject({ idle: 2, leased: 1 });
  });
});

describe('recycle', () => {
  it('waits for its own generation, whatever of a younger one goes before', async () => {
    const { pool } = virtualPool({ max: 2 });
    const old = borrow(pool);
    const recycled = outcomeOf(pool.recycle());
    void borrow(pool).lease.destroy();
    await microtasks();
    expect(recycled.settled).toBe(false);
    old.leave();
    await microtasks();
    expect(recycled.settled).toBe(true);
  });

  it('step by step lends what is being made when its turn comes to whoever waits for it', () => {
    const { pool, time, ended } = virtualPool({ max: 1 }, { create: 10 });
    const borrower = borrow(pool);
    void pool.recycle({ maxUnavailable: 1 });
    time.advance(10);
    expect(borrower.lease.resource.number).toBe(1);
    borrower.leave();
    expect(ended).toMatchObject([{ number: 1, reason: 'recycled' }]);
  });

  it('step by step takes as many at a time as there are, if it may', async () => {
    const { pool, ended } = virtualPool();
    warm(pool, 2);
    await pool.recycle({ maxUnavailable: Infinity });
    expect(ended).toMatchObject([{ reason: 'recycled' }, { reason: 'recycled' }]);
  });

  it('keeps the process alive until it resolves, and no longer', async () => {
    const timers = watchAwakeTimers();
    const pool = createPool({ create: () => ({}), scheduler: asyncScheduler });
    const lease = pool.tryAcquire() ?? (await pool.lease());
    const recycled = pool.recycle();
    expect(timers.isAwake).toBe(true);
    await lease.release();
    await recycled;
    expect(timers.isAwake).toBe(false);
    await pool.close();
  });
});

describe('checks of idle resources', () => {
  it('healthCheck without a validate checks nothing', async () => {
    const { pool, events } = virtualPool();
    warm(pool, 2);
    const before = events.length;
    expect(await pool.healthCheck()).toMatchObject({ status: 'healthy', invalid: 0 });
    expect(events).toHaveLength(before);
  });

  it('healthCheck validates and does not reset', async () => {
    const { pool, validations, resets } = virtualPool({}, { validate: 0, reset: 0 });
    warm(pool, 2);
    const resetsBefore = resets.length;
    await pool.healthCheck();
    expect(validations).toEqual([1, 2]);
    expect(resets).toHaveLength(resetsBefore);
  });

  it('without a validate nothing is checked by the clock', () => {
    const { pool, time, events } = virtualPool({
      validateIdleEveryMillis: 10,
      idleTimeoutMillis: Infinity,
    });
    warm(pool, 1);
    const before = typesOf(events);
    time.advance(100);
    expect(typesOf(events)).toEqual(before);
  });

  it('a resource that was only checked goes back to its place in the order of idling', () => {
    const time = new SteppedScheduler();
    const { pool } = virtualPool({
      scheduler: time,
      idleTimeoutMillis: Infinity,
      validateOnBorrow: false,
      validate: ({ number }) => after(number === 1 ? 30 : 10, time, () => true),
    });
    const borrowers = [1, 2, 3].map(() => borrow(pool));
    for (const borrower of borrowers) {
      time.advance(10);
      borrower.leave();
    }
    void pool.healthCheck();
    time.advance(50);
    const order = [1, 2, 3].map(() => pool.tryAcquire()?.resource.number);
    expect(order).toEqual([3, 2, 1]);
  });
});

describe('what stays idle', () => {
  it('minIdle of them stay past the idle limit, and only the spare ones go', () => {
    const { pool, time, ended } = virtualPool({ minIdle: 2, idleTimeoutMillis: 50 });
    warm(pool, 3);
    time.advance(500);
    expect(ended).toEqual([{ number: 1, reason: 'idle', at: 50 }]);
    expect(pool.state).toMatchObject({ size: 2, idle: 2 });
  });

  it('at its very limit an idle resource is not lent, also when the process stood still', () => {
    const { pool, time, ended } = virtualPool({ idleTimeoutMillis: 50 });
    warm(pool, 1);
    time.freezeUntil(50);
    expect(borrow(pool).lease.resource.number).toBe(2);
    expect(ended).toMatchObject([{ number: 1, reason: 'idle' }]);
  });

  it('of those that a comparator finds equal, the one that idled shortest goes first', () => {
    const compared: Thing[] = [];
    const { pool } = virtualPool({ order: () => compared.length });
    warm(pool, 3);
    expect(pool.tryAcquire()?.resource.number).toBe(3);
  });
});

describe('resources that waited for a resume', () => {
  it.each([
    { name: 'validateOnBorrow is off', options: { validateOnBorrow: false, validate: () => true } },
    { name: 'there is no validate', options: { validateOnBorrow: true } },
  ])('are not checked where $name', ({ options }) => {
    const { pool, events } = virtualPool(options);
    warm(pool, 1);
    pool.pause();
    const borrower = borrow(pool);
    pool.resume();
    expect(borrower.lease.resource.number).toBe(1);
    expect(eventsOf(events, 'validating')).toEqual([]);
  });
});
