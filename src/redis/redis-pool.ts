import { asyncScheduler } from 'rxjs';
import { createPool, InvalidOptionsError, type Pool, type PoolOptions } from '../index.js';
import type { RedisClient } from './client.js';
import { Session } from './session.js';

/** The pool's options, but for the hooks that the adapter brings itself. All durations are milliseconds. */
export interface RedisPoolOptions<C extends RedisClient = RedisClient>
  extends Omit<PoolOptions<C>, 'create' | 'destroy' | 'watch'> {
  /**
   * Makes a new client, of node-redis or of ioredis, each time it is called; the pool connects it. Whatever the client
   * is told about reconnecting: in the pool it does not, and it queues nothing while it is not connected.
   */
  readonly client: () => C;
  /** Default: PING, one round trip. */
  validate?: PoolOptions<C>['validate'];
  /** Default 1,000: a connection that was used within the last second is lent without a check. */
  validateAfterIdleMillis?: number | undefined;
  /**
   * Cleans the connection after each lease. Default: RESET, then what the client was configured with (user, name,
   * database, protocol), so that no open MULTI, WATCH, subscription, SELECT, CLIENT setting or event listener reaches
   * the next borrower. It needs Redis 6.2 or Valkey and takes two round trips, which the borrower does not wait for;
   * `command`, `pipeline` and a `transaction` of given commands do without it where they change nothing.
   * `reset: () => undefined` saves it where borrowers leave nothing behind.
   */
  reset?: PoolOptions<C>['reset'];
  /** Default 1,000: a connection that still waits for an answer (a BLPOP given up by its borrower) is destroyed then. */
  resetTimeoutMillis?: number | undefined;
  /** Default 1,800,000: 30 minutes. */
  maxLifetimeMillis?: number | undefined;
}

/**
 * A pool of Redis connections: for what one shared connection cannot do. That is blocking commands, WATCH with MULTI,
 * subscriptions, and big answers that others should not wait behind.
 *
 * Leases are the driver's own clients. A connection that comes back is reset before the next borrower gets it; where
 * that fails, or is not answered in time, it is destroyed. A connection that the server ends leaves the pool at once.
 * The pool owns every client that the factory made and ends it.
 *
 * Throws InvalidOptionsError as `createPool` does. A wrong password or a dead host is an error of the acquire: its
 * CreateError has the driver's own as `cause`.
 *
 * @example
 * const pool = redisPool({ client: () => createClient({ url: 'redis://127.0.0.1' }), max: 10 });
 * const viaIoredis = redisPool({ client: () => new Redis({ lazyConnect: true }), max: 10 });
 * const greeting = await firstValueFrom(pool.use(client => client.get('greeting')));
 */
export function redisPool<C extends RedisClient>(options: RedisPoolOptions<C>): Pool<C> {
  checkOptions(options);
  const { client: newClient, ...poolOptions } = options;
  const { scheduler = asyncScheduler } = poolOptions;

  return createPool<C>({
    ...poolOptions,
    maxLifetimeMillis: poolOptions.maxLifetimeMillis ?? 30 * 60_000,
    validateAfterIdleMillis: poolOptions.validateAfterIdleMillis ?? 1_000,
    resetTimeoutMillis: poolOptions.resetTimeoutMillis ?? 1_000,
    create: async ({ signal }) => {
      const client = newClient();
      if (typeof client !== 'object' || client === null) {
        throw new TypeError('The factory of clients gave none');
      }
      await Session.of(client).connect(signal);
      return client;
    },
    validate: poolOptions.validate ?? (client => Session.of(client).isAlive()),
    reset: poolOptions.reset ?? (client => Session.of(client).restore()),
    destroy: (client, reason) => Session.of(client).end(reason, scheduler),
    watch: client => Session.of(client).broken$,
  });
}

function checkOptions<C extends RedisClient>(options: RedisPoolOptions<C>): void {
  const given = (options ?? {}) as RedisPoolOptions<C> & Record<string, unknown>;
  const refuse = (option: string, value: unknown, expected: string): never => {
    const pool = typeof given.name === 'string' ? given.name : 'redisPool';
    throw new InvalidOptionsError(pool, option, value, expected);
  };
  if (typeof options !== 'object' || (options as unknown) === null) {
    refuse('options', options, 'must be an object');
  }
  for (const hook of ['create', 'destroy', 'watch']) {
    if (given[hook] !== undefined) refuse(hook, given[hook], 'is brought by the adapter');
  }
  if (typeof given.client !== 'function') {
    refuse('client', given.client, 'must be a function that makes a client');
  }
}
