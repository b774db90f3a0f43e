import { metrics, type Attributes, type Meter, type Tracer } from '@opentelemetry/api';
import { Subscription } from 'rxjs';
import { InvalidOptionsError, type Pool } from '../index.js';
import { observePool } from './pool-metrics.js';
import { traceRequests } from './pool-spans.js';

/** Options of `instrumentPool`. */
export interface InstrumentPoolOptions {
  /** Where the metrics go. Default: the global meter provider's meter `rxpool`. */
  readonly meter?: Meter | undefined;
  /** Where the wait of each request is told. Default: nowhere. */
  readonly tracer?: Tracer | undefined;
  /** A span of its own for each request, or an event on the span that is active at the request. Default 'span'. */
  readonly traceAs?: 'span' | 'event' | undefined;
  /** Requests that got their lease sooner leave no trace; those that got none always do. Default 0. */
  readonly minWaitMillis?: number | undefined;
  /** Replaces `db.client.connection` in all names, for pools of something else than database connections. */
  readonly prefix?: string | undefined;
  /** `max` for back ends that know the name of before September 2026. Default 'limit'. */
  readonly limitName?: 'limit' | 'max' | undefined;
  /** On every point and span beside the pool's name, `db.system.name` say. */
  readonly attributes?: Attributes | undefined;
}

/**
 * Tells OpenTelemetry of a pool: the metrics of the semantic conventions, in seconds, and the waits as spans where a
 * `tracer` is given. Needs the API only; without an SDK nothing is recorded. Counts are read from the pool when they
 * are collected; times are heard from this call on.
 *
 * Unsubscribe to end it; it ends by itself when the pool is closed. Throws InvalidOptionsError.
 *
 * @example
 * instrumentPool(pool, { tracer: trace.getTracer('shop'), attributes: { 'db.system.name': 'postgresql' } });
 */
export function instrumentPool<T>(
  pool: Pool<T>,
  options: InstrumentPoolOptions = {},
): Subscription {
  const { minWaitMillis = 0, traceAs = 'span', limitName = 'limit', attributes = {} } = options;
  refuseUnless(pool, 'traceAs', traceAs, ['span', 'event']);
  refuseUnless(pool, 'limitName', limitName, ['limit', 'max']);
  if (!(minWaitMillis >= 0)) {
    throw new InvalidOptionsError(pool.name, 'minWaitMillis', minWaitMillis, 'must be 0 or more');
  }
  const meter = options.meter ?? metrics.getMeter('rxpool');
  const all = new Subscription();
  all.add(observePool(pool, meter, { prefix: options.prefix, limitName, attributes }));
  if (options.tracer !== undefined) {
    all.add(traceRequests(pool, options.tracer, { as: traceAs, minWaitMillis, attributes }));
  }
  return all;
}

function refuseUnless(
  pool: { readonly name: string },
  option: string,
  value: string,
  known: readonly string[],
): void {
  if (known.includes(value)) return;
  throw new InvalidOptionsError(pool.name, option, value, `must be ${known.join(' or ')}`);
}
