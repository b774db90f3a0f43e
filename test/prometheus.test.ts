import { readFileSync } from 'node:fs';
import parse from 'parse-prometheus-text-format';
import { register, Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { createPool, InvalidOptionsError, PoolExistsError, type PoolStats } from '../src/index.js';
import { registerPool } from '../src/prometheus/index.js';
import { RecentMaximum } from '../src/prometheus/recent-maximum.js';
import { countingListeners } from './counting-listeners.js';
import { randomRun } from './random-run.js';
import { borrow, virtualPool, type VirtualPool } from './virtual-pool.js';

type Scrape = ReturnType<typeof parse>;

afterEach(() => {
  register.clear();
});

/** What Prometheus reads, by a parser that is not ours. */
async function scrape(registry: Registry): Promise<Scrape> {
  return parse(await registry.metrics());
}

function valueOf(metrics: Scrape, name: string, labels: Record<string, string>): number {
  const family = metrics.find(metric => metric.name === name);
  expect(family, `${name} is missing`).toBeDefined();
  const sample = family!.metrics.find(
    ({ labels: own = {} }) =>
      Object.keys(own).length === Object.keys(labels).length &&
      Object.entries(labels).every(([key, value]) => own[key] === value),
  );
  expect(sample, `${name} has no ${JSON.stringify(labels)}`).toBeDefined();
  return Number(sample!.value ?? NaN);
}

/** The parser mixes the series of a labelled histogram up: it is shown one pool at a time, without the label. */
async function histogramOf(
  registry: Registry,
  name: string,
  pool: string,
): Promise<{ count: number; sum: number }> {
  const label = `pool="${pool}"`;
  const lines = (await registry.metrics())
    .split('\n')
    .filter(line => line.startsWith('#') || line.includes(label))
    .map(line => line.replace(new RegExp(`,?${label}`), '').replace('{}', ''));
  const family = parse(`${lines.join('\n')}\n`).find(metric => metric.name === name);
  expect(family?.type).toBe('HISTOGRAM');
  const { count, sum, buckets } = family!.metrics[0]!;
  expect(buckets?.['+Inf']).toBe(count);
  return { count: Number(count), sum: Number(sum) };
}

function busyPool(name: string, seed: number): VirtualPool & { leave: () => void } {
  const virtual = virtualPool(
    { name, max: 3, acquireTimeoutMillis: 40, maxLeaseMillis: 90, maxWaiting: 6 },
    { create: 7 },
  );
  return {
    ...virtual,
    leave: () => {
      for (const borrower of randomRun(virtual, { seed })) borrower.leave();
    },
  };
}

describe('registerPool', () => {
  it('agrees with the counters of every pool after a random run, read by a real parser', async () => {
    const registry = new Registry();
    const pools = [busyPool('orders', 1), busyPool('reports', 2), busyPool('idle "ones"', 3)];
    for (const { pool } of pools) registerPool(pool, { registry });
    for (const { pool } of pools.slice(0, 2)) expect(pool.stats.acquired).toBe(0);
    pools[0]!.leave();
    randomRun(pools[1]!, { seed: 2 });
    const metrics = await scrape(registry);

    for (const { pool, events } of pools) {
      const label = pool.name;
      const { state, stats } = pool;
      const counters = Object.entries(stats).filter(
        ([key, value]) => typeof value === 'number' && !key.startsWith('peak'),
      ) as [keyof PoolStats, number][];
      expect(counters).toHaveLength(16);
      for (const [key, total] of counters) {
        const name = `rxpool_${key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}_total`;
        expect([name, valueOf(metrics, name, { pool: label })]).toEqual([name, total]);
      }
      for (const place of [
        'idle',
        'leased',
        'creating',
        'validating',
        'resetting',
        'destroying',
      ] as const) {
        expect(valueOf(metrics, 'rxpool_resources', { pool: label, state: place })).toBe(
          state[place],
        );
      }
      expect(valueOf(metrics, 'rxpool_waiting', { pool: label })).toBe(state.waiting);
      expect(valueOf(metrics, 'rxpool_size', { pool: label })).toBe(state.size);
      expect(valueOf(metrics, 'rxpool_size_max', { pool: label })).toBe(3);
      expect(valueOf(metrics, 'rxpool_size_min', { pool: label })).toBe(0);
      expect(valueOf(metrics, 'rxpool_lifecycle', { pool: label, lifecycle: 'running' })).toBe(1);
      expect(valueOf(metrics, 'rxpool_lifecycle', { pool: label, lifecycle: 'closed' })).toBe(0);
      if (events.length === 0) continue;
      for (const timing of ['wait', 'hold', 'create'] as const) {
        const { count, sum } = await histogramOf(registry, `rxpool_${timing}_seconds`, label);
        expect(count).toBe(stats[timing].count);
        expect(sum).toBeCloseTo((stats[timing].meanMillis * stats[timing].count) / 1000, 6);
      }
    }
    expect(pools[0]!.pool.stats.timedOut).toBeGreaterThan(0);
    expect(pools[0]!.pool.stats.rejected).toBeGreaterThan(0);
  });

  it('counts from the first event on, also when it is called late', async () => {
    const { pool, leave } = busyPool('late', 4);
    leave();
    const registry = new Registry();
    registerPool(pool, { registry });
    const metrics = await scrape(registry);
    expect(pool.stats.acquired).toBeGreaterThan(0);
    expect(valueOf(metrics, 'rxpool_acquired_total', { pool: 'late' })).toBe(pool.stats.acquired);
  });

  it('sorts waits into the buckets that it was given, in seconds', async () => {
    const registry = new Registry();
    const { pool, time } = virtualPool({ name: 'one', max: 1 });
    registerPool(pool, { registry, buckets: [0.1, 1] });
    const borrowers = Array.from({ length: 3 }, () => borrow(pool));
    for (const borrower of borrowers) {
      time.advance(600);
      borrower.leave();
    }
    const wait = (await scrape(registry)).find(({ name }) => name === 'rxpool_wait_seconds')!;
    expect(wait.metrics[0]!.buckets).toEqual({ '0.1': '1', '1': '2', '+Inf': '3' });
  });

  it('tells a pool without a limit as +Inf', async () => {
    const registry = new Registry();
    registerPool(createPool({ name: 'endless', max: Infinity, create: () => ({}) }), { registry });
    expect(await registry.metrics()).toContain('rxpool_size_max{pool="endless"} +Inf');
  });

  it('uses the global registry where none is given', async () => {
    const { pool } = virtualPool({ name: 'global' });
    const registration = registerPool(pool);
    expect(await register.metrics()).toContain('rxpool_size{pool="global"} 0');
    registration.unsubscribe();
    expect(await register.metrics()).not.toContain('rxpool');
  });

  it('refuses a second pool of the same name, and an unknown naming', () => {
    const registry = new Registry();
    registerPool(virtualPool({ name: 'twice' }).pool, { registry });
    const other = virtualPool({ name: 'twice' }).pool;
    expect(() => registerPool(other, { registry })).toThrow(PoolExistsError);
    expect(() => registerPool(other, { registry, naming: 'c3p0' as 'hikari' })).toThrow(
      InvalidOptionsError,
    );
  });

  it('takes a pool out on unsubscribe and when it is closed, and the metrics with the last one', async () => {
    const registry = new Registry();
    const first = virtualPool({ name: 'first' });
    const second = virtualPool({ name: 'second' });
    const registration = registerPool(first.pool, { registry });
    registerPool(second.pool, { registry });
    registration.unsubscribe();
    const text = await registry.metrics();
    expect(text).not.toContain('first');
    expect(text).toContain('second');
    await second.pool.close();
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it('makes its metrics anew after somebody has cleared the registry', async () => {
    const registry = new Registry();
    registerPool(virtualPool({ name: 'before' }).pool, { registry });
    registry.clear();
    registerPool(virtualPool({ name: 'after' }).pool, { registry });
    expect(await registry.metrics()).toContain('rxpool_size{pool="after"}');
  });

  it('leaves nothing behind after a thousand registrations', () => {
    const registry = new Registry();
    const watched = countingListeners(virtualPool({ name: 'restless' }).pool);
    for (let times = 0; times < 1000; times += 1) {
      registerPool(watched.pool, { registry }).unsubscribe();
    }
    expect(watched.listeners()).toBe(0);
    expect(registry.getMetricsAsArray()).toEqual([]);
  });
});

describe("registerPool with naming 'hikari'", () => {
  it('has the names that dashboards for HikariCP ask for, and they agree with the pool', async () => {
    const registry = new Registry();
    const virtual = busyPool('orders', 5);
    const { pool } = virtual;
    registerPool(pool, { registry, naming: 'hikari' });
    registerPool(pool, { registry });
    randomRun(virtual, { seed: 5 });
    const metrics = await scrape(registry);
    const value = (name: string): number =>
      valueOf(metrics, `hikaricp_${name}`, { pool: 'orders' });
    const { size, idle, waiting, max, min } = pool.state;
    expect({
      micrometer: [
        ...['connections', 'connections_active', 'connections_idle', 'connections_pending'],
        ...['connections_max', 'connections_min', 'connections_timeout_total'],
      ].map(value),
      own: [
        ...['active_connections', 'idle_connections', 'pending_threads', 'max_connections'],
        ...['min_connections', 'connection_timeout_total'],
      ].map(value),
    }).toEqual({
      micrometer: [size, size - idle, idle, waiting, max, min, pool.stats.timedOut],
      own: [size - idle, idle, waiting, max, min, pool.stats.timedOut],
    });
    for (const [timing, stats] of [
      ['acquire', pool.stats.wait],
      ['usage', pool.stats.hold],
      ['creation', pool.stats.create],
    ] as const) {
      const { count, sum } = await histogramOf(
        registry,
        `hikaricp_connections_${timing}_seconds`,
        'orders',
      );
      expect(count).toBe(stats.count);
      expect(sum).toBeCloseTo((stats.meanMillis * stats.count) / 1000, 6);
      expect(value(`connections_${timing}_seconds_max`)).toBe(stats.maxMillis / 1000);
    }
  });
});

describe('RecentMaximum', () => {
  it('keeps a peak for one to two minutes, and then forgets it', () => {
    const maximum = new RecentMaximum();
    maximum.add(3, 1_000);
    maximum.add(2, 59_000);
    expect([maximum.at(59_999), maximum.at(119_999), maximum.at(120_000)]).toEqual([3, 3, 0]);
    maximum.add(1, 121_000);
    expect([maximum.at(130_000), maximum.at(10_000_000)]).toEqual([1, 0]);
  });
});

describe('the Grafana dashboard', () => {
  const board = JSON.parse(readFileSync('docs/grafana/rxpool.json', 'utf8')) as {
    uid: string;
    panels: { title: string; gridPos: object; targets?: { expr: string }[] }[];
    templating: { list: { name: string; query?: unknown }[] };
  };

  it('asks only for metrics that there are', async () => {
    const registry = new Registry();
    registerPool(virtualPool({ name: 'orders' }).pool, { registry });
    const known = new Set(
      (await scrape(registry)).flatMap(({ name, type }) =>
        type === 'HISTOGRAM' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    );
    const asked = JSON.stringify(board).match(/rxpool_[a-z_]+/g) ?? [];
    expect(asked.length).toBeGreaterThan(20);
    expect(asked.filter(name => !known.has(name))).toEqual([]);
  });

  it('has a place and a query for each panel', () => {
    const panels = board.panels.filter(panel => (panel as { type?: string }).type !== 'row');
    expect(panels.length).toBeGreaterThan(8);
    for (const { title, gridPos, targets } of panels) {
      expect(gridPos, title).toMatchObject({ h: expect.any(Number), w: expect.any(Number) });
      expect(
        targets?.every(({ expr }) => expr.includes('pool=~"$pool"')),
        title,
      ).toBe(true);
    }
  });
});
