import { register, type Registry } from 'prom-client';
import { Subscription } from 'rxjs';
import { InvalidOptionsError, PoolExistsError, type Pool } from '../index.js';
import { namings, type Naming } from './naming.js';
import { PoolMetrics } from './pool-metrics.js';

/** Options of `registerPool`. */
export interface RegisterPoolOptions {
  /** Where the metrics go. Default: prom-client's global registry. */
  readonly registry?: Registry | undefined;
  /** `hikari` gives the names of HikariCP (Micrometer's and those of its own collector), for dashboards made for it. Default 'rxpool'. */
  readonly naming?: Naming | undefined;
  /** Upper bounds of the histograms, in seconds. The first pool of a registry and naming decides. */
  readonly buckets?: readonly number[] | undefined;
}

const defaultBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const families = new WeakMap<Registry, Map<Naming, PoolMetrics>>();

/**
 * Shows a pool to Prometheus, as label `pool` of metrics that all pools of the registry share. Gauges and counters are
 * read from the pool when Prometheus asks, so they agree with `pool.state` and `pool.stats` and cost nothing between;
 * the histograms of wait, hold and create times count from this call on, by one subscription to `stats$`.
 *
 * Unsubscribe to take the pool out; it goes by itself when the pool is closed. With the last pool the metrics go too.
 * Throws PoolExistsError when a pool of that name is there already, InvalidOptionsError for an unknown naming.
 *
 * @example
 * registerPool(pool);
 * createServer(async (_, response) => response.end(await register.metrics())).listen(9464);
 */
export function registerPool<T>(pool: Pool<T>, options: RegisterPoolOptions = {}): Subscription {
  const { registry = register, naming = 'rxpool', buckets = defaultBuckets } = options;
  if (!Object.hasOwn(namings, naming)) {
    throw new InvalidOptionsError(pool.name, 'naming', naming, "must be 'rxpool' or 'hikari'");
  }
  const metrics = metricsOf(registry, naming, buckets);
  if (metrics.has(pool.name)) throw new PoolExistsError(pool.name);
  metrics.add(pool);
  const registration = new Subscription(() => {
    metrics.remove(pool.name);
    const family = families.get(registry);
    if (!metrics.empty || family?.get(naming) !== metrics) return;
    metrics.unregister();
    family.delete(naming);
  });
  registration.add(
    pool.stats$.subscribe({
      next: event => {
        metrics.hear(event);
      },
      error: () => {
        registration.unsubscribe();
      },
      complete: () => {
        registration.unsubscribe();
      },
    }),
  );
  return registration;
}

function metricsOf(registry: Registry, naming: Naming, buckets: readonly number[]): PoolMetrics {
  const family = families.get(registry) ?? new Map<Naming, PoolMetrics>();
  families.set(registry, family);
  const present = family.get(naming);
  if (present?.registered === true) return present;
  const metrics = new PoolMetrics(registry, namings[naming], buckets);
  family.set(naming, metrics);
  return metrics;
}
