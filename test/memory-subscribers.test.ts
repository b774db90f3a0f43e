import { BehaviorSubject, NEVER, Observable, of, Subject, timer } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createPool, type Lease, type Pool, type PoolOptions } from '../src/index.js';
import { countAlive } from './garbage.js';
import { borrow, microtasks, SteppedScheduler } from './virtual-pool.js';

class Resource {
  readonly bytes = new Uint8Array(1024);
}

/** A pool whose resources are known weakly, and by nobody else. */
function tracedPool(options: Partial<PoolOptions<Resource>> = {}) {
  const resources: WeakRef<Resource>[] = [];
  const time = new SteppedScheduler();
  const make = (): Resource => {
    const resource = new Resource();
    resources.push(new WeakRef(resource));
    return resource;
  };
  const pool = createPool<Resource>({
    create: make,
    idleTimeoutMillis: Infinity,
    scheduler: time,
    ...options,
  });
  return { pool, time, resources, make };
}

/** A listener that can be told from others by what it holds. */
function listener(seen: unknown[]): (value: unknown) => void {
  return value => void seen.push(value);
}

describe('who listened to a pool that lives on', { timeout: 240_000 }, () => {
  it.each(['state$', 'stats$'] as const)(
    'ML-01: a subscriber of %s that left can be collected, and those that stay are still told',
    async stream => {
      const { pool } = tracedPool();
      const references: WeakRef<object>[] = [];
      const told: unknown[] = [];
      (pool[stream] as Observable<unknown>).subscribe(listener(told));
      function listenForAWhile(): void {
        const seen: unknown[] = [];
        const next = listener(seen);
        const subscription = (pool[stream] as Observable<unknown>).subscribe(next);
        borrow(pool).leave();
        expect(seen.length).toBeGreaterThan(0);
        references.push(...[seen, next, subscription].map(held => new WeakRef(held)));
        subscription.unsubscribe();
      }
      for (let i = 0; i < 10; i += 1) listenForAWhile();
      const toldBefore = told.length;
      borrow(pool).leave();
      expect(told.length).toBeGreaterThan(toldBefore);
      expect(references).toHaveLength(30);
      expect(await countAlive(references)).toBe(0);
    },
  );

  it.each(['state$', 'stats$'] as const)(
    'ML-01: a subscriber of %s that leaves inside its own callback can be collected',
    async stream => {
      const { pool } = tracedPool();
      const references: WeakRef<object>[] = [];
      function listenOnce(): void {
        const seen: unknown[] = [];
        const subscription = new Subject<void>();
        const next = (value: unknown): void => {
          seen.push(value);
          if (seen.length === 2) inner.unsubscribe();
        };
        const inner = (pool[stream] as Observable<unknown>).subscribe(next);
        references.push(...[seen, next, inner, subscription].map(held => new WeakRef(held)));
        borrow(pool).leave();
        expect(seen).toHaveLength(2);
      }
      for (let i = 0; i < 5; i += 1) listenOnce();
      expect(await countAlive(references)).toBe(0);
    },
  );

  it.each<[string, (pool: Pool<Resource>, keep: (held: object) => void) => Promise<void>]>([
    [
      'completed',
      async (pool, keep) => {
        const project = (_: Resource, lease: Lease<Resource>) => {
          keep(lease);
          return of(1);
        };
        keep(project);
        keep(pool.use(project).subscribe());
      },
    ],
    [
      'failed',
      async (pool, keep) => {
        const error = new Error('no luck');
        const project = (): never => {
          throw error;
        };
        const onError = (): void => undefined;
        for (const held of [error, project, onError]) keep(held);
        keep(pool.use(project).subscribe({ error: onError }));
      },
    ],
    [
      'was aborted by a signal that lives on',
      async (pool, keep) => {
        // Only a part of the signals of this pool's users is ever aborted: this one stays.
        const project = (_: Resource, lease: Lease<Resource>) => {
          keep(lease);
          return NEVER;
        };
        const abort = new AbortController();
        keep(project);
        keep(pool.use(project, { signal: abort.signal }).subscribe({ error: () => undefined }));
        abort.abort();
        aborted.push(abort.signal);
      },
    ],
    [
      'ended with a signal that was never aborted',
      async (pool, keep) => {
        const project = (_: Resource, lease: Lease<Resource>) => {
          keep(lease);
          return 1;
        };
        keep(project);
        keep(pool.use(project, { signal: shutdown.signal }).subscribe());
      },
    ],
    [
      'was taken back by the pool',
      async (pool, keep) => {
        const work = new Subject<number>();
        const project = (_: Resource, lease: Lease<Resource>) => {
          keep(lease);
          return work;
        };
        keep(project);
        keep(pool.use(project).subscribe({ error: () => undefined }));
        time?.advance(1_000);
      },
    ],
  ])('ML-01: a use() that %s leaves nothing of its borrower', async (_, borrowOnce) => {
    const traced = tracedPool({ max: 1, maxLeaseMillis: 1_000 });
    time = traced.time;
    onTestFinished(() => {
      time = undefined;
      aborted.length = 0;
    });
    const references: WeakRef<object>[] = [];
    const keep = (held: object): void => void references.push(new WeakRef(held));
    for (let i = 0; i < 5; i += 1) {
      await borrowOnce(traced.pool, keep);
      await microtasks();
      expect(traced.pool.state).toMatchObject({ leased: 0, waiting: 0 });
    }
    expect(references.length).toBeGreaterThanOrEqual(10);
    expect(await countAlive(references)).toBe(0);
  });
});

/** Signals that outlive the requests that knew them. */
const shutdown = new AbortController();
const aborted: AbortSignal[] = [];
let time: SteppedScheduler | undefined;

describe('a resource that ended in an uncommon way', { timeout: 240_000 }, () => {
  const failing = (): never => {
    // Its stack is not read: until then the engine of JavaScript keeps the functions on it, and what they hold.
    throw new Error('no');
  };

  it.each<[string, Partial<PoolOptions<Resource>>, (lost: Traced) => void]>([
    [
      'when its check said no',
      { validate: () => false },
      ({ pool }) => {
        borrow(pool).leave();
        borrow(pool, { timeoutMillis: 10 }).leave();
        expect(pool.stats.validateFailed).toBe(1);
      },
    ],
    [
      'when its reset failed',
      { reset: failing },
      ({ pool }) => {
        borrow(pool).leave();
        expect(pool.stats.resetFailed).toBe(1);
      },
    ],
    [
      'when its destroy failed',
      { destroy: failing },
      ({ pool }) => {
        void borrow(pool).lease.destroy();
        expect(pool.stats.destroyFailed).toBe(1);
      },
    ],
    [
      'when its destroy never ends and was given up',
      { destroy: () => new Promise(() => undefined), destroyTimeoutMillis: 50 },
      ({ pool, time: clock }) => {
        void borrow(pool).lease.destroy();
        clock.advance(50);
        expect(pool.stats.destroyFailed).toBe(1);
      },
    ],
    [
      'when its watch told that it broke',
      { watch: () => timer(20, clockOfWatch) },
      ({ pool }) => {
        borrow(pool).leave();
        clockOfWatch.advance(20);
        expect(pool.stats.destroyed).toBe(1);
      },
    ],
    [
      'when it was over its uses',
      { maxUses: 1 },
      ({ pool }) => {
        borrow(pool).leave();
        expect(pool.stats.destroyed).toBe(1);
      },
    ],
    [
      'when the pool shrank',
      { max: 2 },
      ({ pool }) => {
        const both = [borrow(pool), borrow(pool)];
        for (const borrower of both) borrower.leave();
        pool.resize({ max: 1 });
        void pool.recycle();
        expect(pool.stats.destroyed).toBe(2);
      },
    ],
  ])('ML-03: is reachable from nothing in the pool, %s', async (_, options, lose) => {
    const traced = tracedPool(options);
    const events: unknown[] = [];
    traced.pool.stats$.subscribe(event => events.push(event));
    lose(traced);
    await microtasks();
    // A check that said no is followed by a fresh resource.
    if (traced.pool.state.size > 0) void traced.pool.recycle();
    expect(traced.pool.state.size).toBe(0);
    expect(traced.resources.length).toBeGreaterThan(0);
    expect(await countAlive(traced.resources)).toBe(0);
    expect(events.length).toBeGreaterThan(3);
  });

  it('ML-03: is let go of with its create, whose stream stayed open while it lived', async () => {
    const teardowns: string[] = [];
    const references: WeakRef<object>[] = [];
    const { pool, resources, make } = tracedPool({
      create: () =>
        new Observable<Resource>(subscriber => {
          const source = new BehaviorSubject(make());
          references.push(new WeakRef(source), new WeakRef(subscriber));
          subscriber.add(source.subscribe(subscriber));
          subscriber.add(() => teardowns.push('closed'));
        }),
    });
    function live(): void {
      void borrow(pool).lease.destroy();
    }
    live();
    expect(teardowns).toEqual(['closed']);
    expect(await countAlive([...resources, ...references])).toBe(0);
    expect(references).toHaveLength(2);
  });
});

type Traced = ReturnType<typeof tracedPool>;
const clockOfWatch = new SteppedScheduler();

describe('a closed pool that somebody keeps', { timeout: 240_000 }, () => {
  it.each([{ force: false }, { force: true }])(
    'ML-04: keeps no resource, borrower, waiter or subscriber (%o)',
    async ({ force }) => {
      const { pool, resources, time: clock } = tracedPool({ max: 2, destroy: () => undefined });
      const references: WeakRef<object>[] = [];
      async function live(): Promise<void> {
        const seen: unknown[] = [];
        const subscriptions = [
          pool.state$.subscribe(listener(seen)),
          pool.stats$.subscribe(listener(seen)),
        ];
        const holder = borrow(pool);
        borrow(pool).leave();
        const waiters = Array.from({ length: 3 }, () => borrow(pool));
        references.push(
          ...[seen, holder, ...subscriptions, ...waiters].map(held => new WeakRef(held)),
        );
        const closing = pool.close({ force, drainTimeoutMillis: 100 }).catch(() => undefined);
        clock.advance(100);
        await closing;
        // The first one had the idle resource, which was taken back; the others had nothing.
        expect(waiters.map(({ errors }) => errors.length)).toEqual([1, 1, 1]);
      }
      await live();
      expect(pool.state).toMatchObject({ lifecycle: 'closed', size: 0, waiting: 0 });
      expect(resources).toHaveLength(2);
      expect(await countAlive([...references, ...resources])).toBe(0);
    },
  );
});
