import { defer, isObservable, lastValueFrom, type Observable } from 'rxjs';
import {
  CloseError,
  createPool,
  InvalidOptionsError,
  type CloseOptions,
  type Hook,
  type Pool,
  type PoolOptions,
} from '../index.js';
import type { SqliteDatabase, SqliteDatabaseConstructor } from './database.js';
import { loadDatabase } from './driver.js';
import { Session, sessionOf } from './session.js';

/**
 * Options of both pools, the readers' and the writer's, but for the hooks that the adapter brings itself and for the
 * sizes, which follow from what SQLite is. All durations are milliseconds.
 */
export interface SqlitePoolOptions<D extends SqliteDatabase = SqliteDatabase>
  extends Omit<PoolOptions<D>, 'create' | 'destroy' | 'watch' | 'min' | 'max' | 'minIdle'> {
  /** The file, which is made when it is not there. Not `:memory:`: that would be a database for each connection. */
  readonly path: string;
  /** Connections to read with, at most. Default 4. */
  readonly readers?: number | undefined;
  /** Default: `DatabaseSync` of node:sqlite where Node has it (22.13 and newer), else the installed better-sqlite3. */
  readonly Database?: SqliteDatabaseConstructor<D> | undefined;
  /** Give the file a write-ahead log, so that readers and the writer do not wait for each other. Default true. */
  readonly wal?: boolean | undefined;
  /** Enforce foreign keys. Default true. */
  readonly foreignKeys?: boolean | undefined;
  /**
   * How long SQLite waits for a lock of another process, or of another pool. It blocks the whole thread meanwhile, as
   * both drivers do with every statement. Default 5,000.
   */
  readonly busyTimeoutMillis?: number | undefined;
  /** Prepares a new connection, `database.exec('PRAGMA synchronous = NORMAL')` for example; resets bring it back. */
  readonly setUp?: ((database: D) => Hook<unknown>) | undefined;
  /** Default: whether the database is open and its file still the one at `path`. It costs microseconds. */
  validate?: PoolOptions<D>['validate'];
  /**
   * Cleans the connection after each lease; a transaction that was left open is rolled back in any case. Default: drops
   * temporary tables, views and triggers, detaches databases, sets the pragmas back. It costs about 25 microseconds.
   */
  reset?: PoolOptions<D>['reset'];
  /** Default 'destroy': what a subscriber leaves behind may go on by itself, and must not meet the next borrower. */
  onCancel?: PoolOptions<D>['onCancel'];
  /** Default 1,800,000: 30 minutes. */
  maxLifetimeMillis?: number | undefined;
}

/** One file: a pool of connections that read, and one of the single connection that writes. */
export interface SqlitePool<D extends SqliteDatabase = SqliteDatabase> extends AsyncDisposable {
  /** The file. */
  readonly path: string;
  /** Up to `readers` connections, on which SQLite refuses to write. */
  readonly read: Pool<D>;
  /** One connection, as SQLite has one writer at a time: whoever wants to write waits here, in order. */
  readonly write: Pool<D>;
  /**
   * Closes both pools side by side, as `pool.close` does. Resolves when all connections are closed, or rejects with one
   * CloseError that holds every failure.
   */
  close(options?: CloseOptions): Promise<void>;
  /** As `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Pools the connections to one SQLite file: many readers, one writer.
 *
 * ```ts
 * const db = sqlitePool({ path: 'shop.db' });
 * query(db.read, 'SELECT * FROM orders').subscribe(order => console.log(order));
 * transaction(db.write, database => database.exec('DELETE FROM orders')).subscribe();
 * ```
 *
 * A transaction that a borrower leaves open is rolled back, and the connection cleaned, before anybody else gets it.
 * Where that fails it is closed: after a statement that was read half-way, for example. A connection that a borrower
 * closes leaves the pool at once.
 *
 * Throws InvalidOptionsError as `createPool` does. A file that cannot be opened is an error of the acquire: its
 * CreateError has the driver's own as `cause`.
 */
export function sqlitePool<D extends SqliteDatabase = SqliteDatabase>(
  options: SqlitePoolOptions<D>,
): SqlitePool<D> {
  checkOptions(options);
  const { path, readers = 4, name = path, ...rest } = options;
  const write = openPool({ ...rest, path, name: `${name} (write)` }, 1, false);
  const read = openPool({ ...rest, path, name: `${name} (read)` }, readers, true);
  const close = async (closeOptions?: CloseOptions): Promise<void> => {
    const outcomes = await Promise.allSettled([
      read.close(closeOptions),
      write.close(closeOptions),
    ]);
    const failures = outcomes.flatMap(outcome =>
      outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
    );
    if (failures.length < 2) {
      for (const failure of failures) throw failure;
      return;
    }
    const all = failures.filter(failure => failure instanceof CloseError);
    throw new CloseError(
      name,
      write.state,
      all.flatMap(({ errors }) => errors),
      all.reduce((sum, { abandoned }) => sum + abandoned, 0),
    );
  };
  return { path, read, write, close, [Symbol.asyncDispose]: () => close() };
}

function openPool<D extends SqliteDatabase>(
  options: Omit<SqlitePoolOptions<D>, 'readers'>,
  max: number,
  isReader: boolean,
): Pool<D> {
  const { path, Database, wal = true, foreignKeys = true, busyTimeoutMillis = 5_000 } = options;
  const { setUp, reset, validate } = options;
  const sessionOptions = { path, isReader, wal, foreignKeys, busyTimeoutMillis };
  const known = (database: D): Session<D> => sessionOf(database) as Session<D>;

  return createPool<D>({
    ...poolOptionsOf(options),
    max,
    maxLifetimeMillis: options.maxLifetimeMillis ?? 30 * 60_000,
    onCancel: options.onCancel ?? 'destroy',
    create: async () => {
      const Class = Database ?? ((await loadDatabase()) as SqliteDatabaseConstructor<D>);
      const session = Session.open(new Class(path), sessionOptions);
      try {
        if (setUp !== undefined) {
          await lastValueFrom(
            streamOf(() => setUp(session.database)),
            { defaultValue: undefined },
          );
        }
        session.keepSettings();
        return session.database;
      } catch (error) {
        session.end();
        throw error;
      }
    },
    validate: validate ?? (database => known(database).isAlive()),
    reset: database => {
      const session = known(database);
      session.rollBack();
      if (reset !== undefined) return reset(database);
      session.reset();
      return undefined;
    },
    destroy: database => {
      known(database).end();
    },
    watch: database => known(database).broken$,
  });
}

/** What is left are options of the pool, or strangers that it refuses. */
function poolOptionsOf<D extends SqliteDatabase>(
  options: Omit<SqlitePoolOptions<D>, 'readers'>,
): Omit<PoolOptions<D>, 'create'> {
  const own = ['path', 'Database', 'wal', 'foreignKeys', 'busyTimeoutMillis', 'setUp'];
  return Object.fromEntries(Object.entries(options).filter(([option]) => !own.includes(option)));
}

function streamOf(hook: () => Hook<unknown>): Observable<unknown> {
  return defer(() => {
    const outcome = hook();
    return isObservable(outcome) ? outcome : Promise.resolve(outcome);
  });
}

function checkOptions<D extends SqliteDatabase>(options: SqlitePoolOptions<D>): void {
  const given = (options ?? {}) as SqlitePoolOptions<D> & Record<string, unknown>;
  const { path, readers, Database, wal, foreignKeys, busyTimeoutMillis, setUp, name } = given;
  const refuse = (option: string, value: unknown, expected: string): never => {
    const pool = typeof name === 'string' ? name : 'sqlitePool';
    throw new InvalidOptionsError(pool, option, value, expected);
  };
  if (typeof options !== 'object' || (options as unknown) === null) {
    refuse('options', options, 'must be an object');
  }
  for (const option of ['create', 'destroy', 'watch']) {
    if (given[option] !== undefined) refuse(option, given[option], 'is brought by the adapter');
  }
  for (const option of ['min', 'max', 'minIdle']) {
    const expected = 'is not known: there is one writer, and as many readers as `readers` says';
    if (given[option] !== undefined) refuse(option, given[option], expected);
  }
  if (typeof path !== 'string' || path === '' || path === ':memory:') {
    refuse('path', path, 'must be the path of a file, which several connections can open');
  }
  if (readers !== undefined && !(Number.isSafeInteger(readers) && readers >= 1)) {
    refuse('readers', readers, 'must be a whole number from 1');
  }
  for (const [option, value] of Object.entries({ Database, setUp })) {
    if (value !== undefined && typeof value !== 'function') {
      refuse(option, value, option === 'setUp' ? 'must be a function' : 'must be a class');
    }
  }
  for (const [option, value] of Object.entries({ wal, foreignKeys })) {
    if (value !== undefined && typeof value !== 'boolean') {
      refuse(option, value, 'must be true or false');
    }
  }
  const longest = 2 ** 31 - 1;
  if (
    busyTimeoutMillis !== undefined &&
    !(
      Number.isSafeInteger(busyTimeoutMillis) &&
      busyTimeoutMillis > 0 &&
      busyTimeoutMillis <= longest
    )
  ) {
    const expected = `must be a whole number of milliseconds from 1 to ${longest}`;
    refuse('busyTimeoutMillis', busyTimeoutMillis, expected);
  }
}
