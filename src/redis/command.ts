import { defer, type Observable } from 'rxjs';
import { InvalidOptionsError, type AcquireOptions, type Pool } from '../index.js';
import { isPool, type RedisClient, type RedisCommand } from './client.js';
import { blocks, leavesNoTrace } from './command-nature.js';
import { Session } from './session.js';

/**
 * Cold: each subscription borrows a connection, sends the command, gives the connection back and emits the answer as
 * the driver gives it. Unsubscribing gives the connection back as well, which is lent on once the answer is there; a
 * command that blocks (BLPOP, XREAD BLOCK and the like) is given up with its connection, which is destroyed.
 *
 * Of a client instead of a pool it sends the command there.
 *
 * Errors: those of `pool.use`, and the server's as the driver gives them. Throws InvalidOptionsError for bad options.
 *
 * @example
 * command<string | null>(pool, ['GET', 'greeting']).subscribe(greeting => show(greeting));
 * const jobs$ = command<[string, string]>(pool, ['BLPOP', 'jobs', 0], { timeoutMillis: Infinity }).pipe(repeat());
 */
export function command<Reply = unknown>(
  source: Pool<RedisClient> | RedisClient,
  words: RedisCommand,
  options?: AcquireOptions,
): Observable<Reply> {
  checkCommand(isPool(source) ? source.name : 'command', words);
  if (!isPool(source)) return defer(() => Session.of(source).send(words) as Promise<Reply>);
  return source.use(
    async (client, lease) => {
      const session = Session.of(client);
      try {
        return (await session.send(words)) as Reply;
      } finally {
        if (!lease.released && leavesNoTrace(words)) session.leaveUnchanged();
      }
    },
    blocks(words) ? { onCancel: 'destroy', ...options } : options,
  );
}

/**
 * Cold: each subscription borrows a connection, sends all the commands at once, one round trip, gives the connection
 * back and emits the answers in order. They are not a transaction: others may come between, and one that fails stops
 * none of those after it. Unsubscribing is as with `command`.
 *
 * Errors: those of `pool.use`, and the first failed command's once all are answered.
 *
 * @example
 * pipeline(pool, ids.map(id => ['HGETALL', `user:${id}`])).subscribe(users => show(users));
 */
export function pipeline<Replies extends readonly unknown[] = unknown[]>(
  source: Pool<RedisClient> | RedisClient,
  commands: readonly RedisCommand[],
  options?: AcquireOptions,
): Observable<Replies> {
  const owner = isPool(source) ? source.name : 'pipeline';
  for (const words of commands) checkCommand(owner, words);
  if (!isPool(source)) {
    return defer(async () => answersOf<Replies>(await Session.of(source).sendAll(commands)));
  }
  return source.use(
    async (client, lease) => {
      const session = Session.of(client);
      const answers = await session.sendAll(commands);
      if (!lease.released && commands.every(leavesNoTrace)) session.leaveUnchanged();
      return answersOf<Replies>(answers);
    },
    commands.some(blocks) ? { onCancel: 'destroy', ...options } : options,
  );
}

/** Throws for what is no command: an empty one would be heard of by the driver only. */
export function checkCommand(owner: string, words: RedisCommand): void {
  const isCommand =
    Array.isArray(words) &&
    typeof words[0] === 'string' &&
    words[0] !== '' &&
    words.every(word => ['string', 'number'].includes(typeof word) || word instanceof Uint8Array);
  if (isCommand) return;
  const expected =
    "must be an array of a command's name and its words: texts, numbers, Uint8Arrays";
  throw new InvalidOptionsError(owner, 'command', words, expected);
}

function answersOf<Replies>(answers: readonly PromiseSettledResult<unknown>[]): Replies {
  const failed = answers.find(answer => answer.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return answers.map(answer => (answer as PromiseFulfilledResult<unknown>).value) as Replies;
}
