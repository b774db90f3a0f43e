import {
  asyncScheduler,
  catchError,
  map,
  throwError,
  type Observable,
  type OperatorFunction,
  type Subscription,
} from 'rxjs';
import { afterEach, expect } from 'vitest';
import {
  createPool,
  HookTimeoutError,
  type Lease,
  type Pool,
  type PoolError,
  type PoolEvent,
  type PoolEventType,
  type PoolOptions,
  type PoolState,
} from '../src/index.js';
import { assertInvariants } from '../src/testing/index.js';
import { CountingFactory, type FactoryPlan, type Thing } from './counting-factory.js';

export interface WatchedPool {
  readonly pool: Pool<Thing>;
  readonly factory: CountingFactory;
  readonly options: Partial<PoolOptions<Thing>>;
  /** Every event from the first on. */
  readonly events: PoolEvent<Thing>[];
  /** Every published state from the first on. */
  readonly states: PoolState[];
}

let watchedPools: WatchedPool[] = [];

afterEach(() => {
  const pools = watchedPools;
  watchedPools = [];
  for (const watched of pools) checkBooks(watched);
});

/**
 * A pool of counted things, or of the test's own where it has its own `create`, with all its events recorded.
 * Nothing expires unless the test says so, lifetimes are exact, and after the test the invariants of the testing kit
 * must have held at every step, for pool and factory.
 */
export function watchedPool(
  options: Partial<PoolOptions<Thing>> = {},
  plan: FactoryPlan = {},
): WatchedPool {
  const factory = new CountingFactory(plan);
  const pool = createPool<Thing>({
    create: () => factory.create(),
    name: 'things',
    idleTimeoutMillis: Infinity,
    lifetimeJitter: 0,
    ...(options.create === undefined ? factory.hooks : {}),
    ...options,
  });
  const watched: WatchedPool = { pool, factory, options, events: [], states: [] };
  pool.stats$.subscribe(event => watched.events.push(event));
  pool.state$.subscribe(state => watched.states.push(state));
  watchedPools.push(watched);
  return watched;
}

/** The events of some types, in their order. */
export function eventsOf<Type extends PoolEventType>(
  { events }: WatchedPool,
  ...types: Type[]
): Extract<PoolEvent<Thing>, { type: Type }>[] {
  return events.filter((event): event is Extract<PoolEvent<Thing>, { type: Type }> =>
    (types as PoolEventType[]).includes(event.type),
  );
}

/** How many events there were of a type. */
export function countOf(watched: WatchedPool, type: PoolEventType): number {
  return eventsOf(watched, type).length;
}

/** For diagrams: a lease is the number of its thing. */
export const asNumbers: OperatorFunction<Lease<Thing>, string> = map(lease =>
  String(lease.resource.number),
);

/** For diagrams: an error of the pool is its code. */
export function withCodes<R>(source: Observable<R>): Observable<R> {
  return source.pipe(catchError((error: unknown) => throwError(() => (error as PoolError).code)));
}

/** One subscription to `acquire()` and all that it was told. */
export class Borrower<T> {
  readonly leases: Lease<T>[] = [];
  readonly errors: unknown[] = [];
  completed = false;
  /** When the lease came. */
  grantedAt: number | undefined = undefined;
  /** When the stream failed. */
  failedAt: number | undefined = undefined;
  readonly #subscription: Subscription;

  constructor(source: Observable<Lease<T>>) {
    this.#subscription = source.subscribe({
      next: lease => {
        this.leases.push(lease);
        this.grantedAt = asyncScheduler.now();
      },
      error: (error: unknown) => {
        this.errors.push(error);
        this.failedAt = asyncScheduler.now();
      },
      complete: () => {
        this.completed = true;
      },
    });
  }

  /** The one lease of this borrower. */
  get lease(): Lease<T> {
    expect(this.leases, 'the borrower should have one lease').toHaveLength(1);
    return this.leases[0]!;
  }

  get waits(): boolean {
    return this.leases.length + this.errors.length === 0 && !this.#subscription.closed;
  }

  leave(): void {
    this.#subscription.unsubscribe();
  }
}

/** As many borrowers of one pool, subscribed one after another. */
export function borrowers<T>(pool: Pool<T>, count: number): Borrower<T>[] {
  return Array.from({ length: count }, () => new Borrower(pool.acquire()));
}

/** What the pool's own account and the world outside it must agree on, at every step. */
function checkBooks(watched: WatchedPool): void {
  const { pool, factory, events, states, options } = watched;
  const isAbandoned = eventsOf(watched, 'createFailed', 'destroyFailed').some(
    ({ error }) => error instanceof HookTimeoutError,
  );
  const detached = eventsOf(watched, 'released').filter(({ reason }) => reason === 'detached');
  const knowsTheWorld = factory.attempts > 0 && !isAbandoned;
  assertInvariants(pool, {
    events,
    states,
    maxWaiting: options.maxWaiting,
    maxLifetimeMillis: options.maxLifetimeMillis,
    oracle: knowsTheWorld
      ? { live: factory.live + factory.pending - detached.length, violations: factory.misuses }
      : undefined,
  });
  if (!knowsTheWorld || detached.length > 0) return;
  expect(factory.peak).toBeLessThanOrEqual(Math.max(...states.map(({ max }) => max)));
}
