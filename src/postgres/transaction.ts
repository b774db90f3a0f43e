import type { Observable } from 'rxjs';
import {
  InvalidOptionsError,
  PoolError,
  type AcquireOptions,
  type Pool,
  type Project,
} from '../index.js';
import { commitOrGiveBack } from '../shared/commit-or-give-back.js';
import type { PostgresClient } from './client.js';

/** What concurrent transactions may see of one another; PostgreSQL treats `read uncommitted` as `read committed`. */
export type IsolationLevel =
  | 'read committed'
  | 'repeatable read'
  | 'serializable'
  | 'read uncommitted';

const isolationLevels: readonly IsolationLevel[] = [
  'read committed',
  'repeatable read',
  'serializable',
  'read uncommitted',
];

/** How a transaction is begun, and how its connection is acquired. What is left out, the session's settings decide. */
export interface TransactionOptions extends AcquireOptions {
  /** What concurrent transactions may see of one another. Default: the setting of the session. */
  readonly isolationLevel?: IsolationLevel | undefined;
  /** The server refuses writes. */
  readonly readOnly?: boolean | undefined;
  /** With `serializable` and `readOnly`: wait for a snapshot that can never fail. */
  readonly deferrable?: boolean | undefined;
}

/**
 * The server rolled the transaction back although it was told to commit: a statement had failed, and nobody said so.
 *
 * @example
 * transaction(pool, client => client.query('INSERT INTO orders VALUES (1)').catch(() => undefined)).subscribe({
 *   error: error => console.error(error instanceof TransactionRolledBackError), // true, where the INSERT failed
 * });
 */
export class TransactionRolledBackError extends PoolError {
  /** For those who tell errors apart by name; `instanceof` and `code` do as well. */
  override readonly name = 'TransactionRolledBackError';

  constructor(pool: Pool<unknown>) {
    super(
      'TRANSACTION_ROLLED_BACK',
      pool.name,
      pool.state,
      'the transaction was rolled back instead of committed: one of its statements had failed. ' +
        'Was its error caught and left at that?',
    );
  }
}

/**
 * Cold: each subscription borrows a connection of a `postgresPool`, begins a transaction, runs `project` with the
 * connection and commits when that has completed; what `project` gives is passed on. The stream completes once the
 * commit is done and the connection given back.
 *
 * An error of `project` or of the commit rolls back, and is passed on once that is done. Unsubscribing rolls back as
 * well, and cancels what still runs on the server; nobody is lent the connection before both have worked. Where a
 * COMMIT is under way meanwhile, the server decides.
 *
 * A value or a promise is emitted after the commit. Values of an Observable or an async iterable are emitted as they
 * come, before the commit: `firstValueFrom` and `take` leave early, and so roll back.
 *
 * Errors: those of `pool.use`, the server's, whatever `project` fails with, and TransactionRolledBackError. To run a
 * transaction again after a conflict: `transaction(…).pipe(retry({ count: 3, delay: error => isConflict(error) ?
 * timer(10) : throwError(() => error) }))`.
 *
 * @example
 * transaction(pool, async client => {
 *   await client.query('UPDATE accounts SET cents = cents - 100 WHERE id = $1', [1]);
 *   await client.query('UPDATE accounts SET cents = cents + 100 WHERE id = $1', [2]);
 * }).subscribe({ complete: () => console.log('committed'), error: console.error });
 */
export function transaction<C extends PostgresClient, R>(
  pool: Pool<C>,
  project: Project<C, R>,
  options: TransactionOptions = {},
): Observable<R> {
  if (typeof project !== 'function') {
    throw new InvalidOptionsError(pool.name, 'project', project, 'must be a function');
  }
  const { isolationLevel, readOnly, deferrable, ...acquireOptions } = options;
  const begin = beginning(pool.name, { isolationLevel, readOnly, deferrable });
  // The reset rolls back, and cancels what the project has left running.
  return pool.use(
    (client, lease) =>
      commitOrGiveBack(lease, {
        begin: () => client.query(begin),
        project: () => project(client, lease),
        commit: async () => {
          const result = await client.query('COMMIT');
          // A failed transaction is no error to COMMIT, which then says what it did instead.
          if ((result as { command?: string }).command === 'ROLLBACK') {
            throw new TransactionRolledBackError(pool);
          }
        },
      }),
    acquireOptions,
  );
}

/**
 * Whether a transaction failed over another one (serialization failure, deadlock): run again, it may well succeed.
 *
 * @example
 * transaction(pool, client => client.query('UPDATE stock SET left_over = left_over - 1')).pipe(
 *   retry({ count: 3, delay: error => (isConflict(error) ? timer(10) : throwError(() => error)) }),
 * );
 */
export function isConflict(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return code === '40001' || code === '40P01';
}

function beginning(
  pool: string,
  options: Pick<TransactionOptions, 'isolationLevel' | 'readOnly' | 'deferrable'>,
): string {
  const { isolationLevel, readOnly, deferrable } = options;
  if (isolationLevel !== undefined && !isolationLevels.includes(isolationLevel)) {
    const expected = `must be one of '${isolationLevels.join("', '")}'`;
    throw new InvalidOptionsError(pool, 'isolationLevel', isolationLevel, expected);
  }
  for (const [option, value] of Object.entries({ readOnly, deferrable })) {
    if (value !== undefined && typeof value !== 'boolean') {
      throw new InvalidOptionsError(pool, option, value, 'must be true or false');
    }
  }
  return [
    'BEGIN',
    isolationLevel === undefined ? '' : ` ISOLATION LEVEL ${isolationLevel.toUpperCase()}`,
    readOnly === undefined ? '' : readOnly ? ' READ ONLY' : ' READ WRITE',
    deferrable === undefined ? '' : deferrable ? ' DEFERRABLE' : ' NOT DEFERRABLE',
  ].join('');
}
