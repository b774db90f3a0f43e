import { Observable } from 'rxjs';
import { InvalidOptionsError, type AcquireOptions, type Pool } from '../index.js';
import { sessionOf } from './session.js';
import type { WebSocketLike } from './socket.js';
import { isPool } from './source.js';

/** Options of `request`. */
export interface RequestOptions<Message, Reply> extends AcquireOptions {
  /** The correlation: whether what has arrived answers this message. Asked of everything that arrives meanwhile. */
  readonly isReply: (reply: Reply, message: Message) => boolean;
  /** Whether this reply is the last one. Default: the first is. */
  readonly isLast?: ((reply: Reply) => boolean) | undefined;
  /** Makes the message that tells the server to stop, for who leaves before the last reply. Default: it is told nothing. */
  readonly cancel?: ((message: Message) => unknown) | undefined;
}

/**
 * Cold: each subscription sends the message and emits the reply, or each until the last one. Of a pool it borrows a
 * connection for that, which is given back before the last reply is emitted; of a connection several may be under way
 * at once.
 *
 * Unsubscribing early tells the server by `cancel`, where that is given. The connection is lent again once the last
 * reply has come all the same, so that nobody gets the answer to somebody else's question, and destroyed when it has
 * not within `resetTimeoutMillis`. The deadline of a pool covers getting the connection: for the answer use `timeout`.
 *
 * Errors: those of `pool.use`, WebSocketClosedError, and what `isReply`, `isLast` or the pool's `serializer` throw.
 * Throws InvalidOptionsError for bad options.
 *
 * @example
 * request(pool, { id, method: 'price' }, { isReply: (reply: Reply, asked) => reply.id === asked.id });
 */
export function request<Reply = unknown, Message = unknown>(
  source: Pool<WebSocketLike> | WebSocketLike,
  message: Message,
  options: RequestOptions<Message, Reply>,
): Observable<Reply> {
  const { isReply, isLast = () => true, cancel, ...acquireOptions } = options;
  const owner = isPool(source) ? source.name : 'request';
  for (const [option, value] of Object.entries({ isReply, isLast, cancel })) {
    const isMissing = value === undefined && option === 'cancel';
    if (typeof value === 'function' || isMissing) continue;
    throw new InvalidOptionsError(owner, option, value, 'must be a function');
  }
  const ask = (socket: WebSocketLike, onLast: () => void): Observable<Reply> =>
    new Observable<unknown>(subscriber => {
      const exchange = {
        subscriber,
        isReply: (reply: unknown) => isReply(reply as Reply, message),
        isLast: (reply: unknown) => isLast(reply as Reply),
        onLast,
      };
      sessionOf(socket).ask(message, exchange, cancel && (() => cancel(message)));
    }) as Observable<Reply>;
  if (!isPool(source)) return ask(source, () => undefined);
  // Given back before `next`, so that a consumer who leaves on the last reply does not leave in flight.
  return source.use((socket, lease) => ask(socket, () => void lease.release()), acquireOptions);
}
