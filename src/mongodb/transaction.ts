import { defer, EMPTY, type Observable } from 'rxjs';
import { InvalidOptionsError, type AcquireOptions, type Lease, type Pool } from '../index.js';
import { commitOrGiveBack } from '../shared/commit-or-give-back.js';
import type { MongodbClient } from './client.js';

/** Options of `transaction`; those of the driver's transactions are passed on to it. */
export interface TransactionOptions extends AcquireOptions {
  /** Which data the reads may see, `'snapshot'` for example. Default: that of the client. */
  readonly readConcern?: object | string | undefined;
  /** How many servers must have the commit before it counts, `{ w: 1 }` for example. Default: that of the client. */
  readonly writeConcern?: object | undefined;
  /** Which server is read from; for reads in a transaction it has to be the primary. Default: that of the client. */
  readonly readPreference?: object | string | undefined;
  /** How long the server may take for the commit. */
  readonly maxCommitTimeMS?: number | undefined;
}

/** What a `transaction` runs. Only operations that are given the `session` belong to the transaction. */
export type TransactionProject<C extends MongodbClient, R> = (
  client: C,
  session: ReturnType<C['startSession']>,
  lease: Lease<C>,
) => R | PromiseLike<R> | Observable<R> | AsyncIterable<R>;

/**
 * Cold: each subscription borrows a client of a `mongodbPool`, starts a session with a transaction, runs `project` with
 * both and commits when that has completed; what `project` gives is passed on. The stream completes once the commit is
 * done, the session ended and the client given back.
 *
 * An error of `project` or of the commit aborts the transaction, and is passed on once that is done. Unsubscribing aborts
 * as well; nobody is lent the client before that. Where a commit is under way meanwhile, the server decides.
 *
 * A value or a promise is emitted after the commit. Values of an Observable or an async iterable are emitted as they
 * come, before the commit: `firstValueFrom` and `take` leave early, and so abort.
 *
 * Transactions need a replica set or a sharded cluster; elsewhere the server refuses the first operation. Errors: those
 * of `pool.use`, the server's, and whatever `project` fails with; `isConflict` tells which are worth another try.
 *
 * @example
 * transaction(pool, (client, session) =>
 *   execute(client, 'orders', 'insertOne', { total: 7 }, { session }),
 * ).subscribe();
 */
export function transaction<C extends MongodbClient, R>(
  pool: Pool<C>,
  project: TransactionProject<C, R>,
  options: TransactionOptions = {},
): Observable<R> {
  if (typeof project !== 'function') {
    throw new InvalidOptionsError(pool.name, 'project', project, 'must be a function');
  }
  const { readConcern, writeConcern, readPreference, maxCommitTimeMS, ...acquireOptions } = options;
  const given = { readConcern, writeConcern, readPreference, maxCommitTimeMS };
  const transactionOptions = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  );
  // The reset ends the session, and so aborts.
  return pool.use(
    (client, lease) =>
      defer(() => {
        const session = client.startSession() as ReturnType<C['startSession']>;
        return commitOrGiveBack(lease, {
          begin: () => {
            session.startTransaction(transactionOptions);
            return EMPTY;
          },
          project: () => project(client, session, lease),
          commit: async () => {
            await session.commitTransaction();
            await session.endSession();
          },
        });
      }),
    acquireOptions,
  );
}

/**
 * Whether a transaction failed over another one or over a change of the primary: run again, it may well succeed.
 *
 * @example
 * transaction(pool, client => client.db().collection('stock').updateOne({}, { $inc: { pieces: -1 } })).pipe(
 *   retry({ count: 3, delay: error => (isConflict(error) ? timer(10) : throwError(() => error)) }),
 * );
 */
export function isConflict(error: unknown): boolean {
  const { errorLabels } = (error ?? {}) as { errorLabels?: unknown };
  return Array.isArray(errorLabels) && errorLabels.includes('TransientTransactionError');
}
