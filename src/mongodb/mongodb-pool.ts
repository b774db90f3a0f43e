import { asyncScheduler, defer, from, isObservable, mergeMap, type Observable } from 'rxjs';
import {
  createPool,
  InvalidOptionsError,
  type Hook,
  type Pool,
  type PoolOptions,
} from '../index.js';
import { ClientLife } from './client-life.js';
import type { MongodbClient, MongodbClientConstructor } from './client.js';
import { loadClient } from './driver.js';

/** The pool's options, but for the hooks that the adapter brings itself. All durations are milliseconds. */
export interface MongodbPoolOptions<C extends MongodbClient = MongodbClient>
  extends Omit<PoolOptions<C>, 'create' | 'destroy' | 'watch'> {
  /** A `mongodb://` or `mongodb+srv://` URL. */
  readonly url: string;
  /**
   * Options of the driver's client, but for the sizes of its own pool: here every client has one connection. Unless
   * given: `serverSelectionTimeoutMS` 5,000 (not 30,000, so that a dead server is an error before the acquire times
   * out), `connectTimeoutMS` 5,000 (not 30,000: so long the driver may keep the socket of an attempt that was given up)
   * and `serverMonitoringMode` `'poll'` (two sockets for a client instead of three).
   */
  readonly options?: object | undefined;
  /** Default: the `MongoClient` of the installed `mongodb`, loaded with the first client. */
  readonly MongoClient?: MongodbClientConstructor<C> | undefined;
  /** Default: the command `ping`, one round trip. */
  validate?: PoolOptions<C>['validate'];
  /** Default 1,000: a client that was used within the last second is lent without a check. */
  validateAfterIdleMillis?: number | undefined;
  /**
   * Runs after what every return does: operations under way are waited for, a quarter of a second at most; cursors are
   * closed, sessions ended, their transactions aborted, and event listeners removed. Default: nothing more. There is no other state of a borrower
   * on a MongoDB connection.
   */
  reset?: PoolOptions<C>['reset'];
  /** Default 1,800,000: 30 minutes. */
  maxLifetimeMillis?: number | undefined;
}

/**
 * A pool of MongoDB clients, each with one connection of its own, and with a second socket on which the driver watches
 * the server. `max` is the number of clients.
 *
 * A client that comes back with open cursors or sessions has them closed before the next borrower gets it. One whose
 * operation has not ended a quarter of a second after its return, or that has a change stream open, is destroyed, and so
 * is one that loses its connection, at once.
 *
 * Throws InvalidOptionsError as `createPool` does. A dead host is an error of the acquire: its CreateError has the
 * driver's own as `cause`.
 *
 * @example
 * const pool = mongodbPool({ url: 'mongodb://127.0.0.1:27017/shop', max: 10 });
 * execute(pool, 'orders', 'findOne', { paid: false }).subscribe(order => console.log(order));
 */
export function mongodbPool<C extends MongodbClient = MongodbClient>(
  options: MongodbPoolOptions<C>,
): Pool<C> {
  checkOptions(options);
  const { url, options: clientOptions, MongoClient, ...poolOptions } = options;
  const { scheduler = asyncScheduler, validate, reset } = poolOptions;
  const lives = new WeakMap<C, ClientLife<C>>();
  const lifeOf = (client: C): ClientLife<C> => lives.get(client) as ClientLife<C>;

  return createPool<C>({
    ...poolOptions,
    maxLifetimeMillis: poolOptions.maxLifetimeMillis ?? 30 * 60_000,
    validateAfterIdleMillis: poolOptions.validateAfterIdleMillis ?? 1_000,
    create: async ({ signal }) => {
      const Client = MongoClient ?? ((await loadClient()) as MongodbClientConstructor<C>);
      const newClient = (): C => new Client(url, withDefaults(clientOptions) as never);
      const life = await ClientLife.connect(newClient, scheduler, signal);
      lives.set(life.client, life);
      return life.client;
    },
    validate: validate ?? (client => lifeOf(client).isAlive()),
    reset: client => {
      const wiped$ = defer(() => lifeOf(client).leaveNoTrace());
      return reset === undefined ? wiped$ : wiped$.pipe(mergeMap(() => streamOf(reset(client))));
    },
    destroy: client => lifeOf(client).end(),
    watch: client => lifeOf(client).broken$,
  });
}

function withDefaults(given: object | undefined): object {
  return {
    serverSelectionTimeoutMS: 5_000,
    connectTimeoutMS: 5_000,
    serverMonitoringMode: 'poll',
    ...given,
    // What a URL says of them does not count: one connection is what a lease is about.
    maxPoolSize: 1,
    minPoolSize: 0,
  };
}

function streamOf(outcome: Hook<unknown>): Observable<unknown> {
  return isObservable(outcome) ? outcome : from(Promise.resolve(outcome));
}

function checkOptions<C extends MongodbClient>(options: MongodbPoolOptions<C>): void {
  const given = (options ?? {}) as MongodbPoolOptions<C> & Record<string, unknown>;
  const { url, options: clientOptions, MongoClient, name } = given;
  const refuse = (option: string, value: unknown, expected: string): never => {
    const pool = typeof name === 'string' ? name : 'mongodbPool';
    throw new InvalidOptionsError(pool, option, value, expected);
  };
  if (typeof options !== 'object' || (options as unknown) === null) {
    refuse('options', options, 'must be an object');
  }
  for (const hook of ['create', 'destroy', 'watch']) {
    if (given[hook] !== undefined) refuse(hook, given[hook], 'is brought by the adapter');
  }
  if (typeof url !== 'string' || !/^mongodb(\+srv)?:\/\/./.test(url)) {
    // Errors end up in logs, passwords should not.
    const shown = typeof url === 'string' ? url.replace(/\/\/.*@/s, '//…@') : url;
    refuse('url', shown, 'must be a mongodb:// URL');
  }
  if (clientOptions !== undefined) {
    if (typeof clientOptions !== 'object' || clientOptions === null) {
      refuse('options', clientOptions, 'must be an object: the options of the driver');
    }
    for (const size of ['maxPoolSize', 'minPoolSize'] as const) {
      const value = (clientOptions as Record<string, unknown>)[size];
      if (value === undefined) continue;
      refuse(`options.${size}`, value, 'is brought by the adapter: give the pool itself a max');
    }
  }
  if (MongoClient !== undefined && typeof MongoClient !== 'function') {
    refuse('MongoClient', MongoClient, 'must be a class like the MongoClient of mongodb');
  }
}
