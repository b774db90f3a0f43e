import {
  concatMap,
  defer,
  EMPTY,
  map,
  NEVER,
  Observable,
  of,
  retry,
  Subject,
  throwError,
  timer,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  AcquireTimeoutError,
  CreateError,
  createPool,
  HookTimeoutError,
  type CreateContext,
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

describe('what create fails with', () => {
  const unreadable = Object.defineProperty(new Error('hidden'), 'message', {
    get: () => {
      throw new Error('do not read me');
    },
  });
  const failures: [string, unknown][] = [
    ['an Error', new Error('down')],
    ['a text', 'down'],
    ['undefined', undefined],
    ['null', null],
    ['a frozen error', Object.freeze(new Error('frozen'))],
    ['an error whose message cannot be read', unreadable],
  ];

  /** Every way for a create to fail with something, at once and after 50 ms. */
  const ways: [string, number, (failure: unknown) => Hook<object>][] = [
    [
      'throws',
      0,
      failure => {
        throw failure;
      },
    ],
    ['errors', 0, failure => throwError(() => failure)],
    ['errors', 50, failure => timer(50).pipe(concatMap(() => throwError(() => failure)))],
  ];

  const table = failures.flatMap(([name, failure]) =>
    ways.map(([way, millis, fail]) => ({ name, failure, way, millis, fail })),
  );

  it.each(table)(
    'CF-01: $name is the cause when create $way with it after $millis ms',
    ({ failure, millis, fail }) => {
      inVirtualTime(advance => {
        let attempts = 0;
        const watched = watchedPool({
          create: () => {
            attempts += 1;
            if (attempts > 1) return { number: 1 };
            return fail(failure) as Hook<Thing>;
          },
        });
        const { pool } = watched;
        const borrower = new Borrower(pool.acquire());
        advance(millis);
        const error = borrower.errors[0];
        expect(error).toBeInstanceOf(CreateError);
        expect('cause' in (error as CreateError)).toBe(true);
        expect((error as CreateError).cause).toBe(failure);
        expect(pool.state).toMatchObject({ size: 0, creating: 0, waiting: 0 });
        expect(eventsOf(watched, 'createFailed')[0]!.error).toBe(failure);
        expect(eventsOf(watched, 'rejected')).toMatchObject([{ reason: 'createFailed' }]);
        expect(new Borrower(pool.acquire()).lease.resource.number).toBe(1);
        expect(attempts).toBe(2);
      })();
    },
  );

  it.each(failures)('CF-01: %s is the cause when create rejects with it', async (_, failure) => {
    let attempts = 0;
    const watched = watchedPool({
      create: async () => {
        attempts += 1;
        if (attempts === 1) throw failure;
        return { number: 1 };
      },
    });
    const { pool } = watched;
    const error: unknown = await pool.lease().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CreateError);
    expect((error as CreateError).cause).toBe(failure);
    expect(pool.state).toMatchObject({ size: 0, creating: 0, waiting: 0 });
    expect((await pool.lease()).resource.number).toBe(1);
    expect(attempts).toBe(2);
  });

  it('the error names the pool, its counts and the cause', () => {
    const { pool } = watchedPool({
      name: 'orders',
      create: () => {
        throw new Error('connection refused');
      },
    });
    const [error] = new Borrower(pool.acquire()).errors as [CreateError];
    expect(error.message).toMatch(/orders.*connection refused.*0 of 10 leased/);
    expect(error).toMatchObject({ code: 'CREATE_FAILED', pool: 'orders', made: 0 });
  });

  it.each<[string, () => Hook<unknown>]>([
    ['completes without a value', () => EMPTY],
    ['gives undefined', () => undefined],
    ['gives null', () => null],
    ['gives an Observable of undefined', () => of(undefined)],
  ])('CF-06: a create that %s fails its request with a typed error', (_, create) => {
    const pool = createPool<unknown>({ create });
    const borrower = new Borrower(pool.acquire());
    expect(borrower.errors).toEqual([expect.any(CreateError)]);
    expect((borrower.errors[0] as CreateError).cause).toBeInstanceOf(Error);
    expect(pool.state).toMatchObject({ size: 0, creating: 0, waiting: 0 });
  });

  it('CF-06: a create whose promise gives undefined fails its request with a typed error', async () => {
    const pool = createPool<unknown>({ create: () => Promise.resolve(undefined) });
    await expect(pool.lease()).rejects.toThrow(CreateError);
    expect(pool.state).toMatchObject({ size: 0, creating: 0 });
  });

  it.each([0, '', false, NaN])('CF-06: %j is a legal resource', async resource => {
    const pool = createPool<unknown>({ create: () => resource, validate: () => true });
    const lease = await pool.lease();
    expect(lease.resource).toBe(resource);
    await lease.release();
    expect(pool.tryAcquire()?.resource).toBe(resource);
    expect(pool.state).toMatchObject({ size: 1, leased: 1 });
  });
});

describe('one failed create fails one waiter', () => {
  it(
    'CF-02: the first in line fails, the next create starts in the same tick and serves the next',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool(
        { max: 1 },
        {
          createMillis: 10,
          create: attempt => {
            if (attempt === 1) throw new Error('down');
          },
        },
      );
      const [first, second, third] = borrowers(pool, 3) as [
        Borrower<Thing>,
        Borrower<Thing>,
        Borrower<Thing>,
      ];
      advance(9);
      expect(factory.attempts).toBe(1);
      advance(1);
      expect(first.errors).toEqual([expect.any(CreateError)]);
      expect(second.waits).toBe(true);
      expect(factory.attempts).toBe(2);
      expect(pool.state).toMatchObject({ creating: 1, waiting: 2 });
      advance(10);
      expect(second.grantedAt).toBe(20);
      expect(third.waits).toBe(true);
      second.leave();
      expect(third.leases).toHaveLength(1);
    }),
  );

  it(
    'of three creates in flight one fails: the oldest waiter gets the error, whoever caused it',
    inVirtualTime(advance => {
      const gates = [new Subject<Thing>(), new Subject<Thing>(), new Subject<Thing>()];
      let attempts = 0;
      const { pool } = watchedPool({ create: () => gates[attempts++]! });
      const all = borrowers(pool, 3);
      gates[2]!.error('third failed');
      expect(all.map(({ errors }) => errors.length)).toEqual([1, 0, 0]);
      gates[1]!.next({ number: 2 });
      gates[0]!.next({ number: 1 });
      advance(1);
      expect(all.map(({ leases }) => leases[0]?.resource.number)).toEqual([undefined, 2, 1]);
    }),
  );

  it('a synchronous create that always fails fails each waiter once, without a loop', () => {
    const { pool, factory } = watchedPool(
      {},
      {
        create: () => {
          throw new Error('down');
        },
      },
    );
    const all = borrowers(pool, 100);
    expect(all.map(({ errors }) => errors.length)).toEqual(Array.from({ length: 100 }, () => 1));
    expect(factory.attempts).toBe(100);
    expect(pool.stats).toMatchObject({ createFailed: 100, rejected: 100, created: 0 });
  });

  it(
    'a retry inside the error handler is a request of its own, behind those who wait',
    inVirtualTime(advance => {
      const { pool } = watchedPool(
        { max: 1 },
        {
          createMillis: 10,
          create: attempt => {
            if (attempt === 1) throw new Error('down');
          },
        },
      );
      const retried = new Borrower(pool.acquire().pipe(retry(1)));
      const second = new Borrower(pool.acquire());
      advance(20);
      expect(second.grantedAt).toBe(20);
      expect(retried.waits).toBe(true);
      second.leave();
      expect(retried.leases).toHaveLength(1);
    }),
  );
});

describe('a create that does not settle', () => {
  it(
    'CF-04: its requests fail at their deadlines, and when it settles late its slot is usable',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool(
        { max: 1, acquireTimeoutMillis: 100 },
        { createMillis: 500 },
      );
      const first = new Borrower(pool.acquire());
      advance(100);
      expect(first.errors).toEqual([expect.any(AcquireTimeoutError)]);
      expect(first.errors).toMatchObject([{ phase: 'creating' }]);
      expect(pool.state).toMatchObject({ creating: 1, size: 0, waiting: 0 });
      const second = new Borrower(pool.acquire());
      advance(100);
      expect(second.failedAt).toBe(200);
      expect(pool.state.creating).toBe(1);
      expect(factory.attempts).toBe(1);
      advance(300);
      expect(pool.state).toMatchObject({ creating: 0, idle: 1, size: 1 });
      expect(new Borrower(pool.acquire()).lease.resource.number).toBe(1);
    }),
  );

  it(
    'CF-04: with a time limit its slot is free then, and what comes late is destroyed outside the count',
    inVirtualTime(advance => {
      const signals: AbortSignal[] = [];
      const late = new Subject<Thing>();
      const destroyed: unknown[] = [];
      const watched = watchedPool({
        max: 1,
        createTimeoutMillis: 200,
        create: ({ signal }) => {
          signals.push(signal);
          return signals.length === 1 ? late : of({ number: 2 });
        },
        destroy: (thing, reason) => destroyed.push([thing.number, reason]),
      });
      const { pool } = watched;
      const [first, second] = borrowers(pool, 2) as [Borrower<Thing>, Borrower<Thing>];
      advance(199);
      expect(pool.state).toMatchObject({ creating: 1, waiting: 2 });
      expect(signals[0]!.aborted).toBe(false);
      advance(1);
      expect(signals[0]!.aborted).toBe(true);
      expect(first.errors).toEqual([expect.any(CreateError)]);
      expect((first.errors[0] as CreateError).cause).toBeInstanceOf(HookTimeoutError);
      expect((first.errors[0] as CreateError).cause).toMatchObject({ hook: 'create' });
      expect(second.lease.resource.number).toBe(2);
      advance(100);
      late.next({ number: 1 });
      expect(destroyed).toEqual([[1, 'lateCreate']]);
      expect(pool.state).toMatchObject({ size: 1, leased: 1, creating: 0, destroying: 0 });
      expect(eventsOf(watched, 'createFailed')).toMatchObject([{ tookMillis: 200, at: 200 }]);
    }),
  );

  it(
    'CF-04: what fails after its time limit is nobody’s',
    inVirtualTime(advance => {
      const late = new Subject<Thing>();
      const watched = watchedPool({ max: 1, createTimeoutMillis: 200, create: () => late });
      new Borrower(watched.pool.acquire());
      advance(200);
      late.error(new Error('too late'));
      expect(countOf(watched, 'createFailed')).toBe(1);
      expect(watched.pool.state).toMatchObject({ size: 0, creating: 0 });
    }),
  );

  it(
    'the time limit that passes for nobody leaves the pool usable',
    inVirtualTime(advance => {
      let attempts = 0;
      const pool = createPool<object>({
        max: 1,
        acquireTimeoutMillis: 50,
        createTimeoutMillis: 100,
        create: () => (attempts++ === 0 ? NEVER : {}),
      });
      const first = new Borrower(pool.acquire());
      advance(100);
      expect(first.failedAt).toBe(50);
      expect(pool.state).toMatchObject({ creating: 0, size: 0 });
      expect(new Borrower(pool.acquire()).leases).toHaveLength(1);
    }),
  );
});

describe('a check at the end of create', () => {
  // A fresh resource is not validated (product.md, P9): the first check belongs at the end of `create`, which also
  // ends what it made and found bad.
  it('CF-08: after ten resources that were bad from birth on, two good ones can be held', () => {
    const open = new Set<number>();
    let attempts = 0;
    const validated: unknown[] = [];
    const connectAndCheck = new Observable<Thing>(subscriber => {
      const number = (attempts += 1);
      open.add(number);
      subscriber.add(() => open.delete(number));
      if (attempts <= 10) subscriber.error(new Error(`bad ${number}`));
      else subscriber.next({ number });
    });
    const watched = watchedPool({
      max: 2,
      create: () => connectAndCheck,
      validate: thing => void validated.push(thing),
    });
    const { pool } = watched;
    for (let round = 1; round <= 10; round += 1) {
      const { errors } = new Borrower(pool.acquire());
      expect(errors).toMatchObject([{ code: 'CREATE_FAILED', cause: { message: `bad ${round}` } }]);
      expect(pool.state).toMatchObject({ size: 0, creating: 0 });
      expect(open.size).toBe(0);
    }
    expect(borrowers(pool, 2).map(({ lease }) => lease.resource.number)).toEqual([11, 12]);
    expect(open.size).toBe(2);
    expect(validated).toEqual([]);
    expect(pool.stats).toMatchObject({ createFailed: 10, created: 2 });
  });
});

describe('background fills', () => {
  it(
    'CF-09: fills that fail are tried again with growing pauses, and fail nobody',
    inVirtualTime(advance => {
      const down = new Error('down');
      const watched = watchedPool(
        { min: 2, max: 2 },
        {
          create: attempt => {
            if (attempt <= 12) throw down;
          },
        },
      );
      const { pool, factory } = watched;
      advance(0);
      expect(factory.attempts).toBeGreaterThanOrEqual(1);
      expect(factory.attempts).toBeLessThanOrEqual(2);
      advance(300_000);
      const failures = eventsOf(watched, 'createFailed');
      expect(failures).toHaveLength(12);
      expect(failures.every(({ error }) => error === down)).toBe(true);
      const times = [...new Set(failures.map(({ at: time }) => time))];
      const pauses = times.slice(1).map((time, index) => time - times[index]!);
      expect(pauses.length).toBeGreaterThanOrEqual(5);
      expect(pauses[0]).toBeGreaterThan(0);
      expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
      expect(pauses.at(-1)).toBeGreaterThan(pauses[0]!);
      expect(pool.state).toMatchObject({ size: 2, idle: 2 });
      expect(countOf(watched, 'rejected')).toBe(0);
    }),
  );

  it('CF-09: fills whose promises reject leave no unhandled rejection', async () => {
    const pool = createPool<object>({
      min: 2,
      create: () => Promise.reject(new Error('down')),
    });
    const failures: unknown[] = [];
    const twoFailed = new Promise<void>(resolve => {
      pool.stats$.subscribe(event => {
        if (event.type === 'createFailed') failures.push(event.error);
        if (failures.length === 2) resolve();
      });
    });
    await twoFailed;
    expect(failures).toEqual([new Error('down'), new Error('down')]);
    await pool.close();
    expect(pool.state.lifecycle).toBe('closed');
  });

  it(
    'CF-09: a request that counted on a fill gets a create of its own at once when the fill fails',
    inVirtualTime(advance => {
      const watched = watchedPool(
        { min: 1, max: 1 },
        {
          createMillis: 10,
          create: attempt => {
            if (attempt === 1) throw new Error('down');
          },
        },
      );
      const { pool, factory } = watched;
      advance(5);
      const borrower = new Borrower(pool.acquire());
      expect(factory.attempts).toBe(1);
      advance(5);
      expect(borrower.waits).toBe(true);
      expect(factory.attempts).toBe(2);
      advance(10);
      expect(borrower.grantedAt).toBe(20);
      expect(countOf(watched, 'rejected')).toBe(0);
    }),
  );

  it(
    'CF-09: a request during the pause after a failed fill does not wait for it',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool(
        { min: 1, max: 1 },
        {
          create: attempt => {
            if (attempt === 1) throw new Error('down');
          },
        },
      );
      advance(1);
      expect(factory.attempts).toBe(1);
      expect(new Borrower(pool.acquire()).lease.resource.number).toBe(1);
    }),
  );

  it(
    'CF-10: after a total loss and a repair the pool is whole again',
    inVirtualTime(advance => {
      let isBroken = false;
      const { pool, factory } = watchedPool(
        { min: 10, max: 10 },
        {
          create: () => {
            if (isBroken) throw new Error('down');
          },
        },
      );
      advance(0);
      expect(pool.state).toMatchObject({ size: 10, idle: 10 });
      const all = borrowers(pool, 10);
      isBroken = true;
      for (const { lease } of all) void lease.destroy(new Error('server gone'));
      expect(new Borrower(pool.acquire()).errors).toEqual([expect.any(CreateError)]);
      expect(pool.state).toMatchObject({ size: 0, idle: 0, creating: 0, waiting: 0 });
      isBroken = false;
      new Borrower(pool.acquire()).leave();
      advance(60_000);
      expect(pool.state).toMatchObject({ size: 10, idle: 10, creating: 0 });
      expect(factory.live).toBe(10);
      expect(borrowers(pool, 10).every(({ leases }) => leases.length === 1)).toBe(true);
    }),
  );
});

describe('retry inside create', () => {
  it(
    'CF-11: a waiter that is parked while the server is down is served at the first attempt after',
    marbles(m => {
      const attempts: number[] = [];
      const connect = (): Thing => {
        attempts.push(m.scheduler.frame);
        if (m.scheduler.frame < 25_000) throw new Error('down');
        return { number: 1 };
      };
      const { pool } = watchedPool({
        acquireTimeoutMillis: 60_000,
        createTimeoutMillis: 60_000,
        create: () => defer(() => of(connect())).pipe(retry({ delay: 10_000 })),
      });
      m.expect(pool.acquire().pipe(asNumbers)).toBeObservable('30s 1');
      at(100_000, () => expect(attempts).toEqual([0, 10_000, 20_000, 30_000]));
    }),
  );

  it(
    'CF-11: the attempts go on for nobody, and their resource serves the next request',
    marbles(m => {
      const { pool } = watchedPool({
        acquireTimeoutMillis: 15_000,
        createTimeoutMillis: 60_000,
        create: () =>
          defer(() => {
            if (m.scheduler.frame < 25_000) throw new Error('down');
            return of({ number: 1 });
          }).pipe(retry({ delay: 10_000 })),
      });
      m.expect(pool.acquire().pipe(withCodes)).toBeObservable(
        '15s #',
        undefined,
        'ACQUIRE_TIMEOUT',
      );
      m.expect(pool.acquire().pipe(asNumbers), '20s ^').toBeObservable('30s 1');
    }),
  );
});

describe('how many creates are started', () => {
  it(
    'CF-12: no more than there are waiters, each counted once, and none after the burst',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool({ max: 20 }, { createMillis: 100 });
      const all = borrowers(pool, 3);
      expect(pool.state).toMatchObject({ creating: 3, waiting: 3 });
      advance(50);
      expect(factory.attempts).toBe(3);
      advance(50);
      for (const borrower of all) borrower.leave();
      advance(10_000);
      expect(factory.attempts).toBe(3);
      expect(pool.state).toMatchObject({ size: 3, idle: 3, creating: 0 });
    }),
  );

  it(
    'CF-12: what min needs comes on top, and no more',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool({ min: 2, max: 20 }, { createMillis: 100 });
      advance(10);
      expect(pool.state.creating).toBe(2);
      const all = borrowers(pool, 3);
      expect(pool.state.creating).toBe(3);
      advance(100);
      expect(all.every(({ leases }) => leases.length === 1)).toBe(true);
      for (const borrower of all) borrower.leave();
      advance(10_000);
      expect(factory.attempts).toBe(3);
    }),
  );

  it(
    'CF-12: waiters that come and go do not add up to more creates than max',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool({ max: 20 }, { createMillis: 100 });
      for (let round = 0; round < 50; round += 1) {
        const borrower = new Borrower(pool.acquire());
        advance(1);
        borrower.leave();
      }
      // The one create in flight serves whoever waits when it ends: each newcomer counts on it.
      expect(factory.attempts).toBe(1);
      advance(1_000);
      expect(pool.state).toMatchObject({ size: 1, idle: 1 });
    }),
  );

  it(
    'createConcurrency bounds the creates in flight, and all are served in the end',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool(
        { max: 10, createConcurrency: 2 },
        { createMillis: 10 },
      );
      const all = borrowers(pool, 5);
      expect(pool.state.creating).toBe(2);
      advance(10);
      expect(pool.state.creating).toBe(2);
      advance(20);
      expect(all.map(({ grantedAt }) => grantedAt)).toEqual([10, 10, 20, 20, 30]);
      expect(factory.made).toHaveLength(5);
    }),
  );
});

describe('what create is told', () => {
  it('the pool’s name and a signal that is not aborted', () => {
    const contexts: CreateContext[] = [];
    const pool = createPool<object>({
      name: 'orders',
      create: context => {
        contexts.push(context);
        return {};
      },
    });
    new Borrower(pool.acquire());
    expect(contexts).toMatchObject([{ pool: 'orders' }]);
    expect(contexts[0]!.signal.aborted).toBe(false);
  });

  it('a source that stays open is closed by the destroy, and its later error evicts the resource', () => {
    let open = 0;
    const sources: Subject<Thing>[] = [];
    const watched = watchedPool({
      create: () => {
        const source = new Subject<Thing>();
        sources.push(source);
        return new Observable<Thing>(subscriber => {
          open += 1;
          subscriber.next({ number: sources.length });
          subscriber.add(source.subscribe(subscriber));
          return () => (open -= 1);
        });
      },
    });
    const { pool } = watched;
    const [first, second] = borrowers(pool, 2) as [Borrower<Thing>, Borrower<Thing>];
    expect(open).toBe(2);
    void first.lease.destroy();
    expect(open).toBe(1);
    second.leave();
    const error = new Error('socket closed');
    sources[1]!.error(error);
    expect(pool.state.size).toBe(0);
    expect(eventsOf(watched, 'resourceError')).toMatchObject([{ id: 2, error }]);
    expect(eventsOf(watched, 'destroyed').map(({ reason }) => reason)).toEqual([
      'released',
      'broken',
    ]);
  });

  it('a source that fails while its resource is lent takes it out on return', () => {
    const source = new Subject<Thing>();
    const { pool } = watchedPool({
      create: () =>
        new Observable<Thing>(subscriber => {
          subscriber.next({ number: 1 });
          subscriber.add(source.subscribe(subscriber));
        }),
    });
    const borrower = new Borrower(pool.acquire());
    source.error(new Error('socket closed'));
    expect(borrower.lease.released).toBe(false);
    expect(borrower.lease.info).toMatchObject({
      stale: true,
      lastError: new Error('socket closed'),
    });
    borrower.leave();
    expect(pool.state).toMatchObject({ size: 0, idle: 0 });
  });

  it(
    'only the first value of a source counts',
    marbles(m => {
      const { pool } = watchedPool({
        create: () => timer(1, 1).pipe(map(number => ({ number }))),
      });
      m.expect(pool.acquire().pipe(asNumbers), '^--------!').toBeObservable('-0');
      at(12, () => {
        expect(pool.state).toMatchObject({ size: 1, idle: 1 });
        expect(pool.stats.created).toBe(1);
        void pool.close();
      });
    }),
  );
});
