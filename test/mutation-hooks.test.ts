import {
  concat,
  EMPTY,
  finalize,
  ignoreElements,
  NEVER,
  Observable,
  of,
  Subject,
  throwError,
  timer,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import { createPool, type CreateContext, type PoolEvent } from '../src/index.js';
import { reportAttempt } from '../src/internal/create-context.js';
import {
  after,
  borrow,
  eventsOf,
  microtasks,
  SteppedScheduler,
  typesOf,
  virtualPool,
  warm,
  type Thing,
} from './virtual-pool.js';
import { unhandledErrors } from './unhandled-errors.js';

const thing = (): Thing => ({ number: 1, ended: 0 });

describe('a create that fails', () => {
  it('tells how long it took, whenever it began', () => {
    const { pool, time, events } = virtualPool({
      create: () =>
        after(30, time, () => {
          throw new Error('down');
        }),
      destroy: () => undefined,
    });
    time.advanceTo(1000);
    borrow(pool);
    time.advanceTo(1030);
    expect(eventsOf(events, 'createFailed')).toMatchObject([{ at: 1030, tookMillis: 30 }]);
  });

  it('has its source unsubscribed where that gave nothing and goes on', () => {
    let isOpen = true;
    const { pool } = virtualPool({
      create: () =>
        concat(of(undefined as unknown as Thing), NEVER).pipe(
          finalize(() => {
            isOpen = false;
          }),
        ),
      destroy: () => undefined,
    });
    expect(borrow(pool).error).toMatchObject({ code: 'CREATE_FAILED' });
    expect(isOpen).toBe(false);
  });
});

describe('checks that nobody waits for', () => {
  it('a check on return leaves a newcomer its own create', () => {
    const { pool, made } = virtualPool({ max: 2, validateOnReturn: true }, { validate: 10 });
    borrow(pool).leave();
    expect(pool.state).toMatchObject({ validating: 1 });
    expect(borrow(pool).leases).toHaveLength(1);
    expect(made).toHaveLength(2);
  });

  it('a check by healthCheck leaves a newcomer its own create', () => {
    const { pool, time, made } = virtualPool({ max: 2 }, { validate: 10 });
    warm(pool, 1);
    void pool.healthCheck();
    expect(pool.state).toMatchObject({ validating: 1 });
    expect(borrow(pool).leases).toHaveLength(1);
    expect(made).toHaveLength(2);
    time.advance(10);
  });

  it('a validateOnReturn without a validate checks nothing', () => {
    const { pool, events } = virtualPool({ validateOnReturn: true }, { reset: 0 });
    warm(pool, 1);
    expect(eventsOf(events, 'validating')).toEqual([]);
  });
});

describe('what the totals count', () => {
  it('only what was recycled is counted as recycled', async () => {
    const { pool } = virtualPool({ max: 3 });
    void borrow(pool).lease.destroy();
    warm(pool, 2);
    await pool.recycle();
    warm(pool, 1);
    await pool.close();
    expect(pool.stats).toMatchObject({ recycled: 2, destroyed: 4 });
  });

  it('times of hooks are from their start to their end', () => {
    const { pool, time, events } = virtualPool(
      { idleTimeoutMillis: Infinity },
      { validate: 3, reset: 4 },
    );
    time.advance(100);
    warm(pool, 1);
    time.advance(10);
    const borrower = borrow(pool);
    time.advance(10);
    borrower.leave();
    expect(eventsOf(events, 'validated')).toMatchObject([{ tookMillis: 3 }]);
    expect(eventsOf(events, 'reset')).toMatchObject([{ tookMillis: 4 }]);
  });
});

describe('watching resources', () => {
  it.each([0, 10])('what is destroyed on arrival is not watched (destroy takes %s ms)', millis => {
    const watched: Thing[] = [];
    const { pool, time } = virtualPool(
      {
        watch: resource => {
          watched.push(resource);
          return NEVER;
        },
      },
      { create: 10, destroy: millis },
    );
    borrow(pool);
    pool.close().catch(() => undefined);
    time.advance(30);
    expect(pool.state.lifecycle).toBe('closed');
    expect(watched).toEqual([]);
  });

  it('a source that fails while its resource is being destroyed is told to nobody', () => {
    const failing = new Subject<never>();
    const time = new SteppedScheduler();
    const { pool, events } = virtualPool({
      scheduler: time,
      create: () => concat(of(thing()), failing),
      destroy: () => after(10, time, () => undefined),
    });
    void borrow(pool).lease.destroy();
    failing.error(new Error('reset by peer'));
    time.advance(10);
    expect(eventsOf(events, 'resourceError')).toEqual([]);
    expect(typesOf(events).slice(-2)).toEqual(['destroying', 'destroyed']);
  });

  it('a source that fails after its resource was detached is told to nobody', () => {
    const failing = new Subject<never>();
    const { pool, events } = virtualPool({
      create: () => concat(of(thing()), failing),
      destroy: () => undefined,
    });
    borrow(pool).lease.detach();
    failing.error(new Error('reset by peer'));
    expect(eventsOf(events, 'resourceError')).toEqual([]);
    expect(pool.state.size).toBe(0);
  });

  it('a source whose teardown throws makes the destroy fail with that', () => {
    const failure = new Error('cannot close');
    const { pool, events } = virtualPool({
      create: () =>
        new Observable<Thing>(subscriber => {
          subscriber.next(thing());
          return () => {
            throw failure;
          };
        }),
      destroy: () => undefined,
    });
    void borrow(pool).lease.destroy();
    expect(eventsOf(events, 'destroyFailed')).toMatchObject([{ error: { errors: [failure] } }]);
    expect(pool.stats).toMatchObject({ destroyed: 0, destroyFailed: 1 });
  });
});

describe('hooks that take too long', () => {
  it('the error says for how long', () => {
    const { pool, time, events } = virtualPool(
      { resetTimeoutMillis: 10, idleTimeoutMillis: Infinity },
      { reset: 50 },
    );
    time.advance(100);
    warm(pool, 1);
    time.advance(10);
    const [failed] = eventsOf(events, 'resetFailed');
    expect(String(failed?.error)).toContain(' within 10 ms ');
  });

  it.each(['validate', 'reset'] as const)('a %s that is an Observable is unsubscribed', hook => {
    let stopped = 0;
    const { pool, time } = virtualPool({
      [hook]: () => NEVER.pipe(finalize(() => (stopped += 1))),
      [`${hook}TimeoutMillis`]: 10,
    });
    warm(pool, 1);
    borrow(pool);
    time.advance(10);
    expect(stopped).toBe(1);
  });

  it('a destroy that is an Observable goes on, and what comes of it changes nothing', () => {
    const time = new SteppedScheduler();
    const log: string[] = [];
    const { pool, events } = virtualPool({
      scheduler: time,
      destroyTimeoutMillis: 10,
      destroy: () =>
        timer(100, time).pipe(
          finalize(() => {
            log.push(`ended at ${time.now()}`);
          }),
        ),
    });
    void borrow(pool).lease.destroy();
    time.advance(50);
    expect(log).toEqual([]);
    const told = typesOf(events);
    expect(told.at(-1)).toBe('destroyFailed');
    time.advance(100);
    expect(log).toEqual(['ended at 100']);
    expect(typesOf(events)).toEqual(told);
    expect(pool.state.size).toBe(0);
  });
});

describe('creates', () => {
  it('one that gives nothing says so', () => {
    const { pool } = virtualPool({ create: () => null as unknown as Thing });
    expect(borrow(pool).error).toMatchObject({ cause: { message: 'create gave no resource' } });
  });

  it.each([
    { name: 'an error', late: () => throwError(() => new Error('down')) },
    { name: 'null', late: () => of(null as unknown as Thing) },
    { name: 'undefined', late: () => of(undefined as unknown as Thing) },
    { name: 'nothing', late: () => EMPTY },
  ])('one that gives $name too late has nothing to destroy', ({ late }) => {
    const time = new SteppedScheduler();
    const destroyed: unknown[] = [];
    const { pool, events } = virtualPool({
      scheduler: time,
      createTimeoutMillis: 10,
      create: () => concat(timer(50, time).pipe(ignoreElements()), late()),
      destroy: resource => {
        destroyed.push(resource);
      },
    });
    borrow(pool);
    time.advance(60);
    expect(eventsOf(events, 'createFailed')).toHaveLength(1);
    expect(destroyed).toEqual([]);
    expect(eventsOf(events, 'destroying')).toEqual([]);
  });

  it('a late one whose destroy fails is told with its error', () => {
    const time = new SteppedScheduler();
    const failure = new Error('cannot close');
    const { pool, events } = virtualPool({
      scheduler: time,
      createTimeoutMillis: 10,
      create: () => after(50, time, thing),
      destroy: () => {
        throw failure;
      },
    });
    borrow(pool);
    time.advance(60);
    expect(eventsOf(events, 'destroyFailed')).toMatchObject([
      { id: 1, reason: 'lateCreate', error: failure, tookMillis: 0 },
    ]);
    expect(eventsOf(events, 'destroyed')).toEqual([]);
  });

  it('a late one whose source cannot be closed is told with that error', () => {
    const time = new SteppedScheduler();
    const failure = new Error('cannot close');
    const { pool, events } = virtualPool({
      scheduler: time,
      createTimeoutMillis: 10,
      create: () =>
        new Observable<Thing>(subscriber => {
          const action = time.schedule(() => {
            subscriber.next(thing());
          }, 50);
          return () => {
            action.unsubscribe();
            throw failure;
          };
        }),
      destroy: () => undefined,
    });
    borrow(pool);
    time.advance(60);
    expect(eventsOf(events, 'destroyFailed')).toMatchObject([
      { reason: 'lateCreate', error: { errors: [failure] } },
    ]);
  });

  it('a late one of a promise is done with where there is no destroy', async () => {
    const time = new SteppedScheduler();
    const events: PoolEvent<Thing>[] = [];
    let resolve: (late: Thing) => void = () => undefined;
    const pool = createPool<Thing>({
      scheduler: time,
      createTimeoutMillis: 10,
      create: () =>
        new Promise(done => {
          resolve = done;
        }),
    });
    pool.stats$.subscribe(event => events.push(event));
    borrow(pool);
    time.advance(20);
    resolve(thing());
    await microtasks();
    expect(typesOf(events).slice(-2)).toEqual(['destroying', 'destroyed']);
    expect(eventsOf(events, 'destroyed')).toMatchObject([{ reason: 'lateCreate' }]);
  });
});

describe('attempts inside a create', () => {
  it('one that fails after the create has settled is no cause of a later time-out', () => {
    const contexts: CreateContext[] = [];
    const { pool, time } = virtualPool({
      max: 1,
      acquireTimeoutMillis: 10,
      create: context => {
        contexts.push(context);
        return thing();
      },
      destroy: () => undefined,
    });
    borrow(pool);
    expect(reportAttempt(contexts[0], new Error('late'))).toBe(false);
    const waiter = borrow(pool);
    time.advance(10);
    expect(waiter.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    expect((waiter.error as Error).cause).toBeUndefined();
  });
});

describe('use with async iterables and work that resists', () => {
  it('asks an iterator for nothing more once the consumer has left', async () => {
    let asked = 0;
    const { pool } = virtualPool();
    const values: unknown[] = [];
    const subscription = pool
      .use(() => ({
        [Symbol.asyncIterator]: () => ({
          next: () => {
            asked += 1;
            return Promise.resolve({ done: false, value: asked });
          },
        }),
      }))
      .subscribe(value => {
        values.push(value);
        subscription.unsubscribe();
      });
    await microtasks();
    expect(values).toEqual([1]);
    expect(asked).toBe(1);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
  });

  it('an iterator that cannot be told to stop is only left', () => {
    const { pool } = virtualPool();
    const subscription = pool
      .use(() => ({
        [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }),
      }))
      .subscribe();
    expect(() => {
      subscription.unsubscribe();
    }).not.toThrow();
    expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
  });

  it('work whose teardown throws keeps neither the error from the stream nor the resource', async () => {
    const reported = unhandledErrors();
    const failure = new Error('cannot stop');
    const { pool, time } = virtualPool({ maxLeaseMillis: 10 });
    const errors: unknown[] = [];
    pool
      .use(
        () =>
          new Observable(() => () => {
            throw failure;
          }),
      )
      .subscribe({ error: (error: unknown) => errors.push(error) });
    time.advance(10);
    await new Promise(resolve => setTimeout(resolve, 0));
    expect(errors).toMatchObject([{ code: 'LEASE_REVOKED' }]);
    expect(reported).toMatchObject([{ errors: [failure] }]);
    expect(pool.state.size).toBe(0);
  });
});
