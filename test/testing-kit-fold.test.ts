import { map, NEVER, of, Subject, throwError, timer, type Subscription } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describe, expect, it } from 'vitest';
import {
  createPool,
  type AcquireOptions,
  type Lease,
  type Pool,
  type PoolEvent,
  type PoolOptions,
  type PoolState,
} from '../src/index.js';
import { foldEvents, foldStats, PoolFold } from '../src/testing/index.js';

function record<T>(options: PoolOptions<T>) {
  const pool = createPool(options);
  const events: PoolEvent[] = [];
  const states: PoolState[] = [];
  pool.stats$.subscribe(event => events.push(event));
  pool.state$.subscribe(state => states.push(state));
  return { pool, events, states };
}

/** Of several events with one state the last completes it: there the fold must be equal. */
function expectFold(events: readonly PoolEvent[], start: { min?: number; max?: number }): void {
  const fold = new PoolFold(start);
  events.forEach((event, index) => {
    fold.add(event);
    if (events[index + 1]?.state !== event.state) expect(fold.state).toEqual(event.state);
  });
}

function virtually(work: (scheduler: TestScheduler) => void): void {
  const scheduler = new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  });
  scheduler.run(() => {
    work(scheduler);
    scheduler.flush();
  });
}

/** A borrower whom no failure surprises: the events tell of it. */
function borrow(
  pool: Pool<number>,
  options: AcquireOptions = {},
  next: (lease: Lease<number>) => void = () => undefined,
): Subscription {
  return pool.acquire(options).subscribe({ next, error: () => undefined });
}

const stories: Record<string, (play: Play) => void> = {
  'a create, a lease and a reset': ({ pool, at }) => {
    const held = borrow(pool);
    at(20, () => held.unsubscribe());
  },
  'more requests than resources': ({ pool, at }) => {
    const held = [1, 2, 3, 4, 5].map(() => borrow(pool));
    held.forEach((one, index) => {
      at(20 + index, () => one.unsubscribe());
    });
  },
  'requests that time out, are cancelled and are refused': ({ pool, at }) => {
    borrow(pool);
    borrow(pool);
    borrow(pool, { timeoutMillis: 30 });
    const cancelled = borrow(pool);
    at(25, () => cancelled.unsubscribe());
    at(40, () => {
      void pool.close({ drainTimeoutMillis: 10 }).catch(() => undefined);
      borrow(pool);
    });
  },
  'destroy, detach and a resource taken back': ({ pool, at }) => {
    borrow(pool, {}, lease => {
      at(12, () => void lease.destroy(new Error('broken')));
    });
    borrow(pool, {}, lease => {
      at(13, () => lease.detach());
    });
    at(30, () => {
      borrow(pool);
    });
  },
  'pause, resume, resize and recycle': ({ pool, at }) => {
    const held = borrow(pool);
    at(12, () => {
      pool.pause();
      borrow(pool);
    });
    at(20, () => {
      pool.resume();
      pool.resize({ min: 2, max: 3 });
    });
    at(60, () => {
      pool.resize({ min: 0, max: 1 });
      void pool.recycle();
      held.unsubscribe();
    });
  },
};

interface Play {
  readonly pool: Pool<number>;
  readonly at: (millis: number, act: () => void) => void;
}

const factories: Record<string, Partial<PoolOptions<number>>> = {
  'synchronous hooks': { create: () => 7, validate: () => true, reset: () => undefined },
  'hooks that take their time': {
    create: () => timer(10).pipe(map(() => 7)),
    validate: () => timer(3).pipe(map(() => true)),
    reset: () => timer(4),
    destroy: () => timer(5),
    validateOnReturn: true,
  },
  'a create that is given up and comes late': {
    create: () => timer(15).pipe(map(() => 7)),
    createTimeoutMillis: 8,
    destroy: () => timer(5),
  },
  'hooks that fail': {
    create: () => timer(2).pipe(map(() => 7)),
    validate: () => of(false),
    reset: () => throwError(() => new Error('no reset')),
    destroy: () => throwError(() => new Error('no destroy')),
  },
  'a destroy that never ends': {
    create: () => of(7),
    destroy: () => NEVER,
    destroyTimeoutMillis: 9,
    maxUses: 1,
  },
};

describe('foldStats', () => {
  for (const [factory, hooks] of Object.entries(factories)) {
    for (const [story, tell] of Object.entries(stories)) {
      it(`I26: rebuilds the state after every transition: ${story}, with ${factory}`, () => {
        virtually(scheduler => {
          const options = { name: 'folded', min: 1, max: 2, maxLeaseMillis: 200, scheduler };
          const { pool, events, states } = record<number>({
            create: () => 7,
            ...options,
            ...hooks,
          });
          tell({
            pool,
            at: (millis, act) => {
              scheduler.schedule(act, millis);
            },
          });
          scheduler.schedule(() => void pool.close({ force: true }).catch(() => undefined), 2_000);
          scheduler.flush();
          expect(events.at(-1)?.type).toBe('closed');
          expectFold(events, { min: 1, max: 2 });
          expect(foldStats(events, { min: 1, max: 2 })).toEqual(pool.state);
          expect(states.at(-1)).toEqual(pool.state);
        });
      });
    }
  }

  it('starts from the default sizes', () => {
    expect(foldStats([])).toEqual(createPool({ create: () => 1 }).state);
  });

  it('takes the sizes that nobody named from the first event', () => {
    const { pool, events } = record({ create: () => 1, min: 2, max: 3 });
    pool.acquire().subscribe();
    expect(foldStats(events)).toEqual(pool.state);
    expect(foldStats(events, { max: 7 })).toEqual({ ...pool.state, max: 7 });
  });

  it('follows the sizes from there', () => {
    const { pool, events } = record({ create: () => 1, max: 3 });
    pool.acquire().subscribe();
    pool.resize({ min: 1, max: 2 });
    expect(foldStats(events.slice(0, 1))).toMatchObject({ min: 0, max: 3 });
    expect(foldStats(events)).toEqual(pool.state);
  });

  it('does not read the state that events carry', () => {
    const { pool, events } = record({ create: () => 1, max: 3 });
    pool.acquire().subscribe();
    pool.acquire().subscribe().unsubscribe();
    const liars = events.map(event => ({
      ...event,
      state: { ...event.state, leased: 99, idle: 99 },
    }));
    expect(foldStats(liars as PoolEvent[], { max: 3 })).toEqual(pool.state);
    expect(pool.state.leased).toBe(1);
  });

  it('tells a stream with a lost event from the truth', () => {
    const { pool, events } = record({ create: () => 1, max: 3 });
    pool.acquire().subscribe().unsubscribe();
    const lossy = events.filter(event => event.type !== 'released');
    expect(foldStats(events, { max: 3 })).toEqual(pool.state);
    expect(foldStats(lossy, { max: 3 })).not.toEqual(pool.state);
  });

  it('knows where a resource stands and whether a request waits', () => {
    const created = new Subject<number>();
    const { pool, events } = record({ create: () => created, max: 1, idleTimeoutMillis: Infinity });
    const fold = new PoolFold({ max: 1 });
    pool.stats$.subscribe(event => {
      fold.add(event);
    });
    const held = pool.acquire().subscribe();
    const [requested, creating] = events;
    if (requested?.type !== 'requested' || creating?.type !== 'creating')
      throw new Error('no story');
    expect(fold.isWaiting(requested.requestId)).toBe(true);
    expect(fold.statusOf(creating.id)).toBe('creating');
    created.next(7);
    expect(fold.isWaiting(requested.requestId)).toBe(false);
    expect(fold.statusOf(creating.id)).toBe('leased');
    held.unsubscribe();
    expect(fold.statusOf(creating.id)).toBe('idle');
    expect(fold.statusOf(creating.id + 1)).toBeUndefined();
  });
});

describe('foldEvents', () => {
  it('gives each subscriber a fold of its own', () => {
    const pool = createPool({ create: () => 1, max: 3, idleTimeoutMillis: Infinity });
    const rebuilt$ = pool.stats$.pipe(foldEvents());
    const first: PoolState[] = [];
    const second: PoolState[] = [];
    rebuilt$.subscribe(state => first.push(state));
    rebuilt$.subscribe(state => second.push(state));
    pool.acquire().subscribe();
    expect(first.at(-1)).toEqual(pool.state);
    expect(second).toEqual(first);
  });
});
