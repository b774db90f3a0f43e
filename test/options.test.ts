import { BehaviorSubject, firstValueFrom, NEVER, of, Subject } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import {
  createPool,
  InvalidOptionsError,
  type Lease,
  PoolError,
  type PoolOptions,
  type ResourceInfo,
  WaitingLimitError,
} from '../src/index.js';
import { borrow, microtasks, SteppedScheduler, virtualPool, warm } from './virtual-pool.js';

/** Options that may be anything, as plain JavaScript would pass them. */
function loose(options: Record<string, unknown>): PoolOptions<object> {
  return { create: () => ({}), ...options };
}

function refusal(options: PoolOptions<object>): InvalidOptionsError {
  try {
    createPool(options);
  } catch (error) {
    if (error instanceof InvalidOptionsError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

const durations = [
  'acquireTimeoutMillis',
  'createTimeoutMillis',
  'validateTimeoutMillis',
  'resetTimeoutMillis',
  'destroyTimeoutMillis',
  'idleTimeoutMillis',
  'maxLifetimeMillis',
  'validateIdleEveryMillis',
  'leakWarningMillis',
  'maxLeaseMillis',
];
const hooks = ['create', 'validate', 'reset', 'destroy', 'watch'];

describe('options that make no sense', () => {
  const senseless: readonly (readonly [string, readonly unknown[]])[] = [
    ...durations.map(name => [name, ['100', NaN, -1, 1.5, 0, null, {}, -Infinity, true]] as const),
    ...hooks.map(name => [name, ['select 1', 5, {}, null, true]] as const),
    ['min', ['1', NaN, -1, 0.5, Infinity, null]],
    ['max', ['1', NaN, -1, 0.5, 0, null, [3]]],
    ['minIdle', ['1', NaN, -1, 0.5, Infinity, null]],
    ['maxWaiting', ['1', NaN, -1, 0.5, null]],
    ['maxUses', ['1', NaN, -1, 0.5, 0, null]],
    ['createConcurrency', ['1', NaN, -1, 0.5, 0, null]],
    ['lifetimeJitter', ['0.1', NaN, -0.1, 1.1, Infinity, null]],
    ['validateAfterIdleMillis', ['1', NaN, -1, 0.5, null]],
    ['validateOnBorrow', ['yes', 1, 0, null]],
    ['validateOnReturn', ['yes', 1, 0, null]],
    ['keepProcessAlive', ['yes', 1, 0, null]],
    ['order', ['LIFO', 'random', 1, null]],
    ['onCancel', ['reset', true, null]],
    ['name', ['', 5, null]],
    ['scheduler', [null, {}, { now: () => 0 }, 'async']],
    ['permits', [null, {}, { acquire: 5 }]],
  ];

  it.each(senseless.flatMap(([option, values]) => values.map(value => [option, value] as const)))(
    'BI-01: %s: %s is refused at construction, with option and value in the message',
    (option, value) => {
      const time = new SteppedScheduler();
      const create = vi.fn(() => ({}));
      const error = refusal(loose({ create, scheduler: time, min: 1, [option]: value }));
      expect(error).toMatchObject({ option, value, code: 'INVALID_OPTIONS' });
      expect(error).toBeInstanceOf(PoolError);
      expect(error.message).toContain(`"${option}"`);
      expect(error.message).toContain(
        typeof value === 'string' ? JSON.stringify(value) : String(value),
      );
      time.advanceTo(1000);
      expect(create).not.toHaveBeenCalled();
      expect(time.pending).toBe(0);
    },
  );

  it('BI-01: min above max is refused, also where max is the default', () => {
    expect(refusal(loose({ min: 5, max: 4 }))).toMatchObject({ option: 'min', value: 5 });
    expect(refusal(loose({ min: 11 }))).toMatchObject({ option: 'min', value: 11 });
    expect(refusal(loose({ minIdle: 5, max: 4 }))).toMatchObject({ option: 'minIdle', value: 5 });
  });

  it.each([
    ['idleTimoutMillis', 'idleTimeoutMillis'],
    ['idleTimeout', 'idleTimeoutMillis'],
    ['maxSize', 'max'],
    ['acquireTimeout', 'acquireTimeoutMillis'],
    ['Create', 'create'],
    ['MAX', 'max'],
    ['lifetimeJiter', 'lifetimeJitter'],
  ])(
    'BI-01: the unknown option %s is refused and the nearest known one named',
    (unknown, known) => {
      const error = refusal(loose({ [unknown]: 100 }));
      expect(error).toMatchObject({ option: unknown, value: 100 });
      expect(error.message).toContain(`"${known}"`);
    },
  );

  it('BI-01: an unknown option is refused even when its value is undefined, like TARN does', () => {
    expect(refusal(loose({ imUnreal: undefined }))).toMatchObject({ option: 'imUnreal' });
  });

  it.each(['constructor', 'toString', '__proto__x', 'hasOwnProperty'])(
    'BI-01: %s is unknown, though every object inherits something of that kind',
    name => {
      expect(refusal(loose({ [name]: 1 }))).toMatchObject({ option: name });
    },
  );

  it('BI-01: the message names the pool where it has a name', () => {
    expect(refusal(loose({ name: 'orders', max: 0 })).message).toContain('[orders]');
  });

  it('BI-01: a value that cannot be shown is refused without another error', () => {
    const value = {
      toString: () => {
        throw new Error('not showable');
      },
    };
    expect(refusal(loose({ max: value })).option).toBe('max');
    expect(refusal(loose({ max: Symbol('many') })).option).toBe('max');
  });

  it.each([undefined, null, 5, 'options'])('BI-01: %s instead of options is refused', options => {
    expect(() => createPool(options as unknown as PoolOptions<object>)).toThrow(
      InvalidOptionsError,
    );
  });

  // The case wants a TypeError; with us every bad option is an InvalidOptionsError that names it.
  it('BI-02: a missing create is refused by name', () => {
    expect(refusal({} as PoolOptions<object>)).toMatchObject({ option: 'create' });
    expect(refusal(loose({ create: undefined }))).toMatchObject({ option: 'create' });
  });

  it('BI-02: hooks that are missing or undefined do nothing', () => {
    const { pool } = virtualPool({
      validate: undefined,
      reset: undefined,
      destroy: undefined,
      watch: undefined,
    });
    borrow(pool).leave();
    void borrow(pool).lease.destroy();
    expect(pool.state.size).toBe(0);
  });

  it.each([
    [{ timeoutMillis: 0 }, 'timeoutMillis'],
    [{ timeoutMillis: -1 }, 'timeoutMillis'],
    [{ timeoutMillis: NaN }, 'timeoutMillis'],
    [{ timeoutMillis: '5' }, 'timeoutMillis'],
    [{ priority: NaN }, 'priority'],
    [{ priority: 'high' }, 'priority'],
    [{ label: 5 }, 'label'],
    [{ signal: {} }, 'signal'],
    [{ onCancel: 'drop' }, 'onCancel'],
    [{ timeout: 5 }, 'timeout'],
  ])(
    'BI-01: acquire options %o are refused before anything is asked for',
    async (given, option) => {
      const { pool, made, events } = virtualPool();
      const options = given as never;
      expect(() => pool.acquire(options)).toThrow(InvalidOptionsError);
      expect(() => pool.use(() => 1, options)).toThrow(InvalidOptionsError);
      await expect(pool.lease(options)).rejects.toMatchObject({ option });
      expect(made).toStrictEqual([]);
      expect(events).toStrictEqual([]);
    },
  );
});

describe('the options object', () => {
  it('BI-03: may be frozen, and nothing is created while the pool is made', () => {
    const create = vi.fn(() => ({}));
    const pool = createPool(Object.freeze({ create, max: 2 }));
    expect(create).not.toHaveBeenCalled();
    borrow(pool);
    expect(create).toHaveBeenCalledTimes(1);
    expect(pool.state.max).toBe(2);
  });

  it('BI-03: is not changed, and changing it later changes nothing', () => {
    const destroyed: string[] = [];
    const options: PoolOptions<object> = {
      create: () => ({}),
      destroy: () => {
        destroyed.push('first');
      },
      max: 2,
    };
    const before = { ...options };
    const pool = createPool(options);
    expect(options).toStrictEqual(before);
    const create = vi.fn(() => ({}));
    Object.assign(options, { create, max: 50, destroy: () => destroyed.push('second') });
    const holder = borrow(pool);
    borrow(pool);
    expect(borrow(pool).waits).toBe(true);
    void holder.lease.destroy();
    expect(destroyed).toStrictEqual(['first']);
    expect(create).not.toHaveBeenCalled();
  });

  it('BI-03: its hooks keep their this, so that they may share what is beside them', () => {
    const options = {
      max: 3,
      create() {
        return { limit: this.max };
      },
      reset(thing: { limit: number }) {
        thing.limit += this.max;
      },
    };
    const pool = createPool(options);
    borrow(pool).leave();
    expect(borrow(pool).lease.resource).toStrictEqual({ limit: 6 });
  });

  it('two pools made of one object share nothing', () => {
    const options = { create: () => ({}), max: 1 };
    const one = createPool(options);
    const two = createPool(options);
    borrow(one);
    expect(borrow(two).waits).toBe(false);
    expect(one.name).not.toBe(two.name);
  });
});

describe('what create gives', () => {
  it('BI-05: a resource that is an Observable is returned as of(resource) and lent as it is', () => {
    const socket = new Subject<string>();
    const pool = createPool<Subject<string>>({ create: () => of(socket) });
    const { lease } = borrow(pool);
    expect(lease.resource).toBe(socket);
    expect(socket.observed).toBe(false);
  });

  it('BI-05: unwrapped once only: a Subject inside a promise is the resource', async () => {
    const socket = new BehaviorSubject('open');
    const pool = createPool<BehaviorSubject<string>>({ create: () => Promise.resolve(socket) });
    const lease = await pool.lease();
    expect(lease.resource).toBe(socket);
  });

  it('BI-05: a resource that is a thenable is returned as of(resource), and lease() does not swallow it', async () => {
    const then = vi.fn();
    const query = { then };
    const pool = createPool<object>({ create: () => of(query) });
    const lease = await pool.lease();
    expect(lease.resource).toBe(query);
    expect(then).not.toHaveBeenCalled();
  });

  it.each([
    ['a text', 'abc'],
    ['an array', [1, 2, 3]],
    ['a Map', new Map([['a', 1]])],
    ['a Set', new Set([1])],
    ['a generator', (function* () {})()],
    ['zero', 0],
    ['an empty text', ''],
    ['false', false],
    ['a function', () => 5],
  ])('BI-05: %s is the resource itself', (_, value) => {
    const pool = createPool<unknown>({ create: () => value });
    expect(borrow(pool).lease.resource).toBe(value);
    expect(pool.stats.created).toBe(1);
  });

  it('BI-05: a plain array out of use() is one value, not a stream of its items', async () => {
    const pool = createPool({ create: () => ({ rows: [1, 2, 3] }) });
    await expect(firstValueFrom(pool.use(({ rows }) => rows))).resolves.toStrictEqual([1, 2, 3]);
  });
});

describe('what is foreign to a pool', () => {
  it('BI-06: a lease acts on its own pool only', () => {
    const one = virtualPool();
    const two = virtualPool();
    const holder = borrow(one.pool);
    borrow(two.pool);
    const before = two.pool.state;
    void holder.lease.release();
    void holder.lease.release();
    expect(one.pool.state).toMatchObject({ idle: 1, leased: 0 });
    expect(two.pool.state).toBe(before);
  });

  it('BI-06: methods of a lease on a forged object throw a TypeError and change nothing', () => {
    const { pool } = virtualPool();
    const { lease } = borrow(pool);
    const before = pool.state;
    const forged = Object.create(Object.getPrototypeOf(lease) as object) as Lease<unknown>;
    expect(() => void forged.release()).toThrow(TypeError);
    expect(() => void forged.destroy()).toThrow(TypeError);
    expect(() => forged.detach()).toThrow(TypeError);
    expect(() => forged.resource).toThrow(TypeError);
    expect(pool.state).toBe(before);
  });

  it('BI-06: no method takes a resource, so nothing foreign can be given back', async () => {
    const { pool, events } = virtualPool();
    const before = pool.state;
    expect(() => pool.use(undefined as never)).toThrow(InvalidOptionsError);
    expect(() => pool.use('select 1' as never)).toThrow(InvalidOptionsError);
    expect(() => pool.acquire('now' as never)).toThrow(InvalidOptionsError);
    expect(() => pool.resize({ max: '3' } as never)).toThrow(InvalidOptionsError);
    await expect(pool.prefill({} as never)).rejects.toBeInstanceOf(InvalidOptionsError);
    await expect(pool.close('now' as never)).rejects.toBeInstanceOf(InvalidOptionsError);
    expect(pool.state).toBe(before);
    expect(events).toStrictEqual([]);
  });
});

describe('zero and infinity', () => {
  it.each([...durations, 'max', 'maxUses', 'createConcurrency'])(
    'BI-07: %s 0 is refused, so that nothing happens "at once" by accident',
    option => {
      expect(refusal(loose({ [option]: 0 }))).toMatchObject({ option, value: 0 });
    },
  );

  it.each(['min', 'minIdle', 'maxWaiting', 'lifetimeJitter', 'validateAfterIdleMillis'])(
    'BI-07: %s 0 is legal',
    option => {
      const pool = createPool(loose({ [option]: 0 }));
      expect(borrow(pool).leases).toHaveLength(1);
    },
  );

  it('BI-07: Infinity is legal for every duration and means off', async () => {
    const off = Object.fromEntries(durations.map(name => [name, Infinity]));
    const time = new SteppedScheduler();
    const pool = createPool(
      loose({ ...off, scheduler: time, max: 1, validate: () => true, reset: () => undefined }),
    );
    const holder = borrow(pool);
    const waiter = borrow(pool);
    time.advanceTo(1e12);
    expect(waiter.waits).toBe(true);
    expect(holder.lease.released).toBe(false);
    expect(time.pending).toBe(0);
    holder.leave();
    waiter.leave();
    await pool.close();
    expect(time.pending).toBe(0);
  });

  it('BI-07: maxWaiting 0 never waits, and still serves from an idle resource or a free slot', () => {
    const { pool } = virtualPool({ maxWaiting: 0, max: 2 });
    warm(pool, 1);
    expect(borrow(pool).leases).toHaveLength(1);
    expect(borrow(pool).leases).toHaveLength(1);
    expect(borrow(pool).error).toBeInstanceOf(WaitingLimitError);
  });

  it('BI-07: maxWaiting Infinity lets everybody wait', () => {
    const { pool } = virtualPool({ maxWaiting: Infinity, max: 1 });
    for (let i = 0; i < 1000; i += 1) borrow(pool);
    expect(pool.state.waiting).toBe(999);
  });

  it('BI-07: max Infinity serves everybody at once, and nothing ever counts up to it', async () => {
    const { pool, made, states } = virtualPool({ max: Infinity, min: 2 });
    const borrowers = Array.from({ length: 500 }, () => borrow(pool));
    expect(borrowers.every(({ leases }) => leases.length === 1)).toBe(true);
    expect(made).toHaveLength(500);
    expect(pool.state).toMatchObject({ max: Infinity, leased: 500, waiting: 0 });
    expect(Math.max(...states.map(({ waiting }) => waiting))).toBeLessThanOrEqual(1);
    await expect(pool.prefill()).rejects.toMatchObject({ option: 'count', value: Infinity });
    for (const borrower of borrowers) borrower.leave();
    await expect(pool.evict()).resolves.toBe(0);
    await pool.close();
    expect(pool.state.size).toBe(0);
  });

  it('BI-07: a priority of 0, below and above is legal', () => {
    const pool = createPool({ create: () => ({}), max: 1 });
    const holder = borrow(pool);
    const order: string[] = [];
    for (const priority of [1, 0, -1]) {
      borrow(pool, { priority }, lease => {
        order.push(String(priority));
        void lease.release();
      });
    }
    holder.leave();
    expect(order).toStrictEqual(['-1', '0', '1']);
  });
});

describe('order', () => {
  function orderOf(order: PoolOptions<object>['order']): number[] {
    const { pool, time } = virtualPool({ order, max: 3 });
    const holders = [borrow(pool), borrow(pool), borrow(pool)];
    for (const holder of holders) {
      time.advance(10);
      holder.leave();
    }
    return [1, 2, 3].map(() => borrow(pool).lease.resource.number);
  }

  it('lends the last returned first by default, and under lifo', () => {
    expect(orderOf(undefined)).toStrictEqual([3, 2, 1]);
    expect(orderOf('lifo')).toStrictEqual([3, 2, 1]);
  });

  it('lends the first returned first under fifo', () => {
    expect(orderOf('fifo')).toStrictEqual([1, 2, 3]);
  });

  it('lends what a comparator puts first', () => {
    const middleFirst = (a: ResourceInfo, b: ResourceInfo): number =>
      Math.abs(a.id - 2) - Math.abs(b.id - 2);
    expect(orderOf(middleFirst)[0]).toBe(2);
    expect(orderOf((a, b) => a.id - b.id)).toStrictEqual([1, 2, 3]);
    expect(orderOf((a, b) => b.idleMillis - a.idleMillis)).toStrictEqual([1, 2, 3]);
  });

  it('a comparator sees facts of idle resources: uses, ages and idle times', () => {
    const seen: ResourceInfo[] = [];
    const { pool, time } = virtualPool({
      max: 2,
      order: (a, b) => {
        seen.push(a, b);
        return a.uses - b.uses;
      },
    });
    warm(pool, 2);
    borrow(pool).leave();
    time.advanceTo(25);
    const { lease } = borrow(pool);
    expect(seen.every(({ state }) => state === 'idle')).toBe(true);
    expect(seen.some(({ idleMillis, ageMillis }) => idleMillis === 25 && ageMillis === 25)).toBe(
      true,
    );
    expect(lease.info.uses).toBe(2);
  });

  it('spreads the use with a comparator that prefers what was used least', () => {
    const { pool } = virtualPool({ max: 4, order: (a, b) => a.uses - b.uses });
    warm(pool, 4);
    for (let round = 0; round < 400; round += 1) borrow(pool).leave();
    expect(pool.resources().map(({ uses }) => uses)).toStrictEqual([101, 101, 101, 101]);
  });
});

describe('names and defaults', () => {
  it('a pool without a name gets one of its own, and a name is kept', () => {
    const first = createPool({ create: () => ({}) });
    const second = createPool({ create: () => ({}) });
    expect(first.name).toMatch(/^pool-\d+$/);
    expect(second.name).not.toBe(first.name);
    expect(createPool({ create: () => ({}), name: 'orders' }).name).toBe('orders');
  });

  it('create is told the name of its pool and is given a signal', async () => {
    const contexts: { pool: string; aborted: boolean }[] = [];
    const pool = createPool({
      name: 'orders',
      create: ({ pool: name, signal }) => {
        contexts.push({ pool: name, aborted: signal.aborted });
        return {};
      },
    });
    await pool.prefill(1);
    expect(contexts).toStrictEqual([{ pool: 'orders', aborted: false }]);
  });

  it('max is 10 and min 0 by default, and a request waits for 30,000 ms', () => {
    const { pool, time } = virtualPool();
    const borrowers = Array.from({ length: 11 }, () => borrow(pool));
    expect(pool.state).toMatchObject({ min: 0, max: 10, leased: 10, waiting: 1 });
    time.advanceTo(29_999);
    expect(borrowers[10]!.waits).toBe(true);
    time.advanceTo(30_000);
    expect(borrowers[10]!.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
  });

  it.each([
    ['createTimeoutMillis', 30_000, { create: () => NEVER, acquireTimeoutMillis: Infinity }],
    ['validateTimeoutMillis', 5000, { validate: () => NEVER, acquireTimeoutMillis: Infinity }],
    ['resetTimeoutMillis', 5000, { reset: () => NEVER }],
    ['destroyTimeoutMillis', 5000, { destroy: () => NEVER }],
  ] as const)('%s is %i by default', (_, millis, options) => {
    const { pool, time } = virtualPool({ ...options, max: 1, maxLifetimeMillis: Infinity });
    const first = borrow(pool);
    if (first.leases.length > 0) {
      if ('destroy' in options) void first.lease.destroy();
      else first.leave();
      if ('validate' in options) borrow(pool);
    }
    time.advanceTo(millis - 1);
    const failed = (): number => {
      const { createFailed, validateFailed, resetFailed, destroyFailed } = pool.stats;
      return createFailed + validateFailed + resetFailed + destroyFailed;
    };
    expect(failed()).toBe(0);
    time.advanceTo(millis);
    expect(failed()).toBe(1);
  });

  it('validate runs on borrow when it is given, unless switched off, and on return only when asked to', async () => {
    const count = async (options: Partial<PoolOptions<object>>): Promise<number> => {
      const validate = vi.fn(() => true);
      const pool = createPool({ create: () => ({}), validate, ...options });
      borrow(pool).leave();
      borrow(pool).leave();
      await microtasks();
      return validate.mock.calls.length;
    };
    await expect(count({})).resolves.toBe(1);
    await expect(count({ validateOnBorrow: false })).resolves.toBe(0);
    await expect(count({ validateOnReturn: true })).resolves.toBe(3);
    await expect(count({ validateOnReturn: true, validateOnBorrow: false })).resolves.toBe(2);
  });
});
