import { describe, expect, it } from 'vitest';
import { createPool, fairQueue, type AcquireOptions, type QueueOrder } from '../src/index.js';
import { borrow, virtualPool } from './virtual-pool.js';

/** One resource, lent; those who come wait. Returns the labels in the order in which they are served. */
function servedBy(
  queue: QueueOrder,
  requests: readonly (AcquireOptions & { readonly at?: number })[],
  releaseEvery: number,
): string[] {
  const { pool, time } = virtualPool({ max: 1, queue, idleTimeoutMillis: Infinity });
  const served: string[] = [];
  const holder = borrow(pool);
  requests.forEach(({ at = 0, ...options }) => {
    time.schedule(() => {
      pool.acquire(options).subscribe(lease => {
        served.push(options.label ?? '-');
        time.schedule(() => void lease.release(), releaseEvery);
      });
    }, at);
  });
  time.schedule(() => {
    holder.leave();
  }, releaseEvery);
  time.advance(100_000);
  return served;
}

describe('ageing priorities', () => {
  const lowAndManyHigh = [
    { label: 'low', priority: 3 },
    ...Array.from({ length: 20 }, (_, index) => ({ label: 'high', priority: 0, at: index * 10 })),
  ];

  it('without ageing a low one starves behind a stream of high ones', () => {
    const queue = fairQueue({ byLabel: false });
    expect(servedBy(queue, lowAndManyHigh, 10).indexOf('low')).toBe(20);
  });

  it('with ageing it rises by one for each such time, and then is the oldest of its rank', () => {
    const queue = fairQueue({ ageingMillis: 20, byLabel: false });
    // After 60 ms it stands where the high ones do, and has waited for longer.
    expect(servedBy(queue, lowAndManyHigh, 10).indexOf('low')).toBe(5);
  });
});

describe('a fair share for each label', () => {
  it('serves the label that holds the least, so one tenant cannot take the pool', () => {
    const { pool } = virtualPool({ max: 4, queue: fairQueue() });
    const greedy = Array.from({ length: 10 }, () => borrow(pool, { label: 'greedy' }));
    const modest = [borrow(pool, { label: 'modest' }), borrow(pool, { label: 'modest' })];
    greedy[0]?.leave();
    greedy[1]?.leave();
    expect(modest.map(({ leases }) => leases.length)).toEqual([1, 1]);
    greedy[2]?.leave();
    // Two each by now: the oldest goes first.
    expect(greedy.filter(({ leases }) => leases.length > 0)).toHaveLength(5);
    for (const borrower of [...greedy, ...modest]) borrower.leave();
  });

  it('keeps to first come, first served within a label, and to priorities between them', () => {
    const requests = [
      { label: 'a1', priority: 1 },
      { label: 'b', priority: 0 },
      { label: 'a2', priority: 1 },
      { label: 'b', priority: 0 },
    ];
    expect(servedBy(fairQueue(), requests, 5)).toEqual(['b', 'b', 'a1', 'a2']);
  });

  it('takes those without a label for one tenant', () => {
    const { pool } = virtualPool({ max: 2, queue: fairQueue() });
    const unnamed = [borrow(pool), borrow(pool), borrow(pool)];
    const named = borrow(pool, { label: 'named' });
    unnamed[0]?.leave();
    expect(named.leases).toHaveLength(1);
    expect(unnamed[2]?.leases).toHaveLength(0);
    for (const borrower of [...unnamed, named]) borrower.leave();
  });

  it('counts a lease until it ends, in whatever way', async () => {
    const { pool } = virtualPool({ max: 2, queue: fairQueue() });
    const first = borrow(pool, { label: 'a' });
    const second = borrow(pool, { label: 'a' });
    const waiters = [borrow(pool, { label: 'b' }), borrow(pool, { label: 'a' })];
    first.lease.detach();
    expect(waiters.map(({ leases }) => leases.length)).toEqual([1, 0]);
    await second.lease.destroy();
    expect(waiters.map(({ leases }) => leases.length)).toEqual([1, 1]);
    for (const waiter of waiters) waiter.leave();
  });

  it('forgets a lease when it has ended: who had much before has no less than the others now', () => {
    const { pool } = virtualPool({ max: 2, queue: fairQueue() });
    for (let round = 0; round < 5; round += 1) borrow(pool, { label: 'a' }).leave();
    const held = [borrow(pool, { label: 'b' }), borrow(pool, { label: 'c' })];
    const waiters = [borrow(pool, { label: 'b' }), borrow(pool, { label: 'a' })];
    held[1]?.leave();
    // One of b is out, none of a.
    expect(waiters.map(({ leases }) => leases.length)).toEqual([0, 1]);
    for (const each of [...held, ...waiters]) each.leave();
  });

  it('lets everybody leave, time out and be counted as in any queue', () => {
    const { pool, time } = virtualPool({ max: 1, queue: fairQueue({ ageingMillis: 10 }) });
    const holder = borrow(pool);
    const leaver = borrow(pool, { label: 'a' });
    const late = borrow(pool, { label: 'b', timeoutMillis: 5 });
    const last = borrow(pool, { label: 'c' });
    expect(pool.state.waiting).toBe(3);
    leaver.leave();
    time.advance(6);
    expect(late.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    expect(pool.state.waiting).toBe(1);
    holder.leave();
    expect(last.leases).toHaveLength(1);
    last.leave();
  });

  it('refuses senseless options, and a pool takes no other order', () => {
    expect(() => fairQueue({ ageingMillis: 0 })).toThrow('ageingMillis');
    expect(() => createPool({ create: () => ({}), queue: {} as QueueOrder })).toThrow('queue');
  });
});
