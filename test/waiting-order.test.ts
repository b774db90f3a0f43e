import { describe, expect, it } from 'vitest';
import { AcquireTimeoutError, WaitingLimitError } from '../src/index.js';
import type { Thing } from './counting-factory.js';
import { marbles } from './marbles.js';
import { at, inVirtualTime } from './virtual-time.js';
import { asNumbers, Borrower, borrowers, countOf, eventsOf, watchedPool } from './watched-pool.js';

describe('who is served first', () => {
  it(
    'WF-01: a released resource goes to the one who waits',
    marbles(m => {
      const { pool } = watchedPool({ max: 1 });
      m.expect(pool.acquire().pipe(asNumbers), '^ 9ms !').toBeObservable('1');
      m.expect(pool.acquire().pipe(asNumbers)).toBeObservable('10ms 1');
      at(5, () => expect(pool.state).toMatchObject({ waiting: 1, leased: 1 }));
      at(20, () => {
        expect(pool.state).toMatchObject({ waiting: 0, leased: 1, size: 1 });
        expect(pool.stats.created).toBe(1);
      });
    }),
  );

  it('WF-02: ten waiters are served in their order, acquire, use and lease mixed in one queue', async () => {
    const watched = watchedPool({ max: 1 });
    const { pool } = watched;
    const holder = await pool.lease();
    const served: number[] = [];
    const rounds = Array.from({ length: 10 }, (_, index) => {
      const place = index + 1;
      if (place % 3 === 0) return pool.lease().then(lease => (served.push(place), lease.release()));
      return new Promise<void>(resolve => {
        if (place % 3 === 1) {
          pool.acquire().subscribe({
            next: lease => (served.push(place), void lease.release()),
            complete: resolve,
          });
        } else {
          pool.use(() => served.push(place)).subscribe({ complete: resolve });
        }
      });
    });
    expect(pool.state.waiting).toBe(10);
    await holder.release();
    await Promise.all(rounds);
    expect(served).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(eventsOf(watched, 'acquired').map(({ requestId }) => requestId)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    ]);
    expect(pool.stats.created).toBe(1);
  });

  it('WF-03: a newcomer in the tick of the release stands behind the one who waits', () => {
    const { pool } = watchedPool({ max: 1 });
    const holder = new Borrower(pool.acquire());
    const waiter = new Borrower(pool.acquire());
    holder.leave();
    const newcomer = new Borrower(pool.acquire());
    expect(waiter.leases).toHaveLength(1);
    expect(newcomer.waits).toBe(true);
  });

  it('WF-03: a newcomer inside the callbacks of the release stands behind the one who waits', () => {
    const { pool } = watchedPool({ max: 1 });
    const newcomers: Borrower<Thing>[] = [];
    const holder = new Borrower(pool.acquire());
    const waiter = new Borrower(pool.acquire());
    pool.stats$.subscribe(({ type }) => {
      if (type === 'released' && newcomers.length === 0) {
        newcomers.push(new Borrower(pool.acquire()));
      }
    });
    holder.leave();
    expect(waiter.leases).toHaveLength(1);
    expect(newcomers[0]!.waits).toBe(true);
    waiter.leave();
    expect(newcomers[0]!.leases).toHaveLength(1);
  });

  it(
    'WF-03: a newcomer during the reset stands behind the one who waits',
    marbles(m => {
      const { pool } = watchedPool({ max: 1 }, { resetMillis: 10 });
      m.expect(pool.acquire().pipe(asNumbers), '^ 19ms !').toBeObservable('1');
      m.expect(pool.acquire().pipe(asNumbers), '^ 49ms !').toBeObservable('30ms 1');
      m.expect(pool.acquire().pipe(asNumbers), '25ms ^').toBeObservable('60ms 1');
    }),
  );

  it(
    'WF-14: who waits for a create is served by a release that comes first, and the create is kept',
    inVirtualTime(advance => {
      const watched = watchedPool({ max: 2 }, { createMillis: 100 });
      const { pool, factory } = watched;
      const holder = new Borrower(pool.acquire());
      advance(100);
      const waiter = new Borrower(pool.acquire());
      advance(10);
      expect(pool.state).toMatchObject({ creating: 1, waiting: 1, leased: 1 });
      holder.leave();
      expect(waiter.lease.resource.number).toBe(1);
      expect(waiter.grantedAt).toBe(110);
      advance(90);
      expect(pool.state).toMatchObject({ size: 2, idle: 1, leased: 1, creating: 0 });
      expect(factory.made).toEqual([1, 2]);
      expect(waiter.leases).toHaveLength(1);
      expect(countOf(watched, 'acquired')).toBe(2);
    }),
  );

  it('one release at a time goes on and on: ten thousand waiters that release inside next are all served', () => {
    const { pool } = watchedPool({ max: 1 });
    const holder = new Borrower(pool.acquire());
    const served: number[] = [];
    for (let place = 0; place < 10_000; place += 1) {
      pool.acquire().subscribe(lease => {
        served.push(place);
        void lease.release();
      });
    }
    holder.leave();
    expect(served).toEqual(Array.from({ length: 10_000 }, (_, place) => place));
    expect(pool.state).toMatchObject({ waiting: 0, leased: 0, idle: 1 });
  });
});

describe('priority', () => {
  it('the lower number goes first, and within one number who came first', () => {
    const { pool } = watchedPool({ max: 1 });
    const holder = new Borrower(pool.acquire());
    const served: string[] = [];
    const wait = (name: string, priority?: number): void => {
      pool.acquire({ priority }).subscribe(lease => {
        served.push(name);
        void lease.release();
      });
    };
    wait('normal 1');
    wait('late 1', 5);
    wait('urgent 1', -1);
    wait('normal 2', 0);
    wait('urgent 2', -1);
    wait('between', 0.5);
    wait('late 2', 5);
    holder.leave();
    expect(served).toEqual([
      ...['urgent 1', 'urgent 2', 'normal 1', 'normal 2', 'between', 'late 1', 'late 2'],
    ]);
  });

  it('holds for acquire, use and lease alike', async () => {
    const { pool } = watchedPool({ max: 1 });
    const holder = new Borrower(pool.acquire());
    const served: string[] = [];
    const owned = pool.lease({ priority: 3 }).then(lease => {
      served.push('lease');
      return lease.release();
    });
    pool.use(() => served.push('use'), { priority: 2 }).subscribe();
    pool.acquire({ priority: 1 }).subscribe(lease => {
      served.push('acquire');
      void lease.release();
    });
    holder.leave();
    await owned;
    expect(served).toEqual(['acquire', 'use', 'lease']);
  });

  it(
    'a create serves the first in line, not the one who caused it',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ max: 1 }, { createMillis: 10 });
      const cause = new Borrower(pool.acquire());
      const urgent = new Borrower(pool.acquire({ priority: -1 }));
      advance(10);
      expect(urgent.leases).toHaveLength(1);
      expect(cause.waits).toBe(true);
    }),
  );
});

describe('waiters that leave', () => {
  it(
    'WF-04: a release after the waiters have timed out loses nothing',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ max: 1, acquireTimeoutMillis: 100 });
      const holder = new Borrower(pool.acquire());
      const late = borrowers(pool, 2);
      advance(100);
      for (const { errors, failedAt } of late) {
        expect(errors).toEqual([expect.any(AcquireTimeoutError)]);
        expect(failedAt).toBe(100);
      }
      advance(50);
      holder.leave();
      expect(pool.state).toMatchObject({ idle: 1, size: 1, waiting: 0 });
      expect(new Borrower(pool.acquire()).grantedAt).toBe(150);
    }),
  );

  it(
    'WF-04: a release after some waiters have timed out goes to the first that is left',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ max: 1, acquireTimeoutMillis: 100 });
      const holder = new Borrower(pool.acquire());
      borrowers(pool, 2);
      advance(90);
      const third = new Borrower(pool.acquire());
      advance(60);
      expect(pool.state.waiting).toBe(1);
      holder.leave();
      expect(third.grantedAt).toBe(150);
      expect(pool.state).toMatchObject({ idle: 0, leased: 1, size: 1, waiting: 0 });
    }),
  );

  it(
    'WF-06: a time-out in the queue does not touch those behind it',
    inVirtualTime(advance => {
      const watched = watchedPool({ max: 1, acquireTimeoutMillis: 200 });
      const { pool } = watched;
      const holder = new Borrower(pool.acquire());
      const first = new Borrower(pool.acquire());
      advance(100);
      const second = new Borrower(pool.acquire());
      advance(100);
      expect(first.failedAt).toBe(200);
      expect(pool.state.waiting).toBe(1);
      advance(10);
      holder.leave();
      expect(second.grantedAt).toBe(210);
      advance(200);
      expect(second.lease.released).toBe(false);
      expect(second.errors).toEqual([]);
      expect(countOf(watched, 'timedOut')).toBe(1);
    }),
  );

  it('leaving from the middle of the queue keeps the order of the others', () => {
    const { pool } = watchedPool({ max: 1 });
    const holder = new Borrower(pool.acquire());
    const waiters = borrowers(pool, 5);
    for (const index of [2, 0, 4]) waiters[index]!.leave();
    expect(pool.state.waiting).toBe(2);
    holder.leave();
    expect(waiters.map(({ leases }) => leases.length)).toEqual([0, 1, 0, 0, 0]);
    waiters[1]!.leave();
    expect(waiters.map(({ leases }) => leases.length)).toEqual([0, 1, 0, 1, 0]);
  });
});

describe('maxWaiting', () => {
  it('WF-09: with 0 a request is still served by an idle resource or a free slot, and refused only then', () => {
    const watched = watchedPool({ maxWaiting: 0, max: 2 });
    const { pool } = watched;
    new Borrower(pool.acquire()).leave();
    const [first, second, third] = borrowers(pool, 3) as [
      Borrower<Thing>,
      Borrower<Thing>,
      Borrower<Thing>,
    ];
    expect(first.lease.resource.number).toBe(1);
    expect(second.lease.resource.number).toBe(2);
    expect(third.errors).toEqual([expect.any(WaitingLimitError)]);
    expect(third.errors).toMatchObject([
      { code: 'WAITING_LIMIT', state: { leased: 2, waiting: 0, max: 2 } },
    ]);
    expect(eventsOf(watched, 'rejected')).toMatchObject([
      { reason: 'waitingLimit', waitedMillis: 0, error: third.errors[0] },
    ]);
    expect(pool.stats.rejected).toBe(1);
  });

  it(
    'WF-09: requests that wait for creates of their own do not count against it',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ maxWaiting: 0, max: 2 }, { createMillis: 10 });
      const all = borrowers(pool, 3);
      expect(all.map(({ errors }) => errors.length)).toEqual([0, 0, 1]);
      advance(10);
      expect(all.map(({ leases }) => leases.length)).toEqual([1, 1, 0]);
    }),
  );

  it(
    'WF-09: requests that wait for a check of their own idle resource do not count against it',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ maxWaiting: 0, max: 2 }, { validateMillis: 10 });
      for (const borrower of borrowers(pool, 2)) borrower.leave();
      const all = borrowers(pool, 3);
      expect(all.map(({ errors }) => errors.length)).toEqual([0, 0, 1]);
      advance(10);
      expect(all.map(({ leases }) => leases.length)).toEqual([1, 1, 0]);
    }),
  );

  it('the limit holds for acquire, use and lease alike, and says so in its message', async () => {
    const { pool } = watchedPool({ name: 'orders', maxWaiting: 1, max: 1 });
    const holder = await pool.lease();
    new Borrower(pool.acquire());
    await expect(pool.lease()).rejects.toThrow(/orders.*1 may wait/);
    const errors: unknown[] = [];
    pool.use(() => 1).subscribe({ error: (error: unknown) => errors.push(error) });
    expect(errors).toEqual([expect.any(WaitingLimitError)]);
    await holder.release();
  });

  it('WF-11: a waiter that leaves makes room in the same tick', () => {
    const { pool } = watchedPool({ max: 1, maxWaiting: 1 });
    new Borrower(pool.acquire());
    const second = new Borrower(pool.acquire());
    expect(new Borrower(pool.acquire()).errors).toHaveLength(1);
    second.leave();
    expect(pool.state.waiting).toBe(0);
    const third = new Borrower(pool.acquire());
    expect(third.waits).toBe(true);
    expect(pool.state.waiting).toBe(1);
  });

  it(
    'WF-11: a waiter that times out makes room in the same tick',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ max: 1, maxWaiting: 1, acquireTimeoutMillis: 100 });
      new Borrower(pool.acquire());
      const followers: Borrower<Thing>[] = [];
      pool.acquire().subscribe({
        error: () => followers.push(new Borrower(pool.acquire())),
      });
      advance(100);
      expect(followers[0]!.waits).toBe(true);
      expect(pool.state.waiting).toBe(1);
    }),
  );
});

describe('slots that become free', () => {
  it('WF-12: a destroyed resource makes room for a new one, for the one who waits', () => {
    const { pool, factory } = watchedPool({ max: 1 });
    const holder = new Borrower(pool.acquire());
    const waiter = new Borrower(pool.acquire());
    void holder.lease.destroy();
    expect(waiter.lease.resource.number).toBe(2);
    expect(factory.destroyed).toEqual([{ number: 1, reason: 'released' }]);
    expect(pool.stats).toMatchObject({ created: 2, destroyed: 1 });
  });

  it(
    'WF-12: the slot is free when the destroy has settled, not before',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool({ max: 1 }, { destroyMillis: 30 });
      const holder = new Borrower(pool.acquire());
      const waiter = new Borrower(pool.acquire());
      void holder.lease.destroy();
      expect(pool.state).toMatchObject({ destroying: 1, size: 1, creating: 0, waiting: 1 });
      advance(29);
      expect(factory.attempts).toBe(1);
      advance(1);
      expect(waiter.grantedAt).toBe(30);
      expect(waiter.lease.resource.number).toBe(2);
      expect(factory.peak).toBe(1);
    }),
  );

  it(
    'WF-12: when all resources are destroyed at once, all who wait are served by new ones',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool({ max: 3 }, { destroyMillis: 5, createMillis: 5 });
      const holders = borrowers(pool, 3);
      advance(5);
      const waiters = borrowers(pool, 3);
      for (const { lease } of holders) void lease.destroy(new Error('server gone'));
      advance(10);
      expect(waiters.map(({ lease }) => lease.resource.number)).toEqual([4, 5, 6]);
      expect(factory.destroyed.map(({ reason }) => reason)).toEqual(['broken', 'broken', 'broken']);
      expect(pool.state).toMatchObject({ leased: 3, waiting: 0, size: 3 });
    }),
  );

  it('a detached resource makes room for a new one, for the one who waits', () => {
    const { pool, factory } = watchedPool({ max: 1 });
    const holder = new Borrower(pool.acquire());
    const waiter = new Borrower(pool.acquire());
    holder.lease.detach();
    expect(waiter.lease.resource.number).toBe(2);
    expect(factory.destroyed).toEqual([]);
  });

  it('a larger max makes room for those who wait', () => {
    const { pool } = watchedPool({ max: 1 });
    const all = borrowers(pool, 4);
    pool.resize({ max: 3 });
    expect(all.map(({ leases }) => leases.length)).toEqual([1, 1, 1, 0]);
  });

  it('resume serves those who waited, in their order', () => {
    const { pool } = watchedPool({ max: 2 });
    pool.pause();
    const all = borrowers(pool, 3);
    expect(all.every(({ waits }) => waits)).toBe(true);
    pool.resume();
    expect(all.map(({ leases }) => leases.length)).toEqual([1, 1, 0]);
  });
});
