import {
  finalize,
  forkJoin,
  interval,
  lastValueFrom,
  map,
  NEVER,
  Observable,
  of,
  race,
  Subject,
  take,
  takeUntil,
  timeout,
  timer,
  type Subscription,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import { createPool, type AcquireOptions, type Lease } from '../src/index.js';
import type { Thing } from './counting-factory.js';
import { inVirtualTime } from './virtual-time.js';
import { Borrower, borrowers, countOf, eventsOf, watchedPool } from './watched-pool.js';

/** Hands out the very subscriber that the source gets, before the source does. */
function withSubscriber<R>(
  source: Observable<R>,
  hear: (subscriber: Subscription) => unknown,
): Observable<R> {
  return new Observable(subscriber => {
    hear(subscriber);
    source.subscribe(subscriber);
  });
}

describe('leaving while waiting', () => {
  it('CR-01: a waiter that left is never served, and the resource comes back once', () => {
    const watched = watchedPool({ max: 1 }, { reset: () => undefined });
    const { pool, factory } = watched;
    const holder = new Borrower(pool.acquire());
    const waiter = new Borrower(pool.acquire({ label: 'gone' }));
    waiter.leave();
    holder.leave();
    expect(factory.reset).toEqual([1]);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0, waiting: 0 });
    expect(waiter.leases).toEqual([]);
    expect(eventsOf(watched, 'cancelled')).toMatchObject([
      { requestId: 2, label: 'gone', reason: 'unsubscribed' },
    ]);
    expect(countOf(watched, 'acquired')).toBe(1);
  });

  it(
    'CR-02: a create goes on when the one who caused it leaves, and its resource is kept',
    inVirtualTime(advance => {
      const watched = watchedPool({}, { createMillis: 50 });
      const { pool, factory } = watched;
      const borrower = new Borrower(pool.acquire());
      advance(10);
      borrower.leave();
      expect(pool.state).toMatchObject({ creating: 1, waiting: 0 });
      advance(40);
      expect(borrower.leases).toEqual([]);
      expect(pool.state).toMatchObject({ size: 1, idle: 1, leased: 0, creating: 0 });
      expect(factory.destroyed).toEqual([]);
      expect(countOf(watched, 'acquired')).toBe(0);
    }),
  );

  it(
    'CR-02: the signal of a create is not aborted when the one who caused it leaves',
    inVirtualTime(advance => {
      let signal: AbortSignal | undefined;
      const pool = createPool({
        create: context => {
          ({ signal } = context);
          return timer(50).pipe(map(() => ({})));
        },
      });
      const borrower = new Borrower(pool.acquire());
      advance(10);
      borrower.leave();
      advance(40);
      expect(signal?.aborted).toBe(false);
      expect(pool.state.idle).toBe(1);
    }),
  );

  it(
    'CR-02: the next waiter takes the resource of a create whose cause has left',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool({ max: 1 }, { createMillis: 50 });
      const leaving = new Borrower(pool.acquire());
      const waiter = new Borrower(pool.acquire());
      advance(10);
      leaving.leave();
      advance(40);
      expect(waiter.grantedAt).toBe(50);
      expect(waiter.lease.resource.number).toBe(1);
      expect(factory.attempts).toBe(1);
    }),
  );

  it(
    'CR-02: a resource that nobody claimed idles from its birth on, and goes in its time',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool({ idleTimeoutMillis: 100 }, { createMillis: 50 });
      const borrower = new Borrower(pool.acquire());
      advance(10);
      borrower.leave();
      advance(139);
      expect(pool.state).toMatchObject({ idle: 1, size: 1 });
      advance(1);
      expect(factory.destroyed).toEqual([{ number: 1, reason: 'idle' }]);
      expect(pool.state.size).toBe(0);
    }),
  );

  it('CR-03: close settles after a request that was cancelled at once', async () => {
    const gate = new Subject<object>();
    let destroyed = 0;
    const pool = createPool({ create: () => gate, destroy: () => (destroyed += 1) });
    new Borrower(pool.acquire({ timeoutMillis: 1_000 })).leave();
    expect(pool.state).toMatchObject({ waiting: 0, leased: 0, creating: 1 });
    const closed = pool.close();
    gate.next({});
    await closed;
    expect(pool.state).toMatchObject({ lifecycle: 'closed', size: 0, creating: 0, leased: 0 });
    expect(destroyed).toBe(1);
  });

  it(
    'CR-04: a create that fails after its cause has left is told to nobody and not tried again',
    inVirtualTime(advance => {
      const watched = watchedPool(
        {},
        {
          createMillis: 50,
          create: () => {
            throw new Error('down');
          },
        },
      );
      const { pool, factory } = watched;
      const borrower = new Borrower(pool.acquire());
      advance(10);
      borrower.leave();
      advance(40);
      expect(pool.state).toMatchObject({ creating: 0, size: 0, waiting: 0 });
      expect(eventsOf(watched, 'createFailed')).toMatchObject([{ at: 50, tookMillis: 50 }]);
      expect(countOf(watched, 'rejected')).toBe(0);
      advance(100_000);
      expect(factory.attempts).toBe(1);
      expect(borrower.errors).toEqual([]);
    }),
  );

  it(
    'CR-05: a validation goes on when the one it was for leaves; a good resource is idle again',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool({ max: 1 }, { validateMillis: 20 });
      new Borrower(pool.acquire()).leave();
      const borrower = new Borrower(pool.acquire());
      advance(10);
      borrower.leave();
      expect(pool.state).toMatchObject({ validating: 1, waiting: 0 });
      advance(10);
      expect(pool.state).toMatchObject({ validating: 0, idle: 1, size: 1 });
      expect(borrower.leases).toEqual([]);
      expect(factory.destroyed).toEqual([]);
    }),
  );

  it(
    'CR-05: a resource that was validated for somebody who left goes to the next waiter, not validated again',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool({ max: 1 }, { validateMillis: 20 });
      new Borrower(pool.acquire()).leave();
      const leaving = new Borrower(pool.acquire());
      const waiter = new Borrower(pool.acquire());
      advance(10);
      leaving.leave();
      advance(10);
      expect(waiter.grantedAt).toBe(20);
      expect(factory.validated).toEqual([1]);
    }),
  );

  it(
    'CR-05: a resource that turns out bad for somebody who left is destroyed',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool(
        { max: 1 },
        { validateMillis: 20, validate: () => false },
      );
      new Borrower(pool.acquire()).leave();
      const borrower = new Borrower(pool.acquire());
      advance(10);
      borrower.leave();
      advance(10);
      expect(factory.destroyed).toEqual([{ number: 1, reason: 'invalid' }]);
      expect(pool.state).toMatchObject({ size: 0, idle: 0, creating: 0 });
      expect(factory.attempts).toBe(1);
    }),
  );

  it.each([true, false])(
    'CR-05: the one who waits leaves inside a validate that says %s',
    isGood => {
      const leaving: Subscription[] = [];
      const { pool, factory } = watchedPool(
        {},
        {
          validate: () => {
            leaving[0]?.unsubscribe();
            return isGood;
          },
        },
      );
      new Borrower(pool.acquire()).leave();
      const { leases } = new Borrower(
        withSubscriber(pool.acquire(), subscriber => leaving.push(subscriber)),
      );
      expect(leaving).toHaveLength(1);
      expect(leases).toEqual([]);
      expect(pool.state).toMatchObject({ idle: isGood ? 1 : 0, leased: 0, waiting: 0 });
      expect(factory.destroyed).toHaveLength(isGood ? 0 : 1);
      expect(factory.attempts).toBe(1);
    },
  );

  it(
    'CR-06: a resource that comes after its request has timed out is kept for the next one',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool(
        { max: 1, acquireTimeoutMillis: 100 },
        { createMillis: 200 },
      );
      const late = new Borrower(pool.acquire());
      advance(100);
      expect(late.failedAt).toBe(100);
      expect(pool.state).toMatchObject({ creating: 1, size: 0, waiting: 0 });
      advance(100);
      expect(pool.state).toMatchObject({ creating: 0, size: 1, idle: 1 });
      expect(new Borrower(pool.acquire()).lease.resource.number).toBe(1);
      expect(factory.attempts).toBe(1);
    }),
  );

  it(
    'CR-06: a resource that comes after its request has timed out goes to the one who waits by then',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool(
        { max: 1, acquireTimeoutMillis: 100 },
        { createMillis: 200 },
      );
      borrowers(pool, 1);
      advance(150);
      const next = new Borrower(pool.acquire());
      advance(50);
      expect(next.grantedAt).toBe(200);
      expect(factory.attempts).toBe(1);
    }),
  );

  it(
    'CR-06: twenty requests that all time out never bring more than max resources to life',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool(
        { max: 2, acquireTimeoutMillis: 100 },
        { createMillis: 200 },
      );
      for (let round = 0; round < 20; round += 1) {
        const borrower = new Borrower(pool.acquire());
        advance(60);
        borrower.leave();
      }
      advance(1_000);
      expect(factory.peak).toBeLessThanOrEqual(2);
      expect(pool.state.size).toBe(factory.live);
      expect(pool.state).toMatchObject({ leased: 0, waiting: 0, creating: 0 });
    }),
  );

  it('leaving with ten thousand others in the queue leaves none of them behind', () => {
    const { pool } = watchedPool({ max: 1 });
    const holder = new Borrower(pool.acquire());
    const waiters = borrowers(pool, 10_000);
    for (const waiter of waiters.reverse()) waiter.leave();
    expect(pool.state.waiting).toBe(0);
    holder.leave();
    expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
    expect(pool.stats.cancelled).toBe(10_000);
  });
});

describe('leaving at the very moment of the grant', () => {
  const rounds = 10_000;

  const ways: [string, (source: Observable<Lease<Thing>>) => number][] = [
    [
      'take(1)',
      source => {
        let leases = 0;
        source.pipe(take(1)).subscribe(() => (leases += 1));
        return leases;
      },
    ],
    [
      'takeUntil that fires in the handler',
      source => {
        let leases = 0;
        const stop = new Subject<void>();
        source.pipe(takeUntil(stop)).subscribe(() => {
          leases += 1;
          stop.next();
        });
        return leases;
      },
    ],
    [
      'Subscriber.unsubscribe',
      source => {
        let leases = 0;
        const subscribers: Subscription[] = [];
        withSubscriber(source, subscriber => subscribers.push(subscriber)).subscribe(() => {
          leases += 1;
          subscribers[0]?.unsubscribe();
        });
        return leases;
      },
    ],
  ];

  it.each(ways)('CR-09: %s gives back once, ten thousand times over', (_, borrowOnce) => {
    // Without the recorder of `watchedPool`: what is looked for here is growth.
    let made = 0;
    let resets = 0;
    const pool = createPool<Thing>({
      create: () => ({ number: (made += 1) }),
      reset: () => (resets += 1),
    });
    new Borrower(pool.acquire()).leave();
    let leases = 0;
    for (let round = 0; round < rounds; round += 1) leases += borrowOnce(pool.acquire());
    expect(leases).toBe(rounds);
    expect(resets).toBe(rounds + 1);
    expect(made).toBe(1);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0, size: 1 });
    expect(pool.stats).toMatchObject({ acquired: rounds + 1, released: rounds + 1, cancelled: 0 });
  });

  it('CR-09: an acquire with options, and one inside a callback, give back once as well', () => {
    const watched = watchedPool();
    const { pool } = watched;
    for (const [, borrowOnce] of ways) {
      expect(borrowOnce(pool.acquire({ label: 'x' }))).toBe(1);
      expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
    }
    pool.acquire().subscribe(() => {
      pool.acquire().pipe(take(1)).subscribe();
    });
    expect(pool.state).toMatchObject({ idle: 1, leased: 1 });
    expect(countOf(watched, 'released')).toBe(4);
  });

  it('a lease on its way to somebody who leaves meanwhile goes on to the next waiter', () => {
    const watched = watchedPool({ max: 1 });
    const { pool } = watched;
    // The end of the holder's stream is told between the hand-off to the first waiter and its `next`.
    const held: Lease<Thing>[] = [];
    pool.acquire().subscribe({
      next: lease => held.push(lease),
      complete: () => first.leave(),
    });
    const first = new Borrower(pool.acquire());
    const second = new Borrower(pool.acquire());
    void held[0]?.release();
    expect(first.leases).toHaveLength(0);
    expect(second.lease.resource.number).toBe(1);
    expect(pool.state).toMatchObject({ leased: 1, waiting: 0 });
    expect(countOf(watched, 'cancelled')).toBe(0);
    expect(countOf(watched, 'released')).toBe(2);
  });
});

describe('leaving before the start', () => {
  it('CR-10: takeUntil(of(0)) asks for nothing', () => {
    const watched = watchedPool();
    const { pool, factory } = watched;
    const borrower = new Borrower(pool.acquire().pipe(takeUntil(of(0))));
    expect(borrower.completed).toBe(true);
    expect(factory.attempts).toBe(0);
    expect(pool.state).toMatchObject({ waiting: 0, leased: 0 });
    expect(countOf(watched, 'cancelled')).toBeLessThanOrEqual(1);
  });

  it.each(['acquire', 'use'] as const)(
    'CR-10: a subscriber that is closed already asks for nothing of %s',
    way => {
      const watched = watchedPool();
      const { pool, factory } = watched;
      new Borrower(pool.acquire()).leave();
      let ran = false;
      const source: Observable<unknown> =
        way === 'acquire' ? pool.acquire() : pool.use(() => (ran = true));
      withSubscriber(source, subscriber => subscriber.unsubscribe()).subscribe();
      expect(ran).toBe(false);
      expect(factory.attempts).toBe(1);
      expect(pool.state).toMatchObject({ waiting: 0, leased: 0, idle: 1 });
      expect(countOf(watched, 'cancelled')).toBeLessThanOrEqual(1);
      expect(countOf(watched, 'acquired')).toBe(1);
    },
  );
});

describe('operators that leave', () => {
  it('CR-12: race keeps the winner and gives back the loser', () => {
    const { pool } = watchedPool();
    const winner = new Borrower(race(pool.acquire(), pool.acquire()));
    expect(winner.lease.released).toBe(false);
    expect(pool.state).toMatchObject({ leased: 1, waiting: 0 });
    winner.leave();
    expect(pool.state.leased).toBe(0);
  });

  it(
    'CR-12: race over waiting requests dequeues the loser before the winner has its lease',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ max: 1 }, { createMillis: 10 });
      const winner = new Borrower(race(pool.acquire(), pool.acquire()));
      expect(pool.state.waiting).toBe(2);
      advance(10);
      expect(winner.leases).toHaveLength(1);
      expect(pool.state).toMatchObject({ leased: 1, waiting: 0 });
      winner.leave();
      expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
    }),
  );

  it(
    'CR-12: timeout dequeues a request that takes too long',
    inVirtualTime(advance => {
      const watched = watchedPool({ max: 1 });
      const { pool } = watched;
      const holder = new Borrower(pool.acquire());
      const impatient = new Borrower(pool.acquire().pipe(timeout({ first: 10 })));
      advance(10);
      expect(impatient.errors).toMatchObject([{ name: 'TimeoutError' }]);
      expect(pool.state).toMatchObject({ waiting: 0, leased: 1 });
      expect(countOf(watched, 'cancelled')).toBe(1);
      holder.leave();
      expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
    }),
  );

  it(
    'CR-12: takeUntil gives back what is lent and dequeues what waits',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ max: 1 });
      const all = [5, 10].map(
        millis => new Borrower(pool.acquire().pipe(takeUntil(timer(millis)))),
      );
      advance(5);
      expect(all.map(({ leases, completed }) => [leases.length, completed])).toEqual([
        [1, true],
        [1, false],
      ]);
      expect(pool.state).toMatchObject({ leased: 1, waiting: 0 });
      advance(5);
      expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
    }),
  );
});

describe('borrowers that block themselves', () => {
  it(
    'CR-14: two leases for one borrower with a max of 1 end at the deadline, and all comes back',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ max: 1, acquireTimeoutMillis: 100 });
      const errors: unknown[] = [];
      forkJoin([pool.acquire(), pool.acquire()]).subscribe({
        error: (error: unknown) => errors.push(error),
      });
      advance(99);
      expect(pool.state).toMatchObject({ leased: 1, waiting: 1 });
      advance(1);
      expect(errors).toMatchObject([{ code: 'ACQUIRE_TIMEOUT' }]);
      expect(pool.state).toMatchObject({ leased: 0, waiting: 0, idle: 1 });
    }),
  );

  it(
    'CR-14: an acquire nested inside a lease ends at the deadline, and all comes back',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ max: 1, acquireTimeoutMillis: 100 });
      const errors: unknown[] = [];
      pool
        .use(() => pool.use(() => 'never'))
        .subscribe({ error: (error: unknown) => errors.push(error) });
      advance(99);
      expect(pool.state).toMatchObject({ leased: 1, waiting: 1 });
      advance(1);
      expect(errors).toMatchObject([{ code: 'ACQUIRE_TIMEOUT', phase: 'waiting' }]);
      expect(pool.state).toMatchObject({ leased: 0, waiting: 0, idle: 1 });
    }),
  );
});

describe('onCancel', () => {
  const reasons = { release: [], destroy: [{ number: 1, reason: 'released' }] };

  it.each([
    ['release', undefined, 'release'],
    ['destroy', undefined, 'destroy'],
    [undefined, 'destroy', 'destroy'],
    ['destroy', 'release', 'release'],
    [undefined, undefined, 'release'],
  ] as const)(
    'of the pool %s and of the request %s: an unsubscribe in flight does %s',
    (onPool, onRequest, outcome) => {
      const request: AcquireOptions = { onCancel: onRequest };
      for (const way of ['acquire', 'use'] as const) {
        const watched = watchedPool({ onCancel: onPool }, { reset: () => undefined });
        const { pool, factory } = watched;
        const subscription =
          way === 'acquire'
            ? pool.acquire(request).subscribe()
            : pool.use(() => NEVER, request).subscribe();
        expect(pool.state.leased).toBe(1);
        subscription.unsubscribe();
        expect(factory.destroyed).toEqual(reasons[outcome]);
        expect(factory.reset).toHaveLength(outcome === 'release' ? 1 : 0);
        expect(eventsOf(watched, 'released')).toMatchObject([
          { reason: outcome === 'release' ? 'released' : 'destroyed' },
        ]);
      }
    },
  );

  it('does not matter to a lease that was released by hand, nor to a use that came to its end', async () => {
    const { pool, factory } = watchedPool({ onCancel: 'destroy' });
    const borrower = new Borrower(pool.acquire());
    void borrower.lease.release();
    borrower.leave();
    await lastValueFrom(pool.use(() => Promise.resolve(1)));
    pool
      .use(() => of(1, 2))
      .subscribe()
      .unsubscribe();
    pool
      .use(() => 1)
      .pipe(take(1))
      .subscribe();
    expect(factory.destroyed).toEqual([]);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
  });

  it('does not matter to a request that still waits', () => {
    const { pool, factory } = watchedPool({ max: 1, onCancel: 'destroy' });
    const holder = new Borrower(pool.acquire());
    new Borrower(pool.acquire()).leave();
    void holder.lease.release();
    expect(factory.destroyed).toEqual([]);
    expect(pool.state.idle).toBe(1);
  });

  it(
    'the work of a use is stopped before its resource goes back',
    inVirtualTime(advance => {
      const order: string[] = [];
      const { pool } = watchedPool(
        {},
        {
          reset: () => {
            order.push('reset');
          },
        },
      );
      const subscription = pool
        .use(({ number }) =>
          interval(10).pipe(
            map(tick => `${number}.${tick}`),
            finalize(() => order.push('stopped')),
          ),
        )
        .subscribe(value => order.push(value));
      subscription.add(() => order.push('after'));
      advance(20);
      subscription.unsubscribe();
      advance(50);
      expect(order).toEqual(['1.0', '1.1', 'stopped', 'reset', 'after']);
    }),
  );
});
