// Questions and answers over a few sockets: replies come out of order, subscribers leave early, a connection breaks.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { messages, request, webSocketPool, WebSocketClosedError } from 'rxpool/websocket';
import { catchError, lastValueFrom, map, mergeMap, of, range, retry, take, toArray } from 'rxjs';
import { WebSocket, WebSocketServer } from 'ws';

interface Ask {
  readonly id: number;
  readonly method: 'square' | 'prices' | 'stop' | 'crash';
  readonly value?: number;
}

interface Reply {
  readonly id: number;
  readonly value: number;
  readonly last: boolean;
}

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
server.on('connection', socket => {
  socket.on('message', data => answer(socket, JSON.parse(String(data)) as Ask));
});
await once(server, 'listening');
const { port } = server.address() as AddressInfo;

const pool = webSocketPool({ url: `ws://127.0.0.1:${port}`, WebSocket, max: 2, name: 'prices' });

let ids = 0;
const ask = (method: Ask['method'], value = 0) => ({ id: (ids += 1), method, value });
const correlation = {
  isReply: (reply: Reply, asked: Ask) => reply.id === asked.id,
  isLast: (reply: Reply) => reply.last,
  cancel: ({ id }: Ask) => ({ id, method: 'stop' }),
};

// Each gets the answer to its own question.
const squares$ = range(1, 10).pipe(
  mergeMap(n => request(pool, ask('square', n), correlation)),
  map(({ value }) => value),
  toArray(),
);
const squares = await lastValueFrom(squares$);
console.log(squares.sort((a, b) => a - b).join(' ')); // prints: 1 4 9 16 25 36 49 64 81 100
console.log(`by ${pool.state.size} connections`); // prints: by 2 connections

// A stream of replies; leaving it tells the server to stop.
const prices$ = request(pool, ask('prices'), correlation).pipe(take(3), toArray());
console.log(`${(await lastValueFrom(prices$)).length} prices`); // prints: 3 prices

// A connection that breaks fails who waits on it, and is replaced.
const crashed$ = request(pool, ask('crash'), correlation).pipe(
  map(() => 'answered'),
  catchError((error: unknown) => of(error instanceof WebSocketClosedError ? error.name : 'other')),
);
console.log(await lastValueFrom(crashed$)); // prints: WebSocketClosedError
const again$ = request(pool, ask('square', 12), correlation).pipe(retry(2));
console.log((await lastValueFrom(again$)).value); // prints: 144

// The socket itself, for whatever else is spoken on it.
const heard$ = pool.use(socket => {
  socket.send(JSON.stringify(ask('square', 5)));
  return messages<Reply>(socket).pipe(take(1));
});
console.log((await lastValueFrom(heard$)).value); // prints: 25

await pool.close();
server.close();

function answer(socket: WebSocket, { id, method, value = 0 }: Ask): void {
  const reply = (given: number, last: boolean): void => {
    socket.send(JSON.stringify({ id, value: given, last }));
  };
  if (method === 'square') setTimeout(() => reply(value * value, true), 10 * Math.random());
  if (method === 'crash') socket.terminate();
  if (method === 'prices') {
    const ticking = setInterval(() => reply(100 + Math.random(), false), 2);
    socket.on('close', () => clearInterval(ticking));
    socket.on('message', data => {
      const told = JSON.parse(String(data)) as Ask;
      if (told.id !== id || told.method !== 'stop') return;
      clearInterval(ticking);
      reply(0, true);
    });
  }
}
