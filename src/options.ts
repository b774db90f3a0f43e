import type { Observable, SchedulerLike } from 'rxjs';
import type { Admission } from './admission.js';
import type { DestroyReason } from './events.js';
import type { QueueOrder } from './fair-queue.js';
import type { PermitSource } from './permits.js';
import type { ResourceInfo } from './resource-info.js';

/**
 * What a hook may give: a value, or a promise or an Observable of one. Only thenables and Observables are unwrapped,
 * and once only; a string, an array or a Map is the value. A resource that is itself an Observable (a
 * `WebSocketSubject`, say) is returned as `of(subject)`.
 */
export type Hook<R> = R | PromiseLike<R> | Observable<R>;

/** What `create` is told. */
export interface CreateContext {
  /** Aborted when nobody waits for the result any more: the time limit passed, or the pool closes. */
  readonly signal: AbortSignal;
  /** The pool's name. */
  readonly pool: string;
}

/** Which idle resource is lent first. A comparator puts the preferred one first; it costs one look at every idle resource. */
export type IdleOrder = 'lifo' | 'fifo' | ((a: ResourceInfo, b: ResourceInfo) => number);

/** What an unsubscribe in flight does with the resource. */
export type OnCancel = 'release' | 'destroy';

/** All durations are whole milliseconds; `Infinity` means off. */
export interface PoolOptions<T> {
  /**
   * Makes one resource. The pool calls it when a request needs one and `max` allows it, and belongs to no caller: if
   * the one who caused it leaves, the next takes the result. Of an Observable the first value is the resource; the
   * subscription stays open until the resource is destroyed, its teardown may do the closing, and a later error
   * takes the resource out of the pool.
   */
  create(context: CreateContext): Hook<T>;
  /** Is the idle resource still good? `false`, an error or a time-out destroys it and tries the next; nothing means yes. */
  validate?: ((resource: T) => Hook<boolean | void>) | undefined;
  /** Cleans the resource after each lease, before anybody else gets it. An error destroys it. */
  reset?: ((resource: T) => Hook<unknown>) | undefined;
  /** Ends the resource. Its slot is held until this settles. */
  destroy?: ((resource: T, reason: DestroyReason) => Hook<unknown>) | undefined;
  /** Tells that the resource broke by itself, by its first value or error. Subscribed while the resource lives. */
  watch?: ((resource: T) => Observable<unknown>) | undefined;
  /** Appears in events and errors. Default: `pool-` and a number. */
  name?: string | undefined;
  /** Resources kept alive from the scheduler's next turn on; a promise, refilled with backoff, not a floor only. Default 0. */
  min?: number | Observable<number> | undefined;
  /** Never more than this alive or being made. Default 10. */
  max?: number | Observable<number> | undefined;
  /** Idle resources kept ready beside the leased ones, within `max`. Default 0. */
  minIdle?: number | undefined;
  /** Requests that may wait; one more is refused with WaitingLimitError. 0: never wait. Default Infinity. */
  maxWaiting?: number | undefined;
  /** A resource is retired on return after this many leases. Default Infinity. */
  maxUses?: number | undefined;
  /** Creates in flight at once: spares a server that has just come back. Default Infinity. */
  createConcurrency?: number | undefined;
  /** Which idle resource goes first. Waiters are always first come, first served within a priority. Default 'lifo'. */
  order?: IdleOrder | undefined;
  /** One deadline from subscribe to lease: waiting, creating and validating together. Default 30,000. */
  acquireTimeoutMillis?: number | undefined;
  /** Limit of one `create`; then its slot is free and a late resource is destroyed. Default 30,000. */
  createTimeoutMillis?: number | undefined;
  /** Limit of one `validate`. Default 5,000. */
  validateTimeoutMillis?: number | undefined;
  /** Limit of one `reset`. Default 5,000. */
  resetTimeoutMillis?: number | undefined;
  /** Limit of one `destroy`; then its slot is free although the call may still run. Default 5,000. */
  destroyTimeoutMillis?: number | undefined;
  /** An idle resource goes after this, but never below `min`. Default 30,000. */
  idleTimeoutMillis?: number | undefined;
  /** A resource goes after this, when it is free; `min` is refilled. Default Infinity. */
  maxLifetimeMillis?: number | undefined;
  /** Shortens each lifetime by a random share up to this (0 to 1), fixed at birth, against dying all at once. Default 0.1. */
  lifetimeJitter?: number | undefined;
  /** Run `validate` before an idle resource is lent. Default: true when `validate` is given. */
  validateOnBorrow?: boolean | undefined;
  /** Run `validate` when a lease ends, before `reset`. Default false. */
  validateOnReturn?: boolean | undefined;
  /** Run `validate` on each idle resource this often. Default Infinity. */
  validateIdleEveryMillis?: number | undefined;
  /** Skip `validate` on borrow when the resource was seen good within this time. Default 0: never skip. */
  validateAfterIdleMillis?: number | undefined;
  /** Publish `leaked`, with the acquire stack, when a lease is held for longer. Default Infinity. */
  leakWarningMillis?: number | undefined;
  /** Take a lease back when it is held for longer without a `touch`. Default Infinity. */
  maxLeaseMillis?: number | undefined;
  /**
   * Before a lease is taken back for `maxLeaseMillis`, abort its signal, publish `revoking` and wait for this long: a
   * borrower that listens to `lease.signal` can end in order. Default: none, it is taken back at once.
   */
  revokeGraceMillis?: number | undefined;
  /**
   * Publish `nestedAcquire`, once, when code that holds a lease of this pool asks for another: enough such code at once
   * waits for itself. Follows `acquire` and `use` into what they start, on Node; costs a stack for each request, so it
   * is for development and tests. Default false.
   */
  nestedAcquireWarning?: boolean | undefined;
  /** What unsubscribing a `use()` or `acquire()` in flight does with the resource. Default 'release'. */
  onCancel?: OnCancel | undefined;
  /** Whether housekeeping timers keep a Node process alive; a caller who waits always does. Default false. */
  keepProcessAlive?: boolean | undefined;
  /** Clock and timer of everything. Default `asyncScheduler`; a `TestScheduler` drives all of it. */
  scheduler?: SchedulerLike | undefined;
  /** In which order requests are served. Default: first come, first served within a priority. See `fairQueue`. */
  queue?: QueueOrder | undefined;
  /**
   * Which requests may wait: `deadlineAware()`, `codel()`, `adaptiveLifo()` or a policy of your own keep the pool useful
   * past its capacity. Default 'wait': all of them, until their deadline.
   */
  admission?: 'wait' | Admission | undefined;
  /** A budget shared with other pools, threads, processes or machines. */
  permits?: PermitSource | undefined;
}

/** Options of one request. */
export interface AcquireOptions {
  /** Lower goes first; first come, first served within one. Default 0. */
  readonly priority?: number | undefined;
  /** This request's deadline instead of `acquireTimeoutMillis`. */
  readonly timeoutMillis?: number | undefined;
  /** Ends the wait of `acquire` and `lease` with AcquireAbortedError; for `use` it ends the stream and gives back. */
  readonly signal?: AbortSignal | undefined;
  /** Names the borrower in events. */
  readonly label?: string | undefined;
  /** Instead of the pool's `onCancel`. */
  readonly onCancel?: OnCancel | undefined;
}

/** Options of `close`. */
export interface CloseOptions {
  /** Leases still out after this are taken back. Default 30,000. */
  readonly drainTimeoutMillis?: number | undefined;
  /** 'reject' ends waiting requests at once, 'serve' still serves them. Default 'reject'. */
  readonly waiters?: 'reject' | 'serve' | undefined;
  /** Take everything back now. Default false. */
  readonly force?: boolean | undefined;
}

/** Options of `recycle`: a pace, for rotated credentials or a planned failover. */
export interface RecycleOptions {
  /**
   * How many may be missing at once: so many go, idle ones first, and are replaced before the next. Creates that fail
   * are tried again with back-off, and hold up the rest. Default 1 when `everyMillis` is given, else all at once.
   */
  readonly maxUnavailable?: number | undefined;
  /** The shortest time from step to step, in whole milliseconds. Default: none. */
  readonly everyMillis?: number | undefined;
}

/** Options after checking, with every default filled in. Frozen by type; changing the user's object changes nothing. */
export interface ResolvedOptions<T> {
  readonly create: (context: CreateContext) => Hook<T>;
  readonly validate: ((resource: T) => Hook<boolean | void>) | undefined;
  readonly reset: ((resource: T) => Hook<unknown>) | undefined;
  readonly destroy: ((resource: T, reason: DestroyReason) => Hook<unknown>) | undefined;
  readonly watch: ((resource: T) => Observable<unknown>) | undefined;
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly liveMin: Observable<number> | undefined;
  readonly liveMax: Observable<number> | undefined;
  readonly minIdle: number;
  readonly maxWaiting: number;
  readonly maxUses: number;
  readonly createConcurrency: number;
  readonly order: IdleOrder;
  readonly acquireTimeoutMillis: number;
  readonly createTimeoutMillis: number;
  readonly validateTimeoutMillis: number;
  readonly resetTimeoutMillis: number;
  readonly destroyTimeoutMillis: number;
  readonly idleTimeoutMillis: number;
  readonly maxLifetimeMillis: number;
  readonly lifetimeJitter: number;
  readonly validateOnBorrow: boolean;
  readonly validateOnReturn: boolean;
  readonly validateIdleEveryMillis: number;
  readonly validateAfterIdleMillis: number;
  readonly leakWarningMillis: number;
  readonly maxLeaseMillis: number;
  readonly revokeGraceMillis: number | undefined;
  readonly nestedAcquireWarning: boolean;
  readonly onCancel: OnCancel;
  readonly keepProcessAlive: boolean;
  readonly scheduler: SchedulerLike;
  readonly queue: QueueOrder | undefined;
  readonly admission: Admission | undefined;
  readonly permits: PermitSource | undefined;
}
