import { EMPTY, type Observable, type ObservableInput } from 'rxjs';
import { InvalidOptionsError, type AcquireOptions, type Pool, type Project } from '../index.js';
import { commitOrGiveBack } from '../shared/commit-or-give-back.js';
import type { SqliteDatabase } from './database.js';
import { sessionOf } from './session.js';

const modes = ['deferred', 'immediate', 'exclusive'] as const;

/** When a transaction takes its locks: with its first statements, or as it begins. */
export type TransactionMode = (typeof modes)[number];

/** How a transaction is begun, and how its connection is acquired. */
export interface TransactionOptions extends AcquireOptions {
  /**
   * Default: `immediate` for the writer, so that a conflict with another process shows before anything is done;
   * `deferred`, one snapshot for all that is read, for a reader.
   */
  readonly mode?: TransactionMode | undefined;
}

/**
 * Cold: each subscription borrows a connection, begins a transaction, runs `project` with the database and commits when
 * that has completed; what `project` gives is passed on. The stream completes once the commit is done and the connection
 * given back.
 *
 * ```ts
 * transaction(db.write, database => {
 *   database.exec('UPDATE accounts SET balance = balance - 10 WHERE id = 1');
 *   database.exec('UPDATE accounts SET balance = balance + 10 WHERE id = 2');
 * }).subscribe({ complete: () => console.log('committed') });
 * ```
 *
 * An error of `project` or of the commit rolls back, and is passed on after that. Unsubscribing rolls back as well, at
 * once, and closes the connection (`onCancel: 'release'` keeps it): what an asynchronous project still does then meets a
 * closed database, and not the transaction of somebody else.
 *
 * A value or a promise is emitted after the commit. Values of an Observable or an async iterable are emitted as they
 * come, before the commit: `firstValueFrom` and `take` leave early, and so roll back. Everybody else who wants to write
 * waits for as long as `project` takes.
 *
 * Errors: those of `pool.use`, the driver's, and whatever `project` fails with.
 */
export function transaction<D extends SqliteDatabase, R>(
  pool: Pool<D>,
  project: Project<D, R>,
  options: TransactionOptions = {},
): Observable<R> {
  if (typeof project !== 'function') {
    throw new InvalidOptionsError(pool.name, 'project', project, 'must be a function');
  }
  const { mode, ...acquireOptions } = options;
  if (mode !== undefined && !modes.includes(mode)) {
    const expected = `must be one of '${modes.join("', '")}'`;
    throw new InvalidOptionsError(pool.name, 'mode', mode, expected);
  }
  // The reset rolls back.
  return pool.use((database, lease) => {
    const begins = mode ?? (sessionOf(database)?.isReader === true ? 'deferred' : 'immediate');
    const run = (statement: string): ObservableInput<unknown> => {
      database.exec(statement);
      return EMPTY;
    };
    return commitOrGiveBack(lease, {
      begin: () => run(`BEGIN ${begins.toUpperCase()}`),
      project: () => project(database, lease),
      commit: () => run('COMMIT'),
    });
  }, acquireOptions);
}

/**
 * Whether a statement failed because another connection has the lock (SQLITE_BUSY, SQLITE_LOCKED): later it may work.
 *
 * @example
 * transaction(db.write, database => database.exec('UPDATE stock SET pieces = pieces - 1')).pipe(
 *   retry({ count: 3, delay: error => (isConflict(error) ? timer(10) : throwError(() => error)) }),
 * );
 */
export function isConflict(error: unknown): boolean {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  if (typeof errcode === 'number') return [5, 6].includes(errcode & 0xff);
  return typeof code === 'string' && /^SQLITE_(BUSY|LOCKED)/.test(code);
}
