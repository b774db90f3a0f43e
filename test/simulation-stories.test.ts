import { Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { createPool, type Pool } from '../src/index.js';
import { borrow, SteppedScheduler, virtualPool } from './virtual-pool.js';

/** What the simulation found, each with the seed that told it, as short as it can be told. */
describe('found by the simulation', () => {
  it('seed 81: what was spared for min, and busy when it might have gone, goes at its idle limit later', () => {
    const { pool, time, ended } = virtualPool({
      min: 1,
      max: 2,
      idleTimeoutMillis: 60,
      maxLifetimeMillis: 1000,
    });
    time.advanceTo(0);
    // Alone and idle: planned for its lifetime only. Then lent while another is made.
    const first = borrow(pool);
    const second = borrow(pool);
    first.leave();
    time.advanceTo(59);
    expect(ended).toHaveLength(0);
    time.advanceTo(60);
    expect(ended).toMatchObject([{ number: 1, reason: 'idle', at: 60 }]);
    second.leave();
  });

  it('seed 169: a waiter whose time is up ends before a younger one is served', () => {
    const { pool, time, events } = virtualPool({ max: 2 }, { create: 50 });
    const first = borrow(pool, { timeoutMillis: 10 });
    const second = borrow(pool);
    time.freezeUntil(200);
    time.advanceTo(200);
    expect(first.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    expect(second.leases).toHaveLength(1);
    const ends = events.flatMap(({ type }) =>
      type === 'timedOut' || type === 'acquired' ? [type] : [],
    );
    expect(ends).toStrictEqual(['timedOut', 'acquired']);
    second.leave();
  });

  it('seed 385: a create that closes the pool by force inside its own call leaves no time limit behind', async () => {
    const time = new SteppedScheduler();
    const pool: Pool<string> = createPool<string>({
      scheduler: time,
      create: () => {
        void pool.close({ force: true });
        return new Observable(() => undefined);
      },
    });
    borrow(pool);
    await pool.close();
    expect(pool.state.lifecycle).toBe('closed');
    expect(time.pending).toBe(0);
  });
});
