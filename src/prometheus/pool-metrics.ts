import { Counter, Gauge, Histogram, type Metric, type Registry } from 'prom-client';
import type { Pool, PoolEvent } from '../index.js';
import type { MetricNames } from './naming.js';
import { RecentMaximum } from './recent-maximum.js';

type Timing = 'wait' | 'hold' | 'create';

const timings = ['wait', 'hold', 'create'] as const;

/** The metrics of all pools of one registry and one naming: made with the first pool, taken out with the last. */
export class PoolMetrics {
  readonly #registry: Registry;
  readonly #pools = new Map<string, Member>();
  readonly #names: string[] = [];
  readonly #histograms: Readonly<Record<Timing, Histogram>>;

  constructor(registry: Registry, names: MetricNames, buckets: readonly number[]) {
    this.#registry = registry;
    for (const { name, help, label, read } of names.gauges) {
      const labelNames = label === undefined ? ['pool'] : ['pool', label];
      this.#gauge(name, help, labelNames, (gauge, pool) => {
        const values = read(pool.state);
        if (typeof values === 'number') gauge.set({ pool: pool.name }, values);
        else {
          for (const [word, value] of Object.entries(values)) {
            gauge.set({ pool: pool.name, [label as string]: word }, value);
          }
        }
      });
    }
    for (const { name, help, read } of names.counters) {
      const pools = this.#pools;
      this.#add(
        new Counter({
          name,
          help,
          labelNames: ['pool'],
          registers: [registry],
          // The pool's own totals, not a second count: they are right from the pool's first event on.
          collect() {
            this.reset();
            for (const { pool } of pools.values()) {
              this.inc({ pool: pool.name }, read(pool.stats) as number);
            }
          },
        }),
      );
    }
    const histogramOf = (timing: Timing): Histogram => {
      const { name, help, maxName } = names[timing];
      if (maxName !== undefined) {
        this.#gauge(maxName, `${help}, the largest of recent ones`, ['pool'], (gauge, { name }) => {
          gauge.set({ pool: name }, this.#pools.get(name)?.maxima[timing].at(Date.now()) ?? 0);
        });
      }
      return this.#add(
        new Histogram({
          ...{ name, help, labelNames: ['pool'], registers: [registry] },
          buckets: [...buckets],
        }),
      );
    };
    this.#histograms = {
      wait: histogramOf('wait'),
      hold: histogramOf('hold'),
      create: histogramOf('create'),
    };
  }

  get empty(): boolean {
    return this.#pools.size === 0;
  }

  /** Whether the registry still has them: somebody may have cleared it. */
  get registered(): boolean {
    return this.#names.every(name => this.#registry.getSingleMetric(name) !== undefined);
  }

  has(name: string): boolean {
    return this.#pools.has(name);
  }

  add(pool: Pool<unknown>): void {
    this.#pools.set(pool.name, {
      pool,
      labels: { pool: pool.name },
      maxima: {
        wait: new RecentMaximum(),
        hold: new RecentMaximum(),
        create: new RecentMaximum(),
      },
    });
    for (const timing of timings) this.#histograms[timing].zero({ pool: pool.name });
  }

  hear(event: PoolEvent): void {
    if (event.type === 'acquired') this.#observe('wait', event.pool, event.waitedMillis);
    else if (event.type === 'released') this.#observe('hold', event.pool, event.heldMillis);
    else if (event.type === 'created') this.#observe('create', event.pool, event.tookMillis);
  }

  remove(name: string): void {
    this.#pools.delete(name);
    for (const timing of timings) this.#histograms[timing].remove({ pool: name });
  }

  unregister(): void {
    for (const name of this.#names) this.#registry.removeSingleMetric(name);
  }

  #observe(timing: Timing, name: string, millis: number): void {
    const member = this.#pools.get(name);
    if (member === undefined) return;
    this.#histograms[timing].observe(member.labels, millis / 1000);
    member.maxima[timing].add(millis / 1000, Date.now());
  }

  #gauge(
    name: string,
    help: string,
    labelNames: string[],
    set: (gauge: Gauge, pool: Pool<unknown>) => void,
  ): void {
    const pools = this.#pools;
    this.#add(
      new Gauge({
        ...{ name, help, labelNames, registers: [this.#registry] },
        collect() {
          this.reset();
          for (const { pool } of pools.values()) set(this, pool);
        },
      }),
    );
  }

  #add<M extends Metric & { name?: string }>(metric: M): M {
    this.#names.push(metric.name as string);
    return metric;
  }
}

interface Member {
  readonly pool: Pool<unknown>;
  readonly labels: { readonly pool: string };
  readonly maxima: Readonly<Record<Timing, RecentMaximum>>;
}
