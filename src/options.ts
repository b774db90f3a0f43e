import { asyncScheduler, isObservable, type Observable, type SchedulerLike } from 'rxjs';
import { InvalidOptionsError } from './errors.js';
import type { DestroyReason } from './events.js';
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
  /** Take a lease back when it is held for longer. Default Infinity. */
  maxLeaseMillis?: number | undefined;
  /** What unsubscribing a `use()` or `acquire()` in flight does with the resource. Default 'release'. */
  onCancel?: OnCancel | undefined;
  /** Whether housekeeping timers keep a Node process alive; a caller who waits always does. Default false. */
  keepProcessAlive?: boolean | undefined;
  /** Clock and timer of everything. Default `asyncScheduler`; a `TestScheduler` drives all of it. */
  scheduler?: SchedulerLike | undefined;
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
  readonly onCancel: OnCancel;
  readonly keepProcessAlive: boolean;
  readonly scheduler: SchedulerLike;
  readonly permits: PermitSource | undefined;
}

type Check = (value: unknown) => boolean;

export interface Rule {
  readonly check: Check;
  readonly expected: string;
}

const isWhole: Check = value => Number.isInteger(value);
const isDuration: Check = value => value === Infinity || (isWhole(value) && (value as number) > 0);

const hook: Rule = { check: value => typeof value === 'function', expected: 'must be a function' };
const flag: Rule = {
  check: value => typeof value === 'boolean',
  expected: 'must be true or false',
};
export const duration: Rule = {
  check: isDuration,
  expected: 'must be a whole number of milliseconds above 0, or Infinity for off',
};
export const countOrMore = (least: number, finite: boolean): Rule => ({
  check: value => (isWhole(value) && (value as number) >= least) || (!finite && value === Infinity),
  expected: `must be a whole number from ${least}${finite ? '' : ', or Infinity'}`,
});
const oneOf = (...words: readonly string[]): Rule => ({
  check: value => words.includes(value as string),
  expected: `must be ${words.map(word => `'${word}'`).join(' or ')}`,
});
const orObservable = (rule: Rule): Rule => ({
  check: value => rule.check(value) || isObservable(value),
  expected: `${rule.expected}, or an Observable of such`,
});
const hasMethods = (expected: string, ...methods: readonly string[]): Rule => ({
  check: value =>
    typeof value === 'object' &&
    value !== null &&
    methods.every(method => typeof (value as Record<string, unknown>)[method] === 'function'),
  expected,
});

export const schedulerRule: Rule = hasMethods('must be an RxJS scheduler', 'now', 'schedule');
export const shareRule: Rule = {
  check: value => typeof value === 'number' && value >= 0 && value <= 1,
  expected: 'must be a number from 0 to 1',
};
const minimum = countOrMore(0, true);
const maximum = countOrMore(1, false);
const onCancelRule = oneOf('release', 'destroy');

const poolRules: Record<keyof PoolOptions<unknown>, Rule> = {
  create: hook,
  validate: hook,
  reset: hook,
  destroy: hook,
  watch: hook,
  name: { check: value => typeof value === 'string' && value !== '', expected: 'must be a text' },
  min: orObservable(minimum),
  max: orObservable(maximum),
  minIdle: countOrMore(0, true),
  maxWaiting: countOrMore(0, false),
  maxUses: countOrMore(1, false),
  createConcurrency: countOrMore(1, false),
  order: {
    check: value => value === 'lifo' || value === 'fifo' || typeof value === 'function',
    expected: "must be 'lifo', 'fifo' or a comparator over ResourceInfo",
  },
  acquireTimeoutMillis: duration,
  createTimeoutMillis: duration,
  validateTimeoutMillis: duration,
  resetTimeoutMillis: duration,
  destroyTimeoutMillis: duration,
  idleTimeoutMillis: duration,
  maxLifetimeMillis: duration,
  lifetimeJitter: shareRule,
  validateOnBorrow: flag,
  validateOnReturn: flag,
  validateIdleEveryMillis: duration,
  validateAfterIdleMillis: {
    check: value => value === 0 || isDuration(value),
    expected: 'must be a whole number of milliseconds from 0, or Infinity',
  },
  leakWarningMillis: duration,
  maxLeaseMillis: duration,
  onCancel: onCancelRule,
  keepProcessAlive: flag,
  scheduler: schedulerRule,
  permits: hasMethods('must be a PermitSource', 'acquire'),
};

export const acquireRules: Record<keyof AcquireOptions, Rule> = {
  priority: { check: value => Number.isFinite(value), expected: 'must be a finite number' },
  timeoutMillis: {
    check: value => typeof value === 'number' && value > 0,
    expected: 'must be a number of milliseconds above 0, or Infinity for off',
  },
  signal: hasMethods('must be an AbortSignal', 'addEventListener', 'removeEventListener'),
  label: { check: value => typeof value === 'string', expected: 'must be a text' },
  onCancel: onCancelRule,
};

const closeRules: Record<keyof CloseOptions, Rule> = {
  drainTimeoutMillis: duration,
  waiters: oneOf('reject', 'serve'),
  force: flag,
};

/** What stands where nothing is given. */
const defaults = {
  minIdle: 0,
  maxWaiting: Infinity,
  maxUses: Infinity,
  createConcurrency: Infinity,
  order: 'lifo',
  acquireTimeoutMillis: 30_000,
  createTimeoutMillis: 30_000,
  validateTimeoutMillis: 5_000,
  resetTimeoutMillis: 5_000,
  destroyTimeoutMillis: 5_000,
  idleTimeoutMillis: 30_000,
  maxLifetimeMillis: Infinity,
  lifetimeJitter: 0.1,
  validateOnReturn: false,
  validateIdleEveryMillis: Infinity,
  validateAfterIdleMillis: 0,
  leakWarningMillis: Infinity,
  maxLeaseMillis: Infinity,
  onCancel: 'release',
  keepProcessAlive: false,
  scheduler: asyncScheduler,
} satisfies Partial<ResolvedOptions<unknown>>;

let unnamedPools = 0;

/** Checks everything before anything is made. */
export function resolveOptions<T>(options: PoolOptions<T>): ResolvedOptions<T> {
  const given = checkRules('createPool', options, poolRules);
  const name = given.name ?? `pool-${++unnamedPools}`;
  const create = (given as Partial<PoolOptions<T>>).create;
  if (create === undefined) {
    throw new InvalidOptionsError(name, 'create', undefined, 'must be a function');
  }
  const liveMin = isObservable(given.min) ? given.min : undefined;
  const liveMax = isObservable(given.max) ? given.max : undefined;
  const min = typeof given.min === 'number' ? given.min : 0;
  const max = typeof given.max === 'number' ? given.max : 10;
  checkSizes(name, min, max);
  const minIdle = given.minIdle ?? 0;
  if (minIdle > max && liveMax === undefined) {
    throw new InvalidOptionsError(name, 'minIdle', minIdle, `must not be above max (${max})`);
  }
  return {
    ...defaults,
    ...(given as DefinedOptions<T>),
    // Bound to the user's object, so that an options object with methods keeps its `this`, and bound now, so that
    // changing it later changes nothing.
    create: create.bind(options),
    validate: given.validate?.bind(options),
    reset: given.reset?.bind(options),
    destroy: given.destroy?.bind(options),
    watch: given.watch?.bind(options),
    name,
    min,
    max,
    liveMin,
    liveMax,
    validateOnBorrow: given.validateOnBorrow ?? given.validate !== undefined,
    permits: given.permits,
  };
}

/** What is in it is given: the check has left out what is undefined. */
type DefinedOptions<T> = {
  [Option in Exclude<keyof PoolOptions<T>, 'min' | 'max'>]?: Exclude<
    PoolOptions<T>[Option],
    undefined
  >;
};

export function checkAcquireOptions(pool: string, options: AcquireOptions): AcquireOptions {
  return checkRules(pool, options, acquireRules);
}

export function checkCloseOptions(pool: string, options: CloseOptions): CloseOptions {
  return checkRules(pool, options, closeRules);
}

/** Sizes that come later: from `resize` or from a live option. */
export function checkSize(pool: string, option: 'min' | 'max', value: unknown): void {
  const rule = option === 'min' ? minimum : maximum;
  if (!rule.check(value)) throw new InvalidOptionsError(pool, option, value, rule.expected);
}

export function checkSizes(pool: string, min: number, max: number): void {
  checkSize(pool, 'min', min);
  checkSize(pool, 'max', max);
  if (min > max) {
    throw new InvalidOptionsError(pool, 'min', min, `must not be above max (${max})`);
  }
}

export function checkFunction(pool: string, option: string, value: unknown): void {
  if (!hook.check(value)) throw new InvalidOptionsError(pool, option, value, hook.expected);
}

export function checkCount(pool: string, option: string, value: unknown): void {
  const rule = countOrMore(0, false);
  if (!rule.check(value)) throw new InvalidOptionsError(pool, option, value, rule.expected);
}

/** Returns a copy without the options that were not given; `undefined` counts as not given. */
export function checkRules<Options extends object>(
  pool: string,
  options: Options,
  rules: Record<keyof Options, Rule>,
): Options {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw new InvalidOptionsError(pool, 'options', options, 'must be an object');
  }
  const named = (options as { name?: unknown }).name;
  const name = typeof named === 'string' && named !== '' ? named : pool;
  const given: Partial<Options> = {};
  for (const key in options) {
    const value = options[key];
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
    if (rule === undefined) {
      const nearest = nearestName(key, Object.keys(rules));
      throw new InvalidOptionsError(name, key, value, `is not known; did you mean "${nearest}"?`);
    }
    if (value === undefined) continue;
    if (!rule.check(value)) throw new InvalidOptionsError(name, key, value, rule.expected);
    given[key] = value;
  }
  return given as Options;
}

function nearestName(name: string, names: readonly string[]): string {
  let nearest = '';
  let least = Infinity;
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
