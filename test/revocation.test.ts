import { NEVER } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { createPool, LeaseRevokedError } from '../src/index.js';
import { borrow, eventsOf, typesOf, virtualPool } from './virtual-pool.js';

describe('a lease over its time, with a grace time', () => {
  const options = { max: 1, maxLeaseMillis: 100, revokeGraceMillis: 30 };

  it('is told by its signal first, and taken back when the grace time is over', () => {
    const { pool, time, events, ended } = virtualPool(options);
    const holder = borrow(pool, { label: 'slow' });
    const { lease } = holder;
    time.advanceTo(100);
    expect(lease.signal.aborted).toBe(true);
    expect(lease.signal.reason).toMatchObject({
      code: 'LEASE_REVOKED',
      message: expect.stringContaining('is taken back in 30 ms') as string,
    });
    expect(lease.released).toBe(false);
    expect(lease.resource.number).toBe(1);
    expect(eventsOf(events, 'revoking')).toMatchObject([
      { id: 1, label: 'slow', heldMillis: 100, graceMillis: 30 },
    ]);
    time.advanceTo(129);
    expect(lease.released).toBe(false);
    time.advanceTo(130);
    expect(lease.released).toBe(true);
    expect(holder.error).toBeInstanceOf(LeaseRevokedError);
    expect(ended).toEqual([{ number: 1, reason: 'revoked', at: 130 }]);
    expect(eventsOf(events, 'revoked')).toMatchObject([{ heldMillis: 130 }]);
  });

  it('ends as any other when its borrower gives it back in time', () => {
    const { pool, time, events, ended } = virtualPool(options);
    const holder = borrow(pool);
    const waiter = borrow(pool);
    holder.lease.signal.addEventListener('abort', () => void holder.lease.release());
    time.advanceTo(100);
    expect(holder.completed).toBe(true);
    expect(holder.error).toBeUndefined();
    expect(waiter.leases).toHaveLength(1);
    waiter.leave();
    time.advanceTo(500);
    expect(ended).toEqual([]);
    expect(typesOf(events)).not.toContain('revoked');
    expect(pool.stats.revoked).toBe(0);
  });

  it('is not renewed by touch once it was told, but any time before', () => {
    const { pool, time, events } = virtualPool(options);
    const holder = borrow(pool);
    time.advanceTo(90);
    holder.lease.touch();
    time.advanceTo(189);
    expect(eventsOf(events, 'revoking')).toEqual([]);
    time.advanceTo(190);
    expect(eventsOf(events, 'revoking')).toHaveLength(1);
    holder.lease.touch();
    time.advanceTo(220);
    expect(holder.error).toBeInstanceOf(LeaseRevokedError);
  });

  it('tells a use() the same way: the work may end by itself', () => {
    const { pool, time } = virtualPool(options);
    const outcomes: string[] = [];
    pool
      .use(
        (_thing, lease) =>
          new Promise<string>(resolve => {
            lease.signal.addEventListener('abort', () => {
              resolve('wound up');
            });
          }),
      )
      .subscribe(value => outcomes.push(value));
    pool.use(() => NEVER).subscribe({ error: () => outcomes.push('revoked') });
    time.advanceTo(100);
    return new Promise<void>(resolve => setImmediate(resolve)).then(() => {
      expect(outcomes).toEqual(['wound up']);
      time.advanceTo(1_000);
      expect(outcomes).toEqual(['wound up', 'revoked']);
    });
  });

  it('keeps its stack and its leak warning', () => {
    const { pool, time, events } = virtualPool({ ...options, leakWarningMillis: 50 });
    borrow(pool);
    time.advanceTo(500);
    expect(eventsOf(events, 'leaked')).toHaveLength(1);
    expect(eventsOf(events, 'revoking')[0]?.stack).toContain('revocation.test');
    expect(typesOf(events).filter(type => /leak|revo/.test(type))).toEqual([
      'leaked',
      'revoking',
      'revoked',
    ]);
  });

  it('has no grace time in a forced close, which is the end of all waiting', async () => {
    const { pool, events } = virtualPool(options);
    const holder = borrow(pool);
    await pool.close({ force: true });
    expect(holder.error).toBeInstanceOf(LeaseRevokedError);
    expect(eventsOf(events, 'revoking')).toEqual([]);
  });

  it('needs a finite grace time', () => {
    for (const revokeGraceMillis of [0, -1, 1.5, Infinity]) {
      expect(() => createPool({ create: () => ({}), revokeGraceMillis })).toThrow(
        'revokeGraceMillis',
      );
    }
  });
});
