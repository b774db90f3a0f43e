import { Observable, Subscription, takeWhile, type OperatorFunction, type Subscriber } from 'rxjs';
import { acquireRules, checkFunction } from './internal/resolve-options.js';
import { checkRules, countOrMore } from './internal/rules.js';
import type { Project } from './internal/use-request.js';
import type { Lease } from './lease.js';
import type { AcquireOptions } from './options.js';
import type { Pool } from './pool.js';

/** Options of `withLease`; all but `concurrency` are those of its requests. */
export interface WithLeaseOptions extends AcquireOptions {
  /** Values that wait for a resource or work with one at once; 1 keeps their order. Default: the pool's `max` at subscription. */
  readonly concurrency?: number | undefined;
}

const rules = { ...acquireRules, concurrency: countOrMore(1, false) };

/**
 * Runs `project` with a borrowed resource for each value of the source, and passes on what it gives, as it comes.
 *
 * At most `concurrency` values wait in the pool or work at once. The source is not slowed down: values beyond that
 * are kept here, in order, without a request and so without a deadline. A source that is faster for good fills this
 * buffer; thin it out before (`sample`, `bufferCount`) where that can happen.
 *
 * Outcomes of `project` are those of `pool.use`: a value, a promise, an Observable or an async iterable; the resource
 * is given back before the next value takes its place. The first error, of the source, of a request or of `project`,
 * ends the stream; that and unsubscribing drop what is buffered, start nothing more and give back what is out (see
 * `onCancel`). To go on after an error, catch it inside `project`. Completes when the source has completed and all
 * its values are done.
 *
 * Throws InvalidOptionsError for bad options.
 *
 * @example
 * orders$
 *   .pipe(withLease(pool, (connection, order) => connection.query('INSERT …', [order]), { concurrency: 4 }))
 *   .subscribe();
 */
export function withLease<T, V, R>(
  pool: Pool<T>,
  project: (resource: T, value: V, lease: Lease<T>) => ReturnType<Project<T, R>>,
  options: WithLeaseOptions = {},
): OperatorFunction<V, R> {
  checkFunction(pool.name, 'project', project);
  const { concurrency, ...given } = checkRules<WithLeaseOptions>(pool.name, options, rules);
  const request = Object.keys(given).length === 0 ? undefined : given;
  const borrow = (value: V): Observable<R> =>
    pool.use((resource, lease) => project(resource, value, lease), request);
  return source =>
    new Observable(subscriber => {
      const works = new Works(subscriber, borrow, concurrency ?? pool.state.max);
      subscriber.add(works);
      return whileWanted(source, subscriber).subscribe({
        next: value => {
          works.add(value);
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          works.end();
        },
      });
    });
}

/** Consumed values that the buffer keeps at most before it is shortened. */
const COMPACT_FROM = 1024;

/** The values of one subscription: those at work, and those that wait for their turn. */
class Works<V, R> {
  readonly #subscriber: Subscriber<R>;
  readonly #borrow: (value: V) => Observable<R>;
  readonly #concurrency: number;
  /** In the order of their start. */
  readonly #running = new Set<Subscription>();
  #buffer: (V | undefined)[] = [];
  #position = 0;
  #ended = false;

  constructor(subscriber: Subscriber<R>, borrow: (value: V) => Observable<R>, concurrency: number) {
    this.#subscriber = subscriber;
    this.#borrow = borrow;
    this.#concurrency = concurrency;
  }

  add(value: V): void {
    this.#buffer.push(value);
    this.#advance();
  }

  /** No value will be added any more. */
  end(): void {
    this.#ended = true;
    this.#advance();
  }

  /**
   * The newest first: were the oldest first to give back, its resource would go to one that waits and leaves in a
   * moment, and `project` would start for nothing.
   */
  unsubscribe(): void {
    this.#buffer = [];
    this.#position = 0;
    const all = new Subscription(); // It goes on to the next when a teardown throws.
    for (const work of [...this.#running].reverse()) all.add(work);
    all.unsubscribe();
  }

  /** Work that ends at once comes here again, but not deeper each time: the pool grants one after another. */
  #advance(): void {
    while (this.#running.size < this.#concurrency && this.#position < this.#buffer.length) {
      this.#start(this.#take());
    }
    if (this.#ended && this.#running.size === 0) this.#subscriber.complete();
  }

  #take(): V {
    const value = this.#buffer[this.#position] as V;
    this.#buffer[this.#position] = undefined;
    this.#position += 1;
    if (this.#position >= COMPACT_FROM) {
      this.#buffer.splice(0, this.#position);
      this.#position = 0;
    }
    return value;
  }

  #start(value: V): void {
    const work = new Subscription(); // There before subscribing: work may end within.
    this.#running.add(work);
    work.add(
      whileWanted(this.#borrow(value), this.#subscriber).subscribe({
        next: result => {
          this.#subscriber.next(result);
        },
        error: (error: unknown) => {
          this.#subscriber.error(error);
        },
        complete: () => {
          this.#running.delete(work);
          this.#advance();
        },
      }),
    );
  }
}

/** A source that emits while it is subscribed to cannot be unsubscribed yet; it is asked to end instead. */
function whileWanted<V>(source: Observable<V>, subscriber: Subscriber<unknown>): Observable<V> {
  // eslint-disable-next-line rxjs-x/no-ignored-takewhile-value -- it ends with its subscriber, not at a value
  return source.pipe(takeWhile(() => !subscriber.closed));
}
