/** Running figures of one kind of duration. */
export interface DurationStats {
  /** How many were measured. */
  readonly count: number;
  /** The mean of them all, in milliseconds; 0 of none. */
  readonly meanMillis: number;
  /** The longest, in milliseconds; 0 of none. */
  readonly maxMillis: number;
}

/** Totals since the pool was made, kept whether or not anybody listens. */
export interface PoolStats {
  /** Creates that gave a resource. */
  readonly created: number;
  /** Destroys that settled well; see `destroyFailed`. */
  readonly destroyed: number;
  /** Requests that got a lease. */
  readonly acquired: number;
  /** Leases that ended: given back, destroyed, detached or taken back. */
  readonly released: number;
  /** Requests whose deadline passed. */
  readonly timedOut: number;
  /** Requests that were unsubscribed or aborted before a lease came. */
  readonly cancelled: number;
  /** Requests that were refused: by a limit, a policy, a closed pool or a failed create. */
  readonly rejected: number;
  /** Creates that failed or passed their time limit. */
  readonly createFailed: number;
  /** Checks that said no, failed or passed their time limit. */
  readonly validateFailed: number;
  /** Resets that failed or passed their time limit. */
  readonly resetFailed: number;
  /** Destroys that failed or passed their time limit; not part of `destroyed`. */
  readonly destroyFailed: number;
  /** Destroyed for their lifetime. */
  readonly expired: number;
  /** Destroyed for idling. */
  readonly pruned: number;
  /** Destroyed because `recycle` retired their generation. */
  readonly recycled: number;
  /** Leases that were held for longer than `leakWarningMillis`. */
  readonly leaked: number;
  /** Leases that the pool took back. */
  readonly revoked: number;
  /** The most that were leased at one time. */
  readonly peakLeased: number;
  /** The most that waited at one time. */
  readonly peakWaiting: number;
  /** From request to lease. */
  readonly wait: DurationStats;
  /** From lease to its end. */
  readonly hold: DurationStats;
  /** Each `create` that gave a resource. */
  readonly create: DurationStats;
}
