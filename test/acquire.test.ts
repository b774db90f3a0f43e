import { firstValueFrom, map, NEVER, of, Subject, take, timer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  AcquireAbortedError,
  AcquireTimeoutError,
  createPool,
  InvalidOptionsError,
  LeaseReleasedError,
  PoolError,
  type AcquireOptions,
  type Hook,
} from '../src/index.js';
import type { Thing } from './counting-factory.js';
import { marbles } from './marbles.js';
import { at, inVirtualTime } from './virtual-time.js';
import {
  asNumbers,
  Borrower,
  borrowers,
  countOf,
  eventsOf,
  watchedPool,
  withCodes,
} from './watched-pool.js';

describe('acquire', () => {
  it('BR-01: four requests make four resources when create gives an Observable', () => {
    const gate = new Subject<object>();
    let creates = 0;
    let destroys = 0;
    const pool = createPool<object>({
      max: 4,
      create: () =>
        gate.pipe(
          map(() => ({ number: (creates += 1) })),
          take(1),
        ),
      destroy: () => (destroys += 1),
    });
    const all = borrowers(pool, 4);
    expect(pool.state).toMatchObject({ creating: 4, waiting: 4, leased: 0, size: 0 });
    gate.next({});
    expect(pool.state).toMatchObject({ creating: 0, waiting: 0, leased: 4, idle: 0, size: 4 });
    expect(new Set(all.map(({ lease }) => lease.resource)).size).toBe(4);
    expect([creates, destroys]).toEqual([4, 0]);
  });

  it('BR-01: four requests make four resources when create gives a promise', async () => {
    let open: (made: object) => void = () => undefined;
    const gate = new Promise<object>(resolve => {
      open = resolve;
    });
    let creates = 0;
    let destroys = 0;
    const pool = createPool<object>({
      max: 4,
      create: async () => {
        creates += 1;
        await gate;
        return {};
      },
      destroy: () => (destroys += 1),
    });
    const leases = Array.from({ length: 4 }, () => pool.lease());
    expect(pool.state).toMatchObject({ creating: 4, waiting: 4, leased: 0, size: 0 });
    open({});
    expect(new Set((await Promise.all(leases)).map(({ resource }) => resource)).size).toBe(4);
    expect(pool.state).toMatchObject({ creating: 0, waiting: 0, leased: 4, idle: 0, size: 4 });
    expect([creates, destroys]).toEqual([4, 0]);
  });

  // A create that answers at once settles within its own request, so that "before" is inside the hook.
  it('BR-01: four requests make four resources when create gives a value', () => {
    const before: unknown[] = [];
    const { pool, factory } = watchedPool(
      { max: 4 },
      {
        create: () => {
          const { creating, waiting, leased } = pool.state;
          before.push({ creating, waiting, leased });
        },
      },
    );
    borrowers(pool, 4);
    expect(before).toEqual([0, 1, 2, 3].map(leased => ({ creating: 1, waiting: 1, leased })));
    expect(pool.state).toMatchObject({ creating: 0, waiting: 0, leased: 4, idle: 0, size: 4 });
    expect([factory.attempts, factory.destroyed.length]).toEqual([4, 0]);
  });

  it('BR-02: nothing happens before somebody subscribes, and each subscription is a request of its own', () => {
    const watched = watchedPool();
    const { pool, factory, events } = watched;
    const source = pool.acquire();
    expect(factory.attempts).toBe(0);
    expect(pool.state.waiting).toBe(0);
    expect(events).toEqual([]);
    const first = new Borrower(source);
    const second = new Borrower(source);
    expect(first.lease).not.toBe(second.lease);
    expect(first.lease.resource).not.toBe(second.lease.resource);
    first.leave();
    second.leave();
    const third = new Borrower(source);
    expect(third.lease.released).toBe(false);
    expect(factory.made).toHaveLength(2);
    expect(countOf(watched, 'requested')).toBe(3);
  });

  it('BR-02: an acquire with options is cold and reusable too', () => {
    const { pool, factory } = watchedPool();
    const source = pool.acquire({ label: 'report' });
    expect(factory.attempts).toBe(0);
    new Borrower(source).leave();
    expect(new Borrower(source).lease.resource.number).toBe(1);
  });

  it('BR-03: a returned resource is lent again, with a new lease', () => {
    const { pool } = watchedPool();
    const first = new Borrower(pool.acquire());
    const { resource } = first.lease;
    first.leave();
    const second = new Borrower(pool.acquire());
    expect(second.lease.resource).toBe(resource);
    expect(second.lease).not.toBe(first.lease);
    expect(pool.stats.created).toBe(1);
    expect(pool.state.size).toBe(1);
  });

  it(
    'BR-04: the stream gives exactly one lease and stays open until it is unsubscribed',
    marbles(m => {
      const watched = watchedPool();
      const { pool } = watched;
      m.expect(pool.acquire().pipe(asNumbers), '^ 3599999ms !').toBeObservable('1');
      at(3_599_999, () => expect(pool.state).toMatchObject({ leased: 1, idle: 0 }));
      at(3_600_001, () => {
        expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
        expect(eventsOf(watched, 'released')).toMatchObject([{ heldMillis: 3_600_000 }]);
      });
    }),
  );

  it('a request for an idle resource is served inside subscribe', () => {
    const { pool } = watchedPool();
    new Borrower(pool.acquire()).leave();
    const order: string[] = [];
    const subscription = pool.acquire().subscribe(() => order.push('lease'));
    order.push('subscribed');
    expect(order).toEqual(['lease', 'subscribed']);
    subscription.unsubscribe();
  });

  it('an acquire inside the next of another is served when that callback has returned', () => {
    const { pool } = watchedPool();
    const order: string[] = [];
    pool.acquire().subscribe(() => {
      order.push('first in');
      pool.acquire().subscribe(() => order.push('second'));
      order.push('first out');
    });
    expect(order).toEqual(['first in', 'first out', 'second']);
    expect(pool.state.leased).toBe(2);
  });

  it('BR-10: firstValueFrom(acquire()) gives back before the await resumes, and the late use is loud', async () => {
    const { pool } = watchedPool();
    const lease = await firstValueFrom(pool.acquire());
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
    expect(lease.released).toBe(true);
    expect(() => lease.resource).toThrow(LeaseReleasedError);
    expect(() => lease.resource).toThrow(/firstValueFrom/);
    expect(() => lease.resource).toThrow(/pool\.use|pool\.lease/);
  });

  it('BR-11: take(1) shows a live lease, completes and then gives back once, a thousand times over', () => {
    const watched = watchedPool();
    const { pool, factory } = watched;
    for (let round = 1; round <= 1_000; round += 1) {
      const seen: unknown[] = [];
      pool
        .acquire()
        .pipe(take(1))
        .subscribe({
          next: lease => seen.push(lease.released, lease.resource.number),
          complete: () => seen.push('complete', countOf(watched, 'released')),
        });
      expect(seen).toEqual([false, 1, 'complete', round - 1]);
      expect(countOf(watched, 'released')).toBe(round);
      expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
    }
    expect(factory.made).toHaveLength(1);
  });

  it(
    'BR-11: take(1) on a resource that is still being made works alike',
    inVirtualTime(advance => {
      const watched = watchedPool({}, { createMillis: 10 });
      const seen: unknown[] = [];
      watched.pool
        .acquire()
        .pipe(take(1))
        .subscribe({
          next: lease => seen.push(lease.released),
          complete: () => seen.push('complete'),
        });
      advance(10);
      expect(seen).toEqual([false, 'complete']);
      expect(countOf(watched, 'released')).toBe(1);
      expect(watched.pool.state).toMatchObject({ leased: 0, idle: 1, size: 1 });
    }),
  );

  it(
    'requested, acquired and released carry the request, the label and the times',
    inVirtualTime(advance => {
      const watched = watchedPool({ max: 1 });
      const { pool } = watched;
      const first = new Borrower(pool.acquire({ label: 'first' }));
      new Borrower(pool.acquire({ label: 'second' }));
      advance(7);
      first.leave();
      expect(eventsOf(watched, 'requested')).toMatchObject([
        { requestId: 1, label: 'first', at: 0 },
        { requestId: 2, label: 'second', at: 0 },
      ]);
      expect(eventsOf(watched, 'acquired')).toMatchObject([
        { id: 1, requestId: 1, label: 'first', waitedMillis: 0, at: 0 },
        { id: 1, requestId: 2, label: 'second', waitedMillis: 7, at: 7 },
      ]);
      expect(eventsOf(watched, 'released')).toMatchObject([
        { id: 1, requestId: 1, label: 'first', heldMillis: 7, at: 7 },
      ]);
    }),
  );

  it.each([
    ['priority', NaN],
    ['timeoutMillis', 0],
    ['timeoutMillis', -1],
    ['timeoutMillis', NaN],
    ['timeoutMillis', '5'],
    ['signal', {}],
    ['label', 5],
    ['onCancel', 'keep'],
    ['timeout', 5],
  ])('the option %s with the value %s is refused before anything is asked for', (option, value) => {
    const { pool, events } = watchedPool();
    const options = { [option]: value } as AcquireOptions;
    expect(() => pool.acquire(options)).toThrow(InvalidOptionsError);
    expect(() => pool.acquire(options)).toThrow(new RegExp(`"${option}"`));
    expect(events).toEqual([]);
  });
});

describe('the order in which idle resources are lent', () => {
  const cases = [
    ['lifo', [3, 2, 1]],
    ['fifo', [1, 2, 3]],
  ] as const;

  it.each(cases)('BR-08: with order %s the next borrowers get %j', (order, expected) => {
    const { pool } = watchedPool({ order });
    for (const borrower of borrowers(pool, 3)) borrower.leave();
    expect(borrowers(pool, 3).map(({ lease }) => lease.resource.number)).toEqual(expected);
  });

  it.each(['lifo', 'fifo'] as const)(
    'BR-08: with order %s waiters still are first come, first served',
    order => {
      const { pool } = watchedPool({ order, max: 3 });
      const holders = borrowers(pool, 3);
      const waiters = borrowers(pool, 3);
      for (const holder of holders) holder.leave();
      expect(waiters.map(({ lease }) => lease.resource.number)).toEqual([1, 2, 3]);
    },
  );

  it(
    'BR-08: a comparator over ResourceInfo chooses',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ order: (a, b) => a.uses - b.uses || b.id - a.id });
      const [first, second, third] = borrowers(pool, 3) as [
        Borrower<Thing>,
        Borrower<Thing>,
        Borrower<Thing>,
      ];
      first.leave();
      new Borrower(pool.acquire()).leave();
      advance(1);
      second.leave();
      third.leave();
      expect(borrowers(pool, 3).map(({ lease }) => lease.resource.number)).toEqual([3, 2, 1]);
    }),
  );
});

describe('the deadline of a request', () => {
  it(
    'WF-07: a request that nobody serves fails at its deadline, to the frame',
    marbles(m => {
      const { pool } = watchedPool({ max: 1, acquireTimeoutMillis: 100 });
      m.expect(pool.acquire().pipe(asNumbers)).toBeObservable('1');
      m.expect(pool.acquire().pipe(asNumbers, withCodes)).toBeObservable(
        '100ms #',
        undefined,
        'ACQUIRE_TIMEOUT',
      );
    }),
  );

  it(
    'WF-07: the error says who, how long, in which phase and with which counts',
    inVirtualTime(advance => {
      const watched = watchedPool({ name: 'orders', max: 1, acquireTimeoutMillis: 100 });
      const { pool } = watched;
      new Borrower(pool.acquire());
      const waiter = new Borrower(pool.acquire({ label: 'late' }));
      advance(99);
      expect(waiter.waits).toBe(true);
      advance(1);
      const error = waiter.errors[0] as AcquireTimeoutError;
      expect(error).toBeInstanceOf(AcquireTimeoutError);
      expect(error).toBeInstanceOf(PoolError);
      expect(error).toMatchObject({
        name: 'AcquireTimeoutError',
        code: 'ACQUIRE_TIMEOUT',
        pool: 'orders',
        phase: 'waiting',
        waitedMillis: 100,
        state: { leased: 1, size: 1, max: 1, idle: 0, waiting: expect.any(Number) },
      });
      expect(error.message).toMatch(/orders/);
      expect(error.message).toMatch(/100 ms/);
      expect(error.message).toMatch(/waiting/);
      expect(error.message).toMatch(/1 of 1 leased/);
      expect('cause' in error).toBe(false);
      expect(eventsOf(watched, 'timedOut')).toMatchObject([
        { label: 'late', waitedMillis: 100, error, at: 100 },
      ]);
      expect(pool.stats).toMatchObject({ timedOut: 1, cancelled: 0, rejected: 0 });
    }),
  );

  it(
    'WF-07: the last create failure is the cause',
    inVirtualTime(advance => {
      const down = new Error('connection refused');
      const watched = watchedPool(
        { max: 1, acquireTimeoutMillis: 100 },
        {
          createMillis: 60,
          create: () => {
            throw down;
          },
        },
      );
      const [first, second] = borrowers(watched.pool, 2) as [Borrower<Thing>, Borrower<Thing>];
      advance(60);
      expect(first.errors).toMatchObject([{ code: 'CREATE_FAILED', cause: down }]);
      expect(second.waits).toBe(true);
      advance(40);
      const error = second.errors[0] as AcquireTimeoutError;
      expect(error).toMatchObject({
        code: 'ACQUIRE_TIMEOUT',
        phase: 'creating',
        waitedMillis: 100,
      });
      expect(error.cause).toBe(down);
      expect(error.message).toMatch(/connection refused/);
      advance(20);
    }),
  );

  it(
    'a request that a validation was on its way to serve says so',
    inVirtualTime(advance => {
      const { pool } = watchedPool(
        { max: 1, acquireTimeoutMillis: 100, validateTimeoutMillis: 1_000 },
        { validateMillis: 500 },
      );
      new Borrower(pool.acquire()).leave();
      const waiter = new Borrower(pool.acquire());
      expect(pool.state).toMatchObject({ validating: 1, waiting: 1 });
      advance(100);
      expect(waiter.errors).toMatchObject([{ code: 'ACQUIRE_TIMEOUT', phase: 'validating' }]);
    }),
  );

  it(
    'the deadline covers waiting, creating and validating together',
    inVirtualTime(advance => {
      const { pool } = watchedPool(
        { max: 1, acquireTimeoutMillis: 100 },
        { validateMillis: 50, resetMillis: 40 },
      );
      const holder = new Borrower(pool.acquire());
      const waiter = new Borrower(pool.acquire());
      advance(20);
      holder.leave();
      advance(79);
      expect(pool.state).toMatchObject({ validating: 1, waiting: 1 });
      advance(1);
      expect(waiter.failedAt).toBe(100);
      advance(100);
      expect(waiter.leases).toEqual([]);
    }),
  );

  it(
    'timeoutMillis of a request stands instead of the pool’s, longer, shorter or off',
    marbles(m => {
      const { pool } = watchedPool({ max: 1, acquireTimeoutMillis: 100 });
      const wait = (options: AcquireOptions) => pool.acquire(options).pipe(asNumbers, withCodes);
      m.expect(pool.acquire().pipe(asNumbers), '^ 499ms !').toBeObservable('1');
      const code = 'ACQUIRE_TIMEOUT';
      m.expect(wait({ timeoutMillis: 30 })).toBeObservable('30ms #', undefined, code);
      m.expect(wait({ timeoutMillis: 300 })).toBeObservable('300ms #', undefined, code);
      m.expect(wait({ timeoutMillis: undefined })).toBeObservable('100ms #', undefined, code);
      m.expect(wait({ timeoutMillis: Infinity })).toBeObservable('500ms 1');
    }),
  );

  it(
    'each subscription has a deadline of its own, counted from its subscribe',
    marbles(m => {
      const { pool } = watchedPool({ max: 1, acquireTimeoutMillis: 100 });
      m.expect(pool.acquire().pipe(asNumbers)).toBeObservable('1');
      const source = pool.acquire().pipe(asNumbers, withCodes);
      m.expect(source).toBeObservable('100ms #', undefined, 'ACQUIRE_TIMEOUT');
      m.expect(source, '40ms ^').toBeObservable('140ms #', undefined, 'ACQUIRE_TIMEOUT');
    }),
  );

  // product.md settles "timer gone at once" otherwise: an armed timer may ring once more for nothing.
  describe.each<[string, (request: { waiter: Borrower<Thing>; holder: Borrower<Thing> }) => void]>([
    ['a grant', ({ holder }) => holder.leave()],
    ['an unsubscribe', ({ waiter }) => waiter.leave()],
    ['an error', ({ holder }) => void holder.lease.destroy()],
  ])('WF-08: after %s before the deadline', (end, finish) => {
    it(
      'the deadline is void: nothing is told when it passes, and at most one timer outlives it',
      inVirtualTime((advance, scheduler) => {
        const watched = watchedPool(
          { max: 1, acquireTimeoutMillis: 100, createTimeoutMillis: Infinity, scheduler },
          {
            create: attempt => {
              if (attempt > 1) throw new Error('down');
            },
          },
        );
        const holder = new Borrower(watched.pool.acquire());
        const waiter = new Borrower(watched.pool.acquire());
        expect(scheduler.actions).toHaveLength(1);
        advance(50);
        finish({ waiter, holder });
        expect(scheduler.actions.length).toBeLessThanOrEqual(1);
        advance(50);
        expect(scheduler.actions).toEqual([]);
        advance(1_000);
        expect(countOf(watched, 'timedOut')).toBe(0);
        expect(waiter.leases).toHaveLength(end === 'a grant' ? 1 : 0);
        expect(waiter.leases.some(({ released }) => released)).toBe(false);
        expect(waiter.errors).toHaveLength(end === 'an error' ? 1 : 0);
      }),
    );
  });

  it(
    'WF-08: a thousand requests that came and went leave at most one timer, and that not for long',
    inVirtualTime((advance, scheduler) => {
      const { pool } = watchedPool({ max: 1, scheduler });
      new Borrower(pool.acquire());
      for (let round = 0; round < 1_000; round += 1) new Borrower(pool.acquire()).leave();
      expect(scheduler.actions.length).toBeLessThanOrEqual(1);
      advance(60_000);
      expect(scheduler.actions).toEqual([]);
      expect(pool.state).toMatchObject({ leased: 1, waiting: 0 });
      expect(pool.stats).toMatchObject({ cancelled: 1_000, timedOut: 0 });
    }),
  );
});

describe('the signal of a request', () => {
  it('a signal that is aborted already ends the request before it takes anything', () => {
    const watched = watchedPool();
    const { pool, factory } = watched;
    new Borrower(pool.acquire()).leave();
    const borrower = new Borrower(pool.acquire({ signal: AbortSignal.abort('tired'), label: 'x' }));
    const error = borrower.errors[0] as AcquireAbortedError;
    expect(error).toBeInstanceOf(AcquireAbortedError);
    expect(error).toMatchObject({ code: 'ACQUIRE_ABORTED', pool: 'things', cause: 'tired' });
    expect(borrower.leases).toEqual([]);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0, waiting: 0 });
    expect(factory.attempts).toBe(1);
    expect(eventsOf(watched, 'cancelled')).toMatchObject([{ reason: 'aborted', label: 'x' }]);
  });

  it('a signal that is aborted during the wait ends it, and the next waiter moves up', () => {
    const watched = watchedPool({ max: 1 });
    const { pool } = watched;
    const holder = new Borrower(pool.acquire());
    const controller = new AbortController();
    const aborted = new Borrower(pool.acquire({ signal: controller.signal }));
    const next = new Borrower(pool.acquire());
    controller.abort();
    expect(aborted.errors).toMatchObject([
      { code: 'ACQUIRE_ABORTED', cause: controller.signal.reason },
    ]);
    expect(pool.state.waiting).toBe(1);
    holder.leave();
    expect(next.lease.resource.number).toBe(1);
    expect(pool.stats).toMatchObject({ cancelled: 1, rejected: 0, timedOut: 0 });
  });

  it('a signal that is aborted after the grant leaves the lease alone', () => {
    const watched = watchedPool();
    const controller = new AbortController();
    const borrower = new Borrower(watched.pool.acquire({ signal: controller.signal }));
    controller.abort();
    expect(borrower.lease.released).toBe(false);
    expect(borrower.lease.signal.aborted).toBe(false);
    expect(borrower.errors).toEqual([]);
    expect(countOf(watched, 'cancelled')).toBe(0);
  });

  it('no listener stays on the signal, however the request ends', () => {
    const { pool } = watchedPool({ max: 1 });
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...given: Parameters<typeof add>) => {
      listeners += 1;
      add(...given);
    };
    signal.removeEventListener = (...given: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...given);
    };
    const idle = new Borrower(pool.acquire({ signal }));
    const waiting = new Borrower(pool.acquire({ signal }));
    const leaving = new Borrower(pool.acquire({ signal }));
    // Requests that share a signal share one listener.
    expect(listeners).toBe(1);
    leaving.leave();
    expect(listeners).toBe(1);
    idle.leave();
    expect(waiting.leases).toHaveLength(1);
    expect(listeners).toBe(0);
  });
});

describe('tryAcquire', () => {
  it('lends an idle resource at once, and tells so', () => {
    const watched = watchedPool();
    const { pool } = watched;
    new Borrower(pool.acquire()).leave();
    const lease = pool.tryAcquire();
    expect(lease?.resource.number).toBe(1);
    expect(pool.state).toMatchObject({ leased: 1, idle: 0 });
    expect(countOf(watched, 'acquired')).toBe(2);
    void lease?.release();
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
  });

  it('gives undefined, makes nothing and tells nothing when nothing is ready', () => {
    const { pool, factory, events } = watchedPool();
    expect(pool.tryAcquire()).toBeUndefined();
    expect(factory.attempts).toBe(0);
    expect(events).toEqual([]);
    expect(pool.state.waiting).toBe(0);
  });

  it('never overtakes a waiter', () => {
    const { pool } = watchedPool({ max: 1 });
    const holder = new Borrower(pool.acquire());
    const waiter = new Borrower(pool.acquire());
    holder.leave();
    expect(pool.tryAcquire()).toBeUndefined();
    expect(waiter.lease.released).toBe(false);
  });

  it('lends when a synchronous validate says yes', () => {
    const { pool, factory } = watchedPool({}, { validate: () => true });
    new Borrower(pool.acquire()).leave();
    expect(pool.tryAcquire()?.resource.number).toBe(1);
    expect(factory.validated).toEqual([1]);
  });

  it('tries the next one when a synchronous validate says no, and gives undefined when all are bad', () => {
    const { pool, factory } = watchedPool({}, { validate: thing => thing.number === 1 });
    for (const borrower of borrowers(pool, 2)) borrower.leave();
    expect(pool.tryAcquire()?.resource.number).toBe(1);
    expect(factory.destroyed).toEqual([{ number: 2, reason: 'invalid' }]);
    expect(pool.tryAcquire()).toBeUndefined();
  });

  it(
    'gives undefined when validate takes time, and the resource is idle again afterwards',
    inVirtualTime(advance => {
      const { pool } = watchedPool({}, { validateMillis: 10 });
      new Borrower(pool.acquire()).leave();
      expect(pool.tryAcquire()).toBeUndefined();
      advance(10);
      expect(pool.state).toMatchObject({ idle: 1, validating: 0, leased: 0 });
    }),
  );

  it('gives undefined while the pool is paused and after it was closed', async () => {
    const { pool } = watchedPool();
    new Borrower(pool.acquire()).leave();
    pool.pause();
    expect(pool.tryAcquire()).toBeUndefined();
    pool.resume();
    await pool.close();
    expect(pool.tryAcquire()).toBeUndefined();
  });
});

describe('what create may give', () => {
  it.each<[string, () => Hook<unknown>, unknown]>([
    ['an array', () => [1, 2], [1, 2]],
    ['a text', () => 'abc', 'abc'],
    ['a Map', () => new Map([[1, 2]]), new Map([[1, 2]])],
    ['an Observable inside of()', () => of(NEVER), NEVER],
    ['the first value of a longer Observable', () => timer(0, 1).pipe(map(() => 'first')), 'first'],
  ])('%s is a resource', (_, create, expected) => {
    inVirtualTime(advance => {
      const pool = createPool<unknown>({ create, idleTimeoutMillis: Infinity });
      const borrower = new Borrower(pool.acquire());
      advance(5);
      expect(borrower.lease.resource).toEqual(expected);
      expect(pool.state).toMatchObject({ leased: 1, size: 1 });
      void borrower.lease.destroy();
    })();
  });
});
