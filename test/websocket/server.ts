import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type WebSocket, WebSocketServer } from 'ws';

/** What the server can be asked for. Every reply has the `id` of what it answers. */
export interface Ask {
  readonly id?: number;
  readonly method:
    | 'echo'
    | 'slow'
    | 'count'
    | 'ticks'
    | 'stop'
    | 'never'
    | 'garbage'
    | 'bytes'
    | 'leave'
    | 'break';
  readonly value?: unknown;
  readonly millis?: number;
}

export interface Reply {
  readonly id: number;
  readonly value: unknown;
  readonly last?: boolean;
}

export interface AskedServer {
  readonly url: string;
  /** Open connections, as the server sees them. */
  readonly clients: Set<WebSocket>;
  readonly requests: IncomingMessage[];
  /** Every connection stays silent from now on: not even a ping is answered. */
  freeze(): void;
  /** Cuts every connection, and is there again, at the same place, when it resolves. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A WebSocket server of `ws` on a free port of 127.0.0.1. */
export async function startServer(page?: string): Promise<AskedServer> {
  const http = createServer((_, response) => {
    response.setHeader('content-type', 'text/html').end(page);
  });
  const sockets = new WebSocketServer({ server: http });
  const requests: IncomingMessage[] = [];
  sockets.on('connection', (socket, request) => {
    requests.push(request);
    socket.on('error', () => undefined);
    const stop = new AbortController();
    socket.on('close', () => stop.abort());
    socket.on('message', data => {
      // eslint-disable-next-line @typescript-eslint/no-base-to-string -- a text
      void answer(socket, JSON.parse(String(data)) as Ask, stop);
    });
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;

  const cut = async (): Promise<void> => {
    const closed = once(http, 'close');
    http.close();
    for (const socket of sockets.clients) socket.terminate();
    http.closeAllConnections();
    await closed;
  };
  return {
    url: `ws://127.0.0.1:${port}/`,
    clients: sockets.clients,
    requests,
    freeze() {
      for (const socket of sockets.clients) socket.pause();
    },
    async restart() {
      await cut();
      http.listen(port, '127.0.0.1');
      await once(http, 'listening');
    },
    stop: cut,
  };
}

async function answer(socket: WebSocket, ask: Ask, stop: AbortController): Promise<void> {
  const { id = 0, method, value = null, millis = 0 } = ask;
  const reply = (reply: Partial<Reply>) => socket.send(JSON.stringify({ id, ...reply }));
  switch (method) {
    case 'echo':
      reply({ value });
      break;
    case 'slow':
      await sleep(millis);
      reply({ value });
      break;
    case 'count':
      for (let at = 1; at <= Number(value); at += 1) {
        reply({ value: at, last: at === Number(value) });
      }
      break;
    case 'ticks':
      for (let at = 1; !stop.signal.aborted; at += 1) {
        reply({ value: at, last: false });
        await sleep(1);
      }
      reply({ value: 0, last: true });
      break;
    case 'stop':
      stop.abort();
      break;
    case 'never':
      break;
    case 'garbage':
      socket.send('this is no JSON');
      break;
    case 'bytes':
      socket.send(new Uint8Array([1, 2, 3]));
      break;
    case 'leave':
      socket.close(1000, 'enough');
      break;
    case 'break':
      socket.terminate();
  }
}
