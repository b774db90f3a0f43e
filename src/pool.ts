/// <reference lib="esnext.disposable" preserve="true" />
import { Subscription, type Observable } from 'rxjs';
import { InvalidOptionsError } from './errors.js';
import type { PoolEvent } from './events.js';
import { judgeHealth, type PoolHealth } from './health.js';
import { attach, DirectStream } from './internal/direct-stream.js';
import { Engine } from './internal/engine.js';
import { PromiseRequest } from './internal/request.js';
import {
  checkAcquireOptions,
  checkCloseOptions,
  checkCount,
  checkFunction,
  checkRecycleOptions,
  checkSizes,
  resolveOptions,
} from './internal/resolve-options.js';
import { UseRequest, type Project } from './internal/use-request.js';
import type { Lease } from './lease.js';
import type {
  AcquireOptions,
  CloseOptions,
  PoolOptions,
  RecycleOptions,
  ResolvedOptions,
} from './options.js';
import type { ResourceInfo } from './resource-info.js';
import type { PoolState } from './state.js';
import type { PoolStats } from './stats.js';

/** A pool of resources. Time, clock included, comes from its scheduler; durations are in milliseconds. */
export interface Pool<T> extends AsyncDisposable {
  /** Appears in events and errors. */
  readonly name: string;
  /** The committed state: right at any moment, also inside callbacks. */
  readonly state: PoolState;
  /**
   * Hot. Replays the latest state, publishes every commit in order, completes once the pool is closed. Never errors.
   *
   * @example
   * pool.state$.pipe(filter(({ waiting }) => waiting > 100)).subscribe(() => console.warn('crowded'));
   */
  readonly state$: Observable<PoolState>;
  /**
   * Hot, nothing replayed. Every lifecycle event in one order for all; completes after `closed`. Never errors.
   *
   * @example
   * pool.stats$.subscribe(event => {
   *   if (event.type === 'createFailed') console.error(event.error);
   * });
   */
  readonly stats$: Observable<PoolEvent<T>>;
  /** A snapshot of the running totals and timings, kept even when nobody listens. */
  readonly stats: PoolStats;
  /**
   * Cold: each subscription is one request. Emits one lease, at once when a resource is ready, and stays open;
   * the subscriber owns the lease from `next` on. Unsubscribing while it waits cancels the request, later it gives the
   * resource back (see `onCancel`). Completes when the lease is released or destroyed by hand.
   *
   * `firstValueFrom(pool.acquire())` and `take(1)` before the work unsubscribe, and so give back, before the work is
   * done: use `use` or `lease`.
   *
   * Errors: AcquireTimeoutError (the deadline covers waiting, creating and validating together), AcquireAbortedError,
   * WaitingLimitError, OverloadedError, CreateError, PoolClosedError, LeaseRevokedError. Throws InvalidOptionsError for
   * bad options.
   *
   * @example
   * const session = pool.acquire({ label: 'session' }).subscribe({
   *   next: lease => lease.resource.send('hello'),
   *   error: console.error,
   * });
   * session.unsubscribe(); // gives it back
   */
  acquire(options?: AcquireOptions): Observable<Lease<T>>;
  /**
   * Cold: each subscription borrows a resource, runs `project` with it and passes on what that gives: a value, a
   * promise, an Observable or an async iterable (a plain array is a value). The resource is given back before the
   * stream completes or errors, and on unsubscribe (see `onCancel`). The deadline covers getting the lease, not the
   * work. Errors as `acquire`, and whatever `project` fails with.
   *
   * @example
   * orders$
   *   .pipe(mergeMap(order => pool.use(connection => connection.query('INSERT …', [order]), { label: 'order' })))
   *   .subscribe();
   */
  use<R>(project: Project<T, R>, options?: AcquireOptions): Observable<R>;
  /**
   * One request at once, for code that awaits: `await using lease = await pool.lease()`. The caller owns the lease
   * from the moment the promise resolves and must end it. Rejects with the errors of `acquire`.
   *
   * @example
   * await using lease = await pool.lease({ timeoutMillis: 1_000 });
   * await lease.resource.query('SELECT 1');
   */
  lease(options?: AcquireOptions): Promise<Lease<T>>;
  /**
   * Lends what is ready this instant, validated synchronously where that is due; else undefined, and nothing is
   * published. The caller owns the lease and must end it.
   *
   * @example
   * using lease = pool.tryAcquire();
   * if (lease === undefined) console.log('busy');
   * else lease.resource.send('ping');
   */
  tryAcquire(): Lease<T> | undefined;
  /**
   * Brings the size up to `count` (default and limit: `max`). Resolves to the number made by this call; when some
   * creates fail it rejects, after all have settled, with a CreateError that says how many were made.
   *
   * @example
   * await pool.prefill(5); // before the service says that it is ready
   */
  prefill(count?: number): Promise<number>;
  /** Looks at every idle resource now and destroys what is past its limits. Resolves, when they are gone, to their number. */
  evict(): Promise<number>;
  /**
   * Retires every resource of today: idle ones now, leased ones on return, those being created when they arrive.
   * Resolves when the last of them is gone. With a pace, the resources are replaced a few at a time, so that the pool
   * never has less than it had by more than that. Rejects with InvalidOptionsError.
   *
   * @example
   * await pool.recycle({ maxUnavailable: 2, everyMillis: 1_000 }); // the password has changed
   */
  recycle(options?: RecycleOptions): Promise<void>;
  /**
   * Sets the sizes. Above the new `max`, idle resources are retired now, leased ones on return. Throws
   * InvalidOptionsError.
   *
   * @example
   * pool.resize({ max: 20 });
   */
  resize(sizes: { readonly min?: number | undefined; readonly max?: number | undefined }): void;
  /** Holds grants and creates. Deadlines run on, leases can come back. */
  pause(): void;
  /** Ends a `pause`: those who wait are served, in order. */
  resume(): void;
  /** A snapshot of every resource, oldest first. */
  resources(): readonly ResourceInfo[];
  /**
   * Validates every idle resource and says how the pool is. Never rejects.
   *
   * @example
   * const { status, reasons } = await pool.healthCheck();
   * if (status === 'critical') console.error(reasons.join(', '));
   */
  healthCheck(): Promise<PoolHealth>;
  /**
   * Ends the pool for good. New requests fail at once, waiting ones are rejected (or served), leases are awaited until
   * the drain limit and then taken back. When all is gone, `state$` and `stats$` complete and the promise resolves, or
   * rejects with one CloseError that holds every failure. A second call returns the same promise; `force` escalates.
   *
   * @example
   * await pool.close({ drainTimeoutMillis: 10_000 }); // on SIGTERM
   */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * Makes a pool. Nothing is created before the scheduler's next turn, so that whoever subscribes to `stats$` in the
 * same tick sees the fill for `min`. Throws InvalidOptionsError that names the option and its value; then nothing was
 * created and no timer armed.
 *
 * @example
 * const pool = createPool({
 *   create: () => connect('db.example:5432'),
 *   destroy: connection => connection.end(),
 *   max: 10,
 *   idleTimeoutMillis: 60_000,
 * });
 * pool.use(connection => connection.query('SELECT 1')).subscribe(rows => console.log(rows));
 */
export function createPool<T>(options: PoolOptions<T>): Pool<T> {
  return new ResourcePool(resolveOptions(options));
}

class ResourcePool<T> implements Pool<T> {
  readonly #engine: Engine<T>;
  /** Without options every request is alike: one Observable serves all. */
  readonly #acquire: Observable<Lease<T>>;
  readonly #liveSizes = new Subscription();

  constructor(options: ResolvedOptions<T>) {
    const engine = new Engine(options);
    this.#engine = engine;
    this.#acquire = new DirectStream(subscriber => {
      engine.acquire(subscriber, undefined);
    });
    this.#follow('min', options.liveMin);
    this.#follow('max', options.liveMax);
  }

  get name(): string {
    return this.#engine.name;
  }

  get state(): PoolState {
    return this.#engine.state;
  }

  get state$(): Observable<PoolState> {
    return this.#engine.journal.state$;
  }

  get stats$(): Observable<PoolEvent<T>> {
    return this.#engine.journal.stats$;
  }

  get stats(): PoolStats {
    return this.#engine.totals.snapshot();
  }

  acquire(options?: AcquireOptions): Observable<Lease<T>> {
    if (options === undefined) return this.#acquire;
    const given = checkAcquireOptions(this.name, options);
    return new DirectStream(subscriber => {
      this.#engine.acquire(subscriber, given);
    });
  }

  use<R>(project: Project<T, R>, options?: AcquireOptions): Observable<R> {
    checkFunction(this.name, 'project', project);
    const given = options === undefined ? undefined : checkAcquireOptions(this.name, options);
    return new DirectStream(subscriber => {
      if (subscriber.closed) return;
      const request = new UseRequest<T, R>(this.#engine.reception, given, subscriber, project);
      attach(subscriber, request);
      this.#engine.submit(request);
    });
  }

  lease(options?: AcquireOptions): Promise<Lease<T>> {
    const ready = options === undefined ? this.#engine.lendQuickly() : undefined;
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve, reject) => {
      const given = options === undefined ? undefined : checkAcquireOptions(this.name, options);
      this.#engine.submit(new PromiseRequest(this.#engine.reception, given, resolve, reject));
    });
  }

  tryAcquire(): Lease<T> | undefined {
    return this.#engine.tryAcquire();
  }

  prefill(count?: number): Promise<number> {
    try {
      const target = count ?? this.state.max;
      checkCount(this.name, 'count', target);
      if (target === Infinity && this.state.max === Infinity) {
        throw new InvalidOptionsError(this.name, 'count', target, 'must be finite without a max');
      }
      return this.#engine.supply.prefill(target);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  evict(): Promise<number> {
    return this.#engine.housekeeping.evict();
  }

  recycle(options: RecycleOptions = {}): Promise<void> {
    try {
      const { maxUnavailable, everyMillis } = checkRecycleOptions(this.name, options);
      const { renewal } = this.#engine;
      if (maxUnavailable === undefined && everyMillis === undefined) return renewal.recycle();
      return renewal.rotate({
        maxUnavailable: maxUnavailable ?? 1,
        everyMillis: everyMillis ?? 0,
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  resize(sizes: { readonly min?: number | undefined; readonly max?: number | undefined }): void {
    const min = sizes.min ?? this.#engine.wantedMin;
    const max = sizes.max ?? this.state.max;
    checkSizes(this.name, min, max);
    this.#engine.resize(min, max);
  }

  pause(): void {
    this.#engine.pause();
  }

  resume(): void {
    this.#engine.resume();
  }

  resources(): readonly ResourceInfo[] {
    return this.#engine.resources();
  }

  async healthCheck(): Promise<PoolHealth> {
    const invalid = await this.#engine.housekeeping.checkIdle();
    const createFails = this.#engine.reception.lastCreateError !== undefined;
    return judgeHealth(this.state, this.resources(), invalid, createFails);
  }

  close(options: CloseOptions = {}): Promise<void> {
    try {
      const given = checkCloseOptions(this.name, options);
      this.#liveSizes.unsubscribe();
      return this.#engine.shutdown.close(
        given.drainTimeoutMillis ?? 30_000,
        given.waiters === 'serve',
        given.force ?? false,
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #follow(option: 'min' | 'max', values: Observable<number> | undefined): void {
    if (values === undefined) return;
    this.#liveSizes.add(
      values.subscribe({
        next: value => {
          this.#engine.setSize(option, value);
        },
        error: (error: unknown) => {
          this.#engine.sizeFailed(error);
        },
      }),
    );
  }
}
