import { describe, expect, it } from 'vitest';
import { borrow, eventsOf, microtasks, outcomeOf, virtualPool, warm } from './virtual-pool.js';

describe('recycle with a pace', () => {
  it('replaces one after another, each before the next, and never has more than that missing', async () => {
    const { pool, time, states, ended, made } = virtualPool(
      { max: 4, idleTimeoutMillis: Infinity },
      { create: 10, destroy: 5 },
    );
    void pool.prefill(4);
    time.advance(10);
    const before = states.length;
    const outcome = outcomeOf(pool.recycle({ maxUnavailable: 1 }));
    for (let step = 0; step < 100; step += 1) time.advance(1);
    await microtasks();
    expect(outcome.settled).toBe(true);
    expect(ended).toEqual([
      { number: 1, reason: 'recycled', at: 10 },
      { number: 2, reason: 'recycled', at: 25 },
      { number: 3, reason: 'recycled', at: 40 },
      { number: 4, reason: 'recycled', at: 55 },
    ]);
    expect(made).toHaveLength(8);
    for (const { idle, leased } of states.slice(before)) {
      expect(idle + leased).toBeGreaterThanOrEqual(3);
    }
    expect(pool.state).toMatchObject({ idle: 4, size: 4 });
  });

  it('waits for at least the time between two steps', () => {
    const { pool, time, ended } = virtualPool({ max: 3, idleTimeoutMillis: Infinity });
    warm(pool, 3);
    void pool.recycle({ everyMillis: 100 });
    time.advanceTo(1_000);
    expect(ended.map(({ at }) => at)).toEqual([0, 100, 200]);
  });

  it('lets borrowers end: idle ones go first, leased ones when they come back', async () => {
    const { pool, time, ended } = virtualPool({ max: 3, idleTimeoutMillis: Infinity });
    const holder = borrow(pool);
    warm(pool, 2);
    const outcome = outcomeOf(pool.recycle({ maxUnavailable: 1, everyMillis: 1 }));
    time.advanceTo(100);
    await microtasks();
    expect(ended.map(({ number }) => number)).toEqual([2, 3]);
    expect(holder.lease.resource.number).toBe(1);
    expect(outcome.settled).toBe(false);
    holder.leave();
    time.advanceTo(200);
    await microtasks();
    expect(ended.map(({ number }) => number)).toEqual([2, 3, 1]);
    expect(outcome.settled).toBe(true);
    expect(pool.state.size).toBe(3);
  });

  it('also ends resources that go from one borrower to the next and are never idle', () => {
    const { pool, time, ended } = virtualPool({ max: 2, idleTimeoutMillis: Infinity });
    const first = [borrow(pool), borrow(pool)];
    const waiting = [borrow(pool), borrow(pool), borrow(pool)];
    void pool.recycle({ maxUnavailable: 1 });
    expect(ended).toEqual([]);
    expect(pool.resources().map(({ stale }) => stale)).toEqual([true, false]);
    first[1]?.leave();
    expect(waiting[0]?.lease.resource.number).toBe(2);
    // The first is still out: no other is told to go before it has gone.
    expect(pool.resources().map(({ stale }) => stale)).toEqual([true, false]);
    first[0]?.leave();
    expect(waiting[1]?.lease.resource.number).toBe(3);
    time.advance(1);
    waiting[0]?.leave();
    expect(waiting[2]?.lease.resource.number).toBe(4);
    expect(ended.map(({ number, reason }) => [number, reason])).toEqual([
      [1, 'recycled'],
      [2, 'recycled'],
    ]);
  });

  it('lets a resource that is being made join when it is there, and takes the pace up at once', () => {
    const { pool, time, ended, made } = virtualPool(
      { max: 2, idleTimeoutMillis: Infinity },
      { create: 10 },
    );
    void pool.prefill(2);
    time.advance(5);
    void pool.recycle({ maxUnavailable: 2 });
    expect(ended).toEqual([]);
    time.advance(5);
    expect(ended.map(({ number }) => number)).toEqual([1, 2]);
    time.advance(10);
    expect(made).toHaveLength(2);
    expect(pool.state.size).toBe(0);
  });

  it('arms no timer where no time between steps is asked for', () => {
    const { pool, time } = virtualPool({ max: 2, idleTimeoutMillis: Infinity });
    const holder = borrow(pool);
    void pool.recycle({ maxUnavailable: 1 });
    expect(time.pending).toBe(0);
    holder.leave();
  });

  it('stops where new ones cannot be made, and goes on when they can', async () => {
    let works = true;
    let number = 0;
    const { pool, time, events } = virtualPool({
      max: 3,
      idleTimeoutMillis: Infinity,
      create: () => {
        if (!works) throw new Error('the new password is wrong');
        return { number: ++number, ended: 0 };
      },
    });
    warm(pool, 3);
    works = false;
    const outcome = outcomeOf(pool.recycle({ maxUnavailable: 1 }));
    time.advanceTo(5_000);
    expect(eventsOf(events, 'destroyed')).toHaveLength(1);
    expect(pool.state.idle).toBe(2);
    works = true;
    time.advanceTo(60_000);
    await microtasks();
    expect(outcome.settled).toBe(true);
    expect(pool.state.idle).toBe(3);
    expect(pool.stats.recycled).toBe(3);
  });

  it('takes several at once, counts those that go by themselves, and what came after it stays', async () => {
    const { pool, time, ended } = virtualPool({ max: 5, idleTimeoutMillis: Infinity });
    warm(pool, 4);
    const outcome = outcomeOf(pool.recycle({ maxUnavailable: 2, everyMillis: 10 }));
    const lease = pool.tryAcquire();
    expect(lease?.resource.number).toBe(6);
    await lease?.destroy();
    time.advanceTo(100);
    await microtasks();
    expect(outcome.settled).toBe(true);
    expect(ended.map(each => each.number)).toEqual([1, 2, 6, 3, 4]);
    expect(pool.state.idle).toBe(4);
    // It is kept up to its size only for as long as it is renewed.
    await pool.tryAcquire()?.destroy();
    time.advanceTo(10_000);
    expect(pool.state.size).toBe(3);
  });

  it('ends with the pool, and holds still while the pool is paused', async () => {
    const { pool, time, ended } = virtualPool({ max: 3, idleTimeoutMillis: Infinity });
    warm(pool, 3);
    pool.pause();
    const outcome = outcomeOf(pool.recycle({ maxUnavailable: 1, everyMillis: 5 }));
    time.advanceTo(100);
    expect(ended).toEqual([]);
    const closed = pool.close();
    time.advanceTo(200);
    await closed;
    await microtasks();
    expect(outcome.settled).toBe(true);
    expect(time.pending).toBe(0);
  });

  it('is done at once where nothing is there, and refuses a senseless pace', async () => {
    const { pool } = virtualPool();
    await pool.recycle({ maxUnavailable: 1 });
    await expect(pool.recycle({ maxUnavailable: 0 })).rejects.toThrow('maxUnavailable');
    await expect(pool.recycle({ everyMillis: 0.5 })).rejects.toThrow('everyMillis');
  });
});
