import type { PoolState } from './state.js';

/** Where a request stood when its deadline passed. */
export type AcquirePhase = 'waiting' | 'creating' | 'validating';

/** The hooks that have a time limit of their own. */
export type HookName = 'create' | 'validate' | 'reset' | 'destroy';

/**
 * What every error of the pool carries: a stable `code`, the pool's name and its state at that moment.
 *
 * @example
 * pool.use(connection => connection.query('SELECT 1')).subscribe({
 *   error: error => {
 *     if (error instanceof PoolError) console.error(error.code, error.pool, error.state);
 *   },
 * });
 */
export class PoolError extends Error {
  /** The name of the class. */
  override readonly name: string = 'PoolError';
  /** Stable, for programs: `ACQUIRE_TIMEOUT`, say. Messages may change. */
  readonly code: string;
  /** The name of the pool, or of what was asked where there is none. */
  readonly pool: string;
  /** The pool's counts when the error was made; undefined where there is no pool yet. */
  readonly state: PoolState | undefined;

  constructor(
    code: string,
    pool: string,
    state: PoolState | undefined,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`[${pool}] ${message}${state === undefined ? '' : ` (${counts(state)})`}`, options);
    this.code = code;
    this.pool = pool;
    this.state = state;
  }
}

/**
 * No lease came within the request's deadline. `cause` is the last failure of `create`, where there was one.
 *
 * @example
 * pool.use(work, { timeoutMillis: 500 }).subscribe({
 *   error: error => {
 *     if (error instanceof AcquireTimeoutError) logger.error(error.phase, error.waitedMillis, error.cause);
 *   },
 * });
 */
export class AcquireTimeoutError extends PoolError {
  /** The name of the class. */
  override readonly name = 'AcquireTimeoutError';
  /** Where the request stood when its time was up. */
  readonly phase: AcquirePhase;
  /** From the subscription, or the call of `lease`, in milliseconds of the pool's clock. */
  readonly waitedMillis: number;

  constructor(
    pool: string,
    state: PoolState,
    phase: AcquirePhase,
    waitedMillis: number,
    lastCreateError: { readonly error: unknown } | undefined,
  ) {
    super(
      'ACQUIRE_TIMEOUT',
      pool,
      state,
      `no lease within ${waitedMillis} ms, ended while ${phase}${
        lastCreateError === undefined
          ? ''
          : `; create last failed with: ${describe(lastCreateError.error)}`
      }`,
      causeOf(lastCreateError),
    );
    this.phase = phase;
    this.waitedMillis = waitedMillis;
  }
}

/**
 * The caller's `AbortSignal` ended the request. `cause` is the signal's reason.
 *
 * @example
 * const lease = await pool.lease({ signal: AbortSignal.timeout(500) }).catch((error: unknown) => {
 *   if (error instanceof AcquireAbortedError) return undefined; // nobody wants it any more
 *   throw error;
 * });
 */
export class AcquireAbortedError extends PoolError {
  /** The name of the class. */
  override readonly name = 'AcquireAbortedError';

  constructor(pool: string, state: PoolState, reason: unknown) {
    super('ACQUIRE_ABORTED', pool, state, 'the request was aborted by its signal', {
      cause: reason,
    });
  }
}

/**
 * Nothing was free and `maxWaiting` requests waited already.
 *
 * @example
 * pool.use(work).pipe(
 *   catchError(error => (error instanceof WaitingLimitError ? of(0) : throwError(() => error))),
 * );
 */
export class WaitingLimitError extends PoolError {
  /** The name of the class. */
  override readonly name = 'WaitingLimitError';

  constructor(pool: string, state: PoolState, maxWaiting: number) {
    super(
      'WAITING_LIMIT',
      pool,
      state,
      `refused: nothing is free and ${maxWaiting} may wait at most`,
    );
  }
}

/**
 * The pool has more to do than it can in time: its `admission` policy turned the request away. Try later, or elsewhere.
 *
 * @example
 * const busy = createPool({ create: () => connect(), admission: codel() });
 * busy.use(work).subscribe({
 *   error: error => {
 *     if (error instanceof OverloadedError) show('503', error.waitedMillis);
 *   },
 * });
 */
export class OverloadedError extends PoolError {
  /** The name of the class. */
  override readonly name = 'OverloadedError';
  /** From the subscription, or the call of `lease`, until it was refused, in milliseconds of the pool's clock. */
  readonly waitedMillis: number;

  constructor(pool: string, state: PoolState, waitedMillis: number) {
    super(
      'OVERLOADED',
      pool,
      state,
      `refused after ${waitedMillis} ms: more is asked of the pool than it can lend in time`,
    );
    this.waitedMillis = waitedMillis;
  }
}

/**
 * The pool is closing or closed.
 *
 * @example
 * orders$
 *   .pipe(mergeMap(order => pool.use(connection => connection.query(order)), 10))
 *   .subscribe({ error: error => error instanceof PoolClosedError || logger.error(error) }); // we are going
 */
export class PoolClosedError extends PoolError {
  /** The name of the class. */
  override readonly name = 'PoolClosedError';

  constructor(pool: string, state: PoolState) {
    super('POOL_CLOSED', pool, state, 'the pool is closed');
  }
}

/**
 * `create` failed; `cause` is what it failed with, as it was.
 *
 * @example
 * await pool.prefill(10).catch((error: unknown) => {
 *   if (error instanceof CreateError) logger.error(`made ${error.made} of 10`, error.cause);
 * });
 */
export class CreateError extends PoolError {
  /** The name of the class. */
  override readonly name = 'CreateError';
  /** How many resources a `prefill` made all the same. */
  readonly made: number;

  constructor(
    pool: string,
    state: PoolState,
    cause: unknown,
    prefill?: { made: number; wanted: number },
  ) {
    super(
      'CREATE_FAILED',
      pool,
      state,
      prefill === undefined
        ? `create failed: ${describe(cause)}`
        : `prefill made ${prefill.made} of ${prefill.wanted}; create failed: ${describe(cause)}`,
      { cause },
    );
    this.made = prefill?.made ?? 0;
  }
}

/**
 * A hook did not settle within its time limit.
 *
 * @example
 * pool.stats$.subscribe(event => {
 *   if (event.type === 'resetFailed' && event.error instanceof HookTimeoutError) show(event.error.hook);
 * });
 */
export class HookTimeoutError extends PoolError {
  /** The name of the class. */
  override readonly name = 'HookTimeoutError';
  /** Whose limit passed. Its call may still run; what `create` gives late is destroyed. */
  readonly hook: HookName;

  constructor(pool: string, state: PoolState, hook: HookName, limitMillis: number) {
    super('HOOK_TIMEOUT', pool, state, `${hook} did not settle within ${limitMillis} ms`);
    this.hook = hook;
  }
}

/**
 * The lease is over; its resource may be with somebody else by now.
 *
 * @example
 * const lease = await pool.lease();
 * await lease.release();
 * try {
 *   lease.resource.send('too late');
 * } catch (error) {
 *   show(error instanceof LeaseReleasedError); // true
 * }
 */
export class LeaseReleasedError extends PoolError {
  /** The name of the class. */
  override readonly name = 'LeaseReleasedError';

  constructor(pool: string, state: PoolState, cause: LeaseRevokedError | undefined) {
    super(
      'LEASE_RELEASED',
      pool,
      state,
      cause === undefined
        ? 'this lease is released, its resource belongs to somebody else. ' +
            'Did firstValueFrom(pool.acquire()) or take(1) end the stream before the work? ' +
            'Use pool.use(resource => …), or await pool.lease() and release it yourself'
        : 'this lease was taken back by the pool',
      cause === undefined ? undefined : { cause },
    );
  }
}

/**
 * The pool took the lease back: it was held for longer than `maxLeaseMillis`, or past the drain limit of `close`.
 *
 * @example
 * const lease = await pool.lease();
 * lease.signal.addEventListener('abort', () => {
 *   show(lease.signal.reason instanceof LeaseRevokedError); // true
 * });
 */
export class LeaseRevokedError extends PoolError {
  /** The name of the class. */
  override readonly name = 'LeaseRevokedError';

  /** With a grace time it is the notice that comes before. */
  constructor(pool: string, state: PoolState, heldMillis: number, graceMillis?: number) {
    super(
      'LEASE_REVOKED',
      pool,
      state,
      graceMillis === undefined
        ? `the lease was taken back after ${heldMillis} ms`
        : `the lease is held for ${heldMillis} ms and is taken back in ${graceMillis} ms: release it`,
    );
  }
}

/**
 * `close` went to the end, but not cleanly.
 *
 * @example
 * await pool.close({ drainTimeoutMillis: 5_000 }).catch((error: unknown) => {
 *   if (error instanceof CloseError) logger.error(`${error.abandoned} given up`, ...error.errors);
 * });
 */
export class CloseError extends PoolError {
  /** The name of the class. */
  override readonly name = 'CloseError';
  /** Everything that failed on the way, in order. */
  readonly errors: readonly unknown[];
  /** Leases and hooks that had not ended at the drain limit. */
  readonly abandoned: number;

  constructor(pool: string, state: PoolState, errors: readonly unknown[], abandoned: number) {
    super(
      'CLOSE_FAILED',
      pool,
      state,
      `closed with ${errors.length} failed hooks and ${abandoned} leases or hooks given up${
        errors.length === 0 ? '' : `; first: ${describe(errors[0])}`
      }`,
      errors.length === 0 ? undefined : { cause: errors[0] },
    );
    this.errors = errors;
    this.abandoned = abandoned;
  }
}

/**
 * An option makes no sense. Nothing was created and no timer armed.
 *
 * @example
 * try {
 *   createPool({ create: () => connect(), max: 0 });
 * } catch (error) {
 *   if (error instanceof InvalidOptionsError) show(error.option, error.value); // max 0
 * }
 */
export class InvalidOptionsError extends PoolError {
  /** The name of the class. */
  override readonly name = 'InvalidOptionsError';
  /** The name of the option. */
  readonly option: string;
  /** What was given, as it was. */
  readonly value: unknown;

  constructor(pool: string, option: string, value: unknown, expected: string) {
    super(
      'INVALID_OPTIONS',
      pool,
      undefined,
      `option "${option}" ${expected}, but is ${show(value)}`,
    );
    this.option = option;
    this.value = value;
  }
}

/**
 * No pool of that name is known.
 *
 * @example
 * try {
 *   registry.get('shop');
 * } catch (error) {
 *   show(error instanceof PoolNotFoundError); // true
 * }
 */
export class PoolNotFoundError extends PoolError {
  /** The name of the class. */
  override readonly name = 'PoolNotFoundError';

  constructor(pool: string) {
    super('POOL_NOT_FOUND', pool, undefined, 'there is no pool of this name');
  }
}

/**
 * A pool of that name is there already.
 *
 * @example
 * registry.add('shop', pool);
 * try {
 *   registry.add('shop', pool);
 * } catch (error) {
 *   show(error instanceof PoolExistsError); // true
 * }
 */
export class PoolExistsError extends PoolError {
  /** The name of the class. */
  override readonly name = 'PoolExistsError';

  constructor(pool: string) {
    super('POOL_EXISTS', pool, undefined, 'a pool of this name exists already');
  }
}

function counts(state: PoolState): string {
  return (
    `${state.lifecycle}: ${state.leased} of ${state.max} leased, ${state.idle} idle, ` +
    `${state.creating} creating, ${state.validating} validating, ${state.resetting} resetting, ` +
    `${state.destroying} destroying, ${state.waiting} waiting`
  );
}

function causeOf(failure: { readonly error: unknown } | undefined): ErrorOptions | undefined {
  return failure === undefined ? undefined : { cause: failure.error };
}

/** Errors of users may have getters that throw; a message of ours must not fail over them. */
function describe(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return 'an error that cannot be shown';
  }
}

function show(value: unknown): string {
  try {
    if (typeof value === 'string') return JSON.stringify(value);
    return typeof value === 'function' ? 'a function' : String(value);
  } catch {
    return 'a value that cannot be shown';
  }
}
