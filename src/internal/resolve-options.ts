import { asyncScheduler, isObservable } from 'rxjs';
import { InvalidOptionsError } from '../errors.js';
import type {
  AcquireOptions,
  CloseOptions,
  PoolOptions,
  RecycleOptions,
  ResolvedOptions,
} from '../options.js';
import {
  checkRules,
  countOrMore,
  duration,
  flag,
  hasMethods,
  hook,
  isDuration,
  oneOf,
  orObservable,
  schedulerRule,
  shareRule,
  type Rule,
} from './rules.js';

const minimum = countOrMore(0, true);
const maximum = countOrMore(1, false);
const onCancelRule = oneOf('release', 'destroy');

const admissionRule = hasMethods('', 'admits', 'serves');

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
  revokeGraceMillis: {
    check: value => isDuration(value) && value !== Infinity,
    expected: 'must be a whole number of milliseconds above 0',
  },
  nestedAcquireWarning: flag,
  onCancel: onCancelRule,
  keepProcessAlive: flag,
  scheduler: schedulerRule,
  queue: hasMethods('must be made by fairQueue()', 'queue'),
  admission: {
    check: value => value === 'wait' || admissionRule.check(value),
    expected: "must be 'wait' or an Admission",
  },
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

const recycleRules: Record<keyof RecycleOptions, Rule> = {
  maxUnavailable: countOrMore(1, false),
  everyMillis: duration,
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
  nestedAcquireWarning: false,
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
    revokeGraceMillis: given.revokeGraceMillis,
    queue: given.queue,
    admission: given.admission === 'wait' ? undefined : given.admission,
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

export function checkRecycleOptions(pool: string, options: RecycleOptions): RecycleOptions {
  return checkRules(pool, options, recycleRules);
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
