import { describe, expect, it } from 'vitest';
import { createPool } from '../src/index.js';
import { watchAwakeTimers } from './awake-timers.js';

describe('the process stays alive', () => {
  it('for somebody who waits, until they are served', async () => {
    const timers = watchAwakeTimers();
    const pool = createPool({ create: () => ({}), max: 1 });
    const holder = await pool.lease();
    expect(timers.isAwake).toBe(false);
    const waiting = pool.lease();
    expect(timers.isAwake).toBe(true);
    await holder.release();
    expect(timers.isAwake).toBe(false);
    await (await waiting).release();
    await pool.close();
  });

  it('for somebody who waits, until they leave', async () => {
    const timers = watchAwakeTimers();
    const pool = createPool({ create: () => ({}), max: 1 });
    const holder = await pool.lease();
    const waiting = pool.acquire().subscribe();
    expect(timers.isAwake).toBe(true);
    waiting.unsubscribe();
    expect(timers.isAwake).toBe(false);
    await holder.release();
    await pool.close();
  });

  it('for a close, until the last lease is back', async () => {
    const timers = watchAwakeTimers();
    const pool = createPool({ create: () => ({}) });
    const holder = await pool.lease();
    const closed = pool.close();
    expect(timers.isAwake).toBe(true);
    await holder.release();
    await closed;
    expect(timers.isAwake).toBe(false);
  });

  it('for a recycle all at once and one step by step together', async () => {
    const timers = watchAwakeTimers();
    const pool = createPool({ create: () => ({}) });
    const holder = await pool.lease();
    const recycled = Promise.all([pool.recycle(), pool.recycle({ maxUnavailable: 1 })]);
    expect(timers.isAwake).toBe(true);
    await holder.release();
    await recycled;
    expect(timers.isAwake).toBe(false);
    await pool.close();
  });
});
