import { asyncScheduler, Observable } from 'rxjs';
import {
  CloseError,
  createPool,
  type AcquireOptions,
  type CloseOptions,
  type DestroyReason,
  type Lease,
  type Pool,
  type PoolEvent,
  type PoolHealth,
  type PoolOptions,
  type PoolState,
  type PoolStats,
  type Project,
  type ResourceInfo,
} from '../index.js';
import { SharedResourceBrokenError } from './errors.js';
import { checkOptions, type MultiplexedPoolOptions } from './options.js';
import { Seats } from './seats.js';
import type { SharedResource } from './shared-resource.js';

/** How much of one resource is taken. */
export interface ResourceLoad {
  /** As in `underlying.resources()`. */
  readonly id: number;
  /** Leases that share it now. */
  readonly leases: number;
  /** How many may; undefined while that is not known. */
  readonly limit: number | undefined;
  /** Takes no new leases: its lifetime is over, it was recycled, or is broken. It goes with its last lease. */
  readonly isEnding: boolean;
}

/**
 * A pool whose leases share resources. As a Pool it speaks of leases: `leased` counts them, `requested`, `acquired` and
 * `released` are theirs, and `created` and `destroyed` are a lease's place on a resource. What becomes of the real
 * resources `underlying` tells.
 */
export interface MultiplexedPool<T> extends Pool<T> {
  /** The pool of the real resources, to look at: its state, events and totals. One is leased there while anybody shares it. */
  readonly underlying: Pick<
    Pool<T>,
    'name' | 'state' | 'state$' | 'stats$' | 'stats' | 'resources'
  >;
  /** The resources that are shared now, in the order in which they were opened. A snapshot. */
  loads(): readonly ResourceLoad[];
  /** Brings the number of real resources up to `count`: see `prefill` of a Pool. */
  prefill(count?: number): Promise<number>;
  /** Sets how many real resources there may be. */
  resize(sizes: { readonly min?: number | undefined; readonly max?: number | undefined }): void;
  /** The real resources, oldest first. */
  resources(): readonly ResourceInfo[];
}

/**
 * A pool in which many borrowers share a resource, where that can serve several at once: an HTTP/2 session, a
 * connection that pipelines, an AMQP connection with its channels. Never more than `concurrencyPerResource` share one,
 * never more than `max` resources are alive.
 *
 * A new lease goes to the least utilized resource, of several to the one that was opened first. Another resource is
 * opened when more than `targetUtilization` of all seats are taken. One that nobody shares any more is idle, and goes by
 * the rules of idle ones (`idleTimeoutMillis`, `min`). One that is past its lifetime, or recycled, takes no new leases
 * and goes with its last one.
 *
 * When `watch` says that a resource broke, or a borrower does by `lease.destroy(error)`, all its leases end: streams of
 * `acquire` and `use` with SharedResourceBrokenError, a lease that is owned by its `resource` throwing. By
 * `lease.destroy()`, without an error, the resource takes no new leases. `detach()` ends the lease alone: the resource
 * stays the pool's.
 *
 * Requests are served first come, first served within a priority, whichever resource has room. Throws
 * InvalidOptionsError.
 *
 * @example
 * const sessions = createMultiplexedPool({
 *   create: () => connect('https://api.example.org'),
 *   concurrencyPerResource: 100,
 *   targetUtilization: 0.8,
 *   max: 4,
 * });
 * sessions.use(session => request(session, '/prices')).subscribe();
 */
export function createMultiplexedPool<T>(options: MultiplexedPoolOptions<T>): MultiplexedPool<T> {
  checkOptions(options);
  return new Multiplexed(options);
}

interface Held<T> {
  readonly lease: Lease<T>;
  readonly shared: SharedResource<T>;
  readonly onBroken: ((error: SharedResourceBrokenError) => void) | undefined;
}

class Multiplexed<T> implements MultiplexedPool<T> {
  readonly underlying: Pool<T>;
  readonly #leases: Pool<T>;
  readonly #seats: Seats<T>;
  /** By the id that a lease's place has. */
  readonly #held = new Map<number, Held<T>>();
  /** Seats that there can be. */
  #max = Infinity;
  #closing: Promise<void> | undefined = undefined;

  constructor(options: MultiplexedPoolOptions<T>) {
    const { concurrencyPerResource, targetUtilization = 1, ...given } = options;
    const { ofResources, ofLeases } = split(given);
    this.underlying = createPool<T>({
      ...ofResources,
      name: given.name === undefined ? undefined : `${given.name}:resources`,
    });
    this.#seats = new Seats(
      this.underlying,
      concurrencyPerResource,
      targetUtilization,
      given.scheduler ?? asyncScheduler,
      {
        broke: (shared, error) => {
          this.#broke(shared, error);
        },
        capacityChanged: seats => {
          this.#max = Math.max(1, seats);
          this.#leases?.resize({ max: this.#max });
        },
      },
    );
    this.#leases = createPool<T>({
      ...ofLeases,
      name: given.name ?? `${this.underlying.name}:leases`,
      max: this.#max,
      maxUses: 1,
      idleTimeoutMillis: 1, // Only one whose borrower left while it was made is ever idle.
      createTimeoutMillis: Infinity,
      permits: this.#seats,
      create: () => this.#seats.take(),
      destroy: (resource, reason) => {
        const isUnwanted = reason === 'released' || reason === 'broken' || reason === 'revoked';
        this.#seats.leave(resource, isUnwanted ? 'unwanted' : 'normal');
      },
    });
    this.#leases.stats$.subscribe(event => {
      if (event.type === 'destroying') this.#ended(event.id, event.reason);
      else if (event.type === 'released' && event.reason === 'detached') this.#detached(event.id);
    });
  }

  get name(): string {
    return this.#leases.name;
  }

  get state(): PoolState {
    return this.#leases.state;
  }

  get state$(): Observable<PoolState> {
    return this.#leases.state$;
  }

  get stats$(): Observable<PoolEvent<T>> {
    return this.#leases.stats$;
  }

  get stats(): PoolStats {
    return this.#leases.stats;
  }

  loads(): readonly ResourceLoad[] {
    return this.#seats.shared.map(({ id, taken, limit, isOpen }) => ({
      id,
      leases: taken,
      limit,
      isEnding: !isOpen,
    }));
  }

  acquire(options?: AcquireOptions): Observable<Lease<T>> {
    const leases$ = this.#leases.acquire(options);
    return new Observable(subscriber =>
      leases$.subscribe({
        next: lease => {
          this.#hold(lease, error => {
            subscriber.error(error);
          });
          subscriber.next(lease);
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          subscriber.complete();
        },
      }),
    );
  }

  use<R>(project: Project<T, R>, options?: AcquireOptions): Observable<R> {
    const plain$ = this.#leases.use(project, options); // checks both
    if (typeof project !== 'function') return plain$;
    return new Observable(subscriber => {
      const watched: Project<T, R> = (resource, lease) => {
        this.#hold(lease, error => {
          subscriber.error(error);
        });
        return project(resource, lease);
      };
      return this.#leases.use(watched, options).subscribe(subscriber);
    });
  }

  async lease(options?: AcquireOptions): Promise<Lease<T>> {
    const lease = await this.#leases.lease(options);
    if (!lease.released) this.#hold(lease, undefined);
    return lease;
  }

  tryAcquire(): Lease<T> | undefined {
    const { lifecycle, waiting } = this.#leases.state;
    if (lifecycle !== 'running' || waiting > 0 || !this.#seats.hasRoom) return undefined;
    let lease: Lease<T> | undefined;
    const request = this.acquire().subscribe({
      next: given => {
        lease = given;
      },
      // Whoever has the lease is told by its `resource`.
      error: () => undefined,
    });
    if (lease === undefined) request.unsubscribe();
    return lease;
  }

  prefill(count?: number): Promise<number> {
    return this.underlying.prefill(count);
  }

  evict(): Promise<number> {
    return this.underlying.evict();
  }

  recycle(options?: Parameters<Pool<T>['recycle']>[0]): Promise<void> {
    const recycled = this.underlying.recycle(options);
    this.#seats.refresh();
    return recycled;
  }

  resize(sizes: { readonly min?: number | undefined; readonly max?: number | undefined }): void {
    this.underlying.resize(sizes);
  }

  pause(): void {
    this.#leases.pause();
    this.underlying.pause();
  }

  resume(): void {
    this.underlying.resume();
    this.#leases.resume();
  }

  resources(): readonly ResourceInfo[] {
    return this.underlying.resources();
  }

  async healthCheck(): Promise<PoolHealth> {
    const [leases, resources] = await Promise.all([
      this.#leases.healthCheck(),
      this.underlying.healthCheck(),
    ]);
    const isFull =
      leases.state.waiting > 0 && this.underlying.state.size >= this.underlying.state.max;
    const all = [leases.status, resources.status, ...(isFull ? (['critical'] as const) : [])];
    const status = (['closed', 'critical', 'degraded'] as const).find(each => all.includes(each));
    const { waiting } = leases.state;
    const full = isFull ? [`${waiting} requests wait and every resource is full`] : [];
    return {
      ...resources,
      status: status ?? 'healthy',
      reasons: [...new Set([...leases.reasons, ...resources.reasons, ...full])],
      state: leases.state,
    };
  }

  close(options?: CloseOptions): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#close(options);
    } else {
      // Both escalate, or go on as they are; what comes of it the first call reports.
      this.#leases.close(options).catch(() => undefined);
      if (this.#leases.state.lifecycle === 'closed') {
        this.underlying.close(options).catch(() => undefined);
      }
    }
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(options: CloseOptions | undefined): Promise<void> {
    const failures: unknown[] = [];
    const noted = (error: unknown): void => {
      failures.push(error);
    };
    await this.#leases.close(options).catch(noted);
    await this.underlying.close(options).catch(noted);
    const [first] = failures;
    if (failures.length === 0) return;
    if (failures.length === 1 || !(first instanceof CloseError)) throw first;
    const known = failures.filter(error => error instanceof CloseError);
    const errors = known.flatMap(error => error.errors);
    const abandoned = known.reduce((sum, error) => sum + error.abandoned, 0);
    throw new CloseError(this.name, this.state, errors, abandoned);
  }

  #hold(lease: Lease<T>, onBroken: Held<T>['onBroken']): void {
    const shared = this.#seats.find(lease.resource);
    if (shared !== undefined) this.#held.set(lease.info.id, { lease, shared, onBroken });
  }

  #ended(id: number, reason: DestroyReason): void {
    const held = this.#held.get(id);
    this.#held.delete(id);
    if (held === undefined || reason !== 'broken') return;
    this.#seats.broke(held.shared, new Error('a borrower destroyed its lease with an error'));
  }

  /** No hook is called then. */
  #detached(id: number): void {
    const held = this.#held.get(id);
    this.#held.delete(id);
    if (held !== undefined) this.#seats.leave(held.shared.resource, 'detached');
  }

  #broke(shared: SharedResource<T>, cause: unknown): void {
    const error = new SharedResourceBrokenError(this.name, this.state, cause);
    for (const held of [...this.#held.values()]) {
      if (held.shared !== shared || held.lease.released) continue;
      // Its subscriber first: the end of a lease would complete it.
      held.onBroken?.(error);
      void held.lease.destroy(error);
    }
  }
}

/** Which options are those of resources, and which those of the leases that share them. */
function split<T>(options: Omit<PoolOptions<T>, 'reset'>): {
  ofResources: PoolOptions<T>;
  ofLeases: Partial<PoolOptions<T>>;
} {
  const {
    acquireTimeoutMillis,
    maxWaiting,
    leakWarningMillis,
    maxLeaseMillis,
    revokeGraceMillis,
    nestedAcquireWarning,
    onCancel,
    queue,
    admission,
    ...ofResources
  } = options;
  const { keepProcessAlive, scheduler } = options;
  return {
    ofResources: { ...ofResources, nestedAcquireWarning: false },
    ofLeases: {
      acquireTimeoutMillis,
      maxWaiting,
      leakWarningMillis,
      maxLeaseMillis,
      revokeGraceMillis,
      nestedAcquireWarning,
      onCancel,
      queue,
      admission,
      keepProcessAlive,
      scheduler,
    },
  };
}
