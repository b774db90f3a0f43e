import { describe, expect, it } from 'vitest';
import {
  freeSlots,
  liveSize,
  missingResources,
  unservedWaiters,
  type Counts,
} from '../src/internal/policy.js';
import { createPool } from '../src/index.js';
import { borrow, virtualPool, warm } from './virtual-pool.js';

const none: Counts = {
  min: 0,
  max: 100,
  size: 0,
  idle: 0,
  leased: 0,
  creating: 0,
  validating: 0,
  resetting: 0,
  destroying: 0,
  waiting: 0,
  asked: 0,
  checking: 0,
};

describe('what follows from the counts', () => {
  it('live are all resources but those under destroy', () => {
    const counts = { ...none, idle: 1, leased: 2, validating: 4, resetting: 8, destroying: 16 };
    expect(liveSize(counts)).toBe(15);
  });

  it('free are the slots that nothing holds and nobody asked for', () => {
    expect(freeSlots({ ...none, size: 10, creating: 20, asked: 5 })).toBe(65);
  });

  it('unserved are the waiters that nothing in flight is for', () => {
    expect(unservedWaiters({ ...none, waiting: 20, creating: 5, asked: 3, checking: 2 })).toBe(10);
  });

  it.each([
    { counts: { min: 5, idle: 1 }, minIdle: 0, asked: 0, missing: 4 },
    { counts: { min: 5, creating: 1 }, minIdle: 0, asked: 2, missing: 2 },
    { counts: { min: 5, max: 3, size: 0 }, minIdle: 0, asked: 0, missing: 3 },
    { counts: { leased: 5 }, minIdle: 2, asked: 0, missing: 2 },
    { counts: { idle: 1 }, minIdle: 3, asked: 0, missing: 2 },
    { counts: { creating: 3, waiting: 2 }, minIdle: 3, asked: 1, missing: 1 },
    { counts: { creating: 1, waiting: 5 }, minIdle: 3, asked: 0, missing: 3 },
    { counts: { idle: 5 }, minIdle: 0, asked: 0, missing: 0 },
    { counts: { min: 2, idle: 4 }, minIdle: 2, asked: 0, missing: -2 },
  ])('of $counts with minIdle $minIdle and $asked asked, $missing are missing', row => {
    expect(missingResources({ ...none, ...row.counts, asked: row.asked }, row.minIdle)).toBe(
      row.missing,
    );
  });
});

describe('what state$ shows to those who come late', () => {
  it('what nobody heard of is there for the next one who looks', () => {
    const pool = createPool<object>({ create: () => ({}) });
    const listening = pool.stats$.subscribe();
    pool.acquire().subscribe().unsubscribe();
    listening.unsubscribe();
    pool.acquire().subscribe();
    const seen: number[] = [];
    pool.state$.subscribe(({ leased }) => seen.push(leased)).unsubscribe();
    expect(seen).toEqual([1]);
  });

  it('no event is older than the one before it, also when a hook takes its time', () => {
    const { pool, time, events } = virtualPool({
      destroy: () => time.freezeUntil(time.now() + 10),
    });
    warm(pool, 3);
    void pool.recycle();
    const times = events.map(({ at }) => at);
    expect(times.at(-1)).toBe(30);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('inside a handler it is what was published last, and then the rest', () => {
    const { pool } = virtualPool();
    const borrower = borrow(pool);
    const seen: number[] = [];
    pool.stats$.subscribe(({ type }) => {
      if (type !== 'released' || seen.length > 0) return;
      pool.tryAcquire();
      pool.state$.subscribe(({ leased }) => seen.push(leased));
    });
    borrower.leave();
    expect(seen).toEqual([0, 1]);
  });
});
