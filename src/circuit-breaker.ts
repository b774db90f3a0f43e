import {
  asyncScheduler,
  BehaviorSubject,
  defer,
  isObservable,
  tap,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { HookTimeoutError, PoolError } from './errors.js';
import { Clock } from './internal/clock.js';
import { currentContext } from './internal/context.js';
import { schedulerOf } from './internal/create-context.js';
import { checkRules, countOrMore, schedulerRule, type Rule } from './internal/rules.js';
import { isThenable } from './internal/thenable.js';
import type { CreateContext } from './options.js';

/**
 * `closed`: creates are tried. `open`: they are refused. `halfOpen`: one is tried, the others are refused until it
 * has ended.
 */
export type CircuitState = 'closed' | 'open' | 'halfOpen';

/** Options of `circuitBreaker`. */
export interface CircuitBreakerOptions {
  /** Failures in a row that open the circuit. Default 5. */
  readonly failureThreshold?: number | undefined;
  /** How long it stays open, in whole milliseconds. Default 30,000. */
  readonly resetTimeoutMillis?: number | undefined;
  /** Default: the pool's whose create comes first. */
  readonly scheduler?: SchedulerLike | undefined;
}

/** Guards one `create` or several: they share what is known of the server behind them. */
export interface CircuitBreaker {
  /**
   * A create that gives what the given one gives, or throws CircuitOpenError. An Observable is an attempt for each
   * subscription, and errors with CircuitOpenError when it is subscribed too early.
   *
   * A failure is a throw, a rejection, an error or an end without a resource, and a create that passes its time
   * limit. One that is given up for other reasons (the pool closes) says nothing of the server and does not count.
   */
  <R>(create: (context: CreateContext) => R): (context: CreateContext) => R;
  /** Of now. */
  readonly state: CircuitState;
  /** Hot. Replays the latest state and moves to `halfOpen` by itself when its time has come. Never ends. */
  readonly state$: Observable<CircuitState>;
}

/**
 * The circuit is open: `create` was not called. `cause` is the failure that opened it.
 *
 * @example
 * pool.use(work).subscribe({
 *   error: error => {
 *     if (error instanceof CreateError && error.cause instanceof CircuitOpenError) show('down, and known to be');
 *   },
 * });
 */
export class CircuitOpenError extends PoolError {
  /** The name of the class. */
  override readonly name = 'CircuitOpenError';
  /** The time of the breaker's scheduler at which one create is tried again; past while that one is on its way. */
  readonly retryAt: number;

  constructor(pool: string, retryAt: number, cause: unknown) {
    super('CIRCUIT_OPEN', pool, undefined, `the circuit is open, create is tried at ${retryAt}`, {
      cause,
    });
    this.retryAt = retryAt;
  }
}

const rules: Record<keyof CircuitBreakerOptions, Rule> = {
  failureThreshold: countOrMore(1, false),
  resetTimeoutMillis: countOrMore(1, true),
  scheduler: schedulerRule,
};

/**
 * Spares a server that is down: after `failureThreshold` failures in a row creates fail at once with CircuitOpenError,
 * and after `resetTimeoutMillis` one is let through to see whether the server is back.
 *
 * While open it holds one timer, which never keeps a process alive. Throws InvalidOptionsError for bad options.
 *
 * @example
 * const breaker = circuitBreaker({ failureThreshold: 3, resetTimeoutMillis: 10_000 });
 * const pool = createPool({ create: breaker(() => connect('db.example:5432')) });
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): CircuitBreaker {
  const circuit = new Circuit(checkRules('circuitBreaker', options, rules));
  return Object.defineProperties(
    <R>(create: (context: CreateContext) => R) =>
      (context: CreateContext): R =>
        circuit.call(create, context),
    {
      state: { get: () => circuit.state, enumerable: true },
      state$: { value: circuit.state$, enumerable: true },
    },
  ) as CircuitBreaker;
}

class Circuit {
  state: CircuitState = 'closed';
  readonly state$: Observable<CircuitState>;
  readonly #published = new BehaviorSubject<CircuitState>('closed');
  readonly #unpublished: CircuitState[] = [];
  readonly #failureThreshold: number;
  readonly #resetTimeoutMillis: number;
  readonly #scheduler: SchedulerLike | undefined;
  readonly #detached = currentContext();
  #clock: Clock | undefined = undefined;
  #publishing = false;
  /** Changes with the state: what an attempt of an earlier one comes to is old news. */
  #era = 0;
  #failures = 0;
  #probing = false;
  #retryAt = -Infinity;
  #cause: unknown = undefined;

  constructor(options: CircuitBreakerOptions) {
    this.#failureThreshold = options.failureThreshold ?? 5;
    this.#resetTimeoutMillis = options.resetTimeoutMillis ?? 30_000;
    this.#scheduler = options.scheduler;
    this.state$ = this.#published.asObservable();
  }

  call<R>(create: (context: CreateContext) => R, context: CreateContext): R {
    const attempt = this.#start(context);
    let result: R;
    try {
      result = create(context);
      if (isThenable(result)) {
        result.then(
          value => attempt.gave(value),
          (error: unknown) => attempt.failed(error),
        );
        return result;
      }
    } catch (error) {
      attempt.failed(error);
      throw error;
    }
    if (isObservable(result)) {
      attempt.left();
      return this.#observe(result, context) as R;
    }
    attempt.gave(result);
    return result;
  }

  #observe(source: Observable<unknown>, context: CreateContext): Observable<unknown> {
    return defer(() => {
      const attempt = this.#start(context);
      return source.pipe(
        tap({
          next: value => attempt.gave(value),
          error: (error: unknown) => attempt.failed(error),
          complete: () => attempt.gave(undefined),
          finalize: () => attempt.left(),
        }),
      );
    });
  }

  /** Throws where no create may be tried. */
  #start(context: CreateContext): Attempt {
    this.#clock ??= new Clock(
      this.#scheduler ?? schedulerOf(context) ?? asyncScheduler,
      false,
      this.#detached,
      () => this.#onAlarm(),
    );
    // A frozen process may be here before its timer.
    if (this.state === 'open' && this.#clock.now() >= this.#retryAt) this.#move('halfOpen');
    if (this.state === 'open' || this.#probing) {
      throw new CircuitOpenError(context.pool, this.#retryAt, this.#cause);
    }
    this.#probing = this.state === 'halfOpen';
    const era = this.#era;
    return new Attempt(context.signal, (end, error) => {
      if (era === this.#era) this.#ended(end, error);
    });
  }

  #ended(end: AttemptEnd, error: unknown): void {
    this.#probing = false;
    if (end === 'good') {
      this.#failures = 0;
      if (this.state === 'halfOpen') this.#move('closed');
    } else if (end === 'bad') {
      this.#failures += 1;
      if (this.state === 'halfOpen' || this.#failures >= this.#failureThreshold) this.#open(error);
    }
  }

  #open(cause: unknown): void {
    const clock = this.#clock as Clock;
    const now = clock.now();
    this.#cause = cause;
    this.#retryAt = now + this.#resetTimeoutMillis;
    clock.arm(this.#retryAt, now);
    this.#move('open');
  }

  #onAlarm(): void {
    if (this.state !== 'open') return;
    const clock = this.#clock as Clock;
    const now = clock.now();
    if (now >= this.#retryAt) this.#move('halfOpen');
    else clock.arm(this.#retryAt, now);
  }

  #move(state: CircuitState): void {
    this.state = state;
    this.#era += 1;
    if (state === 'closed') this.#cause = undefined; // An error may hold on to much.
    this.#unpublished.push(state);
    this.#publish();
  }

  /** A subscriber may cause the next state: it follows when all have seen this one. */
  #publish(): void {
    if (this.#publishing) return;
    this.#publishing = true;
    for (
      let next = this.#unpublished.shift();
      next !== undefined;
      next = this.#unpublished.shift()
    ) {
      this.#published.next(next);
    }
    this.#publishing = false;
  }
}

type AttemptEnd = 'good' | 'bad' | 'left';

/** One call of a create. Its first end counts. */
class Attempt {
  readonly #signal: AbortSignal;
  readonly #onEnd: (end: AttemptEnd, error: unknown) => void;
  #running = true;
  readonly #onAbort = (): void => {
    const reason: unknown = this.#signal.reason;
    if (reason instanceof HookTimeoutError) this.failed(reason);
    else this.left();
  };

  constructor(signal: AbortSignal, onEnd: (end: AttemptEnd, error: unknown) => void) {
    this.#signal = signal;
    this.#onEnd = onEnd;
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** A pool takes neither undefined nor null for a resource. */
  gave(value: unknown): void {
    if (value === undefined || value === null)
      this.failed(new TypeError('create gave no resource'));
    else this.#end('good', undefined);
  }

  failed(error: unknown): void {
    this.#end('bad', error);
  }

  /** Nobody will know what would have come of it. */
  left(): void {
    this.#end('left', undefined);
  }

  #end(end: AttemptEnd, error: unknown): void {
    if (!this.#running) return;
    this.#running = false;
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#onEnd(end, error);
  }
}
