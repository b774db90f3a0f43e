import { config, Observable } from 'rxjs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { currentContext } from '../src/internal/context.js';
import { isThenable } from '../src/internal/thenable.js';
import { Durations } from '../src/internal/totals.js';
import { borrow, eventsOf, microtasks, outcomeOf, virtualPool, warm } from './virtual-pool.js';

describe('small parts', () => {
  it('durations have a mean of 0 before the first one', () => {
    const durations = new Durations();
    expect(durations.snapshot(0)).toEqual({ count: 0, meanMillis: 0, maxMillis: 0 });
    for (const millis of [4, 2, 6]) durations.add(millis);
    expect(durations.snapshot(3)).toEqual({ count: 3, meanMillis: 4, maxMillis: 6 });
  });

  it('whatever has a then is a thenable, functions too', () => {
    const then = (): void => undefined;
    const callable = Object.assign(() => undefined, { then });
    expect([callable, { then }, Promise.resolve()].map(isThenable)).toEqual([true, true, true]);
    expect([null, undefined, 'then', 7, {}, { then: true }, then].some(isThenable)).toBe(false);
  });

  it.each([
    { name: 'no process', process: undefined },
    { name: 'a process without modules', process: {} },
    { name: 'no async hooks', process: { getBuiltinModule: () => undefined } },
    { name: 'no snapshots', process: { getBuiltinModule: () => ({ AsyncLocalStorage: {} }) } },
  ])('work just runs where there is $name', ({ process }) => {
    vi.stubGlobal('process', process);
    try {
      expect(currentContext()(() => 'done')).toBe('done');
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('the record of a resource has a last error only after one', () => {
    const { pool } = virtualPool();
    warm(pool, 1);
    expect(Object.keys(pool.resources()[0] ?? {})).not.toContain('lastError');
  });

  it('a prefill of a paused pool waits for the resume', async () => {
    const { pool } = virtualPool();
    pool.pause();
    const filled = outcomeOf(pool.prefill(2));
    await microtasks();
    expect(filled.settled).toBe(false);
    pool.resume();
    await microtasks();
    expect(filled.value).toBe(2);
  });

  it('a hook whose teardown throws when it takes too long is one failure, and is reported', async () => {
    const failure = new Error('cannot stop');
    const { onUnhandledError } = config;
    onTestFinished(() => {
      config.onUnhandledError = onUnhandledError;
    });
    const reported = new Promise(resolve => {
      config.onUnhandledError = resolve;
    });
    const { pool, time, events } = virtualPool({
      validateTimeoutMillis: 10,
      validate: () =>
        new Observable<boolean>(() => () => {
          throw failure;
        }),
    });
    warm(pool, 1);
    const borrower = borrow(pool);
    time.advance(10);
    expect(await reported).toMatchObject({ errors: [failure] });
    expect(eventsOf(events, 'validateFailed')).toHaveLength(1);
    expect(borrower.lease.resource.number).toBe(2);
  });
});
