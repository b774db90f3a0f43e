import { beforeEach, describe, expect, it } from 'vitest';
import { createPool, InvalidOptionsError, type PoolOptions } from '../src/index.js';
import {
  checkAfterFreeze,
  processFreezes,
  type FreezeCheck,
  type ProcessFreeze,
  type ProcessFreezeOptions,
} from '../src/recovery/index.js';
import { VirtualClock } from './virtual-clock.js';

let clock: VirtualClock;

beforeEach(() => {
  clock = new VirtualClock();
});

function watch(options: ProcessFreezeOptions = {}) {
  const seen: ProcessFreeze[] = [];
  const subscription = processFreezes({ scheduler: clock.scheduler, ...options }).subscribe(
    freeze => seen.push(freeze),
  );
  return { seen, subscription };
}

describe('processFreezes', () => {
  it('tells of a gap in the clock, once, and how long it was', async () => {
    const { seen, subscription } = watch();
    await clock.pass(10_000);
    expect(seen).toEqual([]);
    await clock.pass(400);
    clock.freeze(60_000);
    await clock.pass(0);
    expect(seen).toEqual([{ at: 70_400, gapMillis: 60_400 }]);
    await clock.pass(10_000);
    expect(seen).toHaveLength(1);
    subscription.unsubscribe();
  });

  it('lets a look be late by as much as the tolerance', async () => {
    const { seen, subscription } = watch({ everyMillis: 100, toleranceMillis: 50 });
    clock.freeze(150);
    await clock.pass(0);
    expect(seen).toEqual([]);
    clock.freeze(151);
    await clock.pass(0);
    expect(seen).toMatchObject([{ gapMillis: 151 }]);
    subscription.unsubscribe();
  });

  it('takes a clock that is set back for no gap, and sees the next one', async () => {
    const { seen, subscription } = watch();
    await clock.pass(5_000);
    clock.setBack(3_600_000);
    await clock.pass(5_000);
    expect(seen).toEqual([]);
    clock.freeze(10_000);
    await clock.pass(0);
    expect(seen).toHaveLength(1);
    subscription.unsubscribe();
  });

  it('leaves no timer behind when it is unsubscribed, also inside its own value', async () => {
    const { subscription } = watch();
    expect(clock.scheduler.pending).toBe(1);
    subscription.unsubscribe();
    expect(clock.scheduler.pending).toBe(0);
    const inner = processFreezes({ scheduler: clock.scheduler }).subscribe(() => {
      inner.unsubscribe();
    });
    clock.freeze(60_000);
    await clock.pass(0);
    expect(clock.scheduler.pending).toBe(0);
  });

  it('refuses options that make no sense', () => {
    for (const options of [{ everyMillis: 0 }, { toleranceMillis: 0.5 }, { every: 1 }]) {
      expect(() => processFreezes(options as ProcessFreezeOptions)).toThrow(InvalidOptionsError);
    }
  });
});

/** A pool of numbers, some of which are dead without anybody having been told. */
function openPool(options: Partial<PoolOptions<number>> = {}) {
  const dead = new Set<number>();
  let made = 0;
  const pool = createPool<number>({
    create: () => (made += 1),
    validate: number => !dead.has(number),
    name: 'numbers',
    scheduler: clock.scheduler,
    idleTimeoutMillis: Infinity,
    ...options,
  });
  void pool.prefill(4);
  return { pool, dead };
}

describe('checkAfterFreeze', () => {
  it('validates what is idle after a freeze, and tells what it found', async () => {
    const { pool, dead } = openPool();
    const checks: FreezeCheck[] = [];
    checkAfterFreeze(pool, { scheduler: clock.scheduler }).subscribe(check => checks.push(check));
    await clock.pass(5_000);
    dead.add(1).add(3);
    await clock.pass(5_000);
    expect(pool.state.idle).toBe(4);
    clock.freeze(600_000);
    await clock.pass(0);
    expect(pool.state.idle).toBe(2);
    expect(checks).toMatchObject([
      { freeze: { gapMillis: 600_000 }, health: { status: 'degraded', invalid: 2 } },
    ]);
    void pool.close();
    await clock.pass(0);
  });

  it('retires the generation instead, where that is asked for', async () => {
    const { pool } = openPool({ validate: undefined });
    checkAfterFreeze(pool, { scheduler: clock.scheduler, response: 'recycle' }).subscribe();
    await clock.pass(10);
    const lease = pool.tryAcquire();
    clock.freeze(600_000);
    await clock.pass(0);
    expect(pool.stats.recycled).toBe(3);
    void lease?.release();
    await clock.pass(0);
    expect(pool.stats.recycled).toBe(4);
    void pool.close();
    await clock.pass(0);
  });

  it('completes with its pool, and leaves no timer', async () => {
    const { pool } = openPool();
    let completed = false;
    checkAfterFreeze(pool, { scheduler: clock.scheduler }).subscribe({
      complete: () => {
        completed = true;
      },
    });
    await clock.pass(100);
    void pool.close();
    await clock.pass(0);
    expect(completed).toBe(true);
    expect(clock.scheduler.pending).toBe(0);
  });

  it('refuses a response that it does not know', () => {
    const { pool } = openPool();
    const options = { response: 'ignore' as never };
    expect(() => checkAfterFreeze(pool, options)).toThrow(/"response" must be 'check' or/);
  });
});
