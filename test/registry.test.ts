import { of, Subject } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import {
  CloseError,
  createPool,
  InvalidOptionsError,
  PoolClosedError,
  PoolExistsError,
  PoolNotFoundError,
  type Pool,
  type PoolOptions,
} from '../src/index.js';
import { createRegistry, type NamedEvent, type PoolRegistry } from '../src/registry/index.js';

let registries: PoolRegistry[] = [];

afterEach(async () => {
  const open = registries;
  registries = [];
  for (const registry of open) await registry.closeAll({ force: true }).catch(() => undefined);
});

/** A registry with one type, whose pools lend numbers; `made` has what was asked of it. */
function openRegistry() {
  const registry = createRegistry();
  registries.push(registry);
  const made: unknown[] = [];
  registry.define('numbers', (config: Partial<PoolOptions<number>>, name) => {
    made.push(config, name);
    return createPool({ create: () => 1, ...config });
  });
  return { registry, made };
}

const numbers = (name: string, options: Partial<PoolOptions<number>> = {}): Pool<number> =>
  createPool({ create: () => 1, name, ...options });

describe('making pools by type', () => {
  it('makes the pool of its type, which has the name, and finds it again', () => {
    const { registry, made } = openRegistry();
    const pool = registry.create<Pool<number>>('numbers', 'orders', { max: 3 });
    expect(made).toEqual([{ max: 3, name: 'orders' }, 'orders']);
    expect(pool.name).toBe('orders');
    expect(pool.state.max).toBe(3);
    expect(registry.get('orders')).toBe(pool);
    expect(registry.find('orders')).toBe(pool);
    expect(registry.list()).toEqual(['orders']);
    expect(registry.create('numbers', 'plain').name).toBe('plain');
  });

  it('leaves a config alone that names the pool itself or is no plain object', () => {
    const { registry, made } = openRegistry();
    class Config {
      readonly max = 2;
    }
    registry.create('numbers', 'a', { name: 'own' });
    const config = new Config();
    registry.create('numbers', 'b', config);
    expect(made).toEqual([{ name: 'own' }, 'a', config, 'b']);
    expect(made[2]).toBe(config);
    expect(registry.get('a').name).toBe('own');
  });

  it('checks name and type before anything is built', async () => {
    const { registry, made } = openRegistry();
    registry.create('numbers', 'orders');
    made.length = 0;
    expect(() => registry.create('numbers', 'orders')).toThrow(PoolExistsError);
    expect(() => registry.create('numbers', '')).toThrow(InvalidOptionsError);
    expect(() => registry.create('letters', 'a')).toThrow('"numbers"');
    expect(made).toEqual([]);
    await registry.closeAll();
    expect(() => registry.create('numbers', 'late')).toThrow(PoolClosedError);
    expect(made).toEqual([]);
  });

  it('frees the name when the pool cannot be made', async () => {
    const { registry } = openRegistry();
    expect(() => registry.create('numbers', 'orders', { max: 0 })).toThrow(InvalidOptionsError);
    registry.define('late', () => Promise.reject(new Error('no driver')));
    await expect(registry.create<Promise<Pool<number>>>('late', 'orders')).rejects.toThrow(
      'no driver',
    );
    registry.define('wrong', () => 5 as never);
    await expect(registry.create<Promise<Pool<number>>>('wrong', 'orders')).rejects.toThrow(
      InvalidOptionsError,
    );
    expect(registry.list()).toEqual([]);
    expect(registry.create('numbers', 'orders').name).toBe('orders');
  });

  it('holds the name while a type that loads its driver is at it', async () => {
    const { registry } = openRegistry();
    let arrive!: (pool: Pool<number>) => void;
    registry.define('late', () => new Promise<Pool<number>>(resolve => (arrive = resolve)));
    const coming = registry.create<Promise<Pool<number>>>('late', 'orders');
    expect(registry.find('orders')).toBeUndefined();
    expect(() => registry.create('numbers', 'orders')).toThrow(PoolExistsError);
    expect(() => registry.add(numbers('orders'))).toThrow(PoolExistsError);
    const pool = numbers('orders');
    arrive(pool);
    expect(await coming).toBe(pool);
    expect(registry.get('orders')).toBe(pool);
  });

  it('holds the name also against a toPool that makes one of its own under it', () => {
    const { registry } = openRegistry();
    registry.define('nested', () => registry.create<Pool<number>>('numbers', 'orders'));
    expect(() => registry.create('nested', 'orders')).toThrow(PoolExistsError);
    expect(registry.list()).toEqual([]);
  });

  it('refuses a type that is defined already, or makes no sense', () => {
    const { registry } = openRegistry();
    expect(() => registry.define('numbers', () => numbers('x'))).toThrow('defined already');
    expect(() => registry.define('', () => numbers('x'))).toThrow(InvalidOptionsError);
    expect(() => registry.define('none', 1 as never)).toThrow('"toPool"');
  });
});

describe('keeping pools', () => {
  it('adds pools that were made elsewhere under their own name, or another', () => {
    const { registry } = openRegistry();
    const pool = registry.add(numbers('a'));
    expect(registry.add('b', pool)).toBe(pool);
    expect(registry.list()).toEqual(['a', 'b']);
    expect(() => registry.add(numbers('a'))).toThrow(PoolExistsError);
    expect(() => registry.add('c', {} as never)).toThrow(InvalidOptionsError);
  });

  it('says which pool is not there', () => {
    const { registry } = openRegistry();
    expect(() => registry.get('orders')).toThrow(PoolNotFoundError);
    expect(() => registry.get('orders')).toThrow('[orders]');
    expect(registry.find('orders')).toBeUndefined();
    expect(registry.remove('orders')).toBeUndefined();
  });

  it('lets a pool that is removed go on, unheard', async () => {
    const { registry } = openRegistry();
    const events: NamedEvent[] = [];
    registry.stats$.subscribe(event => events.push(event));
    const pool = registry.add(numbers('a'));
    expect(registry.remove('a')).toBe(pool);
    await (await pool.lease()).release();
    expect(events).toEqual([]);
    expect(pool.state.lifecycle).toBe('running');
    expect(registry.list()).toEqual([]);
    await registry.closeAll();
    expect(pool.state.lifecycle).toBe('running');
    await pool.close();
  });

  it('forgets a pool that has closed by itself, and only that one', async () => {
    const { registry } = openRegistry();
    const pool = registry.add(numbers('a'));
    registry.add(numbers('b'));
    await pool.close();
    expect(registry.list()).toEqual(['b']);
    const next = registry.add(numbers('a'));
    expect(registry.get('a')).toBe(next);
  });
});

describe('the merged streams', () => {
  it('have the events and states of all pools with their names, those that come later too', async () => {
    const { registry } = openRegistry();
    const a = registry.add('first', numbers('a'));
    const events: string[] = [];
    const states: string[] = [];
    registry.stats$.subscribe(event => events.push(`${event.name} ${event.pool} ${event.type}`));
    registry.state$.subscribe(({ name, state }) => states.push(`${name} ${state.leased}`));
    expect(states).toEqual(['first 0']);
    const b = registry.add(numbers('b'));
    expect(states).toEqual(['first 0', 'b 0']);
    await a.lease();
    const lease = await b.lease();
    void lease.release();
    expect(events.filter(event => /acquired|released/.test(event))).toEqual([
      'first a acquired',
      'b b acquired',
      'b b released',
    ]);
    expect(states.at(-1)).toBe('b 0');
    expect(states).toContain('first 1');
    expect(states).toContain('b 1');
  });

  it('tell each subscriber of every pool once, also of one that is added by a subscriber', () => {
    const { registry } = openRegistry();
    registry.add(numbers('a'));
    const names: string[] = [];
    registry.state$.subscribe(({ name }) => {
      names.push(name);
      if (name === 'a' && registry.find('b') === undefined) registry.add(numbers('b'));
    });
    expect(names).toEqual(['a', 'b']);
    const again: string[] = [];
    registry.state$.subscribe(({ name }) => again.push(name));
    expect(again).toEqual(['a', 'b']);
  });

  it('complete after closeAll, with the last event of every pool', async () => {
    const { registry } = openRegistry();
    registry.add(numbers('a'));
    registry.add(numbers('b'));
    const heard: string[] = [];
    registry.stats$.subscribe({
      next: ({ name, type }) => heard.push(`${name} ${type}`),
      complete: () => heard.push('complete'),
    });
    registry.state$.subscribe({ complete: () => heard.push('complete') });
    await registry.closeAll();
    expect(heard).toEqual(expect.arrayContaining(['a closed', 'b closed']));
    expect(heard.slice(-2)).toEqual(['complete', 'complete']);
    let late = '';
    registry.stats$.subscribe({ complete: () => (late = 'complete') });
    expect(late).toBe('complete');
  });
});

describe('closeAll', () => {
  it('closes every pool although some fail, and reports all failures at once', async () => {
    const { registry } = openRegistry();
    const failing = (name: string) =>
      registry.add(numbers(name, { destroy: () => Promise.reject(new Error(`${name} sticks`)) }));
    const pools = [failing('a'), registry.add(numbers('b')), failing('c')];
    for (const pool of pools) await (await pool.lease()).release();
    const held = registry.add(numbers('d'));
    const lease = await held.lease();
    const outcome = registry.closeAll({ drainTimeoutMillis: 5 });
    await expect(outcome).rejects.toBeInstanceOf(CloseError);
    const error = (await outcome.catch((reason: unknown) => reason)) as CloseError;
    expect(error.pool).toBe('registry');
    expect(error.errors).toHaveLength(3);
    expect(error.errors.map(each => (each as CloseError).pool).sort()).toEqual(['a', 'c', 'd']);
    expect(error.message).toContain('sticks');
    expect(error.abandoned).toBe(1);
    expect(error.state).toMatchObject({ size: 4, leased: 1 });
    for (const pool of [...pools, held]) expect(pool.state.lifecycle).toBe('closed');
    expect(lease.released).toBe(true);
    expect(registry.list()).toEqual([]);
  });

  it('is idempotent: the same promise, and nothing can be added any more', async () => {
    const { registry } = openRegistry();
    registry.add(numbers('a'));
    const first = registry.closeAll();
    expect(registry.closeAll()).toBe(first);
    expect(() => registry.add(numbers('b'))).toThrow(PoolClosedError);
    await first;
    expect(registry.closeAll()).toBe(first);
  });

  it('escalates by force', async () => {
    const { registry } = openRegistry();
    const pool = registry.add(numbers('a'));
    const lease = await pool.lease();
    const slow = registry.closeAll({ drainTimeoutMillis: Infinity });
    expect(lease.released).toBe(false);
    const forced = registry.closeAll({ force: true });
    expect(forced).toBe(slow);
    await forced;
    expect(lease.released).toBe(true);
  });

  it('closes what is still being made when it arrives', async () => {
    const { registry } = openRegistry();
    const arriving = new Subject<Pool<number>>();
    registry.define(
      'late',
      () => new Promise<Pool<number>>(resolve => arriving.subscribe(resolve)),
    );
    const coming = registry.create<Promise<Pool<number>>>('late', 'orders');
    const refused = expect(coming).rejects.toBeInstanceOf(PoolClosedError);
    const closed = registry.closeAll();
    const pool = numbers('orders', { destroy: () => of(undefined) });
    arriving.next(pool);
    await refused;
    await closed;
    expect(pool.state.lifecycle).toBe('closed');
  });

  it('is what the end of an `await using` does', async () => {
    let pool: Pool<number>;
    {
      await using registry = createRegistry();
      pool = registry.add(numbers('a'));
      expect(pool.state.lifecycle).toBe('running');
    }
    expect(pool.state.lifecycle).toBe('closed');
  });
});
