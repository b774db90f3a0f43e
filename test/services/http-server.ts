import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Certificate } from './certificate.js';

export interface HttpServer extends AsyncDisposable {
  readonly origin: string;
  readonly port: number;
  /** The server itself, for its time limits. */
  readonly server: Server;
  /** Open connections, as the server counts them. */
  connections(): Promise<number>;
  /** How many there were in all. */
  readonly accepted: number;
  /** Resets one open connection, any of them. */
  resetAny(): void;
  /** Closes every open connection, as a server does that is tired of them. */
  endAll(): void;
  stop(): Promise<void>;
}

/** A real server of Node on a free port of 127.0.0.1; with a certificate it speaks TLS. */
export async function startHttpServer(
  handle: RequestListener,
  certificate?: Certificate,
): Promise<HttpServer> {
  const server =
    certificate === undefined ? createServer(handle) : createSecureServer(certificate, handle);
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket: Socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  let stopping: Promise<void> | undefined;
  async function close(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  }
  const stop = () => (stopping ??= close());

  return {
    origin: `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    server,
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => {
          if (error === null) resolve(count);
          else reject(error);
        });
      }),
    get accepted() {
      return accepted;
    },
    resetAny() {
      const open = [...sockets];
      open[Math.floor(Math.random() * open.length)]?.resetAndDestroy();
    },
    endAll() {
      for (const socket of sockets) socket.end();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
