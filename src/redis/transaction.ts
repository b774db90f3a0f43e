import { from, lastValueFrom, type Observable, type ObservableInput } from 'rxjs';
import {
  InvalidOptionsError,
  PoolError,
  type AcquireOptions,
  type Lease,
  type Pool,
} from '../index.js';
import type { RedisClient, RedisCommand } from './client.js';
import { checkCommand } from './command.js';
import { leavesNoTrace } from './command-nature.js';
import { Session } from './session.js';

/** How a transaction is guarded, and how its connection is acquired. */
export interface TransactionOptions extends AcquireOptions {
  /** Keys that nobody may change between the first look of the project and the end of the transaction. */
  readonly watch?: string | readonly string[] | undefined;
}

/** Reads what it needs and says which commands to run; none: there is nothing to do. An Observable's last value counts. */
export type TransactionProject<C> = (
  client: C,
  lease: Lease<C>,
) => readonly RedisCommand[] | ObservableInput<readonly RedisCommand[]>;

/**
 * Somebody has changed a watched key, so that nothing was executed: to run the transaction again may well succeed.
 *
 * @example
 * transaction(pool, project, { watch: 'stock' }).subscribe({
 *   error: error => {
 *     if (error instanceof TransactionConflictError) show('somebody was faster');
 *   },
 * });
 */
export class TransactionConflictError extends PoolError {
  /** The name of the class. */
  override readonly name = 'TransactionConflictError';

  constructor(pool: Pool<unknown>, keys: readonly string[]) {
    super(
      'TRANSACTION_CONFLICT',
      pool.name,
      pool.state,
      `nothing was executed: a watched key (${keys.join(', ')}) has changed`,
    );
  }
}

/**
 * Cold: each subscription borrows a connection, WATCHes `watch`, asks `project` for the commands and runs them as one
 * MULTI … EXEC: all of them, with nobody's between, or none. Emits their answers, once the connection is given back;
 * an empty array where there were no commands. Commands that depend on nothing that is read may be given as they are.
 *
 * Unsubscribing before EXEC is sent means that nothing is executed; later the server decides. Either way the
 * connection is reset before the next borrower gets it.
 *
 * Errors: those of `pool.use`, whatever `project` fails with, TransactionConflictError where a watched key has changed,
 * the server's where it refuses a command (then nothing was executed), and the first failed command's where one fails
 * in execution: Redis does not roll back, the others are executed. To run it again after a conflict:
 * `transaction(…).pipe(retry({ count: 3, delay: error => isConflict(error) ? timer(10) : throwError(() => error) }))`.
 *
 * @example
 * transaction(pool, async client => {
 *   const left = Number(await client.get('tickets'));
 *   return left > 0 ? [['DECR', 'tickets'], ['RPUSH', 'sold', name]] : [];
 * }, { watch: 'tickets' });
 */
export function transaction<C extends RedisClient, Replies extends readonly unknown[] = unknown[]>(
  pool: Pool<C>,
  project: TransactionProject<C> | readonly RedisCommand[],
  options: TransactionOptions = {},
): Observable<Replies> {
  const { watch = [], ...acquireOptions } = options;
  const keys = typeof watch === 'string' ? [watch] : watch;
  if (Array.isArray(project)) {
    for (const words of project as readonly RedisCommand[]) checkCommand(pool.name, words);
  } else if (typeof project !== 'function') {
    const expected = 'must be a function, or an array of commands';
    throw new InvalidOptionsError(pool.name, 'project', project, expected);
  }
  return pool.use(async (client, lease) => {
    const session = Session.of(client);
    if (keys.length > 0) await session.send(['WATCH', ...keys]);
    if (lease.released) return [] as unknown as Replies;
    const commands: readonly RedisCommand[] =
      typeof project === 'function' ? await asked(project(client, lease)) : project;
    for (const words of commands) checkCommand(pool.name, words);
    if (lease.released || commands.length === 0) return [] as unknown as Replies;
    const replies = await execute<Replies>(session, commands, () => {
      return new TransactionConflictError(pool, keys);
    });
    const isKnown = typeof project !== 'function' && commands.every(leavesNoTrace);
    if (isKnown && !lease.released) session.leaveUnchanged();
    return replies;
  }, acquireOptions);
}

/**
 * Whether a transaction failed over somebody else's change: run again, it may well succeed.
 *
 * @example
 * transaction(pool, project, { watch: 'stock' }).pipe(
 *   retry({ count: 3, delay: error => (isConflict(error) ? timer(10) : throwError(() => error)) }),
 * );
 */
export function isConflict(error: unknown): boolean {
  return error instanceof TransactionConflictError;
}

function asked(
  outcome: ReturnType<TransactionProject<never>>,
): PromiseLike<readonly RedisCommand[]> | readonly RedisCommand[] {
  // An array is an ObservableInput too, of its elements.
  if (Array.isArray(outcome)) return outcome as readonly RedisCommand[];
  const commands = from(outcome as ObservableInput<readonly RedisCommand[]>);
  return lastValueFrom(commands, { defaultValue: [] });
}

async function execute<Replies>(
  session: Session,
  commands: readonly RedisCommand[],
  conflict: () => Error,
): Promise<Replies> {
  const answers = await session.sendAll([['MULTI'], ...commands, ['EXEC']]);
  const executed = answers.at(-1);
  // A command that was refused when it was queued explains more than the EXECABORT that it leads to.
  const refused = answers.find(answer => answer.status === 'rejected');
  if (refused !== undefined) throw refused.reason;
  const replies = (executed as PromiseFulfilledResult<unknown>).value;
  if (replies === null) throw conflict();
  const failed = (replies as readonly unknown[]).find(reply => reply instanceof Error);
  if (failed !== undefined) throw failed;
  return replies as Replies;
}
