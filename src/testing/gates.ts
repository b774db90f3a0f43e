import { asyncScheduler, Observable, type SchedulerLike } from 'rxjs';
import type { CreateContext, DestroyReason, Hook, HookName } from '../index.js';

/** How a call of a hook ends: well, with an error, well but late, or not at all. */
export type GateOutcome = 'ok' | 'error' | 'slow' | 'never';

/**
 * In which way the hooks answer. `sync`: a value or a throw where the outcome was set ahead, else an Observable that
 * ends inside the call that opens the gate. `promise`: promises. `scheduler`: Observables that end in an action of
 * the scheduler, never inside the call that opens the gate.
 */
export type SettleStyle = 'sync' | 'promise' | 'scheduler';

/** Options of {@link gates}. */
export interface GatesOptions<T> {
  /** Makes the resource of an opened create, told how many were called, from 1. Default: that number. */
  readonly create?: ((call: number) => T) | undefined;
  /** Default 'sync'. */
  readonly style?: SettleStyle | undefined;
  /** The clock of `slow` and of the style `scheduler`. Default `asyncScheduler`, which is virtual inside `TestScheduler.run`. */
  readonly scheduler?: SchedulerLike | undefined;
  /** How late `slow` is, in milliseconds. Default 10. */
  readonly slowMillis?: number | undefined;
}

/** One call of a hook. */
export interface GateCall<R> {
  /** Which hook was called. */
  readonly hook: HookName;
  /** What the hook was called with: a context for `create`, else the resource, and for `destroy` the reason. */
  readonly given: readonly unknown[];
  /** `waiting` for the test to open it; `dropped`: the pool unsubscribed before it was opened. */
  readonly state: 'waiting' | 'dropped' | GateOutcome;
  /** Ends the call well, with a value of its own if one is given: `validate.ok(false)`. */
  ok(value?: R): void;
  /** Ends the call with an error. Default: an Error that names the hook. */
  error(error?: unknown): void;
  /** Ends the call well, after that many milliseconds of the scheduler. */
  slow(millis?: number, value?: R): void;
  /** Leaves the call open for ever. */
  never(): void;
}

/** All calls of one hook. `ok`, `error`, `slow` and `never` open the oldest one that waits, and throw if none does. */
export interface Gate<R> extends Omit<GateCall<R>, 'hook' | 'given' | 'state'> {
  /** Every call so far, the oldest first. */
  readonly calls: readonly GateCall<R>[];
  /** Calls that wait to be opened, the oldest first. */
  readonly waiting: readonly GateCall<R>[];
  /** The waiting call at this place: 0 is the oldest, -1 the youngest. Throws if there is none. */
  at(index: number): GateCall<R>;
  /** Outcomes of the next calls, in order: those will not wait. */
  ahead(...outcomes: readonly GateOutcome[]): void;
  /** The outcome of all calls for which none was set ahead; undefined: they wait. */
  always(outcome: GateOutcome | undefined): void;
}

/** A gate for each hook of a pool. Made by {@link gates}. */
export interface Gates<T> {
  /** Spread them into the options of the pool: `createPool({ ...gate.hooks, max: 2 })`. */
  readonly hooks: {
    create(context: CreateContext): Hook<T>;
    validate(resource: unknown): Hook<boolean>;
    reset(resource: unknown): Hook<unknown>;
    destroy(resource: unknown, reason: DestroyReason): Hook<unknown>;
  };
  /** The calls of `create`. */
  readonly create: Gate<T>;
  /** The calls of `validate`; `ok()` says that the resource is good. */
  readonly validate: Gate<boolean>;
  /** The calls of `reset`. */
  readonly reset: Gate<unknown>;
  /** The calls of `destroy`. */
  readonly destroy: Gate<unknown>;
  /** Calls that wait, of all four. */
  readonly waiting: number;
  /** Opens whatever waits, of all four hooks, and lets all later calls through. */
  openAll(outcome?: GateOutcome): void;
}

/**
 * Hooks that end when the test says so, in any order. Every call waits at its gate until it is opened, or ends as was
 * set ahead.
 *
 * @example
 * const gate = gates();
 * const pool = createPool({ ...gate.hooks, max: 2 });
 * pool.acquire().subscribe(lease => leases.push(lease));
 * pool.acquire().subscribe(lease => leases.push(lease));
 * gate.create.at(1).ok();      // the second create ends first …
 * gate.create.error();         // … and the first one fails
 */
export function gates(options?: GatesOptions<number>): Gates<number>;
/** The same for resources of your own. */
export function gates<T>(
  options: GatesOptions<T> & { readonly create: (call: number) => T },
): Gates<T>;
export function gates<T>(options: GatesOptions<T | number> = {}): Gates<T | number> {
  const make = options.create ?? ((call: number) => call);
  const create = new HookGate<T | number>('create', options, make);
  const validate = new HookGate<boolean>('validate', options, () => true);
  const reset = new HookGate<unknown>('reset', options, () => undefined);
  const destroy = new HookGate<unknown>('destroy', options, () => undefined);
  const all = [create, validate, reset, destroy];
  return {
    hooks: {
      create: context => create.call(context),
      validate: resource => validate.call(resource),
      reset: resource => reset.call(resource),
      destroy: (resource, reason) => destroy.call(resource, reason),
    },
    create,
    validate,
    reset,
    destroy,
    get waiting() {
      return all.reduce((sum, gate) => sum + gate.waiting.length, 0);
    },
    openAll: (outcome = 'ok') => {
      for (const gate of all) gate.always(outcome);
      // Opening one may make another one wait no more, so the list is read anew each time.
      for (const gate of all) {
        for (let call = gate.waiting[0]; call !== undefined; call = gate.waiting[0]) {
          call[outcome]();
        }
      }
    },
  };
}

class HookGate<R> implements Gate<R> {
  readonly calls: Call<R>[] = [];
  readonly #hook: HookName;
  readonly #options: GatesOptions<never>;
  readonly #make: (call: number) => R;
  readonly #ahead: GateOutcome[] = [];
  #always: GateOutcome | undefined = undefined;

  constructor(
    hook: HookName,
    options: Omit<GatesOptions<never>, 'create'>,
    make: (call: number) => R,
  ) {
    this.#hook = hook;
    this.#options = options;
    this.#make = make;
  }

  get waiting(): readonly GateCall<R>[] {
    return this.calls.filter(call => call.state === 'waiting');
  }

  at(index: number): GateCall<R> {
    const { waiting } = this;
    const call = waiting.at(index);
    if (call !== undefined) return call;
    throw new RangeError(`no ${this.#hook} waits at ${index}: ${waiting.length} wait`);
  }

  ahead(...outcomes: readonly GateOutcome[]): void {
    this.#ahead.push(...outcomes);
  }

  always(outcome: GateOutcome | undefined): void {
    this.#always = outcome;
  }

  ok(value?: R): void {
    this.at(0).ok(value);
  }

  error(error?: unknown): void {
    this.at(0).error(error);
  }

  slow(millis?: number, value?: R): void {
    this.at(0).slow(millis, value);
  }

  never(): void {
    this.at(0).never();
  }

  call(...given: readonly unknown[]): Hook<R> {
    const number = this.calls.length + 1;
    const call = new Call<R>(this.#hook, given, this.#options, () => this.#make(number));
    this.calls.push(call);
    const outcome = this.#ahead.shift() ?? this.#always;
    if (outcome !== undefined) {
      if (call.style === 'sync' && outcome === 'ok') return call.finishNow();
      call[outcome]();
      if (call.style === 'sync' && outcome === 'error') throw call.failure;
    }
    return call.hookAnswer();
  }
}

interface Listener<R> {
  ok(value: R): void;
  error(error: unknown): void;
}

class Call<R> implements GateCall<R> {
  readonly hook: HookName;
  readonly given: readonly unknown[];
  readonly style: SettleStyle;
  state: GateCall<R>['state'] = 'waiting';
  failure: unknown = undefined;
  readonly #scheduler: SchedulerLike;
  readonly #slowMillis: number;
  readonly #make: () => R;
  #listener: Listener<R> | undefined = undefined;
  #deliver: ((listener: Listener<R>) => void) | undefined = undefined;

  constructor(
    hook: HookName,
    given: readonly unknown[],
    options: Omit<GatesOptions<never>, 'create'>,
    make: () => R,
  ) {
    this.hook = hook;
    this.given = given;
    this.style = options.style ?? 'sync';
    this.#scheduler = options.scheduler ?? asyncScheduler;
    this.#slowMillis = options.slowMillis ?? 10;
    this.#make = make;
  }

  ok(value?: R): void {
    this.#open('ok');
    this.#settle(this.#isScheduled() ? 0 : undefined, listener => {
      listener.ok(value === undefined ? this.#make() : value);
    });
  }

  error(error: unknown = new Error(`${this.hook} failed`)): void {
    this.#open('error');
    this.failure = error;
    this.#settle(this.#isScheduled() ? 0 : undefined, listener => {
      listener.error(error);
    });
  }

  slow(millis: number = this.#slowMillis, value?: R): void {
    this.#open('slow');
    this.#settle(millis, listener => {
      listener.ok(value === undefined ? this.#make() : value);
    });
  }

  never(): void {
    this.#open('never');
  }

  /** Ends the call well and gives the value itself, without anything round it. */
  finishNow(): R {
    this.#open('ok');
    return this.#make();
  }

  hookAnswer(): Hook<R> {
    if (this.style === 'promise') {
      return new Promise<R>((resolve, reject) => {
        this.#listen({ ok: resolve, error: reject });
      });
    }
    return new Observable<R>(subscriber => {
      this.#listen({
        ok: value => {
          subscriber.next(value);
          subscriber.complete();
        },
        error: error => subscriber.error(error),
      });
      return () => {
        if (this.state === 'waiting') this.state = 'dropped';
      };
    });
  }

  #isScheduled(): boolean {
    return this.style === 'scheduler';
  }

  #open(outcome: GateOutcome): void {
    if (this.state !== 'waiting') {
      throw new Error(`this ${this.hook} does not wait: it is ${this.state}`);
    }
    this.state = outcome;
  }

  #settle(afterMillis: number | undefined, deliver: (listener: Listener<R>) => void): void {
    const act = (): void => {
      this.#deliver = deliver;
      if (this.#listener !== undefined) deliver(this.#listener);
    };
    if (afterMillis === undefined) act();
    else this.#scheduler.schedule(act, afterMillis);
  }

  /** What was opened before anybody subscribed is told now. */
  #listen(listener: Listener<R>): void {
    this.#listener = listener;
    this.#deliver?.(listener);
  }
}
