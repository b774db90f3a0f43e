import { defer, type Observable } from 'rxjs';
import type { AcquireOptions, Pool } from '../index.js';
import { sessionOf } from './session.js';
import type { WebSocketLike } from './socket.js';
import { isPool } from './source.js';

/**
 * What arrives on a connection, as the pool's `deserializer` gives it. Of a connection it is hot: what came before the
 * subscription is gone, and unsubscribing leaves the connection as it was. Of a pool it is cold: each subscription
 * borrows a connection for as long as it lasts; the deadline covers getting it.
 *
 * It completes when the server ends the connection as agreed, and errors with WebSocketClosedError when that breaks,
 * with what `deserializer` threw when a message cannot be read, and with the errors of `pool.use`. What is slower than
 * the messages keeps them in memory: a WebSocket has no back pressure.
 *
 * @example
 * pool.use(socket => {
 *   socket.send('{"subscribe":"prices"}');
 *   return messages<Price>(socket).pipe(take(100));
 * });
 */
export function messages<Message = unknown>(
  source: Pool<WebSocketLike> | WebSocketLike,
  options?: AcquireOptions,
): Observable<Message> {
  const messagesOf = (socket: WebSocketLike) => sessionOf(socket).messages$ as Observable<Message>;
  if (isPool(source)) return source.use(messagesOf, options);
  return defer(() => messagesOf(source));
}
