import { map, take, takeUntil, timer, type Observable } from 'rxjs';
import { WebSocket } from 'ws';
import type { Pool } from '../../src/index.js';
import { request, webSocketPool } from '../../src/websocket/index.js';
import { startServer, type Reply } from '../websocket/server.js';
import type { KillTrial } from './contestant.js';

const max = 8;
/** Of all kills: those that take the whole server. */
const restarts = 0.1;

export const trial: KillTrial = {
  name: 'websocket',
  async open() {
    const server = await startServer();
    const pool = webSocketPool({ url: server.url, WebSocket, name: 'websocket', max });
    return {
      pool,
      borrow: () => work(pool),
      async kill() {
        if (Math.random() < restarts) {
          await server.restart();
          return;
        }
        const clients = [...server.clients];
        clients[Math.floor(Math.random() * clients.length)]?.terminate();
      },
      serverCount: () => Promise.resolve(server.clients.size),
      counts: 'connections, by the server',
      close: () => server.stop(),
    };
  },
};

let ids = 0;

function work(pool: Pool<WebSocket>): Observable<unknown> {
  const id = (ids += 1);
  const isReply = (reply: Reply, asked: { id: number }): boolean => reply.id === asked.id;
  const isLast = (reply: Reply): boolean => reply.last === true;
  const choice = Math.random();
  // Left before the reply, which nobody else may get.
  if (choice < 0.05) {
    const slow$ = request(pool, { id, method: 'slow', millis: 4 }, { isReply });
    return slow$.pipe(takeUntil(timer(2)));
  }
  if (choice < 0.1) {
    const cancel = () => ({ id, method: 'stop' });
    return request(pool, { id, method: 'ticks' }, { isReply, isLast, cancel }).pipe(take(2));
  }
  return request(pool, { id, method: 'echo', value: id }, { isReply }).pipe(
    map(({ value }) => {
      if (value !== id) throw new Error(`The server gave ${String(value)} for ${id}`);
      return value;
    }),
  );
}
