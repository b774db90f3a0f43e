/** Where the pool is in its life. `paused` comes back to `running`; `draining` only goes on to `closed`. */
export type Lifecycle = 'running' | 'paused' | 'draining' | 'closed';

/** One committed snapshot of the pool: how many slots stand where, and how many requests wait. */
export interface PoolState {
  readonly lifecycle: Lifecycle;
  readonly min: number;
  readonly max: number;
  /** `idle + leased + validating + resetting + destroying`; with `creating` never above `max`. */
  readonly size: number;
  readonly idle: number;
  readonly leased: number;
  /** Slots reserved by a `create` that has not settled. Not part of `size`. */
  readonly creating: number;
  readonly validating: number;
  readonly resetting: number;
  readonly destroying: number;
  /** Requests that have neither a lease nor an end. */
  readonly waiting: number;
}
