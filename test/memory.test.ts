import { AsyncLocalStorage } from 'node:async_hooks';
import { getEventListeners } from 'node:events';
import { NEVER, share, shareReplay, type Subscription, timer, map } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  AcquireAbortedError,
  createPool,
  type Lease,
  type Pool,
  type PoolEvent,
  type PoolState,
} from '../src/index.js';
import { countAlive, heapBytes } from './garbage.js';
import { borrow, microtasks, SteppedScheduler } from './virtual-pool.js';

class Resource {
  readonly bytes = new Uint8Array(1024);
}

describe('what a pool lets go of while it lives', { timeout: 240_000 }, () => {
  it('ML-01: after the release the lease, the subscriber and the closures of the borrower can be collected', async () => {
    const pool = createPool({ create: () => new Resource(), max: 1 });
    const references: WeakRef<object>[] = [];
    function borrowAndLeave(
      end: (lease: Lease<Resource>, subscription: Subscription) => void,
    ): void {
      const request = { rows: new Array<number>(100) };
      const leases: Lease<Resource>[] = [];
      const onLease = (lease: Lease<Resource>): void => {
        request.rows[0] = lease.info.id;
        leases.push(lease);
      };
      const subscription = pool.acquire().subscribe(onLease);
      const [lease] = leases;
      references.push(...[request, onLease, subscription, lease!].map(held => new WeakRef(held)));
      end(lease!, subscription);
    }
    borrowAndLeave((_, subscription) => subscription.unsubscribe());
    expect(await countAlive(references)).toBe(0);
    borrowAndLeave(lease => void lease.release());
    expect(await countAlive(references)).toBe(0);
    expect(references).toHaveLength(8);
    expect(pool.state).toMatchObject({ idle: 1, size: 1 });
  });

  it('ML-01: the same for lease(), use() and tryAcquire()', async () => {
    const pool = createPool({ create: () => new Resource(), max: 3 });
    const references: WeakRef<object>[] = [];
    async function borrowEachWay(): Promise<void> {
      const owned = await pool.lease();
      references.push(new WeakRef(owned));
      await owned.release();
      const project = (_: Resource, lease: Lease<Resource>): number => {
        references.push(new WeakRef(lease));
        return 1;
      };
      references.push(new WeakRef(project));
      pool.use(project).subscribe();
      const tried = pool.tryAcquire()!;
      references.push(new WeakRef(tried));
      await tried.release();
    }
    await borrowEachWay();
    expect(references).toHaveLength(4);
    expect(await countAlive(references)).toBe(0);
    expect(pool.state.leased).toBe(0);
  });

  it('ML-01: a use that goes on holds its lease and not the requests before it', async () => {
    const pool = createPool({ create: () => new Resource(), max: 1 });
    const past: WeakRef<object>[] = [];
    function passBy(): void {
      const borrower = borrow(pool);
      past.push(new WeakRef(borrower), new WeakRef(borrower.lease));
      borrower.leave();
    }
    for (let i = 0; i < 10; i += 1) passBy();
    const subscription = pool.use(() => NEVER).subscribe();
    expect(await countAlive(past)).toBe(0);
    subscription.unsubscribe();
  });

  it.each([
    ['cancelled', 100_000],
    ['timed out', 100_000],
    // Fewer: Node itself keeps some bytes for each AbortController that there was.
    ['aborted', 5000],
  ] as const)(
    'ML-02: waiters that were %s, %i of them, are collectable at once, without any release',
    async (kind, waiters) => {
      const time = new SteppedScheduler();
      const pool = createPool({
        create: () => new Resource(),
        max: 1,
        acquireTimeoutMillis: 1000,
        scheduler: time,
      });
      const holder = borrow(pool);
      const sample: WeakRef<object>[] = [];
      async function crowd(count: number): Promise<void> {
        const aborts: AbortController[] = [];
        const subscriptions: Subscription[] = [];
        for (let i = 0; i < count; i += 1) {
          const onError = (): void => undefined;
          const abort = kind === 'aborted' ? new AbortController() : undefined;
          if (abort !== undefined) aborts.push(abort);
          const options = abort === undefined ? undefined : { signal: abort.signal };
          const subscription = pool.acquire(options).subscribe({ error: onError });
          subscriptions.push(subscription);
          if (i % 100 === 0) sample.push(new WeakRef(subscription), new WeakRef(onError));
        }
        expect(pool.state.waiting).toBe(count);
        if (kind === 'timed out') time.advance(1000);
        else if (kind === 'aborted') for (const abort of aborts) abort.abort();
        else for (const subscription of subscriptions) subscription.unsubscribe();
        await microtasks();
      }
      // Once before: what the engine and the runner compile and cache is no leak.
      await crowd(10_000);
      await countAlive([]);
      // The least that an object takes are three words. A leak takes them each time; compiled code does once.
      const mostBytes = waiters * 24;
      let bytes = Infinity;
      for (let round = 0; round < 3 && bytes >= mostBytes; round += 1) {
        const before = heapBytes();
        await crowd(waiters);
        expect(pool.state).toMatchObject({ waiting: 0, leased: 1 });
        expect(await countAlive(sample)).toBe(0);
        bytes = heapBytes() - before;
      }
      expect(bytes).toBeLessThan(mostBytes);
      expect(holder.lease.released).toBe(false);
    },
  );

  it('ML-02: requests that share one signal make Node warn of no leak of listeners', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => {
      warnings.push(warning);
    };
    process.on('warning', onWarning);
    onTestFinished(() => {
      process.off('warning', onWarning);
    });
    const pool = createPool({ create: () => new Resource(), max: 1 });
    const shutdown = new AbortController();
    const { signal } = shutdown;
    borrow(pool);
    const borrowers = Array.from({ length: 50 }, () => borrow(pool, { signal }));
    await microtasks();
    expect(warnings.map(({ name }) => name)).toStrictEqual([]);
    shutdown.abort();
    expect(borrowers.every(({ error }) => error instanceof AcquireAbortedError)).toBe(true);
    expect(getEventListeners(signal, 'abort')).toStrictEqual([]);
  });

  it('ML-02: the queue of what is to be told does not keep what was told in a long turn', async () => {
    const pool = createPool({
      create: () => new Resource(),
      max: 1,
      acquireTimeoutMillis: Infinity,
    });
    const references: WeakRef<object>[] = [];
    function chain(): void {
      const holder = borrow(pool);
      for (let i = 0; i < 5000; i += 1) {
        const onLease = (lease: Lease<Resource>): void => void lease.release();
        references.push(new WeakRef(onLease));
        pool.acquire().subscribe(onLease);
      }
      holder.leave();
    }
    chain();
    expect(await countAlive(references)).toBe(0);
  });

  it('ML-03: a destroyed resource is reachable from no lease, event, state, error, list or timer', async () => {
    const time = new SteppedScheduler();
    const resources: WeakRef<Resource>[] = [];
    const pool = createPool({
      create: () => {
        const resource = new Resource();
        resources.push(new WeakRef(resource));
        return resource;
      },
      validate: () => true,
      reset: () => undefined,
      destroy: () => undefined,
      watch: () => NEVER,
      max: 20,
      idleTimeoutMillis: 100,
      maxLeaseMillis: 10_000,
      scheduler: time,
    });
    const events: PoolEvent<Resource>[] = [];
    const states: PoolState[] = [];
    pool.stats$.subscribe(event => events.push(event));
    pool.state$.subscribe(state => states.push(state));
    const kept: unknown[] = [];
    function useThemUp(): void {
      const borrowers = Array.from({ length: 10 }, () => borrow(pool));
      kept.push(...borrowers);
      void borrowers[0]!.lease.destroy();
      void borrowers[1]!.lease.destroy(new Error('broken'));
      for (const borrower of borrowers.slice(2)) borrower.leave();
    }
    useThemUp();
    time.advance(100);
    expect(pool.state.size).toBe(0);
    expect(resources).toHaveLength(10);
    expect(await countAlive(resources)).toBe(0);
    // They were kept all the while: leases, events and states hold no resource.
    expect(kept).toHaveLength(10);
    expect(events.length).toBeGreaterThan(50);
    expect(states.length).toBeGreaterThan(20);
  });

  it('ML-03: a resource that was detached, revoked, recycled or late is not kept either', async () => {
    const time = new SteppedScheduler();
    const resources: WeakRef<Resource>[] = [];
    let createMillis = 0;
    const pool = createPool({
      create: () => {
        const make = (): Resource => {
          const resource = new Resource();
          resources.push(new WeakRef(resource));
          return resource;
        };
        return createMillis === 0 ? make() : timer(createMillis, time).pipe(map(make));
      },
      createTimeoutMillis: 50,
      maxLeaseMillis: 100,
      scheduler: time,
    });
    const kept: unknown[] = [];
    function lose(): void {
      const detached = borrow(pool);
      detached.lease.detach();
      const revoked = borrow(pool);
      time.advance(100);
      const recycled = borrow(pool);
      recycled.leave();
      void pool.recycle();
      createMillis = 80;
      const late = borrow(pool);
      time.advance(80);
      kept.push(detached, revoked, recycled, late);
    }
    lose();
    expect(resources).toHaveLength(4);
    expect(pool.state.size).toBe(0);
    expect(await countAlive(resources)).toBe(0);
    expect(kept).toHaveLength(4);
  });

  it('ML-03: an acquire error keeps the cause and no resource', async () => {
    const resources: WeakRef<Resource>[] = [];
    const time = new SteppedScheduler();
    const pool = createPool({
      create: () => {
        const resource = new Resource();
        resources.push(new WeakRef(resource));
        return resource;
      },
      max: 1,
      acquireTimeoutMillis: 10,
      scheduler: time,
    });
    function failOnce(): unknown {
      const holder = borrow(pool);
      const waiter = borrow(pool);
      time.advance(10);
      void holder.lease.destroy();
      return waiter.error;
    }
    const error = failOnce();
    expect(error).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    expect(await countAlive(resources)).toBe(0);
  });
});

describe('what is left of a pool', { timeout: 240_000 }, () => {
  it('ML-04: 10,000 pools made, used and closed on one scheduler leave no action there and can be collected', async () => {
    const time = new SteppedScheduler();
    const pools: WeakRef<object>[] = [];
    async function oneLife(): Promise<void> {
      const pool = createPool({ create: () => ({}), min: 1, max: 2, scheduler: time });
      const holder = borrow(pool);
      holder.leave();
      pools.push(new WeakRef(pool));
      await pool.close();
    }
    for (let i = 0; i < 10_000; i += 1) await oneLife();
    expect(time.pending).toBe(0);
    expect(await countAlive(pools)).toBe(0);
  });

  it('ML-04: a pool that nobody closed and nothing can expire in is collected too', async () => {
    const time = new SteppedScheduler();
    const pools: WeakRef<object>[] = [];
    function abandon(): void {
      const pool = createPool({
        create: () => ({}),
        idleTimeoutMillis: Infinity,
        scheduler: time,
      });
      borrow(pool).leave();
      pools.push(new WeakRef(pool));
    }
    for (let i = 0; i < 100; i += 1) abandon();
    time.advance(60_000);
    expect(time.pending).toBe(0);
    expect(await countAlive(pools)).toBe(0);
  });
});

describe('sharing a lease', () => {
  function hold(pool: Pool<object>, by: 'share' | 'refCount' | 'forever') {
    const lease$ = pool.acquire();
    if (by === 'share') return lease$.pipe(share());
    return lease$.pipe(shareReplay({ bufferSize: 1, refCount: by === 'refCount' }));
  }

  it.each(['share', 'refCount'] as const)(
    'ML-06: five subscribers by %s hold one lease, which goes back with the fifth',
    by => {
      const pool = createPool({ create: () => ({}) });
      const shared = hold(pool, by);
      const subscriptions = Array.from({ length: 5 }, () => shared.subscribe());
      expect(pool.stats.acquired).toBe(1);
      for (const subscription of subscriptions.slice(0, 4)) subscription.unsubscribe();
      expect(pool.state).toMatchObject({ leased: 1, idle: 0 });
      subscriptions[4]!.unsubscribe();
      expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
    },
  );

  it('ML-06: shareReplay(1) without refCount keeps the lease for ever: the leak that the docs name', () => {
    const pool = createPool({ create: () => ({}) });
    const shared = hold(pool, 'forever');
    for (let i = 0; i < 5; i += 1) shared.subscribe().unsubscribe();
    expect(pool.state).toMatchObject({ leased: 1, idle: 0 });
  });
});

describe('async context', { timeout: 240_000 }, () => {
  it('ML-07: timers and creates that a request starts keep none of its context reachable', async () => {
    const storage = new AsyncLocalStorage<object>();
    const pool = createPool({
      create: () => new Promise(resolve => setImmediate(() => resolve({}))),
      min: 1,
      max: 2,
      idleTimeoutMillis: 60_000,
      maxLifetimeMillis: 600_000,
    });
    const stores: WeakRef<object>[] = [];
    async function request(): Promise<void> {
      const store = { user: new Uint8Array(1000) };
      stores.push(new WeakRef(store));
      await storage.run(store, async () => {
        const lease = await pool.lease();
        await lease.release();
      });
    }
    await request();
    await request();
    await microtasks();
    expect(pool.state.idle).toBeGreaterThan(0);
    expect(await countAlive(stores)).toBe(0);
    await pool.close();
  });

  it('ML-07: a resource made for one request and idle with an open source keeps none of its context', async () => {
    const storage = new AsyncLocalStorage<object>();
    const inCreate: unknown[] = [];
    const pool = createPool<object>({
      create: () => {
        inCreate.push(storage.getStore());
        return new Promise(resolve => {
          const heartbeat = setInterval(() => undefined, 10_000);
          heartbeat.unref();
          resolve({ heartbeat });
        });
      },
      destroy: resource => {
        clearInterval((resource as { heartbeat: NodeJS.Timeout }).heartbeat);
      },
    });
    const stores: WeakRef<object>[] = [];
    async function request(): Promise<void> {
      const store = { user: 'ada' };
      stores.push(new WeakRef(store));
      await storage.run(store, async () => {
        await (await pool.lease()).release();
      });
    }
    await request();
    // Creates run in the context that the pool was made in, whoever caused them.
    expect(inCreate).toStrictEqual([undefined]);
    expect(await countAlive(stores)).toBe(0);
    await pool.close();
  });

  it("ML-07: a waiter's next runs in the context of whoever served it, code after await in its own", async () => {
    const storage = new AsyncLocalStorage<string>();
    const pool = createPool({ create: () => ({}), max: 1 });
    const holder = storage.run('holder', () => borrow(pool));
    const contexts: unknown[] = [];
    storage.run('waiter', () => {
      pool.acquire().subscribe(lease => {
        contexts.push(storage.getStore());
        void lease.release();
      });
    });
    const awaiting = storage.run('awaiter', async () => {
      const lease = await pool.lease();
      contexts.push(storage.getStore());
      await lease.release();
    });
    storage.run('releaser', () => holder.leave());
    await awaiting;
    expect(contexts).toStrictEqual(['releaser', 'awaiter']);
  });

  it('ML-07: an immediate grant runs next in the context of the subscriber', () => {
    const storage = new AsyncLocalStorage<string>();
    const pool = createPool({ create: () => ({}) });
    const contexts: unknown[] = [];
    storage.run('subscriber', () => {
      pool.acquire().subscribe(() => contexts.push(storage.getStore()));
    });
    expect(contexts).toStrictEqual(['subscriber']);
  });
});
