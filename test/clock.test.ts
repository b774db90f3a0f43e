import { asyncScheduler, queueScheduler, Subscription, type SchedulerLike } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Clock, LONGEST_DELAY_MILLIS } from '../src/internal/clock.js';
import { SteppedScheduler } from './virtual-pool.js';

function clockOn(scheduler: SchedulerLike, { keepProcessAlive = false } = {}) {
  const rings: number[] = [];
  const clock: Clock = new Clock(
    scheduler,
    keepProcessAlive,
    work => work(),
    () => rings.push(scheduler.now()),
  );
  return { clock, rings };
}

describe('the clock of a pool', () => {
  it('never runs backwards, and goes on from where it stood', () => {
    const time = new SteppedScheduler(100);
    const { clock } = clockOn(time);
    const readings = [100, 150, 50, 60, 60, 10, 15].map(frame => {
      time.frame = frame;
      return clock.now();
    });
    expect(readings).toEqual([100, 150, 150, 160, 160, 160, 165]);
  });

  it('rings once for the earliest of what it was armed for', () => {
    const time = new SteppedScheduler();
    const { clock, rings } = clockOn(time);
    clock.arm(30, 0);
    clock.arm(20, 0);
    clock.arm(20, 0);
    clock.arm(25, 0);
    expect(time.actions.filter(action => !action.closed)).toHaveLength(1);
    time.advanceTo(100);
    expect(rings).toEqual([20]);
    clock.arm(120, 100);
    time.advanceTo(200);
    expect(rings).toEqual([20, 120]);
  });

  it('rings at once for what is due already', () => {
    const delays: number[] = [];
    const scheduler = {
      now: () => 50,
      schedule: (_: unknown, delay: number) => {
        delays.push(delay);
        return new Subscription();
      },
    } as SchedulerLike;
    clockOn(scheduler).clock.arm(20, 50);
    clockOn(scheduler).clock.arm(60, 50);
    clockOn(scheduler).clock.arm(50 + LONGEST_DELAY_MILLIS + 5, 50);
    expect(delays).toEqual([0, 10, LONGEST_DELAY_MILLIS]);
    expect(LONGEST_DELAY_MILLIS).toBe(2_147_483_647);
  });

  it('is armed no more once it is stopped', () => {
    const time = new SteppedScheduler();
    const { clock, rings } = clockOn(time);
    clock.arm(20, 0);
    clock.stop();
    time.advanceTo(100);
    expect(rings).toEqual([]);
    expect(time.pending).toBe(0);
  });

  it('can be armed inside its alarm, also on a scheduler that runs its work at once', () => {
    const rings: string[] = [];
    const clock: Clock = new Clock(
      { now: () => 0, schedule: queueScheduler.schedule.bind(queueScheduler) },
      false,
      work => work(),
      () => {
        rings.push('rang');
        if (rings.length < 3) clock.arm(0, 0);
      },
    );
    clock.arm(0, 0);
    expect(rings).toEqual(['rang', 'rang', 'rang']);
    clock.arm(0, 0);
    expect(rings).toHaveLength(4);
  });

  it('starts its timers in the context that it was given', () => {
    const time = new SteppedScheduler();
    let insideContext = false;
    const seen: boolean[] = [];
    const clock = new Clock(
      {
        now: () => time.now(),
        schedule: (...args: Parameters<SchedulerLike['schedule']>) => {
          seen.push(insideContext);
          return time.schedule(...args);
        },
      },
      false,
      work => {
        insideContext = true;
        const result = work();
        insideContext = false;
        return result;
      },
      () => undefined,
    );
    clock.arm(5, 0);
    expect(seen).toEqual([true]);
  });

  it('arms nothing on virtual time to keep a process alive', () => {
    const time = new SteppedScheduler();
    const { clock } = clockOn(time);
    clock.hold(true);
    expect(time.pending).toBe(0);
    clock.hold(false);
    clock.arm(5, 0);
    expect(time.pending).toBe(1);
  });
});

describe('the clock on asyncScheduler and a live process', () => {
  let handles: {
    refs: number;
    unrefs: number;
    cleared: boolean;
    delay: number;
    fire: () => void;
  }[];

  beforeEach(() => {
    handles = [];
    vi.spyOn(globalThis, 'setInterval').mockImplementation(((fire: () => void, delay: number) => {
      const handle = {
        refs: 0,
        unrefs: 0,
        cleared: false,
        delay,
        fire,
        ref: () => (handle.refs += 1),
        unref: () => (handle.unrefs += 1),
      };
      handles.push(handle);
      return handle;
    }) as unknown as typeof setInterval);
    vi.spyOn(globalThis, 'clearInterval').mockImplementation(((handle?: { cleared: boolean }) => {
      if (handle !== undefined) handle.cleared = true;
    }) as typeof clearInterval);
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('does not keep the process alive for its alarms', () => {
    const { clock } = clockOn(asyncScheduler);
    clock.arm(clock.now() + 1000, clock.now());
    expect(handles).toMatchObject([{ refs: 0, unrefs: 1, cleared: false }]);
    clock.stop();
    expect(handles).toMatchObject([{ cleared: true }]);
  });

  it('keeps the process alive for its alarms where it is told to', () => {
    const { clock } = clockOn(asyncScheduler, { keepProcessAlive: true });
    clock.arm(clock.now() + 1000, clock.now());
    clock.hold(true);
    clock.hold(false);
    expect(handles).toMatchObject([{ unrefs: 0, cleared: false }]);
    clock.stop();
  });

  it('keeps the process alive with its alarm while somebody awaits an answer', () => {
    const { clock } = clockOn(asyncScheduler);
    const now = clock.now();
    clock.arm(now + 1000, now);
    clock.hold(true);
    expect(handles).toMatchObject([{ refs: 1, unrefs: 1 }]);
    clock.hold(true);
    expect(handles).toMatchObject([{ refs: 1, unrefs: 1 }]);
    clock.hold(false);
    expect(handles).toMatchObject([{ refs: 1, unrefs: 2, cleared: false }]);
    clock.hold(false);
    expect(handles).toMatchObject([{ refs: 1, unrefs: 2 }]);
    clock.stop();
  });

  it('arms while somebody waits without making the timer give way', () => {
    const { clock } = clockOn(asyncScheduler);
    clock.hold(true);
    expect(handles).toMatchObject([{ delay: LONGEST_DELAY_MILLIS, unrefs: 0, cleared: false }]);
    const now = clock.now();
    clock.arm(now + 1000, now);
    expect(handles).toMatchObject([{ cleared: true }, { unrefs: 0, cleared: false }]);
    clock.hold(false);
    expect(handles[1]).toMatchObject({ unrefs: 1, cleared: false });
    clock.stop();
  });

  it('lets go of a timer that only kept the process alive', () => {
    const { clock, rings } = clockOn(asyncScheduler);
    clock.hold(true);
    clock.hold(false);
    expect(handles).toMatchObject([{ delay: LONGEST_DELAY_MILLIS, cleared: true }]);
    clock.hold(true);
    expect(handles).toHaveLength(2);
    handles[1]!.fire();
    expect(rings).toHaveLength(1);
    expect(handles.at(-1)).toMatchObject({ delay: LONGEST_DELAY_MILLIS, cleared: false });
    clock.stop();
    expect(handles.every(({ cleared }) => cleared)).toBe(true);
  });

  it('keeps an alarm with a reason when nobody waits any more, also after a hop', () => {
    const { clock } = clockOn(asyncScheduler);
    clock.hold(true);
    const now = clock.now();
    clock.arm(now + 10, now);
    clock.hold(false);
    expect(handles.at(-1)).toMatchObject({ cleared: false });
    clock.stop();
    clock.hold(false);
    expect(handles.at(-1)).toMatchObject({ cleared: true });
  });

  it('keeps no timer for a waiting caller where a timer is only a number, as in browsers', () => {
    let cleared = 0;
    vi.spyOn(globalThis, 'setInterval').mockImplementation(
      (() => 7) as unknown as typeof setInterval,
    );
    vi.spyOn(globalThis, 'clearInterval').mockImplementation(() => {
      cleared += 1;
    });
    const { clock } = clockOn(asyncScheduler);
    clock.hold(true);
    expect(cleared).toBe(1);
    const now = clock.now();
    clock.arm(now + 10, now);
    clock.hold(false);
    expect(cleared).toBe(1);
    clock.stop();
    expect(cleared).toBe(2);
  });

  it('keeps no timer for a waiting caller where a handle cannot give way', () => {
    for (const handle of [null, {}]) {
      vi.spyOn(globalThis, 'setInterval').mockImplementation(
        (() => handle) as unknown as typeof setInterval,
      );
      const { clock } = clockOn(asyncScheduler);
      expect(() => {
        clock.hold(true);
        clock.arm(clock.now() + 10, clock.now());
        clock.hold(false);
        clock.stop();
      }).not.toThrow();
    }
  });
});
