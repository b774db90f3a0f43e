import type {
  Attributes,
  Meter,
  Observable as Instrument,
  ObservableResult,
} from '@opentelemetry/api';
import { Subscription } from 'rxjs';
import type { Pool } from '../index.js';
import { attributes as keys, boundaries, names, renamed } from './names.js';

export interface MetricOptions {
  readonly prefix: string | undefined;
  readonly limitName: 'limit' | 'max';
  readonly attributes: Attributes;
}

/** Counts come from the pool's own state and totals when they are collected; the times from its events. */
export function observePool<T>(pool: Pool<T>, meter: Meter, options: MetricOptions): Subscription {
  const { prefix } = options;
  const named = (name: string): string => (prefix === undefined ? name : renamed(name, prefix));
  const common: Attributes = { ...options.attributes, [named(keys.poolName)]: pool.name };
  const idle: Attributes = { ...common, [named(keys.state)]: 'idle' };
  const used: Attributes = { ...common, [named(keys.state)]: 'used' };

  const level = (name: string, unit: string, description: string): Instrument =>
    meter.createObservableUpDownCounter(named(name), { unit, description });
  const connections = '{connection}';
  const count = level(names.count, connections, 'Connections in the state described');
  const idleMax = level(names.idleMax, connections, 'Idle connections allowed');
  const idleMin = level(names.idleMin, connections, 'Idle connections to be kept');
  const limit = level(names[options.limitName], connections, 'Open connections allowed');
  const pending = level(names.pendingRequests, '{request}', 'Requests that wait');
  const timeouts = meter.createObservableCounter(named(names.timeouts), {
    unit: '{timeout}',
    description: 'Requests whose deadline passed',
  });

  const collect = (result: { observe: BatchObserve }): void => {
    const { state, stats } = pool;
    result.observe(count, state.idle, idle);
    // Everything that exists and is not idle: the two add up to the size.
    result.observe(count, state.size - state.idle, used);
    result.observe(idleMin, state.min, common);
    result.observe(pending, state.waiting, common);
    result.observe(timeouts, stats.timedOut, common);
    if (state.max === Infinity) return; // no limit is no number that a backend could sum up
    result.observe(idleMax, state.max, common);
    result.observe(limit, state.max, common);
  };
  const collected = [count, idleMax, idleMin, limit, pending, timeouts];
  meter.addBatchObservableCallback(collect, collected);

  const time = (name: string, description: string): ((millis: number) => void) => {
    const advice = { explicitBucketBoundaries: boundaries };
    const histogram = meter.createHistogram(named(name), { unit: 's', description, advice });
    return millis => {
      histogram.record(millis / 1000, common);
    };
  };
  const created = time(names.createTime, 'The time it took to create a new connection');
  const waited = time(names.waitTime, 'The time it took to obtain a connection from the pool');
  const held = time(names.useTime, 'The time between borrowing a connection and returning it');

  const observation = new Subscription(() => {
    meter.removeBatchObservableCallback(collect, collected);
  });
  const end = (): void => {
    observation.unsubscribe();
  };
  observation.add(
    pool.stats$.subscribe({
      next: event => {
        if (event.type === 'acquired') waited(event.waitedMillis);
        else if (event.type === 'released') held(event.heldMillis);
        else if (event.type === 'created') created(event.tookMillis);
      },
      error: end,
      complete: end,
    }),
  );
  return observation;
}

type BatchObserve = (
  instrument: Instrument,
  ...values: Parameters<ObservableResult['observe']>
) => void;
