import {
  context,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Tracer,
} from '@opentelemetry/api';
import { Subscription } from 'rxjs';
import type { Pool, PoolEvent } from '../index.js';
import { attributes as keys } from './names.js';

export interface SpanOptions {
  /** `span`: one for each request; `event`: on the span that is active where the request is made. */
  readonly as: 'span' | 'event';
  /** Requests that got their lease sooner leave no trace. */
  readonly minWaitMillis: number;
  readonly attributes: Attributes;
}

interface Open {
  readonly caller: Context;
  readonly startedAt: number;
}

type End = Extract<PoolEvent, { type: 'acquired' | 'cancelled' | 'timedOut' | 'rejected' }>;

/**
 * `requested` is published within the call that made the request, so the caller's context is the active one; the end
 * of the wait comes in the context of whoever gave the resource back, or in none.
 */
export function traceRequests<T>(
  pool: Pool<T>,
  tracer: Tracer,
  options: SpanOptions,
): Subscription {
  const open = new Map<number, Open>();

  function close(event: End): void {
    const request = open.get(event.requestId);
    if (request === undefined) return;
    open.delete(event.requestId);
    if (event.type === 'acquired' && event.waitedMillis < options.minWaitMillis) return;
    const attributes: Attributes = {
      ...options.attributes,
      [keys.poolName]: pool.name,
      'rxpool.outcome': event.type,
      'rxpool.wait_millis': event.waitedMillis,
      'rxpool.waiting': event.state.waiting,
      ...(event.label !== undefined && { 'rxpool.label': event.label }),
      ...(event.type === 'acquired' && { 'rxpool.resource_id': event.id }),
    };
    const { caller, startedAt } = request;
    if (options.as === 'event') {
      trace.getSpan(caller)?.addEvent(`acquire ${pool.name}`, attributes);
      return;
    }
    const span = tracer.startSpan(
      `acquire ${pool.name}`,
      { kind: SpanKind.INTERNAL, startTime: startedAt, attributes },
      caller,
    );
    if (event.type === 'timedOut' || event.type === 'rejected') {
      span.setStatus({ code: SpanStatusCode.ERROR, message: event.type });
      if (event.error instanceof Error) span.recordException(event.error);
    }
    // The pool's clock may be another; the wait is what it says.
    span.end(startedAt + event.waitedMillis);
  }

  const tracing = new Subscription(() => {
    open.clear();
  });
  const end = (): void => {
    tracing.unsubscribe();
  };
  tracing.add(
    pool.stats$.subscribe({
      next: event => {
        switch (event.type) {
          case 'requested':
            open.set(event.requestId, { caller: context.active(), startedAt: Date.now() });
            break;
          case 'acquired':
          case 'cancelled':
          case 'timedOut':
          case 'rejected':
            close(event);
            break;
        }
      },
      error: end,
      complete: end,
    }),
  );
  return tracing;
}
