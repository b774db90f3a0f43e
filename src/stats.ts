/** Running figures of one kind of duration. */
export interface DurationStats {
  readonly count: number;
  readonly meanMillis: number;
  readonly maxMillis: number;
}

/** Totals since the pool was made, kept whether or not anybody listens. */
export interface PoolStats {
  readonly created: number;
  readonly destroyed: number;
  readonly acquired: number;
  readonly released: number;
  readonly timedOut: number;
  readonly cancelled: number;
  readonly rejected: number;
  readonly createFailed: number;
  readonly validateFailed: number;
  readonly resetFailed: number;
  readonly destroyFailed: number;
  /** Destroyed for their lifetime. */
  readonly expired: number;
  /** Destroyed for idling. */
  readonly pruned: number;
  readonly recycled: number;
  readonly leaked: number;
  readonly revoked: number;
  readonly peakLeased: number;
  readonly peakWaiting: number;
  /** From request to lease. */
  readonly wait: DurationStats;
  /** From lease to its end. */
  readonly hold: DurationStats;
  /** Each `create` that gave a resource. */
  readonly create: DurationStats;
}
