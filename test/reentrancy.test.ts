import { config, finalize, NEVER, Observable, Subject, type Subscription, throwError } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  createPool,
  type Lease,
  type Pool,
  PoolClosedError,
  type PoolEvent,
  type PoolOptions,
  type PoolState,
} from '../src/index.js';
import {
  borrow,
  type Borrower,
  eventsOf,
  microtasks,
  record,
  SteppedScheduler,
  type Thing,
  typesOf,
  virtualPool,
  warm,
} from './virtual-pool.js';

/** What nobody caught, as RxJS reports it. */
function unhandledErrors(): unknown[] {
  const errors: unknown[] = [];
  const before = config.onUnhandledError;
  config.onUnhandledError = error => {
    errors.push(error);
  };
  onTestFinished(() => {
    config.onUnhandledError = before;
  });
  return errors;
}

/** RxJS reports in a task of its own, so let that pass. */
function reports(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 0));
}

/** Nothing is under way, nobody waits, and the books agree with the factory. */
function expectAtRest(pool: Pool<Thing>, live: number): void {
  const { size, idle, leased, creating, waiting } = pool.state;
  expect({ size, creating, waiting, atRest: idle + leased === size }).toStrictEqual({
    size: live,
    creating: 0,
    waiting: 0,
    atRest: true,
  });
}

describe('calling the pool from inside its callbacks', () => {
  it('RE-01: acquiring inside next, and again inside that, gives three distinct leases', () => {
    const { pool } = virtualPool({ max: 3 });
    const leases: Lease<Thing>[] = [];
    const order: string[] = [];
    pool.acquire().subscribe(first => {
      leases.push(first);
      order.push('in first');
      pool.acquire().subscribe(second => {
        leases.push(second);
        order.push('in second');
        pool.acquire().subscribe(third => {
          leases.push(third);
          order.push('in third');
        });
        order.push('out of second');
      });
      order.push('out of first');
    });
    expect(leases.map(({ resource }) => resource.number)).toStrictEqual([1, 2, 3]);
    // Each callback ends before the next begins: no recursion, so no half-updated pool and no stack.
    expect(order).toStrictEqual([
      'in first',
      'out of first',
      'in second',
      'out of second',
      'in third',
    ]);
    expect(pool.state).toMatchObject({ leased: 3, size: 3, waiting: 0 });
  });

  it('RE-01: the same with idle resources, and the fourth waits', () => {
    const { pool } = virtualPool({ max: 3 });
    warm(pool, 3);
    const numbers: number[] = [];
    const acquireAgain = (): void => {
      pool.acquire().subscribe(lease => {
        numbers.push(lease.resource.number);
        acquireAgain();
      });
    };
    acquireAgain();
    expect([...numbers].sort()).toStrictEqual([1, 2, 3]);
    expect(pool.state).toMatchObject({ leased: 3, waiting: 1 });
  });

  it('RE-02: 100,000 waiters that release inside next are all served in order, on a flat stack', () => {
    const pool = createPool({
      create: () => ({ uses: 0 }),
      max: 1,
      acquireTimeoutMillis: Infinity,
    });
    const holder = borrow(pool);
    const served: number[] = [];
    const depths = new Set<number>();
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 500;
    onTestFinished(() => {
      Error.stackTraceLimit = limit;
    });
    for (let number = 0; number < 100_000; number += 1) {
      pool.acquire().subscribe(lease => {
        served.push(number);
        if (number % 10_000 === 0) depths.add(new Error().stack!.split('\n').length);
        void lease.release();
      });
    }
    expect(pool.state.waiting).toBe(100_000);
    holder.leave();
    expect(served).toHaveLength(100_000);
    expect(served.every((number, index) => number === index)).toBe(true);
    expect(depths.size).toBe(1);
    expect(pool.stats).toMatchObject({ created: 1, acquired: 100_001, released: 100_001 });
    expect(pool.state).toMatchObject({ idle: 1, leased: 0, waiting: 0 });
  });

  it('RE-02: the same when each leaves by unsubscribing, and when each destroys its resource', () => {
    for (const leaveBy of ['unsubscribe', 'destroy'] as const) {
      const pool = createPool({
        create: () => ({}),
        max: 1,
        acquireTimeoutMillis: Infinity,
      });
      const holder = borrow(pool);
      let served = 0;
      for (let number = 0; number < 20_000; number += 1) {
        const subscription: Subscription = pool.acquire().subscribe(lease => {
          served += 1;
          if (leaveBy === 'unsubscribe') subscription.unsubscribe();
          else void lease.destroy();
        });
      }
      holder.leave();
      expect(served).toBe(20_000);
      expect(pool.state).toMatchObject({ leased: 0, waiting: 0 });
    }
  });

  it('RE-02: a chain in which each holder acquires anew inside next is served without recursion', () => {
    const pool = createPool({ create: () => ({}), max: 1 });
    let served = 0;
    const again = (): void => {
      pool.acquire().subscribe(lease => {
        served += 1;
        void lease.release();
        if (served < 50_000) again();
      });
    };
    again();
    expect(served).toBe(50_000);
    expect(pool.stats.created).toBe(1);
  });
});

describe('RE-04: hooks that call back', () => {
  /** A pool whose hook does something to the pool the first time it is called. */
  function calling(
    hook: 'create' | 'validate' | 'reset' | 'destroy',
    act: (pool: Pool<Thing>) => void,
    options: Partial<PoolOptions<Thing>> = {},
  ) {
    let count = 0;
    let live = 0;
    let called = 0;
    const twice: Thing[] = [];
    const at = (name: typeof hook): void => {
      if (name !== hook || called > 0) return;
      called += 1;
      act(pool);
    };
    const pool: Pool<Thing> = createPool<Thing>({
      create: () => {
        at('create');
        live += 1;
        return { number: ++count, ended: 0 };
      },
      validate: () => {
        at('validate');
        return true;
      },
      reset: () => {
        at('reset');
      },
      destroy: thing => {
        live -= 1;
        thing.ended += 1;
        if (thing.ended > 1) twice.push(thing);
        at('destroy');
      },
      max: 2,
      scheduler: new SteppedScheduler(),
      ...options,
    });
    const { events } = record(pool);
    onTestFinished(() => {
      expect(twice).toStrictEqual([]);
    });
    return { pool, events, live: () => live, called: () => called };
  }

  it('RE-04: create closes the pool: its request is refused and its resource destroyed', async () => {
    let closing: Promise<void> | undefined;
    const { pool, live, called } = calling('create', inner => {
      closing = inner.close();
    });
    const borrower = borrow(pool);
    await closing;
    expect(called()).toBe(1);
    expect(borrower.error).toBeInstanceOf(PoolClosedError);
    expect(borrower.leases).toHaveLength(0);
    expect(live()).toBe(0);
    expect(pool.state).toMatchObject({ lifecycle: 'closed', size: 0, waiting: 0 });
  });

  it('RE-04: create acquires: both requests are served, each once', () => {
    let inner: Borrower<Thing> | undefined;
    const { pool, live } = calling('create', self => {
      inner = borrow(self);
    });
    const outer = borrow(pool);
    expect(outer.leases).toHaveLength(1);
    expect(inner?.leases).toHaveLength(1);
    expect(outer.lease.resource).not.toBe(inner?.lease.resource);
    expect(live()).toBe(2);
    expectAtRest(pool, 2);
  });

  it('RE-04: create acquires at max 1: the inner request waits its turn', () => {
    let inner: Borrower<Thing> | undefined;
    const { pool, live } = calling(
      'create',
      self => {
        inner = borrow(self);
      },
      { max: 1 },
    );
    const outer = borrow(pool);
    expect(outer.leases).toHaveLength(1);
    expect(inner?.waits).toBe(true);
    expect(live()).toBe(1);
    outer.leave();
    expect(inner?.leases).toHaveLength(1);
  });

  it('RE-04: create unsubscribes the request that caused it: the resource is idle, not lost', () => {
    const first: { borrower?: Borrower<Thing> } = {};
    const { pool, live, events } = calling('create', () => {
      first.borrower?.leave();
    });
    pool.pause();
    const borrower = borrow(pool);
    first.borrower = borrower;
    pool.resume();
    expect(borrower.leases).toHaveLength(0);
    expect(live()).toBe(1);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0, waiting: 0, size: 1 });
    expect(eventsOf(events, 'cancelled')).toHaveLength(1);
  });

  it('RE-04: destroy acquires: it is served by another resource', () => {
    let inner: Borrower<Thing> | undefined;
    const { pool, live } = calling(
      'destroy',
      self => {
        inner = borrow(self);
      },
      { max: 1 },
    );
    void borrow(pool).lease.destroy();
    expect(inner?.lease.resource.number).toBe(2);
    expect(live()).toBe(1);
    expectAtRest(pool, 1);
  });

  it('RE-04: destroy closes the pool: everything else ends too, and close resolves', async () => {
    let closing: Promise<void> | undefined;
    const { pool, live } = calling('destroy', self => {
      closing = self.close();
    });
    const other = borrow(pool);
    const one = borrow(pool);
    other.leave();
    void one.lease.destroy();
    await closing;
    expect(live()).toBe(0);
    expect(pool.state.lifecycle).toBe('closed');
  });

  it('RE-04: reset releases another lease: both come back, each reset once', () => {
    const others: Borrower<Thing>[] = [];
    const { pool, events } = calling('reset', () => {
      others[0]?.leave();
    });
    const one = borrow(pool);
    others.push(borrow(pool));
    one.leave();
    expect(pool.state).toMatchObject({ idle: 2, leased: 0, resetting: 0 });
    expect(eventsOf(events, 'reset')).toHaveLength(2);
    expect(eventsOf(events, 'released')).toHaveLength(2);
  });

  it('RE-04: reset acquires: the resource under reset is not lent twice', () => {
    let inner: Borrower<Thing> | undefined;
    const { pool, live } = calling(
      'reset',
      self => {
        inner = borrow(self);
      },
      { max: 1 },
    );
    borrow(pool).leave();
    expect(inner?.leases).toHaveLength(1);
    expect(pool.state).toMatchObject({ leased: 1, size: 1 });
    expect(live()).toBe(1);
  });

  it('RE-04: reset destroys the lease that is being reset: it ended already, so nothing happens', () => {
    const own: { lease?: Lease<Thing> } = {};
    const { pool, live } = calling('reset', () => {
      void own.lease?.destroy();
    });
    const borrower = borrow(pool);
    own.lease = borrower.lease;
    borrower.leave();
    expect(pool.state).toMatchObject({ idle: 1, size: 1 });
    expect(live()).toBe(1);
  });

  it('RE-04: validate on return destroys the lease it is called for: it ended already, so nothing happens', () => {
    const own: { lease?: Lease<Thing> } = {};
    const { pool, live } = calling(
      'validate',
      () => {
        void own.lease?.destroy();
      },
      { validateOnReturn: true },
    );
    const borrower = borrow(pool);
    own.lease = borrower.lease;
    borrower.leave();
    expect(pool.state).toMatchObject({ idle: 1, size: 1, validating: 0 });
    expect(live()).toBe(1);
  });

  it('RE-04: validate on borrow unsubscribes the request it is called for: the resource stays', () => {
    const first: { borrower?: Borrower<Thing> } = {};
    const { pool, live } = calling('validate', () => {
      first.borrower?.leave();
    });
    borrow(pool).leave();
    pool.pause();
    const borrower = borrow(pool);
    first.borrower = borrower;
    pool.resume();
    expect(borrower.leases).toHaveLength(0);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0, waiting: 0 });
    expect(live()).toBe(1);
  });

  it('RE-04: validate acquires: the resource under validation goes to the older request', () => {
    let inner: Borrower<Thing> | undefined;
    const { pool } = calling(
      'validate',
      self => {
        inner = borrow(self);
      },
      { max: 1 },
    );
    borrow(pool).leave();
    const outer = borrow(pool);
    expect(outer.leases).toHaveLength(1);
    expect(inner?.waits).toBe(true);
    outer.leave();
    expect(inner?.leases).toHaveLength(1);
  });

  it('RE-04: tryAcquire inside validate finds nothing and harms nothing', () => {
    const found: unknown[] = [];
    const { pool } = calling('validate', self => {
      found.push(self.tryAcquire());
    });
    borrow(pool).leave();
    const lease = pool.tryAcquire();
    expect(found).toStrictEqual([undefined]);
    expect(lease?.resource.number).toBe(1);
    expect(pool.state).toMatchObject({ leased: 1, size: 1 });
  });

  it.each([
    ['pauses', (pool: Pool<Thing>) => pool.pause()],
    ['closes', (pool: Pool<Thing>) => void pool.close()],
    ['recycles', (pool: Pool<Thing>) => void pool.recycle()],
  ])('RE-04: a tryAcquire whose validate %s the pool lends nothing', (_, act) => {
    const { pool } = calling('validate', act, { max: 1 });
    borrow(pool).leave();
    expect(pool.tryAcquire()).toBeUndefined();
    expect(pool.state.leased).toBe(0);
  });

  it('RE-04: a tryAcquire whose validate lets somebody in first leaves the resource to that request', () => {
    const inside: Borrower<Thing>[] = [];
    const { pool } = calling('validate', self => void inside.push(borrow(self)), { max: 1 });
    borrow(pool).leave();
    expect(pool.tryAcquire()).toBeUndefined();
    expect(inside[0]?.leases).toHaveLength(1);
    expect(pool.state).toMatchObject({ leased: 1, waiting: 0 });
  });

  const hooks = ['create', 'validate', 'reset', 'destroy'] as const;
  const acts: readonly (readonly [string, (pool: Pool<Thing>) => void])[] = [
    ['acquire', pool => void borrow(pool)],
    ['acquire and release', pool => borrow(pool, undefined, lease => void lease.release())],
    ['tryAcquire', pool => void pool.tryAcquire()?.release()],
    ['evict', pool => void pool.evict()],
    ['recycle', pool => void pool.recycle()],
    ['resize', pool => pool.resize({ max: 1 })],
    ['pause', pool => pool.pause()],
    ['resources', pool => void pool.resources()],
    ['prefill', pool => void pool.prefill(2).catch(() => undefined)],
    ['close', pool => void pool.close().catch(() => undefined)],
    ['close by force', pool => void pool.close({ force: true }).catch(() => undefined)],
  ];

  it.each(hooks.flatMap(hook => acts.map(([name, act]) => ({ hook, name, act }))))(
    'RE-04: $name inside $hook neither deadlocks nor loses a resource',
    async ({ hook, act }) => {
      const { pool, events, live, called } = calling(hook, act);
      const first = borrow(pool);
      if (first.leases.length > 0) first.leave();
      const second = borrow(pool);
      const third = borrow(pool);
      for (const borrower of [second, third]) void borrower.leases[0]?.destroy();
      await microtasks();
      expect(called()).toBe(1);
      pool.resume();
      await pool.close({ force: true }).catch(() => undefined);
      expect(live()).toBe(0);
      expect(pool.state).toMatchObject({ lifecycle: 'closed', size: 0, creating: 0, waiting: 0 });
      expect(typesOf(events).at(-1)).toBe('closed');
      expect(pool.stats.created).toBe(pool.stats.destroyed);
    },
  );
});

describe('one order for everybody', () => {
  function listen<E>(source: Observable<E>): E[] {
    const heard: E[] = [];
    source.subscribe(value => heard.push(value));
    return heard;
  }

  it('RE-05: a subscriber of state$ that acquires and releases does not turn the order round for those behind it', () => {
    const { pool } = virtualPool({ max: 3 });
    warm(pool, 2);
    let acted = false;
    const first: PoolState[] = [];
    pool.state$.subscribe(state => {
      first.push(state);
      if (state.leased === 1 && !acted) {
        acted = true;
        borrow(pool, undefined, lease => void lease.release());
      }
    });
    const second = listen(pool.state$);
    const behind = listen(pool.state$);
    borrow(pool);
    expect(second).toStrictEqual(first);
    expect(behind).toStrictEqual(second);
    expect(second.map(({ leased }) => leased)).toStrictEqual([0, 1, 2, 1]);
    expect(second.at(-1)).toBe(pool.state);
  });

  it('RE-05: a subscriber of stats$ that acquires and releases leaves one identical sequence for all', () => {
    const { pool } = virtualPool({ max: 3 });
    let acted = 0;
    const first: PoolEvent<Thing>[] = [];
    pool.stats$.subscribe(event => {
      first.push(event);
      if (acted < 5 && (event.type === 'acquired' || event.type === 'created')) {
        acted += 1;
        borrow(pool, undefined, lease => void lease.release());
      }
    });
    const second = listen(pool.stats$);
    borrow(pool);
    expect(acted).toBe(5);
    expect(second).toStrictEqual(first);
    expect(second.map(({ seq }) => seq)).toStrictEqual(second.map((_, index) => index + 1));
    const opened = new Set<number>();
    for (const event of second) {
      if (event.type === 'requested') opened.add(event.requestId);
      if (event.type === 'acquired') expect(opened.has(event.requestId)).toBe(true);
    }
  });

  it('RE-05: a subscriber that joins inside a handler is given the last published state and then the rest', () => {
    const { pool } = virtualPool({ max: 3 });
    const joined: PoolState[] = [];
    const all: PoolState[] = [];
    let once = false;
    pool.state$.subscribe(state => {
      all.push(state);
      if (state.creating !== 1 || once) return;
      once = true;
      pool.state$.subscribe(later => joined.push(later));
    });
    borrow(pool);
    expect(joined.length).toBeGreaterThan(1);
    expect(all.slice(-joined.length)).toStrictEqual(joined);
    expect(joined.at(-1)).toBe(pool.state);
  });

  it('RE-06: inside every callback the state is at least as new as what is being told', () => {
    const { pool, time } = virtualPool({ max: 3, idleTimeoutMillis: 50 }, { create: 0, reset: 0 });
    const published: PoolState[] = [];
    pool.state$.subscribe(state => published.push(state));
    const counts = { created: 0, acquired: 0, released: 0, destroyed: 0 };
    const older: string[] = [];
    let checks = 0;
    pool.stats$.subscribe(event => {
      checks += 1;
      if (event.type in counts) counts[event.type as keyof typeof counts] += 1;
      if (published.at(-1) !== event.state) older.push(`state$ before ${event.type}`);
      for (const [name, count] of Object.entries(counts)) {
        if (pool.stats[name as keyof typeof counts] < count) older.push(`stats at ${event.type}`);
      }
    });
    const inNext: number[] = [];
    const borrowers = [1, 2, 3, 4].map(() =>
      borrow(pool, undefined, () => {
        inNext.push(pool.state.leased);
      }),
    );
    borrowers[0]!.leave();
    borrowers[1]!.leave();
    time.advanceTo(100);
    expect(checks).toBeGreaterThan(15);
    expect(older).toStrictEqual([]);
    expect(inNext).toStrictEqual([1, 2, 3, 3]);
  });

  it.each(['idle', 'made at once', 'made later', 'handed on'] as const)(
    'RE-06: whoever is handed a resource that is %s finds the grant told already',
    kind => {
      const { pool, time, events, states } = virtualPool(
        { max: 1 },
        { create: kind === 'made later' ? 10 : 0 },
      );
      if (kind === 'idle') warm(pool, 1);
      const holder = kind === 'handed on' ? borrow(pool) : undefined;
      const before = eventsOf(events, 'acquired').length;
      const found: unknown[] = [];
      borrow(pool, undefined, () => {
        found.push(eventsOf(events, 'acquired').length - before, states.at(-1)?.leased);
        pool.state$.subscribe(state => found.push(state.leased)).unsubscribe();
      });
      holder?.leave();
      time.advanceTo(10);
      expect(found).toStrictEqual([1, 1, 1]);
    },
  );

  it('RE-06: a create hook sees its own slot reserved, a reset or destroy hook sees its resource there', () => {
    const seen: string[] = [];
    const pool: Pool<Thing> = createPool<Thing>({
      create: () => {
        seen.push(`create ${pool.state.creating} ${pool.state.size}`);
        return { number: 1, ended: 0 };
      },
      reset: () => {
        seen.push(`reset ${pool.state.resetting} ${pool.state.leased} ${pool.state.idle}`);
      },
      destroy: () => {
        seen.push(`destroy ${pool.state.destroying} ${pool.state.leased} ${pool.state.idle}`);
      },
    });
    const borrower = borrow(pool);
    borrower.leave();
    void borrow(pool).lease.destroy();
    expect(seen).toStrictEqual(['create 1 0', 'reset 1 0 0', 'destroy 1 0 0']);
  });
});

describe('what others throw', () => {
  it('RE-08: unsubscribing never throws, and the other teardowns of the chain run', async () => {
    const errors = unhandledErrors();
    const { pool, events } = virtualPool({
      reset: () => {
        throw new Error('reset');
      },
      destroy: () => {
        throw new Error('destroy');
      },
    });
    pool.stats$.subscribe(event => {
      if (event.type === 'released') throw new Error('subscriber');
    });
    const torn: string[] = [];
    const subscription = pool
      .acquire()
      .pipe(
        finalize(() => torn.push('below')),
        finalize(() => torn.push('above')),
      )
      .subscribe();
    subscription.add(() => torn.push('added'));
    expect(() => subscription.unsubscribe()).not.toThrow();
    expect([...torn].sort()).toStrictEqual(['above', 'added', 'below']);
    expect(pool.state).toMatchObject({ size: 0, leased: 0 });
    expect(eventsOf(events, 'resetFailed')).toMatchObject([{ error: new Error('reset') }]);
    expect(eventsOf(events, 'destroyFailed')).toMatchObject([{ error: new Error('destroy') }]);
    await reports();
    expect(errors).toStrictEqual([new Error('subscriber')]);
  });

  it('RE-08: a finalizer that throws in one borrower keeps nobody else from the resource', async () => {
    const errors = unhandledErrors();
    const { pool } = virtualPool({ max: 1 });
    const holder = borrow(pool);
    const order: string[] = [];
    pool
      .acquire()
      .pipe(
        finalize(() => {
          throw new Error('finalizer');
        }),
      )
      .subscribe(lease => {
        order.push('first');
        void lease.release();
      });
    const last = borrow(pool, undefined, () => order.push('second'));
    holder.leave();
    expect(order).toStrictEqual(['first', 'second']);
    expect(last.leases).toHaveLength(1);
    await reports();
    expect(errors).toHaveLength(1);
  });

  it('RE-08: a next that throws leaves its lease held until it is unsubscribed, and is reported', async () => {
    const errors = unhandledErrors();
    const { pool } = virtualPool({ max: 1 });
    const subscription = pool.acquire().subscribe(() => {
      throw new Error('consumer');
    });
    expect(pool.state.leased).toBe(1);
    const waiter = borrow(pool);
    expect(waiter.waits).toBe(true);
    subscription.unsubscribe();
    expect(waiter.leases).toHaveLength(1);
    await reports();
    expect(errors).toStrictEqual([new Error('consumer')]);
  });

  it('RE-08: a state$ subscriber that throws stops neither the others nor the pool', async () => {
    const errors = unhandledErrors();
    const { pool, states } = virtualPool({ max: 1 });
    pool.state$.subscribe(() => {
      throw new Error('dashboard');
    });
    borrow(pool).leave();
    borrow(pool);
    expect(states.at(-1)).toMatchObject({ leased: 1 });
    await reports();
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.every(error => (error as Error).message === 'dashboard')).toBe(true);
  });

  it('RE-08: a comparator, a watch teardown or a permit that throws wedges nothing', async () => {
    const errors = unhandledErrors();
    const { pool } = virtualPool({
      max: 2,
      order: () => {
        throw new Error('order');
      },
      watch: () =>
        NEVER.pipe(
          finalize(() => {
            throw new Error('teardown');
          }),
        ),
    });
    warm(pool, 2);
    const borrower = borrow(pool);
    expect(borrower.leases).toHaveLength(1);
    void borrower.lease.destroy();
    expect(pool.state).toMatchObject({ size: 1, idle: 1 });
    expect(borrow(pool).leases).toHaveLength(1);
    await reports();
    expect(errors.map(error => String(error)).some(text => text.includes('order'))).toBe(true);
    expect(errors.map(error => String(error)).some(text => text.includes('teardown'))).toBe(true);
  });
});

describe('what hooks give', () => {
  const bad = new Error('bad');
  const thenable = (
    then: (resolve: (value?: unknown) => void, reject: (error: unknown) => void) => void,
  ) => ({ then }) as unknown as PromiseLike<never>;

  const failing: readonly (readonly [string, () => unknown])[] = [
    [
      'throws',
      () => {
        throw bad;
      },
    ],
    ['rejects', () => Promise.reject(bad)],
    ['errors', () => throwError(() => bad)],
    [
      'gives an Observable that throws when subscribed',
      () =>
        new Observable(() => {
          throw bad;
        }),
    ],
    [
      'gives a thenable that rejects twice',
      () =>
        thenable((_, reject) => {
          reject(bad);
          reject(new Error('again'));
        }),
    ],
    [
      'gives a thenable that throws',
      () =>
        thenable(() => {
          throw bad;
        }),
    ],
    [
      'gives an object whose then cannot be read',
      () => ({
        get then() {
          throw bad;
        },
      }),
    ],
  ];

  it.each(
    (['create', 'validate', 'reset', 'destroy'] as const).flatMap(hook =>
      failing.map(([name, fail]) => ({ hook, name, fail })),
    ),
  )('a $hook that $name is one failure with that error', async ({ hook, fail }) => {
    const unhandled = unhandledErrors();
    const pool = createPool<Thing>({
      create: () => ({ number: 1, ended: 0 }),
      max: 1,
      scheduler: new SteppedScheduler(),
      [hook]: fail,
    });
    const { events } = record(pool);
    const first = borrow(pool);
    await microtasks();
    if (hook === 'destroy') void first.lease.destroy();
    else if (hook !== 'create') first.leave();
    await microtasks();
    if (hook === 'validate') borrow(pool).leave();
    await microtasks();
    const failures = eventsOf(events, `${hook}Failed`);
    expect(failures).toMatchObject([{ error: bad }]);
    expect(pool.state).toMatchObject({ leased: 0, creating: 0, validating: 0, resetting: 0 });
    expect(pool.state.destroying).toBe(0);
    await reports();
    expect(unhandled).toStrictEqual([]);
  });

  it('create and validate take the first value, reset and destroy are done on completion', () => {
    const gates = {
      validate: new Subject<boolean>(),
      reset: new Subject(),
      destroy: new Subject(),
    };
    const source = new Subject<Thing>();
    const { pool } = virtualPool({
      max: 1,
      create: () => source,
      validate: () => gates.validate,
      reset: () => gates.reset,
      destroy: () => gates.destroy,
    });
    const first = borrow(pool);
    source.next({ number: 1, ended: 0 });
    source.next({ number: 2, ended: 0 });
    expect(first.lease.resource.number).toBe(1);
    first.leave();
    gates.reset.next('half done');
    expect(pool.state.resetting).toBe(1);
    gates.reset.complete();
    expect(pool.state.idle).toBe(1);
    const second = borrow(pool);
    gates.validate.next(true);
    expect(second.leases).toHaveLength(1);
    expect(gates.validate.observed).toBe(false);
    void second.lease.destroy();
    gates.destroy.next('half done');
    expect(pool.state.destroying).toBe(1);
    gates.destroy.complete();
    expect(pool.state.size).toBe(0);
    expect(source.observed).toBe(false);
  });

  it('a resource that create gives twice is two slots', () => {
    const shared = { number: 1, ended: 0 };
    const pool = createPool({ create: () => shared, max: 2 });
    const first = borrow(pool);
    const second = borrow(pool);
    expect(first.lease.resource).toBe(second.lease.resource);
    expect(first.lease.info.id).not.toBe(second.lease.info.id);
    void first.lease.destroy();
    expect(second.lease.released).toBe(false);
    expect(pool.state).toMatchObject({ size: 1, leased: 1 });
  });
});

describe('leaving inside next', () => {
  it('RE-10: a waiter that unsubscribes in its next passes the resource on in the same pass, reset', () => {
    const { pool, resets } = virtualPool({ max: 1 }, { reset: 0 });
    const holder = borrow(pool);
    const leaving: { subscription?: Subscription } = {};
    let served = 0;
    leaving.subscription = pool.acquire().subscribe(() => {
      served += 1;
      leaving.subscription?.unsubscribe();
    });
    const next = borrow(pool);
    holder.leave();
    expect(served).toBe(1);
    expect(next.lease.resource.number).toBe(1);
    expect(resets).toStrictEqual([1, 1]);
    expect(pool.state).toMatchObject({ leased: 1, waiting: 0 });
  });

  it('RE-10: a waiter that leaves because an earlier one was served gets nothing and blocks nobody', () => {
    const { pool, events } = virtualPool({ max: 2 });
    const holders = [borrow(pool), borrow(pool)];
    const ahead: { second?: Borrower<Thing> } = {};
    const first = borrow(pool, undefined, () => ahead.second?.leave());
    ahead.second = borrow(pool);
    const third = borrow(pool);
    holders[0]!.leave();
    holders[1]!.leave();
    expect(first.leases).toHaveLength(1);
    expect(ahead.second.leases).toHaveLength(0);
    expect(third.leases).toHaveLength(1);
    expect(pool.state).toMatchObject({ leased: 2, waiting: 0 });
    expect(eventsOf(events, 'acquired')).toHaveLength(4);
  });

  it('RE-11: `const sub = … sub.unsubscribe()` inside next works when the lease comes later', () => {
    const arriving = new Subject<Thing>();
    const { pool } = virtualPool({ create: () => arriving });
    let served = 0;
    const subscription: Subscription = pool.acquire().subscribe(() => {
      served += 1;
      subscription.unsubscribe();
    });
    arriving.next({ number: 1, ended: 0 });
    expect(served).toBe(1);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
  });

  it('RE-11: with an idle resource the lease comes inside subscribe: the variable is not there yet, and a later unsubscribe gives back', async () => {
    const errors = unhandledErrors();
    const { pool } = virtualPool();
    warm(pool, 1);
    const subscription: Subscription = pool.acquire().subscribe(() => {
      subscription.unsubscribe();
    });
    expect(pool.state).toMatchObject({ idle: 0, leased: 1 });
    await reports();
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(ReferenceError);
    subscription.unsubscribe();
    expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
  });
});
