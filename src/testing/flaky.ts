import {
  asyncScheduler,
  concat,
  concatMap,
  from,
  ignoreElements,
  isObservable,
  NEVER,
  of,
  throwError,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { CreateContext, DestroyReason, Hook, HookName } from '../index.js';
import { isThenable } from './follow-hook.js';
import { seededRandom } from './random.js';

/** How one hook misbehaves. Shares are from 0 to 1 of all calls, 0 by default; together they are at most 1. */
export interface FlakyProfile {
  /** Share of calls that fail. */
  readonly fail?: number | undefined;
  /** Share of calls that never end. */
  readonly never?: number | undefined;
  /** `validate` only: share of calls that say no. */
  readonly invalid?: number | undefined;
  /** How long a call takes, in milliseconds: from the one up to the other. Default: it adds no time. */
  readonly millis?: readonly [from: number, upTo: number] | undefined;
}

/** A profile for each hook, and what decides. */
export interface FlakyOptions {
  /** The same seed gives the same calls the same fate, hook by hook, in the order of their calls. */
  readonly seed: number;
  /** The clock of `millis`. Default `asyncScheduler`, which is virtual inside `TestScheduler.run`. */
  readonly scheduler?: SchedulerLike | undefined;
  /** What goes wrong with `create`. */
  readonly create?: FlakyProfile | undefined;
  /** What goes wrong with `validate`. */
  readonly validate?: FlakyProfile | undefined;
  /** What goes wrong with `reset`. */
  readonly reset?: FlakyProfile | undefined;
  /** What goes wrong with `destroy`. */
  readonly destroy?: FlakyProfile | undefined;
}

/** The hooks beneath a flaky profile. */
export interface SteadyHooks<T> {
  /** Called where a flaky `create` does not fail. */
  readonly create: (context: CreateContext) => Hook<T>;
  /** Called where a flaky `validate` neither fails nor says no by itself. */
  readonly validate?: ((resource: T) => Hook<boolean | void>) | undefined;
  /** Called where a flaky `reset` does not fail. */
  readonly reset?: ((resource: T) => Hook<unknown>) | undefined;
  /** Called in any case: what lives is ended. */
  readonly destroy?: ((resource: T, reason: DestroyReason) => Hook<unknown>) | undefined;
}

/** Hooks that misbehave: spread them into the options of a pool. `Given` is what they are called with. */
export interface FlakyHooks<T, Given = T> {
  /** As `PoolOptions.create`. */
  create(context: CreateContext): Hook<T>;
  /** As `PoolOptions.validate`; there when a hook beneath or a profile is. */
  validate?(resource: Given): Hook<boolean | void>;
  /** As `PoolOptions.reset`; there when a hook beneath or a profile is. */
  reset?(resource: Given): Hook<unknown>;
  /** As `PoolOptions.destroy`; there when a hook beneath or a profile is. */
  destroy?(resource: Given, reason: DestroyReason): Hook<unknown>;
}

type Fate = 'ok' | 'fail' | 'never' | 'invalid';

/**
 * Lets hooks fail, take their time, or hang, by the seed: a bad day of a back end that can be repeated.
 *
 * A call that fails does not reach the hook beneath, nor does one that hangs; but `destroy` does its work and fails
 * then, so that nothing is left open. A hook that has neither a profile nor one beneath does not exist; without any
 * hooks the resources are the numbers of their creates, from 1. The message of a failure names the seed and the call.
 *
 * @example
 * const hooks = flaky(
 *   { seed: 7, create: { fail: 0.1, millis: [5, 50] }, validate: { invalid: 0.05 } },
 *   { create: connect, validate: ping, destroy: client => client.end() },
 * );
 * const pool = createPool({ ...hooks, max: 10 });
 */
export function flaky(options: FlakyOptions): FlakyHooks<number, unknown>;
/** The same over hooks of your own. */
export function flaky<T>(options: FlakyOptions, hooks: SteadyHooks<T>): FlakyHooks<T>;
export function flaky<T>(options: FlakyOptions, hooks?: SteadyHooks<T>): FlakyHooks<T | number> {
  const { validate, reset, destroy } = hooks ?? {};
  const creates = new FlakyHook('create', options, 0);
  const validates = new FlakyHook('validate', options, 1);
  const resets = new FlakyHook('reset', options, 2);
  const destroys = new FlakyHook('destroy', options, 3);
  const create = hooks?.create ?? (() => creates.calls);
  return {
    create: context => creates.call<T | number>(() => create(context)),
    ...((validate ?? options.validate) === undefined
      ? undefined
      : {
          validate: (resource: unknown) =>
            validates.call<boolean | void>(() => validate?.(resource as T) ?? true),
        }),
    ...((reset ?? options.reset) === undefined
      ? undefined
      : { reset: (resource: unknown) => resets.call(() => reset?.(resource as T)) }),
    ...((destroy ?? options.destroy) === undefined
      ? undefined
      : {
          destroy: (resource: T | number, reason: DestroyReason) =>
            destroys.call(() => destroy?.(resource as T, reason)),
        }),
  };
}

class FlakyHook {
  calls = 0;
  readonly #hook: HookName;
  readonly #profile: FlakyProfile;
  readonly #seed: number;
  readonly #scheduler: SchedulerLike;
  readonly #random: () => number;

  constructor(hook: HookName, options: FlakyOptions, place: number) {
    this.#hook = hook;
    this.#profile = options[hook] ?? {};
    this.#seed = options.seed;
    this.#scheduler = options.scheduler ?? asyncScheduler;
    // One stream for each hook: more calls of one do not change the fate of another's.
    this.#random = seededRandom(Math.imul(options.seed, 4) + place);
    checkProfile(hook, this.#profile);
  }

  call<R>(beneath: () => Hook<R>): Hook<R> {
    this.calls += 1;
    const fate = this.#drawFate();
    const millis = this.#drawMillis();
    const { calls } = this;
    const act = (): Hook<R> => this.#meet(fate, calls, beneath);
    if (millis === undefined) return act();
    return timer(millis, this.#scheduler).pipe(concatMap(() => asObservable(act())));
  }

  #meet<R>(fate: Fate, call: number, beneath: () => Hook<R>): Hook<R> {
    switch (fate) {
      case 'ok':
        return beneath();
      case 'never':
        return NEVER;
      case 'invalid':
        return false as R;
      case 'fail':
        return this.#fail(call, beneath);
    }
  }

  #fail<R>(call: number, beneath: () => Hook<R>): Hook<R> {
    const error = new Error(
      `${this.#hook} number ${call} failed by the profile of seed ${this.#seed}`,
    );
    if (this.#hook !== 'destroy') throw error;
    const answer = beneath();
    if (!isObservable(answer) && !isThenable(answer)) throw error;
    return concat(
      asObservable(answer).pipe(ignoreElements()),
      throwError(() => error),
    );
  }

  /** Two draws for each call, whatever becomes of it. */
  #drawFate(): Fate {
    const { fail = 0, never = 0, invalid = 0 } = this.#profile;
    const drawn = this.#random();
    if (drawn < fail) return 'fail';
    if (drawn < fail + never) return 'never';
    return drawn < fail + never + invalid ? 'invalid' : 'ok';
  }

  #drawMillis(): number | undefined {
    const drawn = this.#random();
    const { millis } = this.#profile;
    if (millis === undefined) return undefined;
    const [least, most] = millis;
    return least + Math.floor(drawn * (most - least + 1));
  }
}

function checkProfile(hook: HookName, profile: FlakyProfile): void {
  const { fail = 0, never = 0, invalid = 0, millis = [0, 0] } = profile;
  if (![fail, never, invalid].every(share => share >= 0) || !(fail + never + invalid <= 1)) {
    throw new RangeError(`${hook}: fail, never and invalid are shares, together at most 1`);
  }
  if (invalid > 0 && hook !== 'validate') throw new RangeError(`${hook} cannot be invalid`);
  const [least, most] = millis;
  if (!(least >= 0 && most >= least)) {
    throw new RangeError(`${hook}: millis must be from 0 on, the second at least the first`);
  }
}

function asObservable<R>(answer: Hook<R>): Observable<R> {
  if (isObservable(answer)) return answer;
  return isThenable(answer) ? from(answer) : of(answer as R);
}
