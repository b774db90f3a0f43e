import {
  asyncScheduler,
  concat,
  defer,
  isObservable,
  lastValueFrom,
  timer,
  type Observable,
} from 'rxjs';
import {
  createPool,
  InvalidOptionsError,
  type Hook,
  type Pool,
  type PoolOptions,
} from '../index.js';
import { CancelLine } from './cancel-line.js';
import type {
  CreateMysqlConnection,
  MysqlConnection,
  MysqlConnectionOptions,
} from './connection.js';
import { connect, loadCreateConnection } from './driver.js';
import { Session } from './session.js';

/** The pool's options, but for the hooks that the adapter brings itself. All durations are milliseconds. */
export interface MysqlPoolOptions<C extends MysqlConnection = MysqlConnection>
  extends Omit<PoolOptions<C>, 'create' | 'destroy' | 'watch'> {
  /** A `mysql://` URL, or the options of mysql2's `createConnection`. */
  readonly connection: string | MysqlConnectionOptions;
  /** Default: that of the installed `mysql2`, loaded with the first connection. */
  readonly createConnection?: CreateMysqlConnection<C> | undefined;
  /**
   * Prepares a session: settings that all borrowers are to find, such as `connection.query("SET time_zone = '+00:00'")`.
   * Runs on every new connection and again after every default reset, which takes them away. Default: nothing.
   */
  readonly setUp?: ((connection: C) => Hook<unknown>) | undefined;
  /**
   * How to connect in order to cancel what an unsubscriber has left running: MySQL takes `KILL` on another connection
   * only. It is opened when needed, one for the whole pool, and counts beside `max`. An account of its own, one with
   * the privilege CONNECTION_ADMIN, still gets in where the server is full. Default: as `connection`.
   */
  readonly cancelConnection?: string | MysqlConnectionOptions | undefined;
  /** Default: `ping()`, one round trip. */
  validate?: PoolOptions<C>['validate'];
  /** Default 1,000: a connection that was used within the last second is lent without a check. */
  validateAfterIdleMillis?: number | undefined;
  /**
   * Cleans the session after each lease; by then nothing runs on the connection, that is seen to in any case. Default:
   * COM_RESET_CONNECTION, so that no transaction, lock, variable, temporary table or prepared statement reaches the next
   * borrower, then character set, SQL mode and default database as they were at the beginning; event listeners too. It
   * costs two round trips per release, which the borrower does not wait for. Instead of it, your own runs after a
   * ROLLBACK: `reset: () => undefined` keeps the prepared statements of `execute`, and whatever else is left in the
   * session.
   */
  reset?: PoolOptions<C>['reset'];
  /** Default 1,800,000: 30 minutes. */
  maxLifetimeMillis?: number | undefined;
}

/** How long a cancel may take to connect. */
const cancelTimeoutMillis = 2_000;

/**
 * A pool of MySQL or MariaDB connections of mysql2, as `mysql2/promise` has them.
 *
 * ```ts
 * const pool = mysqlPool({ connection: 'mysql://shop:secret@localhost/shop', max: 10 });
 * pool.use(connection => connection.query('SELECT 1')).subscribe();
 * ```
 *
 * A connection that comes back while a statement runs on it has that killed on the server, then the session is reset;
 * only then the next borrower gets it. Where one of these fails the connection is destroyed: always on servers that do
 * not know COM_RESET_CONNECTION (MySQL before 5.7.3, MariaDB before 10.2.4) unless `reset` is given. A connection that
 * the server ends leaves the pool at once. Ending one waits until the server has closed it, a second at most
 * (up to four where a statement has to be killed).
 *
 * Throws InvalidOptionsError as `createPool` does. A wrong password or a dead host is an error of the acquire: its
 * CreateError has the driver's own as `cause`.
 */
export function mysqlPool<C extends MysqlConnection = MysqlConnection>(
  options: MysqlPoolOptions<C>,
): Pool<C> {
  checkOptions(options);
  const { connection, createConnection, setUp, cancelConnection, ...poolOptions } = options;
  const { scheduler = asyncScheduler, validate, reset } = poolOptions;
  const sessions = new WeakMap<C, Session<C>>();
  const sessionOf = (lent: C): Session<C> => sessions.get(lent) as Session<C>;

  const open = async <R>(
    where: string | MysqlConnectionOptions,
    signal: AbortSignal,
    begin: (opened: C) => Promise<R>,
  ): Promise<R> => {
    const create = createConnection ?? ((await loadCreateConnection()) as CreateMysqlConnection<C>);
    return connect(create, where, signal, begin);
  };
  const line = new CancelLine(async () => {
    const late = new AbortController();
    const limit = timer(cancelTimeoutMillis, scheduler).subscribe(() => {
      late.abort(new Error(`no connection to cancel by within ${cancelTimeoutMillis} ms`));
    });
    try {
      return await open(cancelConnection ?? connection, late.signal, async opened => opened);
    } finally {
      limit.unsubscribe();
    }
  }, scheduler);
  const prepare = (lent: C): Observable<unknown> => streamOf(() => setUp?.(lent));

  return createPool<C>({
    ...poolOptions,
    maxLifetimeMillis: poolOptions.maxLifetimeMillis ?? 30 * 60_000,
    validateAfterIdleMillis: poolOptions.validateAfterIdleMillis ?? 1_000,
    create: ({ signal }) =>
      open(connection, signal, async opened => {
        sessions.set(opened, await Session.begin(opened, line, scheduler));
        await lastValueFrom(prepare(opened), { defaultValue: undefined });
        return opened;
      }),
    validate: validate ?? (lent => sessionOf(lent).isAlive()),
    reset: lent => {
      const session = sessionOf(lent);
      const steps =
        reset === undefined
          ? [streamOf(() => session.reset()), prepare(lent)]
          : [streamOf(() => session.rollBack()), streamOf(() => reset(lent))];
      return concat(
        defer(() => session.quiet()),
        ...steps,
      );
    },
    destroy: lent => sessionOf(lent).end(),
    watch: lent => sessionOf(lent).broken$,
  });
}

function streamOf(hook: () => Hook<unknown>): Observable<unknown> {
  return defer(() => {
    const outcome = hook();
    return isObservable(outcome) ? outcome : Promise.resolve(outcome);
  });
}

function checkOptions<C extends MysqlConnection>(options: MysqlPoolOptions<C>): void {
  const given = (options ?? {}) as MysqlPoolOptions<C> & Record<string, unknown>;
  const { connection, createConnection, setUp, cancelConnection, name } = given;
  const refuse = (option: string, value: unknown, expected: string): never => {
    const pool = typeof name === 'string' ? name : 'mysqlPool';
    throw new InvalidOptionsError(pool, option, value, expected);
  };
  if (typeof options !== 'object' || (options as unknown) === null) {
    refuse('options', options, 'must be an object');
  }
  for (const hook of ['create', 'destroy', 'watch']) {
    if (given[hook] !== undefined) refuse(hook, given[hook], 'is brought by the adapter');
  }
  for (const [option, where] of Object.entries({ connection, cancelConnection })) {
    if (where === undefined && option === 'cancelConnection') continue;
    if (typeof where !== 'string' && (typeof where !== 'object' || where === null)) {
      refuse(option, where, 'must be a mysql:// URL or the options of a connection');
    }
    const url: unknown = typeof where === 'string' ? where : where?.uri;
    if (url !== undefined && !isAddress(url)) {
      // Errors end up in logs, passwords should not.
      const shown = typeof url === 'string' ? url.replace(/\/\/.*@/s, '//…@') : url;
      refuse(option, shown, 'must be a mysql:// URL');
    }
  }
  for (const [option, value] of Object.entries({ createConnection, setUp })) {
    if (value !== undefined && typeof value !== 'function') {
      refuse(option, value, 'must be a function');
    }
  }
}

function isAddress(url: unknown): boolean {
  return typeof url === 'string' && /^(mysql|mariadb):\/\/./.test(url);
}
