import { distinctUntilChanged, filter, map, ReplaySubject, type Observable } from 'rxjs';
import {
  createPool,
  type DestroyReason,
  type Pool,
  type PoolEvent,
  type PoolEventType,
  type PoolOptions,
  type PoolState,
} from '../index.js';

/**
 * What is needed of a marble test: the helpers that `TestScheduler.run` gives its callback, or the context of
 * rxjs-marbles.
 */
export interface MarbleTest {
  /** As `cold` of a `TestScheduler`. */
  cold<V>(marbles: string, values?: { [marble: string]: V }, error?: unknown): Observable<V>;
}

/** One diagram for every call of a hook, or a list of them: one for each call, the last one for all that come after. */
export type Diagrams = string | readonly string[];

/** How the hooks of a pool behave, as marble diagrams. A hook that is left out does not exist, but for `create`. */
export interface MarbleDiagrams<T = string> {
  /** The first letter is the resource: `'--(a|)'`; `'#'` is a failure. What errors later, as `'-a----#'`, breaks the resource. */
  readonly create: Diagrams;
  /** `t` is good, `f` is not, `'#'` is an error: `'-(t|)'`. */
  readonly validate?: Diagrams | undefined;
  /** Done on completion: `'--|'`. */
  readonly reset?: Diagrams | undefined;
  /** Done on completion: `'---|'`. */
  readonly destroy?: Diagrams | undefined;
  /** What the letters of `create` stand for. Default: themselves. */
  readonly values?: { readonly [marble: string]: T } | undefined;
  /** What `#` fails with. Default: an Error that names the hook. */
  readonly error?: unknown;
}

/** Hooks made of diagrams: spread them into the options of a pool. */
export interface MarbleHooks<T> {
  /** As `PoolOptions.create`. */
  create(): Observable<T>;
  /** As `PoolOptions.validate`; there when it has a diagram. */
  validate?(resource: T): Observable<boolean>;
  /** As `PoolOptions.reset`; there when it has a diagram. */
  reset?(resource: T): Observable<unknown>;
  /** As `PoolOptions.destroy`; there when it has a diagram. */
  destroy?(resource: T, reason: DestroyReason): Observable<unknown>;
}

/**
 * A kind of resource whose hooks take exactly as long as their diagrams say. For `TestScheduler.run` and for
 * rxjs-marbles alike. A frame is a millisecond.
 *
 * @example
 * testScheduler.run(m => {
 *   const pool = createPool({
 *     ...marbleResource(m, { create: ['--(a|)', '-#'], destroy: '---|' }),
 *     max: 2,
 *   });
 * });
 */
export function marbleResource<T = string>(
  m: MarbleTest,
  diagrams: MarbleDiagrams<T>,
): MarbleHooks<T> {
  const { create, validate, reset, destroy, values, error } = diagrams;
  const calls = <V>(hook: string, list: Diagrams, letters?: { [marble: string]: V }) => {
    const failure = error ?? new Error(`${hook} failed`);
    const answers = [list].flat().map(diagram => m.cold<V>(diagram, letters, failure));
    let call = 0;
    return (): Observable<V> => {
      const answer = answers[Math.min(call, answers.length - 1)];
      call += 1;
      if (answer === undefined) throw new RangeError(`there is no diagram for ${hook}`);
      return answer;
    };
  };
  return {
    create: calls<T>('create', create, values === undefined ? undefined : { ...values }),
    ...(validate === undefined
      ? undefined
      : { validate: calls('validate', validate, { t: true, f: false }) }),
    ...(reset === undefined ? undefined : { reset: calls<unknown>('reset', reset) }),
    ...(destroy === undefined ? undefined : { destroy: calls<unknown>('destroy', destroy) }),
  };
}

/** Options of a pool with diagrams in the place of hooks. */
export type MarblePoolOptions<T = string> = MarbleDiagrams<T> &
  Omit<PoolOptions<T>, 'create' | 'validate' | 'reset' | 'destroy'>;

/**
 * A pool of marble resources, with the defaults that diagrams want: exact lifetimes (`lifetimeJitter: 0`) and idle
 * resources that stay (`idleTimeoutMillis: Infinity`), since a flush would run the idle timer too.
 *
 * @example
 * testScheduler.run(m => {
 *   const pool = marblePool(m, { create: '--(a|)', reset: '-|', max: 1 });
 *   const borrowed$ = pool.acquire().pipe(map(lease => lease.resource));
 *   m.expectObservable(borrowed$, '^----!').toBe('--a');
 * });
 */
export function marblePool<T = string>(m: MarbleTest, options: MarblePoolOptions<T>): Pool<T> {
  const { create, validate, reset, destroy, values, error, ...rest } = options;
  return createPool<T>({
    name: 'marbles',
    idleTimeoutMillis: Infinity,
    lifetimeJitter: 0,
    ...rest,
    ...marbleResource(m, { create, validate, reset, destroy, values, error }),
  });
}

/**
 * A letter for each type of event, as values of a diagram: capitals for what happens to resources, small letters for
 * requests and leases.
 *
 * @example
 * const events$ = eventMarbles(pool.stats$, 'creating', 'acquired', 'released');
 * m.expectObservable(events$, '^ 20ms !').toBe('C-a----b', eventLetters);
 */
export const eventLetters: { readonly [letter: string]: PoolEventType } = {
  r: 'requested',
  a: 'acquired',
  b: 'released',
  c: 'cancelled',
  t: 'timedOut',
  x: 'rejected',
  l: 'leaked',
  k: 'revoked',
  g: 'revoking',
  n: 'nestedAcquire',
  C: 'creating',
  N: 'created',
  F: 'createFailed',
  V: 'validating',
  G: 'validated',
  I: 'validateFailed',
  R: 'resetting',
  S: 'reset',
  U: 'resetFailed',
  E: 'evicted',
  D: 'destroying',
  X: 'destroyed',
  Y: 'destroyFailed',
  B: 'resourceError',
  L: 'permitLost',
  M: 'resized',
  P: 'paused',
  Q: 'resumed',
  O: 'draining',
  Z: 'closed',
};

/**
 * The names of a pool's events, to be matched against a diagram with {@link eventLetters}, or with letters of your
 * own, as values. With names given, those only.
 *
 * Hot from this call on, so that it has what happens before an expectation subscribes, at frame 0: call it in the
 * tick that makes the pool. Completes with `stats$`.
 *
 * @example
 * const events$ = eventMarbles(pool.stats$, 'requested', 'acquired', 'released');
 * m.expectObservable(events$).toBe('r-a---b', eventLetters);
 */
export function eventMarbles<T>(
  stats$: Observable<PoolEvent<T>>,
  ...only: readonly PoolEventType[]
): Observable<PoolEventType> {
  const names$ = new ReplaySubject<PoolEventType>(Infinity);
  stats$
    .pipe(
      map(event => event.type),
      filter(type => only.length === 0 || only.includes(type)),
    )
    .subscribe(names$);
  return names$.asObservable();
}

/** The counts of a state. */
export type StateCount = Exclude<keyof PoolState, 'lifecycle'>;

/**
 * One count of a pool's states as single characters, to be matched against a diagram without values: `'0-1--0'`.
 * Counts from 10 on are letters (`a` is 10), and what no single character tells is `*`. Cold, and quiet while the
 * count stays. Completes with `state$`.
 *
 * @example
 * m.expectObservable(countMarbles(pool.state$, 'leased')).toBe('0-1--0');
 */
export function countMarbles(state$: Observable<PoolState>, count: StateCount): Observable<string> {
  return state$.pipe(
    map(state => state[count]),
    distinctUntilChanged(),
    map(value => (value < 36 ? value.toString(36) : '*')),
  );
}

/**
 * Some fields of a pool's states, to be matched against a diagram with such objects as values. Cold, and quiet while
 * none of them changes. Completes with `state$`.
 *
 * @example
 * const states$ = stateMarbles(pool.state$, 'idle', 'leased');
 * m.expectObservable(states$).toBe('a-b', { a: { idle: 0, leased: 0 }, b: { idle: 0, leased: 1 } });
 */
export function stateMarbles<Field extends keyof PoolState>(
  state$: Observable<PoolState>,
  ...fields: readonly Field[]
): Observable<Pick<PoolState, Field>> {
  return state$.pipe(
    distinctUntilChanged((a, b) => fields.every(field => a[field] === b[field])),
    map(state => Object.fromEntries(fields.map(field => [field, state[field]]))),
  ) as Observable<Pick<PoolState, Field>>;
}
