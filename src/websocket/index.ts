export { messages } from './messages.js';
export { request, type RequestOptions } from './request.js';
export type { WebSocketConstructor, WebSocketLike } from './socket.js';
export { WebSocketClosedError } from './websocket-closed-error.js';
export { webSocketPool, type WebSocketPoolOptions } from './websocket-pool.js';
export {
  webSocketSubjectPool,
  type WebSocketSubjectPoolOptions,
} from './websocket-subject-pool.js';
