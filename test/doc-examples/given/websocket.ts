import type { Pool } from '../../../src/index.js';
import type { WebSocketLike } from '../../../src/websocket/index.js';

export { webSocket } from 'rxjs/webSocket';
export interface Price {
  name: string;
  cents: number;
}
export interface Reply {
  id: number;
}
export interface Message {
  type: string;
}
export declare const pool: Pool<WebSocketLike>;
export declare const id: number;
export declare function subscribe(): Message;
export declare function unsubscribe(): Message;
export declare function isPrice(message: Message): boolean;
