/** Where the pool is in its life. `paused` comes back to `running`; `draining` only goes on to `closed`. */
export type Lifecycle = 'running' | 'paused' | 'draining' | 'closed';

/** One committed snapshot of the pool: how many slots stand where, and how many requests wait. */
export interface PoolState {
  /** Where the pool is in its life. */
  readonly lifecycle: Lifecycle;
  /** The `min` of now: `resize` and a live option change it. */
  readonly min: number;
  /** The `max` of now: `resize` and a live option change it. */
  readonly max: number;
  /** `idle + leased + validating + resetting + destroying`; with `creating` never above `max`. */
  readonly size: number;
  /** Resources that are ready to be lent. */
  readonly idle: number;
  /** Resources that a borrower owns. */
  readonly leased: number;
  /** Slots reserved by a `create` that has not settled. Not part of `size`. */
  readonly creating: number;
  /** Resources that `validate` looks at, on borrow, on return or by the clock. */
  readonly validating: number;
  /** Resources that came back and are being cleaned. */
  readonly resetting: number;
  /** Resources whose `destroy` has not settled: they hold their slots until then. */
  readonly destroying: number;
  /** Requests that have neither a lease nor an end. */
  readonly waiting: number;
}
