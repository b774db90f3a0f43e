import { config, Observable, of, Subject, type Subscriber } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createPool, type Lease, type Permit, type PermitSource } from '../src/index.js';
import { watchAwakeTimers } from './awake-timers.js';
import {
  after,
  borrow,
  eventsOf,
  microtasks,
  outcomeOf,
  SteppedScheduler,
  virtualPool,
  warm,
  type Thing,
} from './virtual-pool.js';

/** A budget that gives when the test says so. */
class Budget implements PermitSource {
  readonly requests: Subscriber<Permit>[] = [];
  asked = 0;
  released = 0;
  wantsBack = false;
  /** Told that a request was withdrawn or served. */
  onLeave: () => void = () => undefined;

  acquire(): Observable<Permit> {
    return new Observable(request => {
      this.asked += 1;
      this.requests.push(request);
      return () => {
        const place = this.requests.indexOf(request);
        if (place < 0) return;
        this.requests.splice(place, 1);
        this.onLeave();
      };
    });
  }

  /** Gives to whoever has asked for longest. */
  grant(): void {
    const request = this.requests.shift();
    request?.next({
      release: () => {
        this.released += 1;
      },
      recall: () => this.wantsBack,
    });
  }
}

describe('permits for what is needed', () => {
  it('a fill goes on when its permit comes', () => {
    const permits = new Budget();
    const { pool, time, made } = virtualPool({ min: 1, permits });
    time.advance(0);
    expect(made).toHaveLength(0);
    permits.grant();
    expect(made).toHaveLength(1);
    expect(pool.state).toMatchObject({ idle: 1 });
  });

  it('a fill that nobody needs any more gives its permit back', () => {
    const permits = new Budget();
    const { pool, time, made } = virtualPool({ min: 1, permits });
    time.advance(0);
    pool.resize({ min: 0 });
    permits.grant();
    expect(made).toHaveLength(0);
    expect(permits.released).toBe(1);
  });

  it('a prefill goes on when its permits come', async () => {
    const permits = new Budget();
    const { pool } = virtualPool({ permits });
    const filled = outcomeOf(pool.prefill(2));
    expect(permits.requests).toHaveLength(2);
    permits.grant();
    permits.grant();
    await microtasks();
    expect(filled.value).toBe(2);
    expect(permits.released).toBe(0);
  });

  it('a prefill asks for nothing that is asked for already', () => {
    const permits = new Budget();
    const { pool } = virtualPool({ permits });
    borrow(pool);
    void pool.prefill(1);
    expect(permits.asked).toBe(1);
  });

  it('a smaller max withdraws the requests that it has no slot for', () => {
    const permits = new Budget();
    const { pool } = virtualPool({ max: 2, permits });
    const holder = borrow(pool);
    permits.grant();
    const waiter = borrow(pool);
    expect(permits.requests).toHaveLength(1);
    pool.resize({ max: 1 });
    expect(permits.requests).toHaveLength(0);
    holder.leave();
    expect(waiter.lease.resource.number).toBe(1);
  });

  it('a permit that comes out of a withdrawal makes nothing above max', () => {
    const permits = new Budget();
    const { pool, made } = virtualPool({ max: 3, permits });
    borrow(pool);
    permits.grant();
    borrow(pool);
    borrow(pool);
    expect(permits.requests).toHaveLength(2);
    permits.onLeave = () => {
      permits.grant();
    };
    pool.resize({ max: 1 });
    expect(made).toHaveLength(1);
    expect(permits.released).toBe(1);
    expect(pool.state).toMatchObject({ size: 1, creating: 0, waiting: 2 });
  });

  it('one that leaves withdraws one request, and the other keeps its own', () => {
    const permits = new Budget();
    const { pool } = virtualPool({ max: 2, permits });
    const stays = borrow(pool);
    const leaves = borrow(pool);
    leaves.leave();
    expect(permits.requests).toHaveLength(1);
    expect(permits.asked).toBe(2);
    permits.grant();
    expect(stays.lease.resource.number).toBe(1);
  });

  it.each(['return', 'evict'] as const)(
    'a permit that is wanted back goes on %s, and its resource with it',
    async when => {
      const permits = new Budget();
      const { pool, ended } = virtualPool({ permits });
      const borrower = borrow(pool);
      permits.grant();
      if (when === 'return') {
        permits.wantsBack = true;
        borrower.leave();
      } else {
        borrower.leave();
        expect(ended).toEqual([]);
        expect(await pool.evict()).toBe(0);
        permits.wantsBack = true;
        expect(await pool.evict()).toBe(1);
      }
      expect(ended).toMatchObject([{ number: 1, reason: 'surplus' }]);
      expect(permits.released).toBe(1);
    },
  );

  it('a permit goes to whoever waits, though another waits for one too', () => {
    const permits = new Budget();
    const { pool, made } = virtualPool({ max: 2, permits });
    const first = borrow(pool);
    borrow(pool);
    permits.grant();
    expect(first.lease.resource.number).toBe(1);
    expect(made).toHaveLength(1);
    expect(permits.released).toBe(0);
  });

  it('a permit that comes at once for one who leaves while it is asked for is given back', () => {
    const leaving = new AbortController();
    let released = 0;
    const { pool, made } = virtualPool({
      permits: {
        acquire: () => {
          leaving.abort();
          return of({
            release: () => {
              released += 1;
            },
          });
        },
      },
    });
    const borrower = borrow(pool, { signal: leaving.signal });
    expect(borrower.error).toMatchObject({ code: 'ACQUIRE_ABORTED' });
    expect(made).toEqual([]);
    expect(released).toBe(1);
  });

  it('a permit that is lost while its resource is being destroyed is told to nobody', () => {
    const lost = new Subject<unknown>();
    const permits = { acquire: () => of({ lost, release: () => undefined }) };
    const { pool, time, events } = virtualPool({ permits }, { destroy: 10 });
    void borrow(pool).lease.destroy();
    lost.next('expired');
    time.advance(10);
    expect(pool.state).toMatchObject({ size: 0 });
    expect(eventsOf(events, 'permitLost')).toEqual([]);
  });

  it('a close withdraws what was asked for a fill, and is done', () => {
    const permits = new Budget();
    const { pool, time } = virtualPool({ min: 1, permits });
    time.advance(0);
    expect(permits.requests).toHaveLength(1);
    void pool.close();
    expect(permits.requests).toEqual([]);
    expect(pool.state.lifecycle).toBe('closed');
  });

  it('a close that serves keeps the requests of those who wait', () => {
    const permits = new Budget();
    const { pool } = virtualPool({ max: 2, permits });
    const waiter = borrow(pool);
    void pool.close({ waiters: 'serve' });
    expect([permits.asked, permits.requests.length]).toEqual([1, 1]);
    permits.grant();
    expect(waiter.lease.resource.number).toBe(1);
    waiter.leave();
    expect(pool.state.lifecycle).toBe('closed');
  });
});

describe('prefill', () => {
  it('goes on one by one where creates are bounded', async () => {
    const { pool, time } = virtualPool({ createConcurrency: 1 }, { create: 10 });
    const filled = outcomeOf(pool.prefill(3));
    time.advance(30);
    await microtasks();
    expect(filled.value).toBe(3);
  });

  it('starts no more once others have brought the size up', async () => {
    const { pool, time, made } = virtualPool({ createConcurrency: 1 }, { create: 10 });
    const filled = outcomeOf(pool.prefill(2));
    const waiters = [borrow(pool), borrow(pool)];
    time.advance(50);
    await microtasks();
    expect(made).toHaveLength(2);
    expect(filled.value).toBe(1);
    expect(waiters.map(({ leases }) => leases.length)).toEqual([1, 1]);
  });

  it('starts no more once others have asked for what was missing', async () => {
    const permits = new Budget();
    const { pool } = virtualPool({ createConcurrency: 1, permits });
    const filled = outcomeOf(pool.prefill(2));
    borrow(pool);
    borrow(pool);
    permits.grant();
    await microtasks();
    expect(pool.state).toMatchObject({ leased: 1, waiting: 1 });
    expect(filled.value).toBe(1);
    permits.grant();
    expect(pool.state).toMatchObject({ leased: 2, waiting: 0 });
  });

  it('counts on what another prefill is still to start', async () => {
    const time = new SteppedScheduler();
    let attempts = 0;
    const { pool } = virtualPool({
      scheduler: time,
      createConcurrency: 1,
      create: () => {
        attempts += 1;
        const number = attempts;
        return after(10, time, () => {
          if (number > 2) throw new Error('down');
          return { number, ended: 0 };
        });
      },
      destroy: () => undefined,
    });
    const first = outcomeOf(pool.prefill(2));
    const second = outcomeOf(pool.prefill(3));
    time.advance(100);
    await microtasks();
    expect(first.value).toBe(2);
    expect((second.error as Error).message).toContain('prefill made 0 of 1; create failed: down');
    expect(attempts).toBe(3);
  });

  it('resolves also when all that was on its way is lent at once', async () => {
    const { pool, time } = virtualPool({ max: 2 }, { create: 10 });
    borrow(pool);
    borrow(pool);
    const filled = outcomeOf(pool.prefill(2));
    await microtasks();
    expect(filled.settled).toBe(false);
    time.advance(10);
    await microtasks();
    expect(filled).toMatchObject({ settled: true, value: 0 });
  });

  it('waits for no create that it does not need', async () => {
    const { pool, time } = virtualPool({ max: 2 }, { create: 10 });
    borrow(pool);
    time.advance(10);
    borrow(pool);
    expect(pool.state).toMatchObject({ leased: 1, creating: 1 });
    const filled = outcomeOf(pool.prefill(1));
    await microtasks();
    expect(filled).toMatchObject({ settled: true, value: 0 });
  });

  it('keeps the process alive until it resolves, and no longer', async () => {
    const timers = watchAwakeTimers();
    let resolve: (made: object) => void = () => undefined;
    const pool = createPool<object>({
      create: () =>
        new Promise(done => {
          resolve = done;
        }),
    });
    const filled = pool.prefill(1);
    expect(timers.isAwake).toBe(true);
    resolve({});
    await filled;
    expect(timers.isAwake).toBe(false);
    await pool.close();
  });
});

describe('resizing', () => {
  it('tells the sizes of now', () => {
    const { pool, events } = virtualPool({ min: 1, max: 4 });
    pool.resize({ min: 2, max: 3 });
    expect(eventsOf(events, 'resized')).toMatchObject([{ min: 2, max: 3 }]);
  });

  it('an error of a live option in a pool that closes is told to nobody', () => {
    const max = new Subject<number>();
    const { pool, events } = virtualPool({ max });
    const holder = borrow(pool);
    void pool.close();
    max.error(new Error('config is gone'));
    expect(eventsOf(events, 'resized')).toEqual([]);
    holder.leave();
  });
});

describe('closing', () => {
  it('a close that serves aborts no create that a waiter needs, whatever else the pool has', () => {
    const time = new SteppedScheduler();
    const signals: AbortSignal[] = [];
    let made = 0;
    const { pool } = virtualPool({
      scheduler: time,
      max: 3,
      create: ({ signal }) => {
        signals.push(signal);
        return after(made === 0 ? 0 : 10, time, () => ({ number: ++made, ended: 0 }));
      },
      destroy: () => undefined,
    });
    const holder = borrow(pool);
    const waiter = borrow(pool);
    borrow(pool).leave();
    void pool.close({ waiters: 'serve' });
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, true]);
    time.advance(10);
    waiter.lease.release().catch(() => undefined);
    holder.leave();
    expect(pool.state.lifecycle).toBe('closed');
  });
});

describe('a drain that serves', () => {
  it('of a paused pool lends what is idle first, and then aborts the creates that nobody needs', () => {
    const time = new SteppedScheduler();
    const signals: AbortSignal[] = [];
    const { pool } = virtualPool({
      scheduler: time,
      create: ({ signal }) => {
        const number = signals.push(signal);
        return after(number === 1 ? 0 : 10, time, () => ({ number, ended: 0 }));
      },
      destroy: () => undefined,
    });
    warm(pool, 1);
    pool.prefill(2).catch(() => undefined);
    pool.pause();
    const waiter = borrow(pool);
    void pool.close({ waiters: 'serve' });
    expect(waiter.leases).toHaveLength(1);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true]);
  });

  it('makes nothing for min any more', () => {
    const { pool, time, made } = virtualPool({ min: 2, max: 3 }, { create: 10 });
    time.advance(10);
    const holders = [borrow(pool), borrow(pool)];
    const waiter = borrow(pool);
    void pool.close({ waiters: 'serve' });
    for (const { lease } of holders) void lease.destroy();
    expect(made).toHaveLength(3);
    time.advance(10);
    waiter.leave();
    expect(pool.state.lifecycle).toBe('closed');
    expect(made).toHaveLength(3);
  });
});

describe('what runs inside the pool', () => {
  it('creates that acquire run one after another, not within each other', () => {
    const served: Lease<Thing>[] = [];
    const pool = createPool<Thing>({
      max: Infinity,
      create: () => {
        const number = ++creates;
        if (number < 3000) pool.acquire().subscribe(lease => served.push(lease));
        return { number, ended: 0 };
      },
    });
    let creates = 0;
    pool.acquire().subscribe(lease => served.push(lease));
    expect(served.map(({ resource }) => resource.number)).toEqual(
      Array.from({ length: 3000 }, (_, index) => index + 1),
    );
  });

  it('a borrower that throws in what stands in for its next wedges nothing', async () => {
    const { onUnhandledError } = config;
    onTestFinished(() => {
      config.onUnhandledError = onUnhandledError;
    });
    const reported = new Promise(resolve => {
      config.onUnhandledError = resolve;
    });
    const { pool } = virtualPool({ max: 1 });
    warm(pool, 1);
    const failure = new Error('from next');
    const wild: Subscriber<Lease<Thing>>[] = [];
    new Observable<Lease<Thing>>(subscriber => {
      wild.push(subscriber);
    }).subscribe();
    const [borrower] = wild as [Subscriber<Lease<Thing>>];
    borrower.next = () => {
      throw failure;
    };
    pool.acquire().subscribe(borrower);
    expect(await reported).toBe(failure);
    borrower.unsubscribe();
    expect(borrow(pool).leases).toHaveLength(1);
  });
});
