import { config, finalize, NEVER, Subject } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Lease } from '../src/index.js';
import {
  after,
  borrow,
  eventsOf,
  microtasks,
  outcomeOf,
  SteppedScheduler,
  virtualPool,
  warm,
  type Thing,
} from './virtual-pool.js';

describe('a lease that is due to be taken back when its pool gives up waiting', () => {
  it('is given up by the close, which says so', async () => {
    const { pool, time } = virtualPool({ maxLeaseMillis: 100 });
    borrow(pool);
    time.advanceTo(40);
    const closed = outcomeOf(pool.close({ drainTimeoutMillis: 60 }));
    time.advanceTo(100);
    await microtasks();
    expect(closed.error).toMatchObject({ code: 'CLOSE_FAILED', abandoned: 1 });
  });
});

describe('a lease that is over', () => {
  it('keeps the facts of its end, and is not stale after a release', () => {
    const { pool, time } = virtualPool({ idleTimeoutMillis: Infinity }, { create: 2 });
    const borrower = borrow(pool);
    time.advanceTo(5);
    const { lease } = borrower;
    time.advanceTo(9);
    void lease.release();
    time.advanceTo(20);
    expect(lease.info).toEqual({
      id: 1,
      state: 'leased',
      createdAt: 2,
      lastUsedAt: 9,
      ageMillis: 7,
      idleMillis: 0,
      uses: 1,
      stale: false,
    });
  });

  it('is stale after a destroy', () => {
    const { pool } = virtualPool();
    const { lease } = borrow(pool);
    void lease.destroy();
    expect(lease.info.stale).toBe(true);
  });

  it('touches nothing of the next borrower’s', () => {
    const { pool, time } = virtualPool({ idleTimeoutMillis: Infinity });
    const { lease } = borrow(pool);
    void lease.release();
    time.advance(7);
    lease.touch();
    expect(pool.resources()).toMatchObject([{ lastUsedAt: 0 }]);
  });

  it('names the pool’s state in what a late use throws', () => {
    const { pool } = virtualPool();
    const { lease } = borrow(pool);
    void lease.release();
    expect(() => lease.resource).toThrow(
      expect.objectContaining({ code: 'LEASE_RELEASED', state: pool.state }),
    );
  });

  it('that left without a word waits for nobody else’s reset', async () => {
    const { pool, time } = virtualPool({ max: 1 }, { reset: 10 });
    const first = borrow(pool);
    const { lease } = first;
    first.leave();
    time.advance(10);
    const second = borrow(pool);
    void second.lease.release();
    const released = outcomeOf(lease.release());
    await microtasks();
    expect(pool.state.resetting).toBe(1);
    expect(released.settled).toBe(true);
  });

  it('its release waits for the check on return', async () => {
    const { pool, time } = virtualPool({ validateOnReturn: true }, { validate: 10 });
    const released = outcomeOf(borrow(pool).lease.release());
    await microtasks();
    expect(released.settled).toBe(false);
    time.advance(10);
    await microtasks();
    expect(released.settled).toBe(true);
  });

  it('a destroy without an error leaves the last error of its resource in the record', () => {
    const time = new SteppedScheduler();
    const broke = new Subject<unknown>();
    const failure = new Error('reset by peer');
    const { pool } = virtualPool({
      scheduler: time,
      watch: () => broke,
      destroy: () => after(10, time, () => undefined),
    });
    const { lease } = borrow(pool);
    broke.error(failure);
    void lease.destroy();
    expect(pool.resources()).toMatchObject([{ state: 'destroying', lastError: failure }]);
  });
});

describe('a lease that the pool takes back', () => {
  it('tells how long it was held', () => {
    const { pool, time, events } = virtualPool({ maxLeaseMillis: 10 });
    time.advance(100);
    const borrower = borrow(pool);
    time.advance(10);
    expect(borrower.error).toMatchObject({ code: 'LEASE_REVOKED' });
    expect((borrower.error as Error).message).toContain('10');
    expect((borrower.error as Error).message).not.toContain('210');
    expect(eventsOf(events, 'revoked')).toMatchObject([{ heldMillis: 10 }]);
    expect(borrower.error).toMatchObject({ state: { leased: 1 } });
  });

  it('tells how long it was held when it gives notice, whenever it began', () => {
    const { pool, time, events } = virtualPool({ maxLeaseMillis: 100, revokeGraceMillis: 10 });
    time.advance(5);
    borrow(pool);
    time.advance(100);
    expect(eventsOf(events, 'revoking')).toMatchObject([{ heldMillis: 100 }]);
  });

  it('the pool looks at it when its limit is over, and not before', () => {
    const { pool, time } = virtualPool({
      min: 1,
      maxLeaseMillis: 100,
      idleTimeoutMillis: Infinity,
    });
    time.advance(50);
    pool.tryAcquire();
    expect(time.actions.map(({ delay }) => delay)).toEqual([150]);
  });

  it('its signal is aborted for whoever hears of the revocation first', () => {
    const { pool, time } = virtualPool({ maxLeaseMillis: 10 });
    const { lease } = borrow(pool);
    const seen: boolean[] = [];
    pool.stats$.subscribe(({ type }) => {
      if (type === 'revoked') seen.push(lease.signal.aborted);
    });
    time.advance(10);
    expect(seen).toEqual([true]);
  });

  it('a promised one is taken back without an error that nobody can catch', async () => {
    const reported: unknown[] = [];
    const { onUnhandledError } = config;
    config.onUnhandledError = error => reported.push(error);
    onTestFinished(() => {
      config.onUnhandledError = onUnhandledError;
    });
    const { pool, time } = virtualPool({ maxLeaseMillis: 10 });
    const lease = await pool.lease();
    time.advance(10);
    await new Promise(resolve => setTimeout(resolve, 0));
    expect(lease.released).toBe(true);
    expect(reported).toEqual([]);
  });

  it('the work of a use stops before its stream errors', () => {
    const { pool, time } = virtualPool({ maxLeaseMillis: 10 });
    const log: string[] = [];
    pool
      .use(() => NEVER.pipe(finalize(() => log.push('stopped'))))
      .subscribe({
        error: () => log.push('failed'),
      });
    time.advance(10);
    expect(log).toEqual(['stopped', 'failed']);
  });
});

describe('a lease that is taken back before its borrower has it', () => {
  it('errors the stream of acquire, which is given no dead lease', () => {
    const { pool } = virtualPool();
    warm(pool, 1);
    pool.stats$.subscribe(({ type }) => {
      if (type === 'acquired') pool.close({ force: true }).catch(() => undefined);
    });
    const borrower = borrow(pool);
    expect(borrower.leases).toEqual([]);
    expect(borrower.error).toMatchObject({ code: 'LEASE_REVOKED' });
  });

  it('errors the stream of acquire also for one who waited', () => {
    const { pool } = virtualPool({ max: 1 });
    const first = borrow(pool);
    const second = borrow(pool);
    pool.stats$.subscribe(({ type }) => {
      if (type === 'acquired') pool.close({ force: true }).catch(() => undefined);
    });
    first.leave();
    expect(second.leases).toEqual([]);
    expect(second.error).toMatchObject({ code: 'LEASE_REVOKED' });
  });

  it('errors the stream of use without running its project', () => {
    const { pool } = virtualPool();
    warm(pool, 1);
    pool.stats$.subscribe(({ type }) => {
      if (type === 'acquired') pool.close({ force: true }).catch(() => undefined);
    });
    const log: unknown[] = [];
    pool
      .use(() => log.push('ran'))
      .subscribe({
        error: (error: unknown) => log.push((error as { code: string }).code),
      });
    expect(log).toEqual(['LEASE_REVOKED']);
  });

  it('whoever leaves before it has its lease is told nothing', () => {
    const { pool } = virtualPool({ max: 1 });
    const first = borrow(pool);
    const told: unknown[] = [];
    const second = pool.acquire().subscribe({
      next: lease => told.push(lease),
      error: (error: unknown) => told.push(error),
      complete: () => told.push('completed'),
    });
    pool.stats$.subscribe(({ type }) => {
      if (type === 'acquired') second.unsubscribe();
    });
    first.leave();
    expect(told).toEqual([]);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
  });
});

describe('the books of leases', () => {
  it('the peak of leases stays when fewer are out later', () => {
    const { pool } = virtualPool();
    warm(pool, 3);
    borrow(pool);
    expect(pool.stats.peakLeased).toBe(3);
  });

  it('state$ shows no state twice in a row, whatever events change nothing', () => {
    const { pool, time, states, events } = virtualPool({ leakWarningMillis: 10 });
    const leases: Lease<Thing>[] = [borrow(pool).lease];
    const before = states.length;
    time.advance(10);
    expect(eventsOf(events, 'leaked')).toHaveLength(leases.length);
    expect(states).toHaveLength(before);
  });
});
