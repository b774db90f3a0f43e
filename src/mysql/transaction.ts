import { concat, defer, from, mergeMap, type Observable } from 'rxjs';
import {
  InvalidOptionsError,
  PoolError,
  type AcquireOptions,
  type Pool,
  type Project,
} from '../index.js';
import { commitOrGiveBack } from '../shared/commit-or-give-back.js';
import type { MysqlConnection } from './connection.js';

const isolationLevels = [
  'repeatable read',
  'read committed',
  'serializable',
  'read uncommitted',
] as const;

/** How much of others a transaction may see. MySQL's own default is `repeatable read`. */
export type IsolationLevel = (typeof isolationLevels)[number];

/** How a transaction is begun, and how its connection is acquired. What is left out, the session's settings decide. */
export interface TransactionOptions extends AcquireOptions {
  /** One round trip more. */
  readonly isolationLevel?: IsolationLevel | undefined;
  /** The server refuses writes. */
  readonly readOnly?: boolean | undefined;
}

/**
 * The transaction was over before its commit, so that what came after that was never part of it: a deadlock rolled it
 * back and nobody passed that error on, or a statement that commits by itself (any DDL) ran in it.
 *
 * @example
 * transaction(pool, connection => connection.query('TRUNCATE TABLE orders')).subscribe({
 *   error: error => console.error(error instanceof TransactionLostError), // true: TRUNCATE commits by itself
 * });
 */
export class TransactionLostError extends PoolError {
  /** The name of the class. */
  override readonly name = 'TransactionLostError';

  /** For the pool on whose connection it was. */
  constructor(pool: Pool<unknown>) {
    super(
      'TRANSACTION_LOST',
      pool.name,
      pool.state,
      'the transaction was over before its commit: a deadlock has rolled it back and that error was caught and left at ' +
        'that, or one of its statements (CREATE, ALTER, TRUNCATE, …) has committed it',
    );
  }
}

/**
 * Cold: each subscription borrows a connection of a `mysqlPool`, begins a transaction, runs `project` with the
 * connection and commits when that has completed; what `project` gives is passed on. The stream completes once the
 * commit is done and the connection given back.
 *
 * ```ts
 * transaction(pool, async connection => {
 *   await connection.query('UPDATE accounts SET balance = balance - 10 WHERE id = 1');
 *   await connection.query('UPDATE accounts SET balance = balance + 10 WHERE id = 2');
 * }).subscribe({ complete: () => console.log('committed') });
 * ```
 *
 * An error of `project` or of the commit rolls back, and is passed on once that is done. Unsubscribing rolls back as
 * well, and kills what still runs on the server; nobody is lent the connection before both have worked. Where a COMMIT
 * is under way meanwhile, the server decides.
 *
 * A value or a promise is emitted after the commit. Values of an Observable or an async iterable are emitted as they
 * come, before the commit: `firstValueFrom` and `take` leave early, and so roll back.
 *
 * Errors: those of `pool.use`, the server's, whatever `project` fails with, and TransactionLostError. To run a
 * transaction again after a conflict: `transaction(…).pipe(retry({ count: 3, delay: error => isConflict(error) ?
 * timer(10) : throwError(() => error) }))`.
 */
export function transaction<C extends MysqlConnection, R>(
  pool: Pool<C>,
  project: Project<C, R>,
  options: TransactionOptions = {},
): Observable<R> {
  if (typeof project !== 'function') {
    throw new InvalidOptionsError(pool.name, 'project', project, 'must be a function');
  }
  const { isolationLevel, readOnly, ...acquireOptions } = options;
  const begins = beginning(pool.name, { isolationLevel, readOnly });
  // The reset rolls back, and kills what the project has left running.
  return pool.use(
    (connection, lease) =>
      commitOrGiveBack(lease, {
        // Statement by statement: what follows is not sent any more once the subscriber has left.
        begin: () => concat(...begins.map(begin => defer(() => connection.query(begin)))),
        project: () => project(connection, lease),
        commit: () =>
          from(isInTransaction(connection)).pipe(
            mergeMap(isIn => {
              if (!isIn) throw new TransactionLostError(pool);
              return connection.query('COMMIT');
            }),
          ),
      }),
    acquireOptions,
  );
}

/**
 * Whether a transaction failed over another one (deadlock, lock wait timeout, a snapshot that is out of date): run again,
 * it may well succeed.
 *
 * @example
 * transaction(pool, connection => connection.query('UPDATE stock SET pieces = pieces - 1')).pipe(
 *   retry({ count: 3, delay: error => (isConflict(error) ? timer(10) : throwError(() => error)) }),
 * );
 */
export function isConflict(error: unknown): boolean {
  const { errno } = (error ?? {}) as { errno?: unknown };
  return errno === 1213 || errno === 1205 || errno === 1020;
}

const inTransactionFlag = 1;

/** The server says so with every answer; COMMIT itself is content with nothing to commit. */
async function isInTransaction(connection: MysqlConnection): Promise<boolean> {
  const [header] = (await connection.query('DO 0')) as [{ serverStatus?: number }, unknown];
  const { serverStatus = inTransactionFlag } = header;
  return (serverStatus & inTransactionFlag) !== 0;
}

function beginning(
  pool: string,
  { isolationLevel, readOnly }: Pick<TransactionOptions, 'isolationLevel' | 'readOnly'>,
): string[] {
  if (isolationLevel !== undefined && !isolationLevels.includes(isolationLevel)) {
    const expected = `must be one of '${isolationLevels.join("', '")}'`;
    throw new InvalidOptionsError(pool, 'isolationLevel', isolationLevel, expected);
  }
  if (readOnly !== undefined && typeof readOnly !== 'boolean') {
    throw new InvalidOptionsError(pool, 'readOnly', readOnly, 'must be true or false');
  }
  const access = readOnly === undefined ? '' : readOnly ? ' READ ONLY' : ' READ WRITE';
  const start = `START TRANSACTION${access}`;
  // MySQL takes the level of the next transaction before it begins.
  return isolationLevel === undefined
    ? [start]
    : [`SET TRANSACTION ISOLATION LEVEL ${isolationLevel.toUpperCase()}`, start];
}
