import { describe, expect, it } from 'vitest';
import { from, mergeMap, timer } from 'rxjs';
import { eventsOf, watchedPool } from './watched-pool.js';

describe('a request inside a lease of the same pool', () => {
  it('is told once, with both places, when it is made in the work of use()', async () => {
    const watched = watchedPool({ nestedAcquireWarning: true, max: 3 });
    const { pool } = watched;
    async function theOuterOne(): Promise<void> {
      await new Promise<void>((resolve, reject) => {
        pool.use(theInnerOne, { label: 'outer' }).subscribe({ complete: resolve, error: reject });
      });
    }
    async function theInnerOne(): Promise<void> {
      await Promise.resolve();
      const lease = await pool.lease({ label: 'inner' });
      await lease.release();
    }
    await theOuterOne();
    await theOuterOne();
    const [warning, ...more] = eventsOf(watched, 'nestedAcquire');
    expect(warning).toMatchObject({
      requestId: 2,
      label: 'inner',
      heldRequestId: 1,
      heldLabel: 'outer',
    });
    expect(warning?.stack).toContain('theInnerOne');
    expect(warning?.heldStack).toContain('theOuterOne');
    expect(more).toEqual([]);
  });

  it('is told when it follows from an acquire() stream, also one that had to wait', async () => {
    const watched = watchedPool({ nestedAcquireWarning: true, max: 1 });
    const { pool } = watched;
    const first = await pool.lease();
    const inner: unknown[] = [];
    const stream = pool
      .acquire({ label: 'outer' })
      .pipe(mergeMap(() => timer(0).pipe(mergeMap(() => pool.acquire({ timeoutMillis: 5 })))))
      .subscribe({ error: (error: unknown) => inner.push(error) });
    await first.release();
    await new Promise<void>(resolve => {
      stream.add(resolve);
    });
    expect(inner).toMatchObject([{ code: 'ACQUIRE_TIMEOUT' }]);
    expect(eventsOf(watched, 'nestedAcquire')).toMatchObject([{ heldLabel: 'outer' }]);
  });

  it('is no nesting after the lease has ended, beside it, or in whose release another is served', async () => {
    const watched = watchedPool({ nestedAcquireWarning: true, max: 1 });
    const { pool } = watched;
    await new Promise<void>((resolve, reject) => {
      pool
        .use(async (_thing, lease) => {
          // Somebody else, who waits meanwhile and asks again when it is served.
          await lease.release();
          const after = await pool.lease();
          await after.release();
        })
        .subscribe({ complete: resolve, error: reject });
    });
    const holder = await pool.lease();
    const served: number[] = [];
    const waiting = from([1, 2])
      .pipe(mergeMap(number => pool.use(() => served.push(number))))
      .subscribe();
    await holder.release();
    expect(served).toEqual([1, 2]);
    expect(waiting.closed).toBe(true);
    expect(eventsOf(watched, 'nestedAcquire')).toEqual([]);
  });

  it('is none in the error handler of a request that fails in the turn of somebody who holds a lease', async () => {
    const watched = watchedPool({ nestedAcquireWarning: true, max: 1 });
    const { pool } = watched;
    const aborting = new AbortController();
    const again: Promise<unknown>[] = [];
    const ended = new Promise<void>((resolve, reject) => {
      pool
        .use(() => {
          aborting.abort();
        })
        .subscribe({ complete: resolve, error: reject });
    });
    pool.acquire({ signal: aborting.signal }).subscribe({
      error: () => again.push(pool.lease().then(lease => lease.release())),
    });
    await ended;
    await Promise.all(again);
    expect(eventsOf(watched, 'nestedAcquire')).toEqual([]);
  });

  it('is not looked for unless asked', async () => {
    const watched = watchedPool({ max: 2 });
    await new Promise<void>((resolve, reject) => {
      watched.pool
        .use(async () => {
          const lease = await watched.pool.lease();
          await lease.release();
        })
        .subscribe({ complete: resolve, error: reject });
    });
    expect(eventsOf(watched, 'nestedAcquire')).toEqual([]);
  });
});
