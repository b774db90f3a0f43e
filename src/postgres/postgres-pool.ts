import { asyncScheduler, defer, from, isObservable, mergeMap, type Observable } from 'rxjs';
import {
  createPool,
  InvalidOptionsError,
  type Hook,
  type Pool,
  type PoolOptions,
} from '../index.js';
import type { PostgresClient, PostgresClientConstructor, PostgresConnection } from './client.js';
import { loadClient, newClient } from './driver.js';
import { Session } from './session.js';

/** The pool's options, but for the hooks that the adapter brings itself. All durations are milliseconds. */
export interface PostgresPoolOptions<C extends PostgresClient = PostgresClient>
  extends Omit<PoolOptions<C>, 'create' | 'destroy' | 'watch'> {
  /** A `postgres://` URL, or the configuration of a `pg` client; `{}` takes everything from the `PG…` variables. */
  readonly connection: string | PostgresConnection;
  /** Default: the `Client` of the installed `pg`, loaded with the first connection. */
  readonly Client?: PostgresClientConstructor<C> | undefined;
  /** Default: an empty statement, one round trip. */
  validate?: PoolOptions<C>['validate'];
  /** Default 1,000: a connection that was used within the last second is lent without a check. */
  validateAfterIdleMillis?: number | undefined;
  /**
   * Cleans the session after each lease; by then nothing runs on the connection and no transaction is open, that is
   * seen to in any case. Default: `DISCARD ALL` (sparing the named statements that `pg` keeps), so that no setting,
   * lock, LISTEN, cursor, temporary table or event listener reaches the next borrower. It costs one round trip per
   * release, which the borrower does not wait for. `reset: () => undefined` saves it where borrowers leave nothing in the session.
   */
  reset?: PoolOptions<C>['reset'];
  /** Default 1,800,000: 30 minutes. */
  maxLifetimeMillis?: number | undefined;
}

/**
 * A pool of PostgreSQL connections.
 *
 * A connection that comes back while a statement runs on it has that cancelled on the server, an open or failed
 * transaction is rolled back, the session is reset; only then the next borrower gets it. Where one of these fails the
 * connection is destroyed. A connection that the server ends leaves the pool at once. Ending one waits until the server
 * has closed it, a second at most, so that the server never counts more than `max`.
 *
 * Throws InvalidOptionsError as `createPool` does. A wrong password or a dead host is an error of the acquire: its
 * CreateError has the server's own as `cause`.
 *
 * @example
 * const pool = postgresPool({ connection: 'postgres://me:secret@localhost/shop', max: 20, Client });
 * pool.use(client => client.query('SELECT now()')).subscribe(({ rows }) => console.log(rows));
 */
export function postgresPool<C extends PostgresClient = PostgresClient>(
  options: PostgresPoolOptions<C>,
): Pool<C> {
  checkOptions(options);
  const { connection, Client, ...poolOptions } = options;
  const { scheduler = asyncScheduler, validate, reset } = poolOptions;
  const sessions = new WeakMap<C, Session<C>>();
  const sessionOf = (client: C): Session<C> => sessions.get(client) as Session<C>;
  const discard = reset ?? ((client: C) => sessionOf(client).discard());

  return createPool<C>({
    ...poolOptions,
    maxLifetimeMillis: poolOptions.maxLifetimeMillis ?? 30 * 60_000,
    validateAfterIdleMillis: poolOptions.validateAfterIdleMillis ?? 1_000,
    create: async ({ signal }) => {
      const Class = Client ?? ((await loadClient()) as PostgresClientConstructor<C>);
      const session = await Session.connect(() => newClient(Class, connection), scheduler, signal);
      sessions.set(session.client, session);
      return session.client;
    },
    validate: validate ?? (client => sessionOf(client).isAlive()),
    reset: client => {
      const session = sessionOf(client);
      if (session.isClean) return discard(client);
      return from(session.cleanUp()).pipe(mergeMap(() => streamOf(() => discard(client))));
    },
    destroy: client => sessionOf(client).end(),
    watch: client => sessionOf(client).broken$,
  });
}

function streamOf(hook: () => Hook<unknown>): Observable<unknown> {
  return defer(() => {
    const outcome = hook();
    return isObservable(outcome) ? outcome : Promise.resolve(outcome);
  });
}

function checkOptions<C extends PostgresClient>(options: PostgresPoolOptions<C>): void {
  const given = (options ?? {}) as PostgresPoolOptions<C> & Record<string, unknown>;
  const { connection, Client, name } = given;
  const refuse = (option: string, value: unknown, expected: string): never => {
    const pool = typeof name === 'string' ? name : 'postgresPool';
    throw new InvalidOptionsError(pool, option, value, expected);
  };
  if (typeof options !== 'object' || (options as unknown) === null) {
    refuse('options', options, 'must be an object');
  }
  for (const hook of ['create', 'destroy', 'watch']) {
    if (given[hook] !== undefined) refuse(hook, given[hook], 'is brought by the adapter');
  }
  if (typeof connection !== 'string' && (typeof connection !== 'object' || connection === null)) {
    refuse('connection', connection, 'must be a postgres:// URL or the configuration of a client');
  }
  const url: unknown = typeof connection === 'string' ? connection : connection.connectionString;
  if (url !== undefined && !isAddress(url)) {
    // Errors end up in logs, passwords should not.
    const shown = typeof url === 'string' ? url.replace(/\/\/.*@/s, '//…@') : url;
    refuse('connection', shown, 'must be a postgres:// URL');
  }
  if (Client !== undefined && typeof Client !== 'function') {
    refuse('Client', Client, 'must be a class like the Client of pg');
  }
}

/** What `pg` takes for a URL it fills up in strange ways: `localhost` is a database on the host `base`. */
function isAddress(url: unknown): boolean {
  return typeof url === 'string' && /^(postgres(ql)?:\/\/|socket:|\/)./.test(url);
}
