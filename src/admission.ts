/** A request as an admission policy sees it. Times are in milliseconds of the pool's clock. */
export interface WaitingRequest {
  /** Lower goes first. */
  readonly priority: number;
  /** Of its `AcquireOptions`. */
  readonly label: string | undefined;
  /** When it was subscribed to, or called for. */
  readonly requestedAt: number;
  /** Its deadline; Infinity where it has none. */
  readonly dueAt: number;
}

/** What the pool has to do at this moment. */
export interface PoolLoad {
  /** The pool's clock, in milliseconds. */
  readonly at: number;
  /** Requests that have neither a lease nor an end, as in `PoolState`. */
  readonly waiting: number;
  /** Resources that are out, as in `PoolState`. */
  readonly leased: number;
  /** The `max` of now. */
  readonly max: number;
}

/** Whom a free resource serves: who waits longest or shortest; `'refuse'` turns the oldest away and asks again. */
export type Verdict = 'oldest' | 'newest' | 'refuse';

/**
 * Decides which requests may wait and who of them is served, so that a pool past its capacity answers some in time
 * instead of all too late. One object serves one pool: it remembers what it saw. It must not throw; if it does, the
 * request waits, and the oldest is served.
 *
 * Refused requests end with OverloadedError.
 */
export interface Admission {
  /** Asked about a request that has to wait. False: it is refused at once. */
  admits(request: WaitingRequest, load: PoolLoad): boolean;
  /** Asked when a resource is free and `oldest` waits longest of all. */
  serves(oldest: WaitingRequest, load: PoolLoad): Verdict;
  /** Told of each lease that ended, and how long it was held. */
  ended?(heldMillis: number, at: number): void;
}
