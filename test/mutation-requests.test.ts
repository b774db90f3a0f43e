import { describe, expect, it } from 'vitest';
import type { Admission } from '../src/index.js';
import { borrow, eventsOf, virtualPool, warm } from './virtual-pool.js';

describe('a promised lease of what is idle', () => {
  it('is one lease, is told, and leaves the pool ready for the next', async () => {
    const { pool, events } = virtualPool({ max: 2 });
    warm(pool, 2);
    const lease = await pool.lease();
    expect(pool.state).toMatchObject({ leased: 1, idle: 1 });
    expect(eventsOf(events, 'acquired')).toHaveLength(3);
    await lease.release();
    expect(pool.state).toMatchObject({ leased: 0, idle: 2 });
    expect(eventsOf(events, 'released')).toHaveLength(3);
  });

  it('keeps the options that it was asked for with', async () => {
    const { pool, events } = virtualPool();
    warm(pool, 1);
    await pool.lease({ label: 'report' });
    expect(eventsOf(events, 'acquired').at(-1)).toMatchObject({ label: 'report' });
  });
});

describe('a nested request', () => {
  it('is told where neither it nor the lease around it has options', async () => {
    const { pool, events } = virtualPool({ nestedAcquireWarning: true });
    await new Promise<void>((resolve, reject) => {
      pool
        .use(async () => {
          const inner = await pool.lease();
          await inner.release();
        })
        .subscribe({ complete: resolve, error: reject });
    });
    expect(eventsOf(events, 'nestedAcquire')).toMatchObject([
      { requestId: 2, label: undefined, heldRequestId: 1, heldLabel: undefined },
    ]);
  });
});

describe('an admission policy', () => {
  it('is asked about whom nothing is left for, also while idle resources wait for a resume', () => {
    const asked: (string | undefined)[] = [];
    const admission: Admission = {
      admits: ({ label }) => {
        asked.push(label);
        return true;
      },
      serves: () => 'oldest',
    };
    const { pool } = virtualPool({ max: 1, admission });
    warm(pool, 1);
    pool.pause();
    borrow(pool, { label: 'first' });
    borrow(pool, { label: 'second' });
    expect(asked).toEqual(['second']);
  });

  it('that refuses has the refused told how long they waited, whenever they began', () => {
    const admission: Admission = {
      admits: () => true,
      serves: ({ requestedAt }) => (requestedAt > 0 ? 'refuse' : 'oldest'),
    };
    const { pool, time } = virtualPool({ max: 1, admission });
    const holder = borrow(pool);
    time.advance(10);
    const waiter = borrow(pool);
    time.advance(20);
    holder.leave();
    expect(waiter.error).toMatchObject({ code: 'OVERLOADED', waitedMillis: 20 });
  });

  it('that prefers the newest has nobody served whose time is up', () => {
    const admission: Admission = { admits: () => true, serves: () => 'newest' };
    const { pool, time } = virtualPool({ max: 1, admission });
    const holder = borrow(pool);
    const patient = borrow(pool, { timeoutMillis: 100 });
    const overdue = borrow(pool, { timeoutMillis: 30 });
    time.freezeUntil(31);
    holder.leave();
    expect(overdue.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    expect(overdue.leases).toEqual([]);
    expect(patient.leases).toHaveLength(1);
  });
});
