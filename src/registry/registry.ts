import {
  AsyncSubject,
  defer,
  from,
  map,
  merge,
  mergeMap,
  Subject,
  takeUntil,
  type Observable,
} from 'rxjs';
import {
  CloseError,
  InvalidOptionsError,
  PoolClosedError,
  PoolExistsError,
  PoolNotFoundError,
  type CloseOptions,
  type Pool,
  type PoolEvent,
  type PoolState,
} from '../index.js';

import { backEndNames, backEndOf, bothOf, type BackEnds } from './back-ends.js';

/** An event of a pool, with the name under which the registry has it. */
export type NamedEvent = PoolEvent & { readonly name: string };

/** A state of a pool, with the name under which the registry has it. */
export interface NamedState {
  /** The name that the registry knows it by. */
  readonly name: string;
  /** Its counts. */
  readonly state: PoolState;
}

/** A pool of whatever: pools of all kinds are together here; what each lends, only who asks for it by name knows. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyPool = Pool<any>;

/** The pools of a program by name: made by type, found, watched and closed together. A pool that has closed is forgotten. */
export interface PoolRegistry extends AsyncDisposable {
  /**
   * Says how pools of a type are made. A config that is a plain object is given the pool's `name`, unless it has one
   * itself. `toPool` may give a promise, so that a driver is loaded when it is used. Throws InvalidOptionsError when
   * the type is defined already.
   *
   * @example
   * registry.define('postgres', async (config: PostgresPoolOptions) => {
   *   const { postgresPool } = await import('rxpool/postgres');
   *   return postgresPool(config);
   * });
   */
  define<Config>(
    type: string,
    toPool: (config: Config, name: string) => AnyPool | PromiseLike<AnyPool>,
  ): void;
  /**
   * Makes a pool of a back end that comes with rxpool, under the name of its entry: `postgres`, `mysql`, `redis`,
   * `mongodb`, `sqlite`, `http`, `websocket`, `worker` or `browser`. The back end is loaded when its first pool is made.
   * Rejects with what its options or its driver say, after which the name is free again. A type of your own with such a
   * name goes before it.
   *
   * `sqlite` gives both pools of a file, which are kept under their own names: `main (read)` and `main (write)` for one
   * that was made as `main`.
   *
   * @example
   * const main = await registry.create('postgres', 'main', { connection: 'postgres://localhost/shop', max: 20 });
   */
  create<Type extends keyof BackEnds>(
    type: Type,
    name: string,
    config: Parameters<BackEnds[Type]>[0],
  ): Promise<ReturnType<BackEnds[Type]>>;
  /**
   * Makes a pool of the type and keeps it: a promise of it where `toPool` gives one (`create<Promise<Pool<Client>>>`).
   * The name is taken from the moment of the call. Throws PoolExistsError for a name that is taken,
   * InvalidOptionsError for a type that is not defined, and PoolClosedError after `closeAll`, all before anything is
   * made; and whatever `toPool` throws, after which the name is free again.
   */
  create<Made extends AnyPool | Promise<AnyPool> = Pool<unknown>>(
    type: string,
    name: string,
    config?: unknown,
  ): Made;
  /** Keeps a pool that was made elsewhere, by default under its own name. Throws as `create` does. */
  add<P extends AnyPool>(pool: P): P;
  /** The same, under a name of your choice. */
  add<P extends AnyPool>(name: string, pool: P): P;
  /** Throws PoolNotFoundError. */
  get<P extends AnyPool = Pool<unknown>>(name: string): P;
  /** As `get`, but gives undefined for what is not there. */
  find<P extends AnyPool = Pool<unknown>>(name: string): P | undefined;
  /** Forgets the pool, which goes on: it is the caller's now. Undefined if it is not there. */
  remove<P extends AnyPool = Pool<unknown>>(name: string): P | undefined;
  /** The names, the oldest first. */
  list(): readonly string[];
  /** Hot. The events of all pools, those of pools to come included. Completes after `closeAll`; never errors. */
  readonly stats$: Observable<NamedEvent>;
  /** The states of all pools: replays their latest, then every one. Completes after `closeAll`; never errors. */
  readonly state$: Observable<NamedState>;
  /**
   * Closes every pool, side by side, whatever becomes of the others; those still being made are closed on arrival. For
   * good: nothing can be added any more. Resolves when all are closed, or rejects with one CloseError whose `errors`
   * are those of all the pools. A second call returns the same promise, and `force` escalates.
   */
  closeAll(options?: CloseOptions): Promise<void>;
}

/**
 * Makes an empty registry. It knows the back ends that come with rxpool by name, and loads one when it is used.
 *
 * @example
 * const registry = createRegistry();
 * registry.define<{ address: string }>('database', ({ address }, name) =>
 *   createPool({ name, create: () => connect(address) }),
 * );
 * const shop = registry.create<Pool<Connection>>('database', 'shop', { address: 'db.example:5432' });
 * registry.stats$.subscribe(({ name, type }) => console.log(name, type));
 * await registry.closeAll();
 */
export function createRegistry(): PoolRegistry {
  return new Registry();
}

interface Entry {
  readonly name: string;
  readonly pool: AnyPool;
  readonly left$: Subject<void>;
}

/** Stands in errors where a pool's name would. */
const owner = 'registry';

class Registry implements PoolRegistry {
  readonly stats$: Observable<NamedEvent> = this.#ofAll(({ name, pool }) =>
    pool.stats$.pipe(map(event => ({ ...event, name }))),
  );
  readonly state$: Observable<NamedState> = this.#ofAll(({ name, pool }) =>
    pool.state$.pipe(map(state => ({ name, state }))),
  );
  readonly #types = new Map<string, (config: unknown, name: string) => unknown>();
  readonly #entries = new Map<string, Entry>();
  /** Names of pools that are being made, each with what settles when that is over. */
  readonly #pending = new Map<string, Promise<unknown>>();
  readonly #added = new Subject<Entry>();
  readonly #ended = new AsyncSubject<void>();
  readonly #closeErrors: unknown[] = [];
  /** Closings of pools that were made too late. */
  readonly #late: Promise<void>[] = [];
  #closing: Promise<void> | undefined = undefined;

  define<Config>(
    type: string,
    toPool: (config: Config, name: string) => AnyPool | PromiseLike<AnyPool>,
  ): void {
    demandText('type', type);
    if (this.#types.has(type)) {
      throw new InvalidOptionsError(owner, 'type', type, 'must not be defined already');
    }
    if (typeof toPool !== 'function') {
      throw new InvalidOptionsError(owner, 'toPool', toPool, 'must be a function');
    }
    this.#types.set(type, toPool as (config: unknown, name: string) => unknown);
  }

  create<Made extends AnyPool | Promise<AnyPool> = Pool<unknown>>(
    type: string,
    name: string,
    config: unknown = {},
  ): Made {
    this.#demandFree(name);
    const toPool = this.#types.get(type) ?? backEndOf(type);
    if (toPool === undefined) {
      const types = [...this.#types.keys(), ...backEndNames];
      const known = types.map(each => `"${each}"`).join(', ');
      throw new InvalidOptionsError(owner, 'type', type, `must be a defined type (${known})`);
    }
    // Taken before `toPool` runs, which may take its time, and may call here.
    this.#pending.set(name, Promise.resolve());
    let made: unknown;
    try {
      made = toPool(named(config, name), name);
    } catch (error) {
      this.#pending.delete(name);
      throw error;
    }
    if (isPool(made)) {
      this.#pending.delete(name);
      return this.#keep(name, made) as Made;
    }
    const arrival = Promise.resolve(made)
      .finally(() => {
        this.#pending.delete(name);
      })
      .then(arrived => {
        const both = bothOf(arrived);
        if (both === undefined) return this.#keep(name, arrived as AnyPool);
        this.#keepBoth(both);
        return arrived;
      });
    this.#pending.set(name, arrival);
    return arrival as Made;
  }

  add<P extends AnyPool>(...given: [P] | [string, P]): P {
    const [name, pool] = given.length === 1 ? [given[0].name, given[0]] : given;
    this.#demandFree(name);
    return this.#keep(name, pool);
  }

  get<P extends AnyPool = Pool<unknown>>(name: string): P {
    const pool = this.find<P>(name);
    if (pool === undefined) throw new PoolNotFoundError(name);
    return pool;
  }

  find<P extends AnyPool = Pool<unknown>>(name: string): P | undefined {
    return this.#entries.get(name)?.pool as P | undefined;
  }

  remove<P extends AnyPool = Pool<unknown>>(name: string): P | undefined {
    const entry = this.#entries.get(name);
    if (entry !== undefined) this.#forget(entry);
    return entry?.pool as P | undefined;
  }

  list(): readonly string[] {
    return [...this.#entries.keys()];
  }

  closeAll(options: CloseOptions = {}): Promise<void> {
    const pools = [...this.#entries.values()].map(({ pool }) => pool);
    if (this.#closing === undefined) {
      this.#closing = this.#close(pools, options);
    } else {
      // Each pool escalates, or goes on as it is; what comes of it the first call reports.
      for (const pool of pools) pool.close(options).catch(() => undefined);
    }
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.closeAll();
  }

  async #close(pools: readonly AnyPool[], options: CloseOptions): Promise<void> {
    const state = sumOf(pools.map(pool => pool.state));
    const closings = pools.map(pool => this.#closeOne(pool, options));
    // What is being made arrives yet, and is closed by `#keep`; that it was refused is for its caller.
    const arrivals = [...this.#pending.values()].map(arrival => arrival.catch(() => undefined));
    await Promise.all([...closings, ...arrivals]);
    await Promise.all(this.#late);
    this.#ended.next();
    this.#ended.complete();
    const errors = this.#closeErrors;
    if (errors.length === 0) return;
    let abandoned = 0;
    for (const error of errors) if (error instanceof CloseError) abandoned += error.abandoned;
    throw new CloseError(owner, state, errors, abandoned);
  }

  #closeOne(pool: AnyPool, options?: CloseOptions): Promise<void> {
    return pool.close(options).catch((error: unknown) => {
      this.#closeErrors.push(error);
    });
  }

  #keep<P extends AnyPool>(name: string, pool: P): P {
    if (!isPool(pool)) throw new InvalidOptionsError(name, 'pool', pool, 'must be a pool');
    if (this.#closing !== undefined) {
      this.#late.push(this.#closeOne(pool));
      throw new PoolClosedError(owner, sumOf([]));
    }
    const entry = { name, pool, left$: new Subject<void>() };
    this.#entries.set(name, entry);
    this.#added.next(entry);
    // One that has closed by itself is of no use to anybody.
    pool.state$.subscribe({
      complete: () => {
        this.#forget(entry);
      },
    });
    return pool;
  }

  /** Both or neither. */
  #keepBoth(pools: readonly [AnyPool, AnyPool]): void {
    if (this.#closing !== undefined) {
      this.#late.push(...pools.map(pool => this.#closeOne(pool)));
      throw new PoolClosedError(owner, sumOf([]));
    }
    const taken = pools.find(({ name }) => this.#isTaken(name));
    if (taken !== undefined) {
      for (const pool of pools) pool.close().catch(() => undefined); // They have nothing yet that could fail.
      throw new PoolExistsError(taken.name);
    }
    for (const pool of pools) this.#keep(pool.name, pool);
  }

  #forget(entry: Entry): void {
    if (this.#entries.get(entry.name) !== entry) return;
    this.#entries.delete(entry.name);
    entry.left$.next();
    entry.left$.complete();
  }

  #demandFree(name: string): void {
    demandText('name', name);
    if (this.#closing !== undefined) throw new PoolClosedError(owner, sumOf([]));
    if (this.#isTaken(name)) throw new PoolExistsError(name);
  }

  #isTaken(name: string): boolean {
    return this.#entries.has(name) || this.#pending.has(name);
  }

  #ofAll<V>(valuesOf: (entry: Entry) => Observable<V>): Observable<V> {
    return defer(() =>
      // Those to come first: a subscriber may add one while it is told of those that are there.
      merge(this.#added, from([...this.#entries.values()])).pipe(
        mergeMap(entry => valuesOf(entry).pipe(takeUntil(entry.left$))),
        takeUntil(this.#ended),
      ),
    );
  }
}

function isPool(made: unknown): made is AnyPool {
  return typeof made === 'object' && made !== null && 'state$' in made && 'close' in made;
}

function demandText(option: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') {
    throw new InvalidOptionsError(owner, option, value, 'must be a text');
  }
}

/** A config of another kind is its type's own affair. */
function named(config: unknown, name: string): unknown {
  if (typeof config !== 'object' || config === null) return config;
  const prototype: unknown = Object.getPrototypeOf(config);
  return prototype === Object.prototype || prototype === null ? { name, ...config } : config;
}

/** The counts of all pools together. */
function sumOf(states: readonly PoolState[]): PoolState {
  const total = (key: Exclude<keyof PoolState, 'lifecycle'>): number =>
    states.reduce((sum, state) => sum + state[key], 0);
  return {
    lifecycle: 'closed',
    min: total('min'),
    max: total('max'),
    size: total('size'),
    idle: total('idle'),
    leased: total('leased'),
    creating: total('creating'),
    validating: total('validating'),
    resetting: total('resetting'),
    destroying: total('destroying'),
    waiting: total('waiting'),
  };
}
