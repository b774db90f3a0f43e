import { AsyncLocalStorage } from 'node:async_hooks';
import {
  context,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  type Context,
  type ContextManager,
  type Span,
  type SpanOptions,
  type Tracer,
} from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createPool, InvalidOptionsError } from '../src/index.js';
import { instrumentPool, metricNames } from '../src/opentelemetry/index.js';
import { countingListeners } from './counting-listeners.js';
import { randomRun } from './random-run.js';
import { borrow, virtualPool } from './virtual-pool.js';

/** The real SDK, and what it exports when it is asked. */
class Collector {
  readonly #exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  readonly #reader = new PeriodicExportingMetricReader({
    exporter: this.#exporter,
    exportIntervalMillis: 3_600_000,
  });
  readonly #provider = new MeterProvider({ readers: [this.#reader] });
  readonly meter = this.#provider.getMeter('test');

  async collect(): Promise<MetricData[]> {
    this.#exporter.reset();
    await this.#reader.forceFlush();
    const [resource] = this.#exporter.getMetrics();
    return resource?.scopeMetrics.flatMap(({ metrics }) => metrics) ?? [];
  }

  shutdown(): Promise<void> {
    return this.#provider.shutdown();
  }
}

function pointsOf(metrics: readonly MetricData[], name: string): unknown[] {
  const metric = metrics.find(({ descriptor }) => descriptor.name === name);
  expect(metric, `${name} is missing`).toBeDefined();
  return metric!.dataPoints.map(({ attributes, value }) =>
    typeof value === 'number'
      ? [attributes, value]
      : [attributes, { count: value.count, sum: value.sum }],
  );
}

describe('instrumentPool', () => {
  it('gives the metrics of the conventions, which agree with the pool after a random run', async () => {
    const collector = new Collector();
    const virtual = virtualPool(
      { name: 'orders', max: 3, acquireTimeoutMillis: 40 },
      { create: 7 },
    );
    const { pool } = virtual;
    const attributes = { 'db.system.name': 'postgresql' };
    instrumentPool(pool, { meter: collector.meter, attributes });
    randomRun(virtual, { seed: 11 });
    const metrics = await collector.collect();

    const common = { ...attributes, 'db.client.connection.pool.name': 'orders' };
    const { state, stats } = pool;
    expect(stats.timedOut).toBeGreaterThan(0);
    expect(pointsOf(metrics, 'db.client.connection.count')).toEqual([
      [{ ...common, 'db.client.connection.state': 'idle' }, state.idle],
      [{ ...common, 'db.client.connection.state': 'used' }, state.size - state.idle],
    ]);
    for (const [name, value] of [
      ['limit', 3],
      ['idle.max', 3],
      ['idle.min', 0],
      ['pending_requests', state.waiting],
      ['timeouts', stats.timedOut],
    ] as const) {
      expect(pointsOf(metrics, `db.client.connection.${name}`)).toEqual([[common, value]]);
    }
    for (const [name, timing] of [
      ['wait_time', stats.wait],
      ['use_time', stats.hold],
      ['create_time', stats.create],
    ] as const) {
      const sum = expect.closeTo((timing.meanMillis * timing.count) / 1000, 6);
      expect(pointsOf(metrics, `db.client.connection.${name}`)).toEqual([
        [common, { count: timing.count, sum }],
      ]);
    }
    await collector.shutdown();
  });

  it('names the units of the conventions, and advises buckets for seconds', async () => {
    const collector = new Collector();
    const { pool } = virtualPool();
    instrumentPool(pool, { meter: collector.meter });
    borrow(pool).leave();
    const metrics = await collector.collect();
    const units = Object.fromEntries(
      metrics.map(({ descriptor }) => [descriptor.name, descriptor.unit]),
    );
    expect(units).toEqual({
      'db.client.connection.count': '{connection}',
      'db.client.connection.idle.max': '{connection}',
      'db.client.connection.idle.min': '{connection}',
      'db.client.connection.limit': '{connection}',
      'db.client.connection.pending_requests': '{request}',
      'db.client.connection.timeouts': '{timeout}',
      'db.client.connection.create_time': 's',
      'db.client.connection.wait_time': 's',
      'db.client.connection.use_time': 's',
    });
    const wait = metrics.find(({ descriptor }) => descriptor.name === metricNames.waitTime)!;
    expect(wait.dataPoints[0]!.value).toMatchObject({
      buckets: { boundaries: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10] },
    });
    await collector.shutdown();
  });

  it('takes the old name of the limit, a prefix of your own, and no limit for a pool that has none', async () => {
    const collector = new Collector();
    const { meter } = collector;
    const pages = virtualPool({ name: 'pages' }).pool;
    instrumentPool(pages, { meter, limitName: 'max', prefix: 'browser.page' });
    instrumentPool(createPool({ name: 'endless', max: Infinity, create: () => ({}) }), { meter });
    const metrics = await collector.collect();
    expect(pointsOf(metrics, 'browser.page.max')).toEqual([
      [{ 'browser.page.pool.name': 'pages' }, 10],
    ]);
    expect(pointsOf(metrics, 'browser.page.count')[0]).toEqual([
      { 'browser.page.pool.name': 'pages', 'browser.page.state': 'idle' },
      0,
    ]);
    expect(metrics.some(({ descriptor }) => descriptor.name === metricNames.limit)).toBe(false);
    await collector.shutdown();
  });

  it('ends with unsubscribe and with the pool, and leaves nothing behind after a thousand times', async () => {
    const collector = new Collector();
    const { meter } = collector;
    const added = vi.spyOn(meter, 'addBatchObservableCallback');
    const removed = vi.spyOn(meter, 'removeBatchObservableCallback');
    const watched = countingListeners(virtualPool().pool);
    const { tracer } = recordingTracer();
    for (let times = 0; times < 1000; times += 1) {
      instrumentPool(watched.pool, { meter, tracer }).unsubscribe();
    }
    expect(watched.listeners()).toBe(0);
    instrumentPool(watched.pool, { meter, tracer });
    expect(watched.listeners()).toBe(2);
    await watched.pool.close();
    expect(watched.listeners()).toBe(0);
    expect(added).toHaveBeenCalledTimes(1001);
    expect(removed.mock.calls).toEqual(added.mock.calls);
    await collector.shutdown();
  });

  it('does nothing without an SDK, and refuses options that make no sense', () => {
    const { pool } = virtualPool();
    const observation = instrumentPool(pool);
    borrow(pool).leave();
    observation.unsubscribe();
    expect(observation.closed).toBe(true);
    expect(() => instrumentPool(pool, { limitName: 'most' as 'max' })).toThrow('limitName');
    expect(() => instrumentPool(pool, { traceAs: 'log' as 'span' })).toThrow('traceAs');
    expect(() => instrumentPool(pool, { minWaitMillis: -1 })).toThrow(InvalidOptionsError);
  });
});

describe('instrumentPool with a tracer', () => {
  beforeAll(() => {
    context.setGlobalContextManager(new LocalContexts());
  });
  afterAll(() => {
    context.disable();
  });

  it('makes a span of each wait, as a child of the span in which the request was made', () => {
    const { pool, time } = virtualPool({ name: 'orders', max: 1 });
    const { tracer, spans } = recordingTracer();
    instrumentPool(pool, { tracer });
    const caller = tracer.startSpan('GET /orders');
    const giver = tracer.startSpan('somebody else');
    const holder = borrow(pool);
    inSpan(caller, () => borrow(pool, { label: 'checkout' }));
    time.advance(250);
    inSpan(giver, () => holder.leave());
    const waits = spans.filter(({ name }) => name === 'acquire orders');
    expect(waits).toHaveLength(2);
    expect(waits[1]).toMatchObject({
      parent: caller,
      attributes: {
        'db.client.connection.pool.name': 'orders',
        'rxpool.outcome': 'acquired',
        'rxpool.wait_millis': 250,
        'rxpool.label': 'checkout',
      },
      status: undefined,
    });
    expect(waits[1]!.endedAt! - waits[1]!.startedAt).toBe(250);
  });

  it('marks what timed out or was refused as failed, with the error', async () => {
    const { pool, time } = virtualPool({ name: 'orders', max: 1, maxWaiting: 1 });
    const { tracer, spans } = recordingTracer();
    instrumentPool(pool, { tracer });
    const holder = borrow(pool);
    borrow(pool, { timeoutMillis: 10 });
    borrow(pool);
    time.advance(10);
    borrow(pool).leave();
    holder.leave();
    expect(spans.map(({ attributes }) => attributes['rxpool.outcome'])).toEqual([
      ...['acquired', 'rejected', 'timedOut', 'cancelled'],
    ]);
    expect(spans.map(({ status }) => status)).toEqual([
      ...[undefined, SpanStatusCode.ERROR, SpanStatusCode.ERROR, undefined],
    ]);
    expect(spans[2]!.exceptions[0]).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    await pool.close();
  });

  it('leaves short waits out where it is told to, but never a failed one', () => {
    const { pool, time } = virtualPool({ max: 1 });
    const { tracer, spans } = recordingTracer();
    instrumentPool(pool, { tracer, minWaitMillis: 100 });
    const first = borrow(pool);
    const second = borrow(pool);
    borrow(pool, { timeoutMillis: 5 });
    time.advance(99);
    first.leave();
    second.leave();
    expect(spans.map(({ attributes }) => attributes['rxpool.outcome'])).toEqual(['timedOut']);
  });

  it("writes an event on the caller's span instead, where it is told to", () => {
    const { pool } = virtualPool({ name: 'orders' });
    const { tracer, spans } = recordingTracer();
    instrumentPool(pool, { tracer, traceAs: 'event' });
    const caller = tracer.startSpan('GET /orders');
    inSpan(caller, () => borrow(pool));
    borrow(pool); // without a span: nowhere to write
    expect(spans).toHaveLength(1);
    expect(spans[0]!.events).toMatchObject([
      ['acquire orders', { 'rxpool.outcome': 'acquired', 'rxpool.resource_id': 1 }],
    ]);
  });
});

interface RecordedSpan {
  readonly name: string;
  readonly parent: Span | undefined;
  readonly attributes: Record<string, unknown>;
  readonly events: unknown[];
  readonly exceptions: unknown[];
  readonly startedAt: number;
  endedAt: number | undefined;
  status: SpanStatusCode | undefined;
}

/** The tracing SDK is not installed here: a tracer of the API that writes down what it is told. */
function recordingTracer(): { tracer: Tracer; spans: RecordedSpan[] } {
  const spans: RecordedSpan[] = [];
  const tracer = {
    startSpan(name: string, options: SpanOptions = {}, parent: Context = context.active()) {
      const recorded: RecordedSpan = {
        name,
        parent: trace.getSpan(parent),
        attributes: { ...options.attributes },
        events: [],
        exceptions: [],
        startedAt: Number(options.startTime ?? 0),
        endedAt: undefined,
        status: undefined,
      };
      spans.push(recorded);
      return {
        addEvent: (...event: unknown[]) => recorded.events.push(event),
        recordException: (error: unknown) => recorded.exceptions.push(error),
        setStatus: ({ code }: { code: SpanStatusCode }) => (recorded.status = code),
        end: (at: number) => (recorded.endedAt = at),
      } as unknown as Span;
    },
  } as Tracer;
  return { tracer, spans };
}

function inSpan(span: Span, work: () => void): void {
  context.with(trace.setSpan(context.active(), span), work);
}

class LocalContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    current: Context,
    work: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(current, () => work.apply(thisArg, args));
  }

  bind<V>(_: Context, target: V): V {
    return target;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    this.#storage.disable();
    return this;
  }
}
