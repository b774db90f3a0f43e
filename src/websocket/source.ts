import type { Pool } from '../index.js';
import type { WebSocketLike } from './socket.js';

/** Whether the connection to use is one of a pool. */
export function isPool(source: object): source is Pool<WebSocketLike> {
  return 'use' in source && typeof source.use === 'function';
}
