import {
  concat,
  EMPTY,
  finalize,
  interval,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  range,
  Subject,
  take,
  throwError,
  timer,
  toArray,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  AcquireAbortedError,
  CreateError,
  InvalidOptionsError,
  LeaseReleasedError,
  LeaseRevokedError,
  type AcquireOptions,
  type Lease,
  type Project,
} from '../src/index.js';
import type { Thing } from './counting-factory.js';
import { marbles } from './marbles.js';
import { at, inVirtualTime } from './virtual-time.js';
import {
  Borrower,
  countOf,
  eventsOf,
  watchedPool,
  withCodes,
  type WatchedPool,
} from './watched-pool.js';

/** What a subscriber of a `use` is told, and how many leases are out at each moment. */
function record<R>({ pool }: WatchedPool, source: Observable<R>) {
  const told: unknown[] = [];
  const leased: number[] = [];
  const look = (what: unknown): void => {
    told.push(what);
    leased.push(pool.state.leased);
  };
  const subscription = source.subscribe({
    next: look,
    error: (error: unknown) => look({ error }),
    complete: () => look('complete'),
  });
  return { told, leased, subscription };
}

async function* numbersTo(last: number): AsyncGenerator<number> {
  for (let value = 1; value <= last; value += 1) yield value;
}

describe('what the project gives', () => {
  const list = [1, 2, 3];
  const table = new Map([['a', 1]]);
  const iterable = new Set([1, 2]);
  const action = (): number => 1;

  it.each<[string, Project<Thing, unknown>, unknown[]]>([
    ['a number', () => 7, [7]],
    ['nothing', () => undefined, [undefined]],
    ['null', () => null, [null]],
    ['false', () => false, [false]],
    ['an empty text', () => '', ['']],
    ['a text', () => 'abc', ['abc']],
    ['an array', () => list, [list]],
    ['a Map', () => table, [table]],
    ['an iterable', () => iterable, [iterable]],
    ['a function', () => action, [action]],
    ['an Observable of several', () => of(1, 2, 3), [1, 2, 3]],
    ['an Observable of none', () => EMPTY, []],
    ['an Observable of an array', () => of(list), [list]],
  ])('%s comes out at once as it is', (_, project, values) => {
    const watched = watchedPool();
    const { told } = record(watched, watched.pool.use(project));
    expect(told).toEqual([...values, 'complete']);
    expect(watched.pool.state).toMatchObject({ leased: 0, idle: 1 });
    expect(countOf(watched, 'released')).toBe(1);
  });

  it.each<[string, Project<Thing, unknown>, unknown[]]>([
    ['a promise', () => Promise.resolve(7), [7]],
    ['a promise of an array', () => Promise.resolve(list), [list]],
    ['an async function', async ({ number }) => number, [1]],
    ['any thenable', () => ({ then: (resolve: (value: number) => void) => resolve(5) }), [5]],
    ['an async generator', () => numbersTo(3), [1, 2, 3]],
    ['an empty async generator', () => numbersTo(0), []],
  ])('%s comes out when it is there', async (_, project, values) => {
    const { pool } = watchedPool();
    expect(await lastValueFrom(pool.use(project).pipe(toArray()))).toEqual(values);
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
  });

  it('the project gets the resource and its lease', () => {
    const { pool } = watchedPool();
    const seen: unknown[] = [];
    pool
      .use((resource, lease) => {
        seen.push(resource.number, lease.resource === resource, lease.released, lease.info.uses);
      })
      .subscribe();
    expect(seen).toEqual([1, true, false, 1]);
  });

  it(
    'an Observable is passed on value by value, as they come',
    marbles(m => {
      const { pool } = watchedPool();
      const source = m.cold('  --a--b--(c|)');
      const expected = '       --a--b--(c|)';
      m.expect(pool.use(() => source)).toBeObservable(expected);
      m.expect(source).toHaveSubscriptions(['^-------!']);
      at(20, () => expect(pool.state).toMatchObject({ leased: 0, idle: 1 }));
    }),
  );

  it(
    'the work starts when the lease is there',
    marbles(m => {
      const { pool } = watchedPool({ max: 1 }, { createMillis: 3 });
      m.expect(pool.use(() => m.cold('-a-|'))).toBeObservable('   ----a-|');
      m.expect(pool.use(() => m.cold('-b-|'))).toBeObservable('   -------b-|');
    }),
  );
});

describe('failures of the project', () => {
  const error = new Error('query failed');

  it.each<[string, Project<Thing, unknown>]>([
    [
      'throws',
      () => {
        throw error;
      },
    ],
    ['gives an Observable that errors', () => throwError(() => error)],
    [
      'gives an Observable that errors after a value',
      () =>
        concat(
          of(1),
          throwError(() => error),
        ),
    ],
  ])(
    'a project that %s fails the stream with that error, after the resource went back',
    (_, project) => {
      const watched = watchedPool();
      const { told, leased } = record(watched, watched.pool.use(project));
      expect(told.at(-1)).toEqual({ error });
      expect((told.at(-1) as { error: unknown }).error).toBe(error);
      expect(leased.at(-1)).toBe(0);
      expect(watched.pool.state).toMatchObject({ leased: 0, idle: 1 });
      expect(eventsOf(watched, 'released')).toMatchObject([{ reason: 'released' }]);
    },
  );

  it.each<[string, Project<Thing, unknown>]>([
    ['gives a promise that rejects', () => Promise.reject(error)],
    [
      'gives an async generator that throws',
      async function* () {
        yield 1;
        throw error;
      },
    ],
    [
      'gives a thenable that throws',
      () => ({
        then: () => {
          throw error;
        },
      }),
    ],
  ])('a project that %s fails the stream with that error', async (_, project) => {
    const { pool } = watchedPool();
    await expect(lastValueFrom(pool.use(project))).rejects.toBe(error);
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
  });

  it('a resource that the work broke is destroyed by the project, not lent on', () => {
    const watched = watchedPool();
    const { told } = record(
      watched,
      watched.pool.use((_, lease) => {
        void lease.destroy(error);
        throw error;
      }),
    );
    expect(told).toEqual([{ error }]);
    expect(watched.factory.destroyed).toEqual([{ number: 1, reason: 'broken' }]);
  });

  it('a project that is no function is refused at once', () => {
    const { pool, events } = watchedPool();
    const wrong = 'select 1' as unknown as Project<Thing, unknown>;
    expect(() => pool.use(wrong)).toThrow(InvalidOptionsError);
    expect(() => pool.use(wrong)).toThrow(/project/);
    expect(events).toEqual([]);
  });

  it('a senseless option is refused at once', () => {
    const { pool } = watchedPool();
    const options = { timeoutMillis: 0 } as AcquireOptions;
    expect(() => pool.use(() => 1, options)).toThrow(/"timeoutMillis"/);
  });
});

describe('when the resource goes back', () => {
  it.each<[string, Project<Thing, unknown>]>([
    ['a value', () => 1],
    ['an Observable', () => of(1, 2)],
    ['nothing at all', () => EMPTY],
  ])('before the stream of %s completes', (_, project) => {
    const watched = watchedPool();
    const { told, leased } = record(watched, watched.pool.use(project));
    expect(told.at(-1)).toBe('complete');
    expect(leased.at(-1)).toBe(0);
  });

  it('before the stream of a promise completes', async () => {
    const watched = watchedPool();
    const { told, leased, subscription } = record(
      watched,
      watched.pool.use(async () => 1),
    );
    await new Promise<void>(resolve => subscription.add(resolve));
    expect(told).toEqual([1, 'complete']);
    expect(leased.at(-1)).toBe(0);
  });

  it('so that one use after another in concat never needs a second resource', () => {
    const { pool, factory } = watchedPool({ max: 1 });
    const seen: number[] = [];
    const one = pool.use(({ number }) => number);
    concat(one, one, one).subscribe(value => seen.push(value));
    expect(seen).toEqual([1, 1, 1]);
    expect(factory.made).toEqual([1]);
  });

  it('while values still come the lease is held', () => {
    const watched = watchedPool();
    const { told, leased } = record(
      watched,
      watched.pool.use(() => of(1, 2, 3)),
    );
    expect(told).toEqual([1, 2, 3, 'complete']);
    expect(leased).toEqual([1, 1, 1, 0]);
  });

  it.each<[string, Observable<unknown>]>([
    ['completes', of(1)],
    ['errors', throwError(() => new Error('query failed'))],
  ])('the finalizers of the work have run before the resource goes back, when it %s', (_, work) => {
    const order: string[] = [];
    const { pool } = watchedPool(
      { max: 1 },
      {
        reset: () => {
          order.push('reset');
        },
      },
    );
    const holder = new Borrower(pool.acquire());
    pool
      .use(() => work.pipe(finalize(() => order.push('first finalized'))))
      .subscribe({ error: () => undefined });
    pool.use(() => order.push('second runs')).subscribe();
    holder.leave();
    expect(order).toEqual(['reset', 'first finalized', 'reset', 'second runs', 'reset']);
  });

  it(
    'the reset is not waited for: the stream completes, and the next borrower waits for it',
    marbles(m => {
      const { pool } = watchedPool({ max: 1 }, { resetMillis: 5 });
      m.expect(pool.use(() => m.cold('--(a|)'))).toBeObservable('--(a|)');
      m.expect(pool.use(() => m.cold('--(b|)'))).toBeObservable('---------(b|)');
    }),
  );
});

describe('a project that ends its own lease', () => {
  it.each<[string, Project<Thing, unknown>, unknown[]]>([
    [
      'releases it and gives a value',
      (_, lease) => {
        void lease.release();
        return 'done';
      },
      ['done', 'complete'],
    ],
    [
      'destroys it and gives an Observable',
      (_, lease) => {
        void lease.destroy();
        return of(1, 2);
      },
      [1, 2, 'complete'],
    ],
    [
      'releases it between two values',
      (_, lease) =>
        concat(
          of(1),
          new Observable<number>(subscriber => {
            void lease.release();
            subscriber.next(2);
            subscriber.complete();
          }),
        ),
      [1, 2, 'complete'],
    ],
    ['detaches it and gives the resource', (_, lease) => lease.detach().number, [1, 'complete']],
  ])('and %s still reports its outcome', (_, project, outcome) => {
    const watched = watchedPool();
    const { told } = record(watched, watched.pool.use(project));
    expect(told).toEqual(outcome);
    expect(countOf(watched, 'released')).toBe(1);
    expect(watched.pool.state.leased).toBe(0);
  });

  it('and fails afterwards still reports its error', () => {
    const watched = watchedPool();
    const error = new Error('late');
    const { told } = record(
      watched,
      watched.pool.use((_, lease) => {
        void lease.release();
        throw error;
      }),
    );
    expect(told).toEqual([{ error }]);
    expect(countOf(watched, 'released')).toBe(1);
  });

  it('and goes on asynchronously still reports its outcome', async () => {
    const { pool } = watchedPool();
    const outcome = await lastValueFrom(
      pool.use(async (_, lease) => {
        await lease.release();
        return lease.released;
      }),
    );
    expect(outcome).toBe(true);
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
  });

  it('and uses the resource afterwards is told loudly', () => {
    const watched = watchedPool();
    const { told } = record(
      watched,
      watched.pool.use((_, lease) => {
        void lease.release();
        return lease.resource.number;
      }),
    );
    expect(told).toEqual([{ error: expect.any(LeaseReleasedError) }]);
  });
});

describe('leaving a use', () => {
  it(
    'stops the work and gives back, once',
    marbles(m => {
      const watched = watchedPool();
      const source = m.cold('-a-b-c-d-e-f');
      m.expect(
        watched.pool.use(() => source),
        '^---!',
      ).toBeObservable('-a-b-');
      m.expect(source).toHaveSubscriptions('^---!');
      at(10, () => {
        expect(watched.pool.state).toMatchObject({ leased: 0, idle: 1 });
        expect(eventsOf(watched, 'released')).toMatchObject([{ reason: 'released', at: 4 }]);
        expect(countOf(watched, 'cancelled')).toBe(0);
      });
    }),
  );

  it('while it waits runs no project', () => {
    const watched = watchedPool({ max: 1 });
    const holder = new Borrower(watched.pool.acquire());
    let ran = 0;
    const { subscription, told } = record(
      watched,
      watched.pool.use(() => (ran += 1)),
    );
    subscription.unsubscribe();
    holder.leave();
    expect(ran).toBe(0);
    expect(told).toEqual([]);
    expect(countOf(watched, 'cancelled')).toBe(1);
    expect(watched.pool.state).toMatchObject({ idle: 1, waiting: 0 });
  });

  it('between the hand-off and the project runs no project, and serves the next waiter', () => {
    const { pool } = watchedPool({ max: 1 });
    const held: Lease<Thing>[] = [];
    let ran = 0;
    // The end of the holder's stream is told before the project of the one whom the resource went to.
    pool.acquire().subscribe({
      next: lease => held.push(lease),
      complete: () => first.unsubscribe(),
    });
    const first = pool.use(() => (ran += 1)).subscribe();
    const second = new Borrower(pool.acquire());
    void held[0]!.release();
    expect(ran).toBe(0);
    expect(second.lease.resource.number).toBe(1);
    expect(pool.stats).toMatchObject({ acquired: 3, released: 2, cancelled: 0 });
  });

  it('with a promise in flight gives back and says nothing more', async () => {
    const watched = watchedPool();
    const { pool } = watched;
    let finish: (value: number) => void = () => undefined;
    const promise = new Promise<number>(resolve => {
      finish = resolve;
    });
    const { subscription, told } = record(
      watched,
      pool.use(() => promise),
    );
    subscription.unsubscribe();
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
    const next = new Borrower(pool.acquire());
    finish(1);
    await promise;
    expect(told).toEqual([]);
    expect(next.lease.released).toBe(false);
    expect(countOf(watched, 'released')).toBe(1);
  });

  it('with an async generator in flight ends the generator', async () => {
    const { pool } = watchedPool();
    const order: string[] = [];
    async function* endless(): AsyncGenerator<number> {
      try {
        for (let value = 1; ; value += 1) yield value;
      } finally {
        order.push('finally');
      }
    }
    const values = await lastValueFrom(pool.use(endless).pipe(take(3), toArray()));
    await Promise.resolve();
    await Promise.resolve();
    expect(values).toEqual([1, 2, 3]);
    expect(order).toEqual(['finally']);
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
  });

  it('on its first value stops a synchronous source, an endless one too', () => {
    const watched = watchedPool();
    let produced = 0;
    const endless = new Observable<number>(subscriber => {
      while (!subscriber.closed && produced < 1_000) subscriber.next((produced += 1));
    });
    const seen: number[] = [];
    watched.pool
      .use(() => endless)
      .pipe(take(2))
      .subscribe(value => seen.push(value));
    expect(seen).toEqual([1, 2]);
    expect(produced).toBe(2);
    expect(watched.pool.state).toMatchObject({ leased: 0, idle: 1 });
    expect(countOf(watched, 'released')).toBe(1);
  });

  it('inside the project gives back, and the outcome of the project is nobody’s', () => {
    const watched = watchedPool();
    const left: { unsubscribe(): void }[] = [];
    const told: unknown[] = [];
    const source = watched.pool.use(() => {
      left[0]?.unsubscribe();
      return of(1);
    });
    new Observable<number>(subscriber => {
      left.push(subscriber);
      source.subscribe(subscriber);
    }).subscribe(value => told.push(value));
    expect(told).toEqual([]);
    expect(watched.pool.state).toMatchObject({ leased: 0, idle: 1 });
    expect(countOf(watched, 'released')).toBe(1);
  });
});

describe('the signal of a use', () => {
  it('that is aborted already keeps the project from running', () => {
    const watched = watchedPool();
    let ran = 0;
    const signal = AbortSignal.abort('tired');
    const { told } = record(
      watched,
      watched.pool.use(() => (ran += 1), { signal }),
    );
    expect(told).toEqual([{ error: expect.any(AcquireAbortedError) }]);
    expect(told).toMatchObject([{ error: { cause: 'tired' } }]);
    expect(ran).toBe(0);
    expect(watched.factory.attempts).toBe(0);
  });

  it('that is aborted during the wait ends it', () => {
    const watched = watchedPool({ max: 1 });
    const holder = new Borrower(watched.pool.acquire());
    const controller = new AbortController();
    const { told } = record(
      watched,
      watched.pool.use(() => 1, { signal: controller.signal }),
    );
    controller.abort();
    expect(told).toEqual([{ error: expect.any(AcquireAbortedError) }]);
    expect(watched.pool.state.waiting).toBe(0);
    expect(eventsOf(watched, 'cancelled')).toMatchObject([{ reason: 'aborted' }]);
    holder.leave();
  });

  it('that is aborted during the work stops it, gives back and then errors', () => {
    const watched = watchedPool();
    const controller = new AbortController();
    const values = new Subject<number>();
    const { told, leased } = record(
      watched,
      watched.pool.use(() => values, { signal: controller.signal }),
    );
    values.next(1);
    controller.abort('enough');
    expect(values.observed).toBe(false);
    expect(told).toEqual([1, { error: expect.any(AcquireAbortedError) }]);
    expect(told).toMatchObject([1, { error: { cause: 'enough' } }]);
    expect(leased).toEqual([1, 0]);
    expect(watched.pool.state).toMatchObject({ leased: 0, idle: 1 });
    expect(eventsOf(watched, 'released')).toMatchObject([{ reason: 'released' }]);
    // The request itself ended in `acquired`.
    expect(countOf(watched, 'cancelled')).toBe(0);
  });

  it('that is aborted during a promise errors at once and ignores what the promise gives', async () => {
    const watched = watchedPool();
    const controller = new AbortController();
    let finish: (value: number) => void = () => undefined;
    const promise = new Promise<number>(resolve => {
      finish = resolve;
    });
    const { told } = record(
      watched,
      watched.pool.use(() => promise, { signal: controller.signal }),
    );
    controller.abort();
    expect(told).toEqual([{ error: expect.any(AcquireAbortedError) }]);
    expect(watched.pool.state).toMatchObject({ leased: 0, idle: 1 });
    finish(1);
    await promise;
    expect(told).toHaveLength(1);
  });

  it('that is aborted inside the project ends the stream', () => {
    const watched = watchedPool();
    const controller = new AbortController();
    const { told } = record(
      watched,
      watched.pool.use(
        () => {
          controller.abort();
          return of(1);
        },
        { signal: controller.signal },
      ),
    );
    expect(told).toEqual([{ error: expect.any(AcquireAbortedError) }]);
    expect(watched.pool.state).toMatchObject({ leased: 0, idle: 1 });
  });

  it('that is aborted after the end does nothing', () => {
    const watched = watchedPool();
    const controller = new AbortController();
    const { told } = record(
      watched,
      watched.pool.use(() => 1, { signal: controller.signal }),
    );
    const next = new Borrower(watched.pool.acquire());
    controller.abort();
    expect(told).toEqual([1, 'complete']);
    expect(next.lease.released).toBe(false);
  });
});

describe('a use whose lease the pool takes back', () => {
  it(
    'stops the work and errors with LeaseRevokedError',
    marbles(m => {
      const { pool, factory } = watchedPool({ maxLeaseMillis: 4 });
      const source = m.cold('-a-b-c-d-e-f');
      const aborts: number[] = [];
      const work = pool.use((_, lease) => {
        lease.signal.addEventListener('abort', () => aborts.push(m.scheduler.frame));
        return source;
      });
      m.expect(work.pipe(withCodes)).toBeObservable('-a-b#', undefined, 'LEASE_REVOKED');
      m.expect(source).toHaveSubscriptions('^---!');
      at(20, () => {
        expect(aborts).toEqual([4]);
        expect(factory.destroyed).toEqual([{ number: 1, reason: 'revoked' }]);
      });
    }),
  );

  it(
    'errors although its promise never settles',
    inVirtualTime(advance => {
      const watched = watchedPool({ maxLeaseMillis: 50 });
      const { told, leased } = record(
        watched,
        watched.pool.use(() => new Promise(() => undefined)),
      );
      advance(50);
      expect(told).toEqual([{ error: expect.any(LeaseRevokedError) }]);
      expect(leased).toEqual([0]);
    }),
  );
});

describe('use as a request', () => {
  it('is cold: each subscription borrows and runs the project anew', () => {
    const { pool, factory } = watchedPool();
    let runs = 0;
    const source = pool.use(() => (runs += 1));
    expect([runs, factory.attempts]).toEqual([0, 0]);
    source.subscribe();
    source.subscribe();
    expect(runs).toBe(2);
    expect(factory.made).toEqual([1]);
  });

  it(
    'has the deadline of an acquire: it covers the wait, not the work',
    marbles(m => {
      const { pool } = watchedPool({ max: 1, acquireTimeoutMillis: 10 });
      const work = () => timer(50).pipe(map(() => 'a'));
      m.expect(pool.use(work)).toBeObservable('50ms (a|)');
      m.expect(pool.use(work).pipe(withCodes)).toBeObservable(
        '10ms #',
        undefined,
        'ACQUIRE_TIMEOUT',
      );
    }),
  );

  it('fails when its create fails, with the project not run', () => {
    const down = new Error('down');
    const watched = watchedPool(
      {},
      {
        create: () => {
          throw down;
        },
      },
    );
    let ran = 0;
    const { told } = record(
      watched,
      watched.pool.use(() => (ran += 1)),
    );
    expect(told).toEqual([{ error: expect.any(CreateError) }]);
    expect(told).toMatchObject([{ error: { cause: down } }]);
    expect(ran).toBe(0);
  });

  it('carries its label through all its events', () => {
    const watched = watchedPool();
    watched.pool.use(() => 1, { label: 'report' }).subscribe();
    expect(
      eventsOf(watched, 'requested', 'acquired', 'released').map(({ label }) => label),
    ).toEqual(['report', 'report', 'report']);
  });

  it(
    'never has more than max at work in a mergeMap without a limit',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool({ max: 3 });
      const seen: number[] = [];
      range(1, 20)
        .pipe(mergeMap(value => pool.use(() => timer(10).pipe(map(() => value)))))
        .subscribe(value => seen.push(value));
      advance(70);
      expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
      expect(pool.stats.peakLeased).toBe(3);
      expect(factory.made).toHaveLength(3);
      expect(pool.state).toMatchObject({ leased: 0, idle: 3, waiting: 0 });
    }),
  );

  it(
    'a switchMap gives the old lease back before the new one is asked for',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool({ max: 1 });
      const first = pool.use(() => interval(10)).subscribe();
      advance(25);
      first.unsubscribe();
      const second = pool.use(() => NEVER).subscribe();
      expect(pool.state).toMatchObject({ leased: 1, waiting: 0 });
      expect(factory.made).toEqual([1]);
      second.unsubscribe();
    }),
  );

  it('thousands in a row with synchronous work need no stack and one resource', () => {
    const { pool, factory } = watchedPool({ max: 1 });
    let sum = 0;
    range(1, 5_000)
      .pipe(mergeMap(value => pool.use(() => value)))
      .subscribe(value => (sum += value));
    expect(sum).toBe((5_000 * 5_001) / 2);
    expect(factory.made).toEqual([1]);
    expect(pool.state).toMatchObject({ leased: 0, waiting: 0 });
  });
});
