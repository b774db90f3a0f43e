import { describe, expect, it } from 'vitest';
import {
  after,
  borrow,
  eventsOf,
  SteppedScheduler,
  virtualPool,
  warm,
  type Borrower,
  type Thing,
} from './virtual-pool.js';

function requestsOf(events: readonly { readonly type: string }[], type: string): unknown[] {
  return events
    .filter(event => event.type === type)
    .map(event => (event as unknown as { requestId: number }).requestId);
}

describe('requests that run out of time', () => {
  it('the phase of one behind those who are served is waiting', () => {
    const { pool, time } = virtualPool({ max: 1 }, { create: 100 });
    const first = borrow(pool, { timeoutMillis: 50 });
    const second = borrow(pool, { timeoutMillis: 20 });
    time.advance(20);
    expect(second.error).toMatchObject({ phase: 'waiting' });
    time.advance(30);
    expect(first.error).toMatchObject({ phase: 'creating' });
  });

  it('the phase of the first is that of its create, with others behind it', () => {
    const { pool, time } = virtualPool({ max: 1 }, { create: 100 });
    const first = borrow(pool, { timeoutMillis: 20 });
    const second = borrow(pool, { timeoutMillis: 50 });
    time.advance(20);
    expect(first.error).toMatchObject({ phase: 'creating' });
    time.advance(30);
    expect(second.error).toMatchObject({ phase: 'creating' });
  });

  it('the phases of several are those of the checks and creates in flight, in their order', () => {
    const { pool, time } = virtualPool({ max: 2 }, { create: 100, validate: 100 });
    borrow(pool);
    time.advance(100);
    expect(pool.tryAcquire()).toBeUndefined();
    const waiting = [40, 30, 20].map(timeoutMillis => borrow(pool, { timeoutMillis }));
    time.advance(40);
    expect(waiting.map(({ error }) => (error as { phase: string }).phase)).toEqual([
      'creating',
      'waiting',
      'waiting',
    ]);
  });

  it('a check goes on for the next when the first gives up', () => {
    const { pool, time, events } = virtualPool({ max: 1 }, { validate: 30 });
    warm(pool, 1);
    const first = borrow(pool, { timeoutMillis: 10 });
    const second = borrow(pool);
    time.advance(10);
    expect(first.error).toMatchObject({ phase: 'validating' });
    expect(pool.state).toMatchObject({ validating: 1 });
    time.advance(20);
    expect(second.lease.resource.number).toBe(1);
    expect(eventsOf(events, 'validateFailed')).toEqual([]);
  });

  it('at the frame of its deadline the request ends before its create does', () => {
    const { pool, time, events } = virtualPool(
      { acquireTimeoutMillis: 30, createTimeoutMillis: 30 },
      { create: 100 },
    );
    const borrower = borrow(pool);
    time.advance(30);
    expect(borrower.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT', phase: 'creating' });
    expect(eventsOf(events, 'rejected')).toEqual([]);
  });
});

describe('a process that stood still', () => {
  it('serves one whose deadline is now, and none whose deadline is over', () => {
    for (const { frame, isServed } of [
      { frame: 30, isServed: true },
      { frame: 31, isServed: false },
    ]) {
      const { pool, time } = virtualPool({ max: 1 });
      const holder = borrow(pool);
      const overdue = borrow(pool, { timeoutMillis: 30 });
      const patient = borrow(pool, { timeoutMillis: 100 });
      time.freezeUntil(frame);
      holder.leave();
      expect(overdue.leases).toHaveLength(isServed ? 1 : 0);
      expect(overdue.errors).toHaveLength(isServed ? 0 : 1);
      expect(patient.leases).toHaveLength(isServed ? 0 : 1);
    }
  });

  it.each([
    { frame: 30, isServed: true },
    { frame: 31, isServed: false },
  ])('a resume at $frame serves one whose deadline is 30: $isServed', ({ frame, isServed }) => {
    const { pool, time } = virtualPool();
    warm(pool, 1);
    pool.pause();
    const borrower = borrow(pool, { timeoutMillis: 30 });
    time.freezeUntil(frame);
    pool.resume();
    expect(borrower.leases).toHaveLength(isServed ? 1 : 0);
    expect(borrower.errors).toHaveLength(isServed ? 0 : 1);
  });

  it.each([
    { frame: 50, failing: 'the one whose deadline is now' },
    { frame: 51, failing: 'the oldest whose time is not up' },
  ])('at $frame a failed create fails $failing', ({ frame }) => {
    const time = new SteppedScheduler();
    const { pool } = virtualPool({
      scheduler: time,
      max: 2,
      create: () =>
        after<Thing>(50, time, () => {
          throw new Error('down');
        }),
    });
    const first = borrow(pool, { timeoutMillis: 50 });
    const second = borrow(pool, { timeoutMillis: 500 });
    time.freezeUntil(frame);
    time.advance(0);
    const codes = [first, second].map(({ error }) => (error as { code: string }).code);
    expect(codes).toEqual([frame === 50 ? 'CREATE_FAILED' : 'ACQUIRE_TIMEOUT', 'CREATE_FAILED']);
  });
});

describe('nobody overtakes', () => {
  it.each(['acquire', 'tryAcquire'] as const)(
    'an %s inside the check for a waiter stands behind that waiter',
    call => {
      const time = new SteppedScheduler();
      const nested: (Borrower<Thing> | undefined)[] = [];
      const lent: unknown[] = [];
      const { pool, events } = virtualPool({
        scheduler: time,
        order: 'fifo',
        validateAfterIdleMillis: 10,
        validate: () => {
          if (call === 'acquire') nested.push(borrow(pool));
          else lent.push(pool.tryAcquire());
          return true;
        },
      });
      const [old, fresh] = [borrow(pool), borrow(pool)];
      old.leave();
      time.advance(10);
      fresh.leave();
      const first = borrow(pool);
      expect(first.lease.resource.number).toBe(1);
      if (call === 'tryAcquire') {
        expect(lent).toEqual([undefined]);
      } else {
        expect(nested[0]?.lease.resource.number).toBe(2);
        expect(requestsOf(events, 'acquired')).toEqual([1, 2, 3, 4]);
      }
    },
  );

  it('whoever is served at once did not wait, and the peak of waiters stays', () => {
    const { pool, time } = virtualPool({ min: 1, max: 1 });
    time.advance(0);
    const holder = borrow(pool, { priority: 1 });
    expect(pool.stats.peakWaiting).toBe(0);
    const waiters = [borrow(pool), borrow(pool)];
    for (const waiter of waiters) waiter.leave();
    borrow(pool);
    expect(pool.stats.peakWaiting).toBe(2);
    expect(holder.leases).toHaveLength(1);
  });

  it('a slot that is free is no room for a newcomer when another waits for it', () => {
    const { pool } = virtualPool({ max: 3, maxWaiting: 1, createConcurrency: 1 }, { create: 10 });
    const codes = [1, 2, 3, 4].map(
      () => (borrow(pool).error as { code?: string } | undefined)?.code,
    );
    expect(codes).toEqual([undefined, undefined, undefined, 'WAITING_LIMIT']);
  });
});

describe('tryAcquire', () => {
  it('takes what is good behind what is overdue, and checks nothing that needs no check', () => {
    const { pool, time, events } = virtualPool({
      maxLifetimeMillis: 50,
      idleTimeoutMillis: Infinity,
    });
    const old = borrow(pool);
    time.advance(30);
    borrow(pool).leave();
    old.leave();
    time.freezeUntil(60);
    expect(pool.tryAcquire()?.resource.number).toBe(2);
    expect(eventsOf(events, 'validating')).toEqual([]);
    expect(eventsOf(events, 'evicted')).toMatchObject([{ id: 1, reason: 'lifetime' }]);
  });

  it('starts one check that takes time, and no more', () => {
    const { pool, validations } = virtualPool({}, { validate: 10 });
    warm(pool, 3);
    expect(pool.tryAcquire()).toBeUndefined();
    expect(validations).toHaveLength(1);
    expect(pool.state).toMatchObject({ validating: 1, idle: 2 });
  });
});

describe('when idle resources go', () => {
  it('one that was lent while another became spare still goes at its own limit', () => {
    const { pool, time, ended } = virtualPool({
      min: 1,
      idleTimeoutMillis: 60,
      maxLifetimeMillis: 1000,
    });
    time.advance(10);
    const first = borrow(pool);
    void pool.prefill(2);
    time.advance(5);
    borrow(pool);
    time.advance(5);
    first.leave();
    time.advance(70);
    expect(ended).toEqual([{ number: 1, reason: 'idle', at: 80 }]);
  });

  it('one that was spared for minIdle goes at its limit once another is idle too', () => {
    const { pool, time, ended } = virtualPool({ minIdle: 1, idleTimeoutMillis: 60 });
    const first = borrow(pool);
    time.advance(1);
    expect(pool.state).toMatchObject({ size: 2, idle: 1 });
    first.leave();
    time.advance(200);
    expect(ended).toEqual([{ number: 2, reason: 'idle', at: 60 }]);
  });
});
