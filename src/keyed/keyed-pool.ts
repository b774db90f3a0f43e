import {
  AsyncSubject,
  asyncScheduler,
  defer,
  from,
  isObservable,
  map,
  merge,
  mergeMap,
  Subject,
  takeUntil,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import {
  CloseError,
  createPool,
  InvalidOptionsError,
  PoolClosedError,
  type AcquireOptions,
  type CloseOptions,
  type Lease,
  type Pool,
  type PoolEvent,
  type PoolOptions,
  type PoolState,
  type Project,
} from '../index.js';
import { Alarm } from './alarm.js';
import { Budget, Share } from './budget.js';

/** Options of `createKeyedPool`. */
export interface KeyedPoolOptions {
  /** Appears in errors, and before the key in the names of pools that have none. Default `keyed`. */
  readonly name?: string | undefined;
  /** Never more resources alive or being made, in the pools of all keys together. Default Infinity. */
  readonly maxTotal?: number | undefined;
  /** Never more for one key; the `max` of its options holds beside. Default Infinity. */
  readonly maxPerKey?: number | undefined;
  /** A key that nobody has used for so long is forgotten, and its pool closed. Milliseconds; Infinity: never. Default 60,000. */
  readonly idleKeyMillis?: number | undefined;
  /** Of the pools, too, where they name none. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

/** An event of a key's pool. */
export type KeyedEvent<K, T> = PoolEvent<T> & { readonly key: K };

/** A state of a key's pool. */
export interface KeyedState<K> {
  /** The key whose pool it is. */
  readonly key: K;
  /** The counts of that pool, and where it is in its life. */
  readonly state: PoolState;
}

/** One pool for each key, made when the key is first used, under one cap. */
export interface KeyedPool<K, T> extends AsyncDisposable {
  /** The `name` of the options: appears in errors, and before the key in the names of pools that have none. */
  readonly name: string;
  /** The counts of all keys together; `max` is `maxTotal`. */
  readonly state: PoolState;
  /** As `acquire` of the key's pool. Cold: the pool is made on subscription. */
  acquire(key: K, options?: AcquireOptions): Observable<Lease<T>>;
  /** As `use` of the key's pool. Cold: the pool is made on subscription. */
  use<R>(key: K, project: Project<T, R>, options?: AcquireOptions): Observable<R>;
  /** As `lease` of the key's pool. */
  lease(key: K, options?: AcquireOptions): Promise<Lease<T>>;
  /** As `tryAcquire` of the key's pool; undefined where there is none. */
  tryAcquire(key: K): Lease<T> | undefined;
  /** The pool of a key that is in use, for whatever else it can do; undefined for one that is not, or was forgotten. */
  find(key: K): Pool<T> | undefined;
  /** The keys that have a pool, the oldest first. */
  keys(): readonly K[];
  /** Hot. The events of all pools. Completes after `close`; never errors. */
  readonly stats$: Observable<KeyedEvent<K, T>>;
  /** The states of all pools: replays their latest, then every one. Completes after `close`; never errors. */
  readonly state$: Observable<KeyedState<K>>;
  /**
   * Closes the pools of all keys, for good. Resolves when all are closed, or rejects with one CloseError whose
   * `errors` are those of the pools. A second call returns the same promise, and `force` escalates.
   */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * A pool for each key (a tenant, a host, a shard), with the options that `toOptions` gives for it, and one cap for all.
 *
 * At the cap no key can crowd out another. The next resource goes to the key that has the fewest, of several to the one
 * that has waited for longest. Idle resources of other keys make room for it at once; and when a lease ends, of a key
 * that has more than one who waits, its resource does, so that busy keys take turns. That costs a destroy and a create
 * each time: give the cap some room above the number of keys that are busy at once.
 *
 * Throws InvalidOptionsError; so do requests, for what `toOptions` gives.
 *
 * @example
 * const tenants = createKeyedPool((tenant: string) => ({ create: () => connect(tenant) }), { maxTotal: 100 });
 * tenants.use('acme', connection => connection.query('SELECT 1')).subscribe(rows => console.log(rows));
 */
export function createKeyedPool<K, T>(
  toOptions: (key: K) => PoolOptions<T>,
  options: KeyedPoolOptions = {},
): KeyedPool<K, T> {
  return new Keyed(toOptions, options);
}

interface Entry<K, T> {
  readonly key: K;
  readonly pool: Pool<T>;
  readonly share: Share;
}

class Keyed<K, T> implements KeyedPool<K, T> {
  readonly name: string;
  readonly stats$: Observable<KeyedEvent<K, T>> = this.#ofAll(({ key, pool }) =>
    pool.stats$.pipe(map(event => ({ ...event, key }))),
  );
  readonly state$: Observable<KeyedState<K>> = this.#ofAll(({ key, pool }) =>
    pool.state$.pipe(map(state => ({ key, state }))),
  );
  readonly #toOptions: (key: K) => PoolOptions<T>;
  readonly #maxTotal: number;
  readonly #maxPerKey: number;
  readonly #idleKeyMillis: number;
  readonly #scheduler: SchedulerLike;
  readonly #budget: Budget;
  readonly #alarm: Alarm;
  readonly #entries = new Map<K, Entry<K, T>>();
  /** Also those of keys that were forgotten, while they have resources to destroy. */
  readonly #shares = new Map<K, Share>();
  /** Pools that are closing because their keys were forgotten. */
  readonly #retiring = new Set<Pool<T>>();
  /** Keys that nobody uses, and since when, the longest first. */
  readonly #quiet = new Map<Entry<K, T>, number>();
  /** Keys that have idle resources. */
  readonly #idle = new Set<Entry<K, T>>();
  readonly #added = new Subject<Entry<K, T>>();
  readonly #ended = new AsyncSubject<void>();
  #makingRoom = false;
  #closing: Promise<void> | undefined = undefined;

  constructor(toOptions: (key: K) => PoolOptions<T>, options: KeyedPoolOptions) {
    const given = checked(toOptions, options);
    this.name = given.name;
    this.#toOptions = toOptions;
    this.#maxTotal = given.maxTotal;
    this.#maxPerKey = given.maxPerKey;
    this.#idleKeyMillis = given.idleKeyMillis;
    this.#scheduler = given.scheduler;
    this.#budget = new Budget(given.maxTotal, given.maxPerKey);
    this.#alarm = new Alarm(given.scheduler, () => {
      this.#forgetQuiet();
    });
  }

  get state(): PoolState {
    const total = {
      lifecycle: this.#closing === undefined ? 'running' : 'draining',
      ...{ min: 0, max: this.#maxTotal, size: 0, idle: 0, leased: 0, creating: 0 },
      ...{ validating: 0, resetting: 0, destroying: 0, waiting: 0 },
    } satisfies PoolState;
    const pools = [...this.#pools()];
    for (const { state } of pools) {
      for (const count of counts) total[count] += state[count];
    }
    const isClosed = this.#closing !== undefined && pools.length === 0;
    return isClosed ? { ...total, lifecycle: 'closed' } : total;
  }

  acquire(key: K, options?: AcquireOptions): Observable<Lease<T>> {
    return defer(() => this.#poolOf(key).acquire(options));
  }

  use<R>(key: K, project: Project<T, R>, options?: AcquireOptions): Observable<R> {
    return defer(() => this.#poolOf(key).use(project, options));
  }

  async lease(key: K, options?: AcquireOptions): Promise<Lease<T>> {
    return this.#poolOf(key).lease(options);
  }

  tryAcquire(key: K): Lease<T> | undefined {
    return this.find(key)?.tryAcquire();
  }

  find(key: K): Pool<T> | undefined {
    return this.#entries.get(key)?.pool;
  }

  keys(): readonly K[] {
    return [...this.#entries.keys()];
  }

  close(options: CloseOptions = {}): Promise<void> {
    const pools = [...this.#pools()];
    if (this.#closing === undefined) {
      this.#alarm.stop();
      this.#closing = this.#close(pools, options);
    } else {
      // Each pool escalates, or goes on as it is; what comes of it the first call reports.
      for (const pool of pools) pool.close(options).catch(() => undefined);
    }
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(pools: readonly Pool<T>[], options: CloseOptions): Promise<void> {
    const { state } = this;
    const errors: unknown[] = [];
    let abandoned = 0;
    await Promise.all(
      pools.map(pool =>
        pool.close(options).catch((error: unknown) => {
          errors.push(error);
          if (error instanceof CloseError) abandoned += error.abandoned;
        }),
      ),
    );
    this.#ended.next();
    this.#ended.complete();
    if (errors.length > 0) throw new CloseError(this.name, state, errors, abandoned);
  }

  *#pools(): Iterable<Pool<T>> {
    for (const { pool } of this.#entries.values()) yield pool;
    yield* this.#retiring;
  }

  #poolOf(key: K): Pool<T> {
    const found = this.#entries.get(key);
    if (found !== undefined) return found.pool;
    if (this.#closing !== undefined) throw new PoolClosedError(this.name, this.state);
    return this.#open(key).pool;
  }

  #open(key: K): Entry<K, T> {
    const options = this.#toOptions(key);
    const name = options?.name ?? `${this.name}:${String(key)}`;
    if (options?.permits !== undefined) {
      throw new InvalidOptionsError(
        name,
        'permits',
        options.permits,
        'is brought by the keyed pool',
      );
    }
    const share = this.#shares.get(key) ?? new Share(this.#budget);
    const pool = createPool<T>({
      ...options,
      name,
      max: this.#limited(options?.max),
      scheduler: options?.scheduler ?? this.#scheduler,
      permits: share,
    });
    const entry = { key, pool, share };
    this.#shares.set(key, share);
    this.#entries.set(key, entry);
    this.#added.next(entry);
    pool.state$.subscribe({
      next: state => {
        this.#changed(entry, state);
      },
      complete: () => {
        this.#gone(entry);
      },
    });
    return entry;
  }

  #limited(max: PoolOptions<T>['max']): PoolOptions<T>['max'] {
    const limit = Math.min(this.#maxPerKey, this.#maxTotal);
    // What makes no sense is passed on, for the pool to refuse.
    const limited = (size: number): number => (size > limit ? limit : size);
    if (isObservable(max)) return max.pipe(map(limited));
    // A pool has ten by default, unless it is said here how many a key may have.
    return limited(max ?? (this.#maxPerKey === Infinity ? 10 : this.#maxPerKey));
  }

  #changed(entry: Entry<K, T>, state: PoolState): void {
    const isQuiet =
      state.leased + state.waiting + state.creating + state.validating + state.resetting === 0;
    if (!isQuiet) {
      this.#quiet.delete(entry);
    } else if (this.#entries.get(entry.key) === entry && !this.#quiet.has(entry)) {
      this.#quiet.set(entry, this.#alarm.now());
      if (this.#idleKeyMillis !== Infinity && this.#closing === undefined) {
        this.#alarm.set(this.#idleKeyMillis);
      }
    }
    if (this.#entries.get(entry.key) === entry) this.#budget.waitingFor(entry.share, state.waiting);
    if (state.idle === 0) this.#idle.delete(entry);
    else this.#idle.add(entry);
    this.#makeRoom();
  }

  /** Idle resources go, where others wait for what they take up: first those of the key that has had some for longest. */
  #makeRoom(): void {
    if (this.#makingRoom || this.#idle.size === 0 || this.#budget.missing === 0) return;
    this.#makingRoom = true;
    try {
      for (const { pool } of [...this.#idle]) {
        if (this.#budget.missing === 0) return;
        // It asks each idle one's permit whether it is called back.
        void pool.evict();
      }
    } finally {
      this.#makingRoom = false;
    }
  }

  #forgetQuiet(): void {
    const now = this.#alarm.now();
    for (const [entry, since] of this.#quiet) {
      const left = since + this.#idleKeyMillis - now;
      if (left > 0) {
        this.#alarm.set(left);
        return;
      }
      this.#quiet.delete(entry);
      this.#entries.delete(entry.key);
      // Before it closes: its events are told while `state` counts it, and `#gone` may come within.
      this.#retiring.add(entry.pool);
      // What fails on the way its events tell.
      entry.pool.close().catch(() => undefined);
    }
  }

  /** Its pool has closed, forgotten or not. */
  #gone(entry: Entry<K, T>): void {
    this.#quiet.delete(entry);
    this.#idle.delete(entry);
    this.#retiring.delete(entry.pool);
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
    if (!this.#entries.has(entry.key) && entry.share.held === 0) this.#shares.delete(entry.key);
  }

  #ofAll<V>(valuesOf: (entry: Entry<K, T>) => Observable<V>): Observable<V> {
    return defer(() =>
      // Those to come first: a subscriber may use a new key while it is told of those that are there.
      merge(this.#added, from([...this.#entries.values()])).pipe(
        mergeMap(valuesOf),
        takeUntil(this.#ended),
      ),
    );
  }
}

const counts = [
  ...(['min', 'size', 'idle', 'leased', 'creating'] as const),
  ...(['validating', 'resetting', 'destroying', 'waiting'] as const),
];

function checked(toOptions: unknown, options: KeyedPoolOptions): Required<Given> {
  const { name = 'keyed', ...rest } = options;
  const refuse = (option: string, value: unknown, expected: string): never => {
    throw new InvalidOptionsError(
      typeof name === 'string' ? name : 'keyed',
      option,
      value,
      expected,
    );
  };
  if (typeof toOptions !== 'function') refuse('toOptions', toOptions, 'must be a function');
  if (typeof name !== 'string' || name === '') refuse('name', name, 'must be a text');
  const { maxTotal = Infinity, maxPerKey = Infinity, idleKeyMillis = 60_000 } = rest;
  const { scheduler = asyncScheduler, ...unknown } = rest;
  for (const [option, value] of Object.entries({ maxTotal, maxPerKey })) {
    if (value !== Infinity && !(Number.isInteger(value) && value >= 1)) {
      refuse(option, value, 'must be a whole number from 1, or Infinity');
    }
  }
  if (idleKeyMillis !== Infinity && !(Number.isInteger(idleKeyMillis) && idleKeyMillis > 0)) {
    const expected = 'must be a whole number of milliseconds above 0, or Infinity for off';
    refuse('idleKeyMillis', idleKeyMillis, expected);
  }
  const known = ['maxTotal', 'maxPerKey', 'idleKeyMillis'];
  for (const [option, value] of Object.entries(unknown)) {
    if (known.includes(option)) continue;
    refuse(option, value, `is not known; there are name, ${known.join(', ')} and scheduler`);
  }
  return { name, maxTotal, maxPerKey, idleKeyMillis, scheduler };
}

type Given = { [Option in keyof KeyedPoolOptions]-?: NonNullable<KeyedPoolOptions[Option]> };
