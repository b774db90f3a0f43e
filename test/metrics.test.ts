import fc from 'fast-check';
import { EMPTY, NEVER, Subject, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  AcquireTimeoutError,
  createPool,
  InvalidOptionsError,
  type PoolEvent,
  type PoolEventType,
} from '../src/index.js';
import {
  health$,
  Histogram,
  history,
  historyOf,
  HolderBook,
  longestHeld,
  summarize,
  type HealthReport,
  type Holder,
  type PoolSummary,
} from '../src/metrics/index.js';
import { countingListeners } from './counting-listeners.js';
import { borrow, eventsOf, typesOf, virtualPool } from './virtual-pool.js';

describe('Histogram', () => {
  it('gives percentiles within 1.6 % of the true ones, for any durations', () => {
    const millis = fc.oneof(
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 0, max: 100_000_000 }),
      fc.double({ min: 0, max: 1000, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(millis, { minLength: 1, maxLength: 500 }), values => {
        const histogram = new Histogram();
        for (const value of values) histogram.add(value);
        const sorted = values.toSorted((a, b) => a - b);
        for (const share of [0, 0.01, 0.5, 0.95, 0.99, 1]) {
          const exact = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
          const tolerance = Math.max(exact / 64, 1 / 16);
          expect(Math.abs(histogram.quantile(share) - exact)).toBeLessThanOrEqual(tolerance);
        }
        expect(histogram.max).toBe(sorted.at(-1));
        expect(histogram.count).toBe(values.length);
        expect(histogram.quantile(1)).toBeLessThanOrEqual(histogram.max);
      }),
    );
  });

  it('is exact for whole milliseconds up to 8, and for its maximum', () => {
    const histogram = new Histogram();
    for (let millis = 0; millis <= 8; millis += 1) histogram.add(millis);
    expect([0.1, 0.5, 0.9, 1].map(share => histogram.quantile(share))).toEqual([0, 4, 8, 8]);
  });

  it('answers 0 when it is empty, and is empty after clear', () => {
    const histogram = new Histogram();
    histogram.add(5000);
    histogram.clear();
    const { count, sum, mean, max } = histogram;
    expect({ count, sum, mean, max, p99: histogram.quantile(0.99) }).toEqual({
      count: 0,
      sum: 0,
      mean: 0,
      max: 0,
      p99: 0,
    });
  });

  it('counts what is negative as 0, and what is beyond its range in its last bucket', () => {
    const histogram = new Histogram();
    histogram.add(-1);
    histogram.add(1e12);
    expect(histogram.quantile(0.5)).toBe(0);
    expect(histogram.max).toBe(1e12);
    expect(histogram.quantile(1)).toBeGreaterThan(37 * 3600 * 1000);
  });
});

describe('summarize', () => {
  it('gives one record a window, the empty ones and the unfinished last one too', async () => {
    const { pool, time } = virtualPool({ idleTimeoutMillis: Infinity });
    const windows: PoolSummary[] = [];
    let completed = false;
    pool.stats$.pipe(summarize({ everyMillis: 100, scheduler: time })).subscribe({
      next: window => windows.push(window),
      complete: () => (completed = true),
    });
    time.advance(150);
    borrow(pool).leave();
    time.advance(110);
    await pool.close();
    expect(windows.map(({ from, to, counts }) => [from, to, counts.acquired])).toEqual([
      [0, 100, 0],
      [100, 200, 1],
      [200, 260, 0],
    ]);
    expect(windows.at(-1)?.state?.lifecycle).toBe('closed');
    expect(completed).toBe(true);
  });

  it('weighs utilisation by time, and tells rates by the second', () => {
    const { pool, time } = virtualPool({ max: 4, idleTimeoutMillis: Infinity });
    const windows: PoolSummary[] = [];
    pool.stats$
      .pipe(summarize({ everyMillis: 1000, scheduler: time }))
      .subscribe(window => windows.push(window));
    const first = borrow(pool);
    const second = borrow(pool);
    time.advance(500);
    first.leave();
    time.advance(250);
    second.leave();
    time.advance(300);
    const window = windows[0]!;
    expect(window.meanLeased).toBe((2 * 500 + 1 * 250) / 1000);
    expect(window.utilisation).toBe((2 * 500 + 1 * 250) / 4000);
    expect(window.peakLeased).toBe(2);
    expect(window.perSecond).toMatchObject({ acquired: 2, released: 2, created: 2, timedOut: 0 });
    expect(window.hold).toMatchObject({ count: 2, meanMillis: 625, maxMillis: 750 });
    expect(window.pool).toBe(pool.name);
  });

  it('measures waits from request to lease, with their percentiles and the peak of the queue', () => {
    const { pool, time } = virtualPool({ max: 1, idleTimeoutMillis: Infinity });
    const windows: PoolSummary[] = [];
    pool.stats$
      .pipe(summarize({ everyMillis: 10_000, scheduler: time }))
      .subscribe(window => windows.push(window));
    const borrowers = Array.from({ length: 5 }, () => borrow(pool));
    for (const borrower of borrowers) {
      time.advance(100);
      borrower.leave();
    }
    time.advance(10_000);
    expect(windows[0]!.peakWaiting).toBe(4);
    expect(windows[0]!.wait).toMatchObject({ count: 5, meanMillis: 200, maxMillis: 400 });
    expect(windows[0]!.wait.p50Millis).toBeCloseTo(200, -1);
    expect(windows[0]!.wait.p99Millis).toBe(400);
  });

  it('adds up, over all windows of a random run, to the totals that the pool keeps itself', async () => {
    const { pool, time, events } = virtualPool({ max: 3, acquireTimeoutMillis: 40 }, { create: 7 });
    const windows: PoolSummary[] = [];
    pool.stats$
      .pipe(summarize({ everyMillis: 33, scheduler: time }))
      .subscribe(window => windows.push(window));
    const random = fc.sample(fc.integer({ min: 0, max: 99 }), { numRuns: 400, seed: 7 });
    const borrowers: { leave: () => void }[] = [];
    for (const number of random) {
      if (number < 40) borrowers.push(borrow(pool));
      else if (number < 75) borrowers.splice(number % (borrowers.length || 1), 1)[0]?.leave();
      else time.advance(number - 70);
    }
    for (const borrower of borrowers) borrower.leave();
    await pool.close();
    const sum = (type: PoolEventType): number =>
      windows.reduce((total, { counts }) => total + counts[type], 0);
    const { stats } = pool;
    expect({
      created: sum('created'),
      acquired: sum('acquired'),
      released: sum('released'),
      timedOut: sum('timedOut'),
      cancelled: sum('cancelled'),
      destroyed: sum('destroyed'),
    }).toEqual({
      created: stats.created,
      acquired: stats.acquired,
      released: stats.released,
      timedOut: stats.timedOut,
      cancelled: stats.cancelled,
      destroyed: stats.destroyed,
    });
    expect(stats.timedOut).toBeGreaterThan(0);
    expect(windows.reduce((total, { wait }) => total + wait.count, 0)).toBe(stats.wait.count);
    expect(Math.max(...windows.map(({ peakWaiting }) => peakWaiting))).toBe(stats.peakWaiting);
    const all = windows.reduce(
      (total, { counts }) => total + Object.values(counts).reduce((a, b) => a + b, 0),
      0,
    );
    expect(all).toBe(events.length);
  });

  it('starts anew for each subscription, passes errors on and leaves no timer behind', () => {
    const { time } = virtualPool();
    const source = new Subject<PoolEvent>();
    const summaries = source.pipe(summarize({ scheduler: time }));
    const failures: unknown[] = [];
    const pendingBefore = time.pending;
    for (let times = 0; times < 1000; times += 1) {
      summaries.subscribe().unsubscribe();
      if (times % 2 === 0) summaries.subscribe({ error: (error: unknown) => failures.push(error) });
    }
    expect(source.observed).toBe(true);
    source.error('broken');
    expect(failures).toHaveLength(500);
    time.advance(2000);
    expect(time.pending).toBeLessThanOrEqual(pendingBefore);
  });

  it('completes when the stream has ended already', () => {
    let completed = 0;
    EMPTY.pipe(summarize()).subscribe({ complete: () => (completed += 1) });
    expect(completed).toBe(1);
  });

  it('refuses a window that has no length', () => {
    for (const everyMillis of [0, -1, NaN, Infinity]) {
      expect(() => summarize({ everyMillis })).toThrow(InvalidOptionsError);
      expect(() => summarize({ everyMillis })).toThrow('everyMillis');
    }
  });
});

describe('health$', () => {
  it('is ok at once, and saturated when somebody has waited for a second without a break', () => {
    const { pool, time } = virtualPool({ max: 1, idleTimeoutMillis: Infinity });
    const reports = reportsOf(health$(pool, { scheduler: time }));
    const holder = borrow(pool);
    time.advance(100);
    const waiter = borrow(pool);
    time.advance(999);
    expect(statuses(reports)).toEqual(['ok']);
    time.advance(1);
    expect(statuses(reports)).toEqual(['ok', 'saturated']);
    expect(reports[1]!.findings[0]!.reason).toBe(
      '1 request waiting, the queue never empty for 1.0 s: all 1 are leased',
    );
    holder.leave();
    expect(statuses(reports)).toEqual(['ok', 'saturated', 'ok']);
    waiter.leave();
  });

  it('says what keeps them waiting', () => {
    const { pool, time } = virtualPool(
      { max: 4, createConcurrency: 2, maxWaiting: 9, idleTimeoutMillis: Infinity },
      { create: 5000, validate: 3000 },
    );
    const reports = reportsOf(health$(pool, { scheduler: time }));
    const borrowers = Array.from({ length: 6 }, () => borrow(pool));
    time.advance(1000);
    expect(reports.at(-1)!.findings[0]!.reason).toBe(
      '6 requests waiting, the queue never empty for 1.0 s: of 4, 2 being created',
    );
    pool.pause();
    expect(reports.at(-1)!.findings).toEqual([
      { status: 'paused', reason: 'the pool is paused: 6 requests waiting' },
    ]);
    for (const borrower of borrowers) borrower.leave();
  });

  it('passes on that its pool has failed to speak', () => {
    const { pool } = virtualPool();
    const broken = Object.create(pool, {
      name: { value: 'broken' },
      state: { value: pool.state },
      stats$: { value: throwError(() => 'lost') },
    }) as typeof pool;
    const errors: unknown[] = [];
    health$(broken).subscribe({ error: (error: unknown) => errors.push(error) });
    expect(errors).toEqual(['lost']);
  });

  it('does not take short waits for saturation, however many there are', () => {
    const { pool, time } = virtualPool({ max: 1, idleTimeoutMillis: Infinity });
    const reports = reportsOf(health$(pool, { scheduler: time, saturatedAfterMillis: 50 }));
    for (let times = 0; times < 20; times += 1) {
      const holder = borrow(pool);
      const waiter = borrow(pool);
      time.advance(49);
      holder.leave();
      waiter.leave();
    }
    expect(statuses(reports)).toEqual(['ok']);
  });

  it('tells that creates fail from the second in a row on, until one succeeds', () => {
    let broken = true;
    const { pool, time } = virtualPool({
      create: () => {
        if (broken) throw new Error('refused');
        return { number: 1, ended: 0 };
      },
    });
    const reports = reportsOf(health$(pool, { scheduler: time }));
    borrow(pool);
    expect(statuses(reports)).toEqual(['ok']);
    borrow(pool);
    expect(statuses(reports)).toEqual(['ok', 'createFails']);
    expect(reports[1]!.findings[0]!.reason).toBe('the last 2 creates failed');
    expect(reports[1]!.createError).toMatchObject({ message: 'refused' });
    broken = false;
    borrow(pool).leave();
    expect(statuses(reports)).toEqual(['ok', 'createFails', 'ok']);
    expect(reports[2]!.createError).toBeUndefined();
  });

  it('tells of leaks until the leases come back, and of a pause', () => {
    const { pool, time } = virtualPool({ leakWarningMillis: 500, idleTimeoutMillis: Infinity });
    const reports = reportsOf(health$(pool, { scheduler: time }));
    const borrower = borrow(pool);
    time.advance(500);
    pool.pause();
    pool.resume();
    borrower.leave();
    expect(statuses(reports)).toEqual(['ok', 'leaking', 'leaking', 'leaking', 'ok']);
    expect(reports[2]!.findings.map(({ status }) => status)).toEqual(['leaking', 'paused']);
  });

  it('tells that the pool drains and is closed, then completes', async () => {
    const { pool, time } = virtualPool();
    let completed = false;
    const reports: HealthReport[] = [];
    health$(pool, { scheduler: time }).subscribe({
      next: report => reports.push(report),
      complete: () => (completed = true),
    });
    const borrower = borrow(pool);
    const closing = pool.close();
    expect(reports.at(-1)!.findings[0]!.reason).toBe('the pool is closing: 1 lease still out');
    borrower.leave();
    await closing;
    expect(statuses(reports)).toEqual(['ok', 'draining', 'closed']);
    expect(completed).toBe(true);
  });

  it('knows at its start who waits already', () => {
    const { pool, time } = virtualPool({ max: 1, idleTimeoutMillis: Infinity });
    borrow(pool);
    borrow(pool);
    const reports = reportsOf(health$(pool, { scheduler: time, saturatedAfterMillis: 10 }));
    time.advance(10);
    expect(statuses(reports)).toEqual(['ok', 'saturated']);
  });

  it('leaves nothing behind after a thousand subscriptions', () => {
    const { pool, time } = virtualPool({ max: 1, idleTimeoutMillis: Infinity });
    borrow(pool);
    const waiter = borrow(pool, { timeoutMillis: Infinity });
    const pending = time.pending;
    for (let times = 0; times < 1000; times += 1) {
      health$(pool, { scheduler: time }).subscribe().unsubscribe();
    }
    expect(time.pending).toBe(pending);
    waiter.leave();
  });

  it('refuses senseless thresholds by name', () => {
    const { pool } = virtualPool();
    expect(() => health$(pool, { saturatedAfterMillis: 0 })).toThrow('saturatedAfterMillis');
    expect(() => health$(pool, { createFailures: 0.5 })).toThrow('createFailures');
    expect(() => health$(pool, { leaks: -1 })).toThrow(InvalidOptionsError);
  });
});

describe('history', () => {
  it('attaches the last events to a timeout error before the caller hears of it', () => {
    const { pool, time } = virtualPool({ max: 1, idleTimeoutMillis: Infinity });
    history(pool, 4);
    const holder = borrow(pool);
    let heard: readonly PoolEvent[] | undefined;
    pool.acquire({ timeoutMillis: 20 }).subscribe({
      error: (error: unknown) => {
        heard = historyOf(error);
      },
    });
    time.advance(20);
    expect(typesOf(heard!)).toEqual(['created', 'acquired', 'requested', 'timedOut']);
    expect(heard!.at(-1)).toMatchObject({
      error: expect.stringContaining('no lease within 20 ms'),
    });
    holder.leave();
  });

  it('does not show the history to who prints the whole error', () => {
    const { pool, time } = virtualPool({ max: 1, idleTimeoutMillis: Infinity });
    history(pool);
    borrow(pool);
    const late = borrow(pool, { timeoutMillis: 5 });
    time.advance(5);
    expect(late.error).toBeInstanceOf(AcquireTimeoutError);
    expect(historyOf(late.error)).not.toHaveLength(0);
    expect(JSON.stringify(late.error)).not.toContain('requested');
  });

  it('keeps no more than it was asked for, and no chain of errors', () => {
    const { pool, time } = virtualPool({ max: 1, idleTimeoutMillis: Infinity });
    const recording = history(pool, 3);
    borrow(pool);
    for (let times = 0; times < 5; times += 1) {
      borrow(pool, { timeoutMillis: 1 });
      time.advance(1);
    }
    expect(typesOf(recording.events)).toEqual(['timedOut', 'requested', 'timedOut']);
    for (const { error } of eventsOf(recording.events, 'timedOut')) {
      expect(typeof error).toBe('string');
    }
  });

  it('ends with unsubscribe or dispose: later errors have none', () => {
    const { pool, time } = virtualPool({ max: 1, idleTimeoutMillis: Infinity });
    const recording = history(pool);
    borrow(pool);
    recording.unsubscribe();
    recording[Symbol.dispose]();
    const late = borrow(pool, { timeoutMillis: 1 });
    time.advance(1);
    expect(historyOf(late.error)).toBeUndefined();
    expect(historyOf('something else')).toBeUndefined();
    expect(recording.events).not.toHaveLength(0);
  });

  it('refuses a length that is none', () => {
    const { pool } = virtualPool();
    expect(() => history(pool, 0)).toThrow(InvalidOptionsError);
  });
});

describe('longestHeld', () => {
  it('tells who has held a resource for longest, with the label and the caller', () => {
    const { pool, time } = virtualPool({ max: 3, idleTimeoutMillis: Infinity });
    const shown: (readonly Holder[])[] = [];
    pool.stats$
      .pipe(longestHeld({ count: 2, everyMillis: 100, sampleStacks: 1, scheduler: time }))
      .subscribe(holders => shown.push(holders));
    const report = (): ReturnType<typeof borrow> => borrow(pool, { label: 'report' });
    const first = report();
    time.advance(10);
    borrow(pool, { label: 'checkout' });
    borrow(pool);
    time.advance(90);
    expect(shown[0]).toMatchObject([
      { id: 1, label: 'report', since: 0 },
      { id: 2, label: 'checkout', since: 10 },
    ]);
    expect(shown[0]![0]!.stack).toContain('at report');
    expect(shown[0]![0]!.stack).not.toContain('node_modules/rxjs');
    first.leave();
    time.advance(100);
    expect(shown[1]!.map(({ label }) => label)).toEqual(['checkout', undefined]);
  });

  it('keeps the caller of a request that had to wait, not of whoever gave back', () => {
    const { pool } = virtualPool({ max: 1 });
    const book = new HolderBook(1);
    pool.stats$.subscribe(event => book.add(event));
    const holder = borrow(pool);
    function patient(): void {
      borrow(pool);
    }
    patient();
    expect(book.waiters(10)).toMatchObject([{ requestId: 2 }]);
    function giver(): void {
      holder.leave();
    }
    giver();
    expect(book.waiting).toBe(0);
    const { stack } = book.longest(1)[0]!;
    expect(stack).toContain('patient');
    expect(stack).not.toContain('giver');
  });

  it('samples the share that it was asked for', () => {
    const { pool } = virtualPool({ max: 100 });
    const book = new HolderBook(0.25);
    pool.stats$.subscribe(event => book.add(event));
    for (let times = 0; times < 100; times += 1) borrow(pool);
    expect(book.longest(100).filter(({ stack }) => stack !== undefined)).toHaveLength(25);
  });

  it('takes the stack of a leaked lease where none was sampled', () => {
    const { pool, time } = virtualPool({ leakWarningMillis: 5, idleTimeoutMillis: Infinity });
    const book = new HolderBook();
    pool.stats$.subscribe(event => book.add(event));
    borrow(pool);
    expect(book.longest(1)[0]!.stack).toBeUndefined();
    time.advance(5);
    expect(book.longest(1)[0]!.stack).toContain('metrics.test');
  });

  it('forgets every request and lease that ended, however it did', async () => {
    const { pool, time } = virtualPool({ max: 1, maxLeaseMillis: 50 });
    const book = new HolderBook(1);
    pool.stats$.subscribe(event => book.add(event));
    borrow(pool);
    borrow(pool).leave();
    borrow(pool, { timeoutMillis: 10 });
    time.advance(60);
    const closing = pool.close();
    borrow(pool);
    time.advance(60_000);
    await closing;
    expect([book.longest(9), book.waiters(9)]).toEqual([[], []]);
  });

  it('passes completion and errors on, and refuses senseless options', () => {
    const outcomes: string[] = [];
    const outcome = { complete: () => outcomes.push('end'), error: () => outcomes.push('error') };
    EMPTY.pipe(longestHeld()).subscribe(outcome);
    const source = new Subject<PoolEvent>();
    source.pipe(longestHeld()).subscribe(outcome);
    source.error('broken');
    NEVER.pipe(longestHeld()).subscribe(outcome).unsubscribe();
    expect(outcomes).toEqual(['end', 'error']);
    expect(() => longestHeld({ count: 0 })).toThrow('count');
    expect(() => longestHeld({ everyMillis: -1 })).toThrow('everyMillis');
    expect(() => longestHeld({ sampleStacks: 2 })).toThrow('sampleStacks');
  });
});

describe('metrics', () => {
  it('hear nothing of a pool any more after a thousand subscriptions have come and gone', () => {
    const pool = createPool({ create: () => ({}) });
    const watched = countingListeners(pool);
    for (let times = 0; times < 1000; times += 1) {
      const subscriptions = [
        watched.pool.stats$.pipe(summarize()).subscribe(),
        watched.pool.stats$.pipe(longestHeld()).subscribe(),
        health$(watched.pool).subscribe(),
        history(watched.pool, 5),
      ];
      expect(watched.listeners()).toBe(4);
      for (const subscription of subscriptions) subscription.unsubscribe();
    }
    expect(watched.listeners()).toBe(0);
  });
});

function reportsOf(source: ReturnType<typeof health$>): HealthReport[] {
  const reports: HealthReport[] = [];
  source.subscribe(report => reports.push(report));
  return reports;
}

function statuses(reports: readonly HealthReport[]): string[] {
  return reports.map(({ status }) => status);
}
