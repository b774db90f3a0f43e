import type { Observable } from 'rxjs';

/** What a pool tells of itself when it asks a budget for a permit. */
export interface PermitRequest {
  /** The pool's name. */
  readonly pool: string;
  /** The pool is below its `min` without this one: a budget grants such requests before all others. */
  readonly floor: boolean;
}

/** The right to hold one resource. */
export interface Permit {
  /** Told once, after the resource is gone. Must not throw. */
  release(): void;
  /**
   * Whether the budget wants this permit back. Asked when a lease of its resource has ended, and by `evict()` of an
   * idle one; true is a promise of the pool's to retire the resource now, as `surplus`. Must not throw.
   */
  recall?(): boolean;
  /**
   * Tells, by its first value or error, that the permit is not held any more: its time to live ran out, say. The pool
   * subscribes while the resource lives, publishes `permitLost`, and gives the resource up as soon as it is free.
   */
  readonly lost?: Observable<unknown>;
}

/**
 * A budget that this pool shares with others: other pools, threads, processes or machines.
 *
 * `acquire()` is cold. The pool subscribes before each create and creates when the permit is emitted, at once or
 * later: waiting for more to become available is the subscription. Unsubscribing withdraws a request that got no
 * permit; a permit that was emitted is the pool's until it calls `release()`. An error fails that create.
 *
 * @example
 * const unlimited: PermitSource = { acquire: () => of({ release: () => undefined }) };
 * const pool = createPool({ create: () => connect('db.example:5432'), permits: unlimited });
 */
export interface PermitSource {
  /** Cold: one subscription asks for one permit, see above. */
  acquire(request: PermitRequest): Observable<Permit>;
}
