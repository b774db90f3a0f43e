import { EMPTY, map, NEVER, Observable, of, Subject, throwError, VirtualTimeScheduler } from 'rxjs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  createPool,
  HookTimeoutError,
  LeaseReleasedError,
  LeaseRevokedError,
} from '../src/index.js';
import { marbles } from './marbles.js';
import {
  borrow,
  eventsOf,
  microtasks,
  outcomeOf,
  record,
  SteppedScheduler,
  type Thing,
  typesOf,
  virtualPool,
  warm,
} from './virtual-pool.js';

const LONGEST_DELAY_MILLIS = 2 ** 31 - 1;
const DAY_MILLIS = 24 * 60 * 60 * 1000;

describe('the idle limit', () => {
  it('EX-01: destroys a resource exactly when it has been idle for the limit, and makes the next anew', () => {
    const { pool, time, events, ended, made } = virtualPool({ idleTimeoutMillis: 100 });
    const borrower = borrow(pool);
    time.advanceTo(7);
    borrower.leave();

    time.advanceTo(106);
    expect(pool.state).toMatchObject({ size: 1, idle: 1 });
    time.advanceTo(107);
    expect(ended).toStrictEqual([{ number: 1, reason: 'idle', at: 107 }]);
    expect(pool.state.size).toBe(0);
    expect(typesOf(events).slice(-3)).toStrictEqual(['evicted', 'destroying', 'destroyed']);
    expect(eventsOf(events, 'destroyed')).toMatchObject([{ reason: 'idle', at: 107 }]);
    expect(pool.stats.pruned).toBe(1);

    expect(borrow(pool).lease.resource.number).toBe(2);
    expect(made).toHaveLength(2);
  });

  it(
    'EX-01: the life of an idle resource reads as one marble diagram',
    marbles(m => {
      const pool = createPool({ create: () => 'thing', idleTimeoutMillis: 100 });
      const subscription = pool.acquire().subscribe();
      m.scheduler.schedule(() => subscription.unsubscribe(), 7);
      const counts = pool.state$.pipe(
        map(({ size, idle, leased }) => `${size} = ${idle} + ${leased}`),
      );
      // At 107 it is under destroy first, then gone.
      m.expect(counts).toBeObservable('l 6ms i 99ms (dg)', {
        l: '1 = 0 + 1',
        i: '1 = 1 + 0',
        d: '1 = 0 + 0',
        g: '0 = 0 + 0',
      });
    }),
  );

  it('EX-02: counts from the last return, and never touches a lease however long it is held', () => {
    const { pool, time, ended } = virtualPool({ idleTimeoutMillis: 100 });
    borrow(pool).leave();
    time.advanceTo(60);
    const second = borrow(pool);
    time.advanceTo(70);
    second.leave();
    time.advanceTo(100);
    expect(ended).toStrictEqual([]);
    time.advanceTo(169);
    expect(ended).toStrictEqual([]);
    time.advanceTo(170);
    expect(ended).toStrictEqual([{ number: 1, reason: 'idle', at: 170 }]);

    const holder = borrow(pool);
    time.advance(1000);
    expect(holder.lease.released).toBe(false);
    expect(ended).toHaveLength(1);
    holder.leave();
    time.advance(99);
    expect(ended).toHaveLength(1);
    time.advance(1);
    expect(ended[1]).toStrictEqual({ number: 2, reason: 'idle', at: 1270 });
  });

  it('EX-08: Infinity arms no timer and destroys nothing in a year', () => {
    const { pool, time, ended } = virtualPool({
      idleTimeoutMillis: Infinity,
      maxLifetimeMillis: undefined,
      acquireTimeoutMillis: Infinity,
    });
    warm(pool, 3);
    time.advanceTo(0);
    expect(time.pending).toBe(0);
    time.advanceTo(365 * DAY_MILLIS);
    expect(ended).toStrictEqual([]);
    expect(pool.state.idle).toBe(3);
  });

  // The case lets `undefined` mean "no limit"; with us it is an option that was not given, so its default stands.
  it('EX-08: undefined means the default of 30,000 for the idle limit and none for the lifetime', () => {
    const { pool, time, ended } = virtualPool({
      idleTimeoutMillis: undefined,
      maxLifetimeMillis: undefined,
    });
    borrow(pool).leave();
    time.advanceTo(29_999);
    expect(ended).toStrictEqual([]);
    time.advanceTo(30_000);
    expect(ended).toStrictEqual([{ number: 1, reason: 'idle', at: 30_000 }]);
  });

  it('EX-08: limits are milliseconds, neither seconds nor anything smaller', () => {
    const { pool, time, ended } = virtualPool({
      idleTimeoutMillis: Infinity,
      maxLifetimeMillis: 1500,
    });
    borrow(pool).leave();
    time.advanceTo(1499);
    expect(ended).toStrictEqual([]);
    time.advanceTo(1500);
    expect(ended).toStrictEqual([{ number: 1, reason: 'lifetime', at: 1500 }]);
  });

  it('EX-12: everything due at one frame goes in that frame, oldest first, and nothing else does', () => {
    const { pool, time, ended } = virtualPool({ idleTimeoutMillis: 100 });
    warm(pool, 5);
    time.advanceTo(50);
    const late = [borrow(pool), borrow(pool)];
    time.advanceTo(60);
    for (const borrower of late) borrower.leave();

    time.advanceTo(100);
    expect(ended).toStrictEqual([1, 2, 3].map(number => ({ number, reason: 'idle', at: 100 })));
    expect(pool.state.idle).toBe(2);
    time.advanceTo(159);
    expect(ended).toHaveLength(3);
    time.advanceTo(160);
    expect(ended.slice(3).map(({ number, at }) => [number, at])).toStrictEqual([
      [4, 160],
      [5, 160],
    ]);
  });

  it('EX-12: five that are due together all go, and none is skipped for the removal of its neighbour', () => {
    const { pool, time, ended } = virtualPool({ idleTimeoutMillis: 100 });
    warm(pool, 5);
    time.advanceTo(100);
    expect(ended.map(({ number }) => number)).toStrictEqual([1, 2, 3, 4, 5]);
    expect(pool.state.size).toBe(0);
  });

  it('never goes below min, and churns nothing there', () => {
    const { pool, time, ended, made } = virtualPool({ min: 2, max: 5, idleTimeoutMillis: 100 });
    time.advanceTo(0);
    warm(pool, 5);
    time.advanceTo(10_000);
    expect(ended).toHaveLength(3);
    expect(made).toHaveLength(5);
    expect(pool.state).toMatchObject({ size: 2, idle: 2 });
  });

  it('looks at what stays for min again when there is more than min', () => {
    const { pool, time, ended } = virtualPool({ min: 1, max: 3, idleTimeoutMillis: 100 });
    time.advanceTo(0);
    time.advanceTo(500);
    const first = borrow(pool);
    const second = borrow(pool);
    first.leave();
    second.leave();
    time.advanceTo(599);
    expect(pool.state.size).toBe(2);
    time.advanceTo(600);
    expect(pool.state.size).toBe(1);
    expect(ended).toHaveLength(1);
  });

  it('is looked at on acquire too, so that a process that stood still lends nothing stale', () => {
    const { pool, time, ended } = virtualPool({ idleTimeoutMillis: 100 });
    borrow(pool).leave();
    time.advanceTo(1);
    time.freezeUntil(5000);
    expect(borrow(pool).lease.resource.number).toBe(2);
    expect(ended).toStrictEqual([{ number: 1, reason: 'idle', at: 5000 }]);
  });
});

describe('the lifetime', () => {
  it('EX-04: ends an idle resource at min and replaces it, whose life begins at its own creation', () => {
    const { pool, time, ended, made } = virtualPool(
      { min: 1, max: 1, maxLifetimeMillis: 1000, idleTimeoutMillis: Infinity },
      { create: 50 },
    );
    time.advanceTo(50);
    expect(pool.state.idle).toBe(1);
    time.advanceTo(1049);
    expect(ended).toStrictEqual([]);
    time.advanceTo(1050);
    expect(ended).toStrictEqual([{ number: 1, reason: 'lifetime', at: 1050 }]);
    expect(made).toHaveLength(2);
    time.advanceTo(1100);
    expect(pool.state.idle).toBe(1);
    time.advanceTo(2099);
    expect(ended).toHaveLength(1);
    time.advanceTo(2100);
    expect(ended[1]).toStrictEqual({ number: 2, reason: 'lifetime', at: 2100 });
    expect(pool.stats.expired).toBe(2);
  });

  it('EX-05: leaves a lease alone and ends the resource on return, without a reset and without idling', () => {
    const { pool, time, states, ended, resets, events } = virtualPool(
      { maxLifetimeMillis: 1000, idleTimeoutMillis: Infinity },
      { reset: 0 },
    );
    borrow(pool).leave();
    time.advanceTo(900);
    const holder = borrow(pool);
    const before = states.length;
    time.advanceTo(1500);
    expect(holder.lease.released).toBe(false);
    expect(holder.lease.info.stale).toBe(true);
    holder.leave();
    expect(ended).toStrictEqual([{ number: 1, reason: 'lifetime', at: 1500 }]);
    expect(resets).toStrictEqual([1]);
    expect(states.slice(before).every(({ idle }) => idle === 0)).toBe(true);
    expect(eventsOf(events, 'evicted')).toMatchObject([{ reason: 'lifetime', at: 1500 }]);
  });

  it('EX-07: a resource that outlived it with its borrower is not handed to a waiter', () => {
    const { pool, time, ended } = virtualPool({ max: 1, maxLifetimeMillis: 1000 });
    const holder = borrow(pool);
    time.advanceTo(990);
    const waiter = borrow(pool);
    time.advanceTo(1200);
    expect(waiter.waits).toBe(true);
    holder.leave();
    expect(ended).toStrictEqual([{ number: 1, reason: 'lifetime', at: 1200 }]);
    expect(waiter.lease.resource.number).toBe(2);
    expect(pool.state).toMatchObject({ size: 1, leased: 1, waiting: 0 });
  });

  it('is looked at on acquire too, so that a process that stood still lends nothing dead', () => {
    const { pool, time } = virtualPool({ maxLifetimeMillis: 1000, idleTimeoutMillis: Infinity });
    borrow(pool).leave();
    time.advanceTo(1);
    time.freezeUntil(1000);
    expect(pool.tryAcquire()).toBeUndefined();
    expect(borrow(pool).lease.resource.number).toBe(2);
  });

  it('is looked at after a reset that ran past it', () => {
    const { pool, time, ended } = virtualPool(
      { maxLifetimeMillis: 100, idleTimeoutMillis: Infinity },
      { reset: 50 },
    );
    const holder = borrow(pool);
    time.advanceTo(80);
    holder.leave();
    time.advanceTo(130);
    expect(ended).toStrictEqual([{ number: 1, reason: 'lifetime', at: 130 }]);
  });

  it('EX-16: twenty that end on one frame are replaced up to what min and the waiters need', () => {
    const { pool, time, made, ended, states } = virtualPool(
      { min: 3, max: 20, maxLifetimeMillis: 1000, idleTimeoutMillis: Infinity },
      { create: 10 },
    );
    const borrowers = Array.from({ length: 20 }, () => borrow(pool));
    time.advanceTo(10);
    for (const borrower of borrowers) borrower.leave();
    expect(pool.state.idle).toBe(20);
    time.advanceTo(1009);
    expect(made).toHaveLength(20);
    time.advanceTo(1010);
    expect(ended).toHaveLength(20);
    const waiters = [borrow(pool), borrow(pool)];
    time.advanceTo(1020);
    expect(waiters.every(waiter => waiter.leases.length === 1)).toBe(true);
    expect(made.length - 20).toBeLessThanOrEqual(3 + 2);
    expect(states.every(({ size, creating, max }) => size + creating <= max)).toBe(true);
  });

  it('EX-16: the jitter shortens each life by at most its share, and lives end apart', () => {
    const { pool, time, ended } = virtualPool({
      max: 20,
      maxLifetimeMillis: 1000,
      lifetimeJitter: 0.2,
      idleTimeoutMillis: Infinity,
    });
    warm(pool, 20);
    time.advanceTo(799);
    expect(ended).toStrictEqual([]);
    time.advanceTo(1000);
    expect(ended).toHaveLength(20);
    expect(new Set(ended.map(({ at }) => at)).size).toBeGreaterThan(5);
  });

  it('EX-16: the jitter is drawn once, at birth', () => {
    const random = vi.spyOn(Math, 'random').mockReturnValue(0.5);
    onTestFinished(() => {
      random.mockRestore();
    });
    const { pool, time, ended } = virtualPool({
      maxLifetimeMillis: 1000,
      lifetimeJitter: 0.2,
      idleTimeoutMillis: Infinity,
    });
    borrow(pool).leave();
    random.mockReturnValue(0);
    time.advanceTo(500);
    borrow(pool).leave();
    random.mockReturnValue(0.999);
    time.advanceTo(899);
    borrow(pool).leave();
    expect(ended).toStrictEqual([]);
    time.advanceTo(900);
    expect(ended).toStrictEqual([{ number: 1, reason: 'lifetime', at: 900 }]);
    expect(random).toHaveBeenCalledTimes(1);
  });

  it('maxUses retires a resource on the return of its last lease', () => {
    const { pool, ended, events, resets } = virtualPool({ maxUses: 2 }, { reset: 0 });
    borrow(pool).leave();
    expect(ended).toStrictEqual([]);
    const last = borrow(pool);
    expect(last.lease.info).toMatchObject({ uses: 2, stale: true });
    last.leave();
    expect(ended).toStrictEqual([{ number: 1, reason: 'maxUses', at: 0 }]);
    expect(resets).toStrictEqual([1]);
    expect(eventsOf(events, 'evicted')).toMatchObject([{ reason: 'maxUses' }]);
  });
});

describe('the clock and its one timer', () => {
  it('EX-09: delays beyond 2^31 ms neither overflow nor fire early on asyncScheduler', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
    const delays: number[] = [];
    const faked = globalThis.setInterval;
    // No spy: it would give the faked one back at some later time.
    globalThis.setInterval = (work: () => void, delay?: number) => {
      delays.push(delay ?? 0);
      return faked(work, delay);
    };
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => {
      warnings.push(warning);
    };
    process.on('warning', onWarning);
    onTestFinished(() => {
      globalThis.setInterval = faked;
      vi.useRealTimers();
      process.off('warning', onWarning);
    });

    const ended: string[] = [];
    const pool = createPool({
      create: () => ({ name: 'thing' }),
      destroy: (_, reason) => {
        ended.push(reason);
      },
      max: 1,
      maxLifetimeMillis: 30 * DAY_MILLIS,
      lifetimeJitter: 0,
      idleTimeoutMillis: 60 * DAY_MILLIS,
      acquireTimeoutMillis: 2 ** 31,
    });
    borrow(pool).leave();
    vi.advanceTimersByTime(1000);
    expect(ended).toStrictEqual([]);
    vi.advanceTimersByTime(30 * DAY_MILLIS - 1001);
    expect(ended).toStrictEqual([]);
    vi.advanceTimersByTime(1);
    expect(ended).toStrictEqual(['lifetime']);

    const holder = borrow(pool);
    const waiter = borrow(pool);
    vi.advanceTimersByTime(2 ** 31 - 1);
    expect(waiter.waits).toBe(true);
    vi.advanceTimersByTime(1);
    expect(waiter.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT', waitedMillis: 2 ** 31 });
    holder.leave();
    expect(delays.length).toBeGreaterThan(0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(LONGEST_DELAY_MILLIS);
    await microtasks();
    expect(warnings).toStrictEqual([]);
    await pool.close();
  });

  it('EX-09: on virtual time a limit of 60 days ends at its frame, in hops that no timer overflows', () => {
    const time = new SteppedScheduler();
    const schedule = vi.spyOn(time, 'schedule');
    const { pool, ended } = virtualPool({ scheduler: time, idleTimeoutMillis: 60 * DAY_MILLIS });
    borrow(pool).leave();
    time.advanceTo(60 * DAY_MILLIS - 1);
    expect(ended).toStrictEqual([]);
    time.advanceTo(60 * DAY_MILLIS);
    expect(ended).toStrictEqual([{ number: 1, reason: 'idle', at: 60 * DAY_MILLIS }]);
    const delays = schedule.mock.calls.map(([, delay]) => delay ?? 0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(LONGEST_DELAY_MILLIS);
  });

  it.each([0, 1e12])(
    'EX-10: every deadline follows a scheduler whose clock starts at %i, and no other clock is read',
    startAt => {
      const spies = [
        vi.spyOn(Date, 'now'),
        vi.spyOn(performance, 'now'),
        vi.spyOn(globalThis, 'setTimeout'),
        vi.spyOn(globalThis, 'setInterval'),
        vi.spyOn(globalThis, 'setImmediate'),
      ];
      const time = new SteppedScheduler(startAt);
      const { pool, ended, events } = virtualPool(
        {
          scheduler: time,
          max: 1,
          acquireTimeoutMillis: 100,
          idleTimeoutMillis: 200,
          maxLifetimeMillis: 10_000,
          leakWarningMillis: 50,
          maxLeaseMillis: 5000,
        },
        { create: 10, reset: 5, validate: 5, destroy: 5 },
      );
      const errors: unknown[] = [];
      const holder = pool.acquire().subscribe();
      time.advance(10);
      pool.acquire().subscribe({ error: (error: unknown) => errors.push(error) });
      time.advance(99);
      const erredEarly = errors.length;
      time.advance(1);
      holder.unsubscribe();
      time.advance(5 + 199);
      const endedEarly = ended.length;
      time.advance(1);
      const calls = spies.map(spy => spy.mock.calls.length);
      for (const spy of spies) spy.mockRestore();

      expect(calls).toStrictEqual([0, 0, 0, 0, 0]);
      expect(erredEarly).toBe(0);
      expect(errors).toMatchObject([{ code: 'ACQUIRE_TIMEOUT', waitedMillis: 100 }]);
      expect(endedEarly).toBe(0);
      expect(ended).toStrictEqual([{ number: 1, reason: 'idle', at: startAt + 315 }]);
      expect(eventsOf(events, 'leaked')).toMatchObject([{ at: startAt + 60, heldMillis: 50 }]);
      expect(events.every(({ at }) => at >= startAt && at <= time.now())).toBe(true);
    },
  );

  it('EX-10: the clock of the pool never runs backwards, whatever the scheduler says', () => {
    const { pool, time, ended, events } = virtualPool({ idleTimeoutMillis: 100 });
    time.advanceTo(1000);
    borrow(pool).leave();
    time.frame = 400;
    const info = pool.resources()[0]!;
    expect(info.idleMillis).toBe(0);
    expect(borrow(pool).lease.info.ageMillis).toBe(0);
    const times = events.map(({ at }) => at);
    expect(times).toStrictEqual([...times].sort((a, b) => a - b));
    expect(ended).toStrictEqual([]);
  });

  it('EX-13: pools on one scheduler arm a timer only while something can expire, and close takes its own only', async () => {
    const time = new SteppedScheduler();
    const one = virtualPool({ scheduler: time }).pool;
    const two = virtualPool({ scheduler: time }).pool;
    expect(time.pending).toBe(0);

    const holders = [borrow(one), borrow(two)];
    // An armed timer may outlive its reason by one firing, so let what is due now pass.
    time.advanceTo(0);
    expect(time.pending).toBe(0);

    for (const holder of holders) holder.leave();
    expect(time.pending).toBe(2);
    await one.close();
    expect(time.pending).toBe(1);
    await two.close();
    expect(time.pending).toBe(0);
  });

  it('EX-13: one pool never has more than one timer, however many deadlines it keeps', () => {
    const { pool, time } = virtualPool(
      { max: 5, maxLifetimeMillis: 500, leakWarningMillis: 70, maxLeaseMillis: 90 },
      { create: 3, validate: 4, reset: 5, destroy: 6 },
    );
    let most = 0;
    const borrowers = Array.from({ length: 20 }, () => borrow(pool));
    for (let frame = 0; frame <= 200; frame += 1) {
      time.advanceTo(frame);
      if (frame === 40) for (const borrower of borrowers.slice(0, 8)) borrower.leave();
      const { creating, validating, resetting, destroying } = pool.state;
      // The timers of the hooks are the test's own.
      most = Math.max(most, time.pending - creating - validating - resetting - destroying);
    }
    expect(most).toBe(1);
  });

  it('EX-13: while resources are only leased a timer that has had its last firing is not armed again', () => {
    const { pool, time } = virtualPool({ idleTimeoutMillis: 100 });
    borrow(pool).leave();
    borrow(pool);
    expect(time.pending).toBeLessThanOrEqual(1);
    time.advanceTo(100);
    expect(time.pending).toBe(0);
  });

  it('EX-15: a destroy that throws in a sweep stops neither the sweep, nor later ones, nor others on that scheduler', () => {
    const time = new VirtualTimeScheduler();
    time.maxFrames = 250;
    const ended: number[] = [];
    let count = 0;
    const pool = createPool({
      create: () => ({ number: ++count }),
      destroy: ({ number }) => {
        ended.push(number);
        if (number === 1) throw new Error('stuck');
      },
      idleTimeoutMillis: 100,
      scheduler: time,
    });
    const { events } = record(pool);
    const stranger: number[] = [];
    for (const frame of [50, 100, 150]) time.schedule(() => stranger.push(frame), frame);
    const borrowers = [borrow(pool), borrow(pool), borrow(pool)];
    for (const borrower of borrowers) borrower.leave();
    time.schedule(() => borrow(pool).leave(), 120);

    time.flush();
    expect(ended).toStrictEqual([1, 2, 3, 4]);
    expect(stranger).toStrictEqual([50, 100, 150]);
    expect(eventsOf(events, 'destroyFailed')).toMatchObject([{ id: 1, at: 100 }]);
    expect(eventsOf(events, 'destroyed').map(({ id, at }) => [id, at])).toStrictEqual([
      [2, 100],
      [3, 100],
      [4, 220],
    ]);
    expect(pool.state.size).toBe(0);
    expect(pool.stats).toMatchObject({ destroyed: 3, destroyFailed: 1, pruned: 4 });
  });
});

describe('checks of idle resources', () => {
  it('validateIdleEveryMillis checks each idle resource that often and destroys those that fail', () => {
    const answers = [true, true, false];
    const checks: number[] = [];
    const { pool, time, ended } = virtualPool({
      idleTimeoutMillis: Infinity,
      validateIdleEveryMillis: 100,
      validate: () => {
        checks.push(time.now());
        return answers.shift() ?? true;
      },
    });
    borrow(pool).leave();
    time.advanceTo(299);
    expect(checks).toStrictEqual([100, 200]);
    expect(pool.state.idle).toBe(1);
    time.advanceTo(300);
    expect(checks).toStrictEqual([100, 200, 300]);
    expect(ended).toStrictEqual([{ number: 1, reason: 'invalid', at: 300 }]);
    time.advanceTo(1000);
    expect(checks).toHaveLength(3);
  });

  it('a check by the clock does not count as use: the idle limit goes on running', () => {
    const { pool, time, ended, validations } = virtualPool(
      { idleTimeoutMillis: 250, validateIdleEveryMillis: 100 },
      { validate: 10 },
    );
    borrow(pool).leave();
    time.advanceTo(249);
    expect(validations).toHaveLength(2);
    time.advanceTo(250);
    expect(ended).toStrictEqual([{ number: 1, reason: 'idle', at: 250 }]);
  });

  it('a waiter that comes during a check by the clock gets the resource without a second check', () => {
    const { pool, time, validations } = virtualPool(
      { max: 1, idleTimeoutMillis: Infinity, validateIdleEveryMillis: 100 },
      { validate: 20 },
    );
    borrow(pool).leave();
    time.advanceTo(110);
    expect(pool.state.validating).toBe(1);
    const waiter = borrow(pool);
    time.advanceTo(119);
    expect(waiter.waits).toBe(true);
    time.advanceTo(120);
    expect(waiter.lease.resource.number).toBe(1);
    expect(validations).toStrictEqual([1]);
  });

  it('validateAfterIdleMillis skips the check on borrow while the resource was seen good lately', () => {
    const { pool, time, validations } = virtualPool(
      { validateAfterIdleMillis: 50 },
      { validate: 0 },
    );
    borrow(pool).leave();
    time.advanceTo(49);
    borrow(pool).leave();
    expect(validations).toStrictEqual([]);
    time.advanceTo(98);
    borrow(pool).leave();
    expect(validations).toStrictEqual([]);
    time.advanceTo(148);
    borrow(pool).leave();
    expect(validations).toStrictEqual([1]);
  });

  it('evict destroys every idle resource that is past a limit and resolves to their number when they are gone', async () => {
    const { pool, time, ended } = virtualPool(
      { idleTimeoutMillis: 100, maxLifetimeMillis: 1000 },
      { destroy: 20 },
    );
    warm(pool, 3);
    time.advanceTo(50);
    borrow(pool).leave();
    time.freezeUntil(120);
    const evicted = outcomeOf(pool.evict());
    expect(ended.map(({ number }) => number).sort()).toStrictEqual([1, 2]);
    await microtasks();
    expect(evicted.settled).toBe(false);
    time.advanceTo(140);
    await microtasks();
    expect(evicted).toMatchObject({ settled: true, value: 2 });
    expect(pool.state).toMatchObject({ size: 1, idle: 1 });
  });

  it('evict resolves to 0 when nothing is past a limit', async () => {
    const { pool } = virtualPool();
    warm(pool, 2);
    await expect(pool.evict()).resolves.toBe(0);
    expect(pool.state.idle).toBe(2);
  });
});

describe('leases that are held for too long', () => {
  it('leakWarningMillis publishes leaked once, with the place where the lease was acquired', () => {
    const { pool, time, events } = virtualPool({ leakWarningMillis: 100 });
    function theLeakyBorrower() {
      return borrow(pool, { label: 'report' });
    }
    const holder = theLeakyBorrower();
    time.advanceTo(99);
    expect(eventsOf(events, 'leaked')).toStrictEqual([]);
    time.advanceTo(5000);
    const leaks = eventsOf(events, 'leaked');
    expect(leaks).toMatchObject([{ at: 100, id: 1, label: 'report', heldMillis: 100 }]);
    expect(leaks[0]?.stack).toContain('theLeakyBorrower');
    expect(pool.stats.leaked).toBe(1);
    expect(holder.lease.released).toBe(false);
  });

  it('leakWarningMillis also knows where a lease was asked for that had to wait', () => {
    const { pool, time, events } = virtualPool({ max: 1, leakWarningMillis: 100 });
    const first = borrow(pool);
    function theOneWhoWaited() {
      return borrow(pool);
    }
    theOneWhoWaited();
    time.advanceTo(50);
    first.leave();
    time.advanceTo(150);
    const [leak] = eventsOf(events, 'leaked');
    expect(leak).toMatchObject({ at: 150, heldMillis: 100 });
    expect(leak?.stack).toContain('theOneWhoWaited');
  });

  it('a lease that comes back in time is no leak, and its watch ends with it', () => {
    const { pool, time, events } = virtualPool({ leakWarningMillis: 100, maxLeaseMillis: 200 });
    const holder = borrow(pool);
    time.advanceTo(99);
    holder.leave();
    time.advanceTo(1000);
    expect(typesOf(events)).not.toContain('leaked');
    expect(typesOf(events)).not.toContain('revoked');
  });

  it('touch counts the leak warning and the lease limit from now', () => {
    const { pool, time, events } = virtualPool({ leakWarningMillis: 100, maxLeaseMillis: 200 });
    const holder = borrow(pool);
    time.advanceTo(90);
    holder.lease.touch();
    expect(holder.lease.info.lastUsedAt).toBe(90);
    time.advanceTo(189);
    expect(eventsOf(events, 'leaked')).toStrictEqual([]);
    time.advanceTo(190);
    expect(eventsOf(events, 'leaked')).toMatchObject([{ at: 190, heldMillis: 190 }]);
    time.advanceTo(289);
    expect(holder.error).toBeUndefined();
    time.advanceTo(290);
    expect(holder.error).toBeInstanceOf(LeaseRevokedError);
  });

  it('maxLeaseMillis takes the lease back: signal, error of the stream, then destroy and the next waiter', () => {
    const { pool, time, events, ended } = virtualPool({ max: 1, maxLeaseMillis: 100 });
    const told: string[] = [];
    const holder = borrow(pool);
    const { lease } = holder;
    lease.signal.addEventListener('abort', () => told.push(`abort, ended ${ended.length}`));
    const waiter = borrow(pool);
    time.advanceTo(99);
    expect(lease.released).toBe(false);
    expect(lease.signal.aborted).toBe(false);
    time.advanceTo(100);

    expect(told).toStrictEqual(['abort, ended 0']);
    expect(lease.signal.reason).toBeInstanceOf(LeaseRevokedError);
    expect(holder.error).toBeInstanceOf(LeaseRevokedError);
    expect(holder.error).toMatchObject({ code: 'LEASE_REVOKED', pool: pool.name });
    expect(() => lease.resource).toThrow(LeaseReleasedError);
    expect(ended).toStrictEqual([{ number: 1, reason: 'revoked', at: 100 }]);
    expect(eventsOf(events, 'revoked')).toMatchObject([{ id: 1, heldMillis: 100 }]);
    expect(eventsOf(events, 'released')).toMatchObject([{ id: 1, reason: 'revoked' }]);
    expect(waiter.lease.resource.number).toBe(2);
    expect(pool.stats.revoked).toBe(1);
  });

  it('after the pool took a lease back, releasing or destroying it does nothing more', async () => {
    const { pool, time, ended, events } = virtualPool({ maxLeaseMillis: 100 });
    const holder = borrow(pool);
    time.advanceTo(100);
    await holder.lease.release();
    await holder.lease.destroy();
    holder.leave();
    expect(() => holder.lease.detach()).toThrow(LeaseReleasedError);
    expect(ended).toHaveLength(1);
    expect(eventsOf(events, 'released')).toHaveLength(1);
    expect(pool.state).toMatchObject({ size: 0, leased: 0 });
  });

  it('a promised lease that is taken back says so through its signal, and a signal asked for later is aborted too', async () => {
    const { pool, time } = virtualPool({ maxLeaseMillis: 100 });
    const lease = await pool.lease();
    time.advanceTo(100);
    expect(lease.released).toBe(true);
    expect(lease.signal.aborted).toBe(true);
    expect(lease.signal.reason).toBeInstanceOf(LeaseRevokedError);
  });

  it('a use() whose lease is taken back errors with LeaseRevokedError', () => {
    const { pool, time } = virtualPool({ maxLeaseMillis: 100 });
    const errors: unknown[] = [];
    pool.use(() => NEVER).subscribe({ error: (error: unknown) => errors.push(error) });
    time.advanceTo(100);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(LeaseRevokedError);
    expect(pool.state).toMatchObject({ size: 0, leased: 0 });
  });
});

describe('a resource that breaks by itself', () => {
  it('leaves the pool at once when watch tells of it while idle', () => {
    const alarm = new Subject<string>();
    const { pool, ended, events } = virtualPool({ watch: () => alarm });
    borrow(pool).leave();
    alarm.next('gone away');
    expect(ended).toStrictEqual([{ number: 1, reason: 'broken', at: 0 }]);
    expect(eventsOf(events, 'resourceError')).toMatchObject([{ id: 1, error: 'gone away' }]);
    expect(pool.state.size).toBe(0);
    expect(alarm.observed).toBe(false);
  });

  it('is destroyed on return, not reset, when watch tells of it while leased', () => {
    const alarm = new Subject<never>();
    const { pool, ended, resets } = virtualPool({ watch: () => alarm }, { reset: 0 });
    const holder = borrow(pool);
    const error = new Error('broken pipe');
    alarm.error(error);
    expect(ended).toStrictEqual([]);
    expect(holder.lease.info).toMatchObject({ stale: true, lastError: error });
    holder.leave();
    expect(ended).toStrictEqual([{ number: 1, reason: 'broken', at: 0 }]);
    expect(resets).toStrictEqual([]);
  });

  it('is never lent when watch tells of it during its own subscribe', () => {
    const { pool, ended, time } = virtualPool({
      max: 1,
      watch: ({ number }) => (number === 1 ? of('dead on arrival') : NEVER),
      min: 1,
    });
    time.advanceTo(0);
    time.advanceTo(200);
    expect(ended).toStrictEqual([{ number: 1, reason: 'broken', at: 0 }]);
    expect(borrow(pool).lease.resource.number).toBe(2);
  });

  it('counts as broken when watch itself throws', () => {
    const { pool, ended, events } = virtualPool({
      watch: () => {
        throw new Error('no way to watch');
      },
    });
    borrow(pool).leave();
    expect(ended).toStrictEqual([{ number: 1, reason: 'broken', at: 0 }]);
    expect(eventsOf(events, 'resourceError')).toHaveLength(1);
  });

  it('is told once, however often watch emits, and watch is unsubscribed with the resource', () => {
    const alarm = new Subject<string>();
    const { pool, events } = virtualPool({ watch: () => alarm });
    const holder = borrow(pool);
    alarm.next('one');
    alarm.next('two');
    holder.leave();
    expect(eventsOf(events, 'resourceError')).toHaveLength(1);
    expect(alarm.observed).toBe(false);
  });

  it('a watch that completes says nothing about the resource', () => {
    const { pool, ended } = virtualPool({ watch: () => EMPTY });
    borrow(pool).leave();
    expect(borrow(pool).lease.resource.number).toBe(1);
    expect(ended).toStrictEqual([]);
  });

  it('is taken out when the Observable that created it fails later', () => {
    const source = new Subject<Thing>();
    const { pool, ended, events } = virtualPool({ create: () => source });
    const holder = borrow(pool);
    source.next({ number: 7, ended: 0 });
    holder.leave();
    expect(pool.state.idle).toBe(1);
    source.error(new Error('connection lost'));
    expect(ended).toStrictEqual([{ number: 7, reason: 'broken', at: 0 }]);
    expect(eventsOf(events, 'resourceError')).toMatchObject([
      { error: new Error('connection lost') },
    ]);
    expect(pool.state.size).toBe(0);
  });

  it('keeps the Observable that created it open until its destroy, whose teardown may do the closing', () => {
    const told: string[] = [];
    const { pool, time } = virtualPool(
      {
        create: () =>
          new Observable<Thing>(subscriber => {
            subscriber.next({ number: 1, ended: 0 });
            return () => told.push('closed');
          }),
        destroy: () => {
          told.push('destroy');
        },
        idleTimeoutMillis: 100,
      },
      {},
    );
    borrow(pool).leave();
    time.advanceTo(99);
    expect(told).toStrictEqual([]);
    time.advanceTo(100);
    expect(told).toStrictEqual(['destroy', 'closed']);
  });

  it('lease.destroy(error) destroys it as broken and keeps the error in its record', () => {
    const { pool, ended } = virtualPool({}, { destroy: 10 });
    const holder = borrow(pool);
    const error = new Error('protocol violation');
    void holder.lease.destroy(error);
    expect(ended).toStrictEqual([{ number: 1, reason: 'broken', at: 0 }]);
    expect(pool.resources()[0]).toMatchObject({
      state: 'destroying',
      lastError: error,
      stale: true,
    });
  });
});

describe('hooks past their time limit', () => {
  it('a create that comes late is destroyed as lateCreate, outside the count', () => {
    const { pool, time, ended, events, made } = virtualPool(
      { max: 1, createTimeoutMillis: 100, acquireTimeoutMillis: 10_000 },
      { create: 300 },
    );
    const first = borrow(pool);
    time.advanceTo(100);
    expect(first.error).toMatchObject({ code: 'CREATE_FAILED' });
    expect((first.error as Error).cause).toBeInstanceOf(HookTimeoutError);
    expect(pool.state).toMatchObject({ size: 0, creating: 0 });
    time.advanceTo(300);
    expect(ended).toStrictEqual([{ number: 1, reason: 'lateCreate', at: 300 }]);
    expect(pool.state).toMatchObject({ size: 0, creating: 0, destroying: 0 });
    expect(eventsOf(events, 'destroyed')).toMatchObject([{ reason: 'lateCreate' }]);
    expect(made).toHaveLength(1);
  });

  it('create is told through its signal that nobody waits any more', () => {
    let signal: AbortSignal | undefined;
    const { pool, time } = virtualPool({
      createTimeoutMillis: 100,
      create: context => {
        signal = context.signal;
        return NEVER;
      },
    });
    borrow(pool);
    time.advanceTo(99);
    expect(signal?.aborted).toBe(false);
    time.advanceTo(100);
    expect(signal?.aborted).toBe(true);
    expect(signal?.reason).toBeInstanceOf(HookTimeoutError);
  });

  it('a reset that never settles costs its resource, not its waiter', () => {
    const { pool, time, ended, events } = virtualPool({
      max: 1,
      resetTimeoutMillis: 100,
      reset: () => NEVER,
    });
    const first = borrow(pool);
    const second = borrow(pool);
    first.leave();
    time.advanceTo(99);
    expect(second.waits).toBe(true);
    time.advanceTo(100);
    expect(ended).toStrictEqual([{ number: 1, reason: 'resetFailed', at: 100 }]);
    expect(second.lease.resource.number).toBe(2);
    expect(eventsOf(events, 'resetFailed')[0]?.error).toMatchObject({ hook: 'reset' });
  });

  it('a destroy that never settles frees its slot at its limit', () => {
    const { pool, time, events } = virtualPool({
      max: 1,
      destroyTimeoutMillis: 100,
      destroy: () => NEVER,
    });
    void borrow(pool).lease.destroy();
    const waiter = borrow(pool);
    time.advanceTo(99);
    expect(waiter.waits).toBe(true);
    time.advanceTo(100);
    expect(waiter.lease.resource.number).toBe(2);
    expect(eventsOf(events, 'destroyFailed')[0]?.error).toMatchObject({ hook: 'destroy' });
  });

  it('an idle check that errors destroys its resource and harms nobody', () => {
    const { pool, time, ended } = virtualPool({
      idleTimeoutMillis: Infinity,
      validateIdleEveryMillis: 100,
      validate: () => throwError(() => new Error('no answer')),
    });
    borrow(pool).leave();
    time.advanceTo(100);
    expect(ended).toStrictEqual([{ number: 1, reason: 'invalid', at: 100 }]);
  });
});
