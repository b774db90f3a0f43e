import {
  defer,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  of,
  range,
  Subject,
  Subscription,
  take,
  takeUntil,
  timer,
  VirtualTimeScheduler,
} from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import {
  CloseError,
  createPool,
  InvalidOptionsError,
  PoolClosedError,
  type Lease,
  type PoolEvent,
  type PoolOptions,
} from '../src/index.js';
import { createKeyedPool, type KeyedPool, type KeyedPoolOptions } from '../src/keyed/index.js';
import { Budget, Share } from '../src/keyed/budget.js';
import { assertInvariants, permitSourceConformance, seededRandom } from '../src/testing/index.js';

vi.setConfig({ testTimeout: 240_000 }); // all of it is work of the processor, of which a busy machine has little

interface Thing {
  readonly key: string;
}

interface Held {
  lease: Lease<Thing> | undefined;
  readonly subscription: Subscription;
}

/** A keyed pool on virtual time whose resources are counted by their factory, from before `create` to after `destroy`. */
class World {
  readonly scheduler = new VirtualTimeScheduler();
  readonly pool: KeyedPool<string, Thing>;
  readonly made: string[] = [];
  alive = 0;
  most = 0;
  readonly mostOf = new Map<string, number>();
  readonly #aliveOf = new Map<string, number>();

  constructor(
    options: KeyedPoolOptions,
    keyOptions: Partial<PoolOptions<Thing>> = {},
    takes = { create: 0, destroy: 0 },
  ) {
    const { scheduler } = this;
    const lasting = (millis: number) => (millis === 0 ? of(0) : timer(millis, scheduler));
    this.pool = createKeyedPool(
      key => ({
        create: () => {
          this.#count(key, 1);
          this.made.push(key);
          return lasting(takes.create).pipe(map(() => ({ key })));
        },
        destroy: () =>
          defer(() => lasting(takes.destroy)).pipe(
            map(() => {
              this.#count(key, -1);
            }),
          ),
        idleTimeoutMillis: Infinity,
        acquireTimeoutMillis: Infinity,
        lifetimeJitter: 0,
        ...keyOptions,
      }),
      { scheduler, ...options },
    );
  }

  /** Runs what is due up to that time. */
  advance(millis: number): void {
    this.scheduler.maxFrames = this.scheduler.frame + millis;
    this.scheduler.flush();
    this.scheduler.frame = this.scheduler.maxFrames;
  }

  /** Borrows for good; `lease` is there when it was served. */
  hold(key: string): Held {
    const held: Held = { lease: undefined, subscription: new Subscription() };
    held.subscription.add(this.pool.acquire(key).subscribe(lease => (held.lease = lease)));
    return held;
  }

  #count(key: string, change: number): void {
    this.alive += change;
    this.most = Math.max(this.most, this.alive);
    const ofKey = (this.#aliveOf.get(key) ?? 0) + change;
    this.#aliveOf.set(key, ofKey);
    this.mostOf.set(key, Math.max(this.mostOf.get(key) ?? 0, ofKey));
  }
}

describe('a keyed pool', () => {
  it('makes a pool for each key when it is first used, with the options of that key', async () => {
    const asked: number[] = [];
    const pool = createKeyedPool(
      (key: number) => {
        asked.push(key);
        return { create: () => `resource of ${key}`, max: key };
      },
      { name: 'tenants' },
    );
    const use$ = pool.use(2, resource => resource);
    expect(asked).toEqual([]);
    expect(await lastValueFrom(use$)).toBe('resource of 2');
    await using lease = await pool.lease(3);
    expect(lease.resource).toBe('resource of 3');
    expect(
      await lastValueFrom(
        pool.acquire(2).pipe(
          take(1),
          map(({ resource }) => resource),
        ),
      ),
    ).toBe('resource of 2');
    expect(asked).toEqual([2, 3]);
    expect(pool.keys()).toEqual([2, 3]);
    expect(pool.find(2)?.name).toBe('tenants:2');
    expect(pool.find(3)?.state.max).toBe(3);
    expect(pool.find(4)).toBeUndefined();
    expect(pool.tryAcquire(4)).toBeUndefined();
    expect(pool.tryAcquire(2)?.resource).toBe('resource of 2');
    expect(pool.state).toMatchObject({ lifecycle: 'running', max: Infinity, size: 2, leased: 2 });
    await pool.close({ force: true });
  });

  it('tells apart keys as a Map does, objects too', async () => {
    const pool = createKeyedPool((key: object) => ({ create: () => key }));
    const [a, b] = [{}, {}];
    await using first = await pool.lease(a);
    await using second = await pool.lease(b);
    expect(first.resource).toBe(a);
    expect(second.resource).toBe(b);
    expect(pool.keys()).toHaveLength(2);
  });

  it('limits each key by maxPerKey, and by the max of its own options', () => {
    const sizes = (options: KeyedPoolOptions, max?: PoolOptions<Thing>['max']) => {
      const world = new World(options, { max });
      for (let n = 0; n < 20; n += 1) world.hold('a');
      return world.pool.find('a')?.state.leased;
    };
    expect(sizes({})).toBe(10);
    expect(sizes({ maxPerKey: 3 })).toBe(3);
    expect(sizes({ maxPerKey: 15 })).toBe(15);
    expect(sizes({ maxPerKey: 3 }, 2)).toBe(2);
    expect(sizes({ maxPerKey: 3 }, 5)).toBe(3);
    expect(sizes({ maxTotal: 4 })).toBe(4);
    expect(sizes({ maxPerKey: 3 }, of(2))).toBe(2);
    expect(sizes({ maxPerKey: 3 }, of(7))).toBe(3);
  });

  it('passes the errors of a key on to who asked', async () => {
    const failure = new Error('no such tenant');
    const pool = createKeyedPool((key: string): PoolOptions<number> => {
      if (key === 'none') throw failure;
      return { create: () => Promise.reject(failure), max: key === 'bad' ? 0 : 1 };
    });
    await expect(pool.lease('none')).rejects.toBe(failure);
    await expect(lastValueFrom(pool.acquire('none'))).rejects.toBe(failure);
    await expect(pool.lease('bad')).rejects.toThrow(InvalidOptionsError);
    await expect(pool.lease('a')).rejects.toMatchObject({ code: 'CREATE_FAILED', cause: failure });
    expect(pool.keys()).toEqual(['a']);
    await pool.close();
  });

  it('refuses options that make no sense', () => {
    const refused = (options: object, option: string) => {
      const make = () => createKeyedPool(() => ({ create: () => 1 }), options);
      expect(make).toThrow(InvalidOptionsError);
      expect(make).toThrow(`"${option}"`);
    };
    refused({ maxTotal: 0 }, 'maxTotal');
    refused({ maxPerKey: 1.5 }, 'maxPerKey');
    refused({ idleKeyMillis: 0 }, 'idleKeyMillis');
    refused({ name: '' }, 'name');
    refused({ maxtotal: 5 }, 'maxtotal');
    expect(() => createKeyedPool(1 as never)).toThrow('"toOptions"');
    expect(() =>
      createKeyedPool(() => ({ create: () => 1 }), { maxTotal: undefined }),
    ).not.toThrow();
  });

  it('refuses permits of a key: the budget is its own', async () => {
    const pool = createKeyedPool(() => ({ create: () => 1, permits: { acquire: () => NEVER } }));
    await expect(pool.lease('a')).rejects.toThrow('"permits"');
  });
});

describe('the cap', () => {
  it('gives a resource that comes back to the key with the fewest, not to the next of its own', () => {
    const world = new World({ maxTotal: 3 });
    const busy = [world.hold('busy'), world.hold('busy'), world.hold('busy')];
    const next = world.hold('busy');
    const starved = world.hold('starved');
    expect(starved.lease).toBeUndefined();
    void busy[0]!.lease!.release();
    expect(starved.lease?.resource.key).toBe('starved');
    expect(next.lease).toBeUndefined();
    void busy[1]!.lease!.release();
    expect(next.lease?.resource.key).toBe('busy');
    expect(world.most).toBe(3);
    expect(world.made).toEqual(['busy', 'busy', 'busy', 'starved']);
  });

  it('takes turns between keys that have as many', () => {
    const world = new World({ maxTotal: 1 });
    const order: string[] = [];
    for (const key of ['a', 'a', 'a', 'b', 'b', 'c']) {
      world.pool
        .use(key, () => {
          order.push(key);
          return timer(1, world.scheduler);
        })
        .subscribe();
    }
    world.advance(100);
    expect(order).toEqual(['a', 'b', 'c', 'a', 'b', 'a']);
    expect(world.most).toBe(1);
  });

  it('makes room for a key by idle resources of others at once, the longest quiet first', async () => {
    const world = new World({ maxTotal: 2 });
    for (const key of ['first', 'second']) {
      await world.hold(key).lease!.release();
      world.advance(10);
    }
    expect(world.alive).toBe(2);
    const held = world.hold('third');
    expect(held.lease?.resource.key).toBe('third');
    expect(world.pool.find('first')?.state.size).toBe(0);
    expect(world.pool.find('second')?.state.idle).toBe(1);
    expect(world.most).toBe(2);
  });

  it('waits for the end of a resource that makes room before it makes another one', () => {
    const world = new World({ maxTotal: 1 }, {}, { create: 5, destroy: 20 });
    const first = world.hold('a');
    world.advance(5);
    void first.lease!.release();
    const second = world.hold('b');
    world.advance(19);
    expect(world.made).toEqual(['a']);
    world.advance(6);
    expect(second.lease?.resource.key).toBe('b');
    expect(world.most).toBe(1);
  });

  it('calls back no more than those who wait can use', () => {
    const world = new World({ maxTotal: 4 }, {}, { create: 0, destroy: 10 });
    const held = Array.from({ length: 4 }, () => world.hold('busy'));
    world.hold('busy');
    const starved = world.hold('starved');
    for (const { lease } of held) void lease!.release();
    world.advance(10);
    expect(starved.lease).toBeDefined();
    expect(world.pool.find('busy')?.stats.destroyed).toBe(1);
  });

  it('leaves idle resources alone where the one who waited has left, or there is room', async () => {
    const world = new World({ maxTotal: 2 });
    await world.hold('a').lease!.release();
    world.hold('b');
    expect(world.pool.find('a')?.state.idle).toBe(1);
    const held = world.hold('a');
    const waiting = world.hold('c');
    waiting.subscription.unsubscribe();
    await held.lease!.release();
    expect(world.pool.find('a')?.state.idle).toBe(1);
    expect(world.made).toEqual(['a', 'b']);
  });

  it('takes an idle resource that appears only after the other key has begun to wait', async () => {
    const reset = new Subject<void>();
    const world = new World({ maxTotal: 1 }, { reset: () => reset.pipe(take(1)) });
    const returning = world.hold('a').lease!.release();
    expect(world.pool.find('a')?.state.resetting).toBe(1);
    const waiting = world.hold('b');
    expect(waiting.lease).toBeUndefined();
    reset.next();
    await returning;
    expect(waiting.lease?.resource.key).toBe('b');
  });

  it('serves whoever waits before it fills up the min of another key', () => {
    const world = new World({ maxTotal: 2 }, { min: 2 });
    const held = world.hold('a');
    world.advance(1);
    expect(world.pool.find('a')?.state.size).toBe(2);
    const other = world.hold('b');
    expect(other.lease?.resource.key).toBe('b');
    world.advance(1);
    expect(world.pool.find('a')?.state).toMatchObject({ size: 1, leased: 1 });
    const again = world.hold('b');
    void held.lease!.release();
    world.advance(1);
    expect(again.lease?.resource.key).toBe('b');
  });

  it('holds over a key that is forgotten and comes back while its old resources are ending', () => {
    const world = new World(
      { maxTotal: 2, maxPerKey: 1, idleKeyMillis: 100 },
      { destroyTimeoutMillis: Infinity },
      { create: 0, destroy: 50 },
    );
    void world.hold('a').lease!.release();
    world.advance(100);
    expect(world.pool.keys()).toEqual([]);
    const again = world.hold('a');
    expect(again.lease).toBeUndefined();
    world.advance(50);
    expect(again.lease).toBeDefined();
    expect(world.mostOf.get('a')).toBe(1);
  });
});

describe('a thousand keys on fifty resources', () => {
  it('never has more than fifty, starves no key and forgets them all in the end', async () => {
    const random = seededRandom(7);
    const world = new World(
      { maxTotal: 50, maxPerKey: 5, idleKeyMillis: 1_000 },
      { validate: () => true, idleTimeoutMillis: 500 },
      { create: 3, destroy: 2 },
    );
    const perKey = 6;
    const left = new Map<string, number>();
    let furthestApart = 0;
    let served = 0;
    for (let key = 0; key < 1_000; key += 1) left.set(`key ${key}`, perKey);
    // All of it is lent while they come, so that nobody has the advantage of having come first.
    const blockers = Array.from({ length: 50 }, (_, n) => world.hold(`blocker ${n % 10}`));
    world.advance(3);
    for (const key of left.keys()) {
      for (let request = 0; request < perKey; request += 1) {
        world.pool
          .use(key, () => {
            served += 1;
            left.set(key, left.get(key)! - 1);
            if (served % 25 === 0) {
              const counts = [...left.values()];
              furthestApart = Math.max(furthestApart, Math.max(...counts) - Math.min(...counts));
            }
            return timer(1 + Math.floor(random() * 20), world.scheduler);
          })
          .subscribe();
      }
    }
    const heard = new Map<string, number>();
    world.pool.stats$.subscribe(({ key, type }) => {
      if (type === 'acquired') heard.set(key, (heard.get(key) ?? 0) + 1);
    });
    expect(served).toBe(0);
    for (const { lease } of blockers) void lease!.release();
    world.advance(60_000);
    expect(served).toBe(1_000 * perKey);
    expect(world.most).toBe(50);
    expect(Math.max(...world.mostOf.values())).toBeLessThanOrEqual(5);
    // All of them always wait, so all of them are served by turns: nobody is ever two ahead.
    expect(furthestApart).toBeLessThanOrEqual(2);
    expect([...left.values()].every(count => count === 0)).toBe(true);
    expect([...heard.keys()].filter(key => left.has(key))).toHaveLength(1_000);
    expect(world.alive).toBe(0);
    expect(world.pool.keys()).toEqual([]);
    expect(world.pool.state).toMatchObject({ size: 0, waiting: 0 });
    await world.pool.close();
  });

  it('keeps to it in a storm of random keys, departures and failures', async () => {
    for (let seed = 1; seed <= 3; seed += 1) {
      const random = seededRandom(seed);
      const world = new World(
        { maxTotal: 50, maxPerKey: 8, idleKeyMillis: 200 },
        {
          reset: () => {
            if (random() < 0.05) throw new Error('cannot be reset');
          },
        },
        { create: 2, destroy: 3 },
      );
      const events = new Map<string, PoolEvent<Thing>[]>();
      let ended = 0;
      const requests = 3_000;
      range(0, requests)
        .pipe(
          mergeMap(() =>
            timer(Math.floor(random() * 2_000), world.scheduler).pipe(
              mergeMap(() => {
                // A few keys have most of the requests.
                const key = `key ${Math.floor(random() ** 4 * 1_000)}`;
                const work$ = world.pool.use(key, () =>
                  timer(1 + Math.floor(random() * 30), world.scheduler),
                );
                const leaving$ = timer(Math.floor(random() * 60), world.scheduler);
                return random() < 0.2 ? work$.pipe(takeUntil(leaving$)) : work$;
              }),
            ),
          ),
        )
        .subscribe({ complete: () => (ended = requests) });
      world.pool.stats$.subscribe(event => {
        const list = events.get(event.key) ?? [];
        events.set(event.key, list);
        list.push(event);
      });
      world.advance(2_000);
      for (const key of world.pool.keys()) {
        const pool = world.pool.find(key)!;
        // A key that came back has the events of two pools.
        const own = events.get(key) ?? [];
        assertInvariants(pool, { events: own.slice(own.findLastIndex(({ seq }) => seq === 1)) });
      }
      world.advance(100_000);
      expect(ended).toBe(requests);
      expect(world.most).toBeLessThanOrEqual(50);
      expect(Math.max(...world.mostOf.values())).toBeLessThanOrEqual(8);
      expect(world.alive).toBe(0);
      expect(world.pool.keys()).toEqual([]);
      await world.pool.close();
    }
  });
});

describe('keys', () => {
  it('are forgotten when nobody has used them for idleKeyMillis, with what they have', () => {
    const world = new World({ idleKeyMillis: 100 });
    void world.hold('a').lease!.release();
    world.advance(60);
    void world.hold('b').lease!.release();
    world.advance(39);
    expect(world.pool.keys()).toEqual(['a', 'b']);
    world.advance(1);
    expect(world.pool.keys()).toEqual(['b']);
    expect(world.alive).toBe(1);
    world.advance(60);
    expect(world.pool.keys()).toEqual([]);
    expect(world.alive).toBe(0);
    expect(world.hold('a').lease).toBeDefined();
  });

  it('are not forgotten while somebody holds, waits, or has just been there', () => {
    const world = new World({ idleKeyMillis: 100, maxPerKey: 1 });
    const held = world.hold('held');
    void world.hold('used').lease!.release();
    world.advance(90);
    void world.hold('used').lease!.release();
    world.advance(90);
    expect(world.pool.keys()).toEqual(['held', 'used']);
    const waiting = world.hold('held');
    void held.lease!.release();
    expect(waiting.lease).toBeDefined();
    world.advance(1_000);
    expect(world.pool.keys()).toEqual(['held']);
  });

  it('are counted until what they have is gone, also inside the events of their end', () => {
    const world = new World({ idleKeyMillis: 100 }, {}, { create: 0, destroy: 10 });
    world.hold('a').subscription.unsubscribe();
    const sizes: string[] = [];
    world.pool.stats$.subscribe(({ type }) => sizes.push(`${type} ${world.pool.state.size}`));
    world.advance(110);

    expect(sizes).toEqual(['draining 1', 'destroying 1', 'destroyed 0', 'closed 0']);
    expect(world.pool.keys()).toEqual([]);
  });

  it('stay for ever with idleKeyMillis: Infinity, and no timer runs', () => {
    const world = new World({ idleKeyMillis: Infinity });
    void world.hold('a').lease!.release();
    expect(
      world.scheduler.actions.filter(({ delay }) => delay !== Infinity && delay > 0).length,
    ).toBeLessThanOrEqual(1);
    world.advance(10_000_000);
    expect(world.pool.keys()).toEqual(['a']);
  });

  it('are forgotten when their pool is closed by somebody', async () => {
    const world = new World({});
    await world.hold('a').lease!.release();
    await world.pool.find('a')!.close();
    expect(world.pool.keys()).toEqual([]);
    expect(world.hold('a').lease).toBeDefined();
  });
});

describe('the merged streams', () => {
  it('have the events and states of all keys, those to come and those forgotten too', () => {
    const world = new World({ idleKeyMillis: 100 });
    void world.hold('a').lease!.release();
    const events: string[] = [];
    const states: string[] = [];
    world.pool.stats$.subscribe(({ key, type, pool }) => events.push(`${key} ${pool} ${type}`));
    world.pool.state$.subscribe(({ key, state }) => states.push(`${key} ${state.leased}`));
    expect(states).toEqual(['a 0']);
    world.hold('b');
    expect(events).toContain('b keyed:b acquired');
    expect(states.at(-1)).toBe('b 1');
    world.advance(100);
    expect(events.at(-1)).toBe('a keyed:a closed');
  });

  it('complete after close', async () => {
    const world = new World({});
    await world.hold('a').lease!.release();
    const heard: string[] = [];
    world.pool.stats$.subscribe({
      next: ({ type }) => heard.push(type),
      complete: () => heard.push('end'),
    });
    world.pool.state$.subscribe({ complete: () => heard.push('end') });
    await world.pool.close();
    expect(heard.slice(-3)).toEqual(['closed', 'end', 'end']);
    let late = 0;
    world.pool.state$.subscribe({ complete: () => (late += 1) });
    expect(late).toBe(1);
  });
});

describe('close', () => {
  it('closes every key for good and is idempotent', async () => {
    const world = new World({});
    await world.hold('a').lease!.release();
    const held = world.hold('b');
    const first = world.pool.close();
    expect(world.pool.close()).toBe(first);
    await expect(world.pool.lease('a')).rejects.toThrow(PoolClosedError);
    await expect(world.pool.lease('c')).rejects.toThrow(PoolClosedError);
    expect(world.pool.state.lifecycle).toBe('draining');
    void held.lease!.release();
    await first;
    expect(world.pool.state).toMatchObject({ lifecycle: 'closed', size: 0 });
    expect(world.alive).toBe(0);
    expect(world.pool.close()).toBe(first);
    await world.pool[Symbol.asyncDispose]();
  });

  it('reports the failures of all keys at once, and escalates by force', async () => {
    const pool = createKeyedPool((key: string) => ({
      create: () => key,
      destroy: () => Promise.reject(new Error(`${key} sticks`)),
    }));
    await (await pool.lease('a')).release();
    const lease = await pool.lease('b');
    const slow = pool.close({ drainTimeoutMillis: Infinity });
    const forced = pool.close({ force: true });
    expect(forced).toBe(slow);
    const error = (await forced.catch((reason: unknown) => reason)) as CloseError;
    expect(error).toBeInstanceOf(CloseError);
    expect(error.errors).toHaveLength(2);
    expect(error.message).toContain('sticks');
    expect(lease.released).toBe(true);
  });

  it('waits for keys that are being forgotten', async () => {
    const world = new World({ idleKeyMillis: 10 }, {}, { create: 0, destroy: 20 });
    void world.hold('a').lease!.release();
    world.advance(10);
    expect(world.pool.keys()).toEqual([]);
    let closed = false;
    const closing = world.pool.close().then(() => (closed = true));
    await Promise.resolve();
    expect(closed).toBe(false);
    world.advance(20);
    await closing;
    expect(world.alive).toBe(0);
  });
});

describe('the budget between the pools keeps the contract of a PermitSource:', () => {
  const checks = permitSourceConformance({
    fifo: true,
    make: limit => {
      const budget = new Budget(limit, Infinity);
      return { source: new Share(budget), peer: new Share(budget) };
    },
  });
  for (const { name, run } of checks) it(name, run);
});

describe('Permit.recall, which it is built on', () => {
  it('has a resource retired when it comes back, as surplus, and not before', async () => {
    let wanted = false;
    let out = 0;
    const pool = createPool({
      create: () => 1,
      permits: {
        acquire: () =>
          of({
            recall: () => wanted,
            release: () => {
              out += 1;
            },
          }),
      },
    });
    const events: string[] = [];
    pool.stats$.subscribe(event => {
      if (event.type === 'evicted') events.push(event.reason);
    });
    await (await pool.lease()).release();
    expect(await pool.evict()).toBe(0);
    const lease = await pool.lease();
    wanted = true;
    expect(pool.state.leased).toBe(1);
    await lease.release();
    expect([out, pool.state.size, events]).toEqual([1, 0, ['surplus']]);
    wanted = false;
    await (await pool.lease()).release();
    wanted = true;
    expect(await pool.evict()).toBe(1);
    expect(events).toEqual(['surplus', 'surplus']);
    await pool.close();
  });
});
