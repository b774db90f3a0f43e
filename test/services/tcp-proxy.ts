import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxyOptions {
  target: { host: string; port: number };
}

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Clients that hold a connection open, silent ones included. */
  readonly connections: number;
  /** The given URL, led through the proxy. */
  url(target: string): string;
  /** Delays what crosses, each way, by `millis` plus a random part of `jitterMillis`. Order stays. */
  setLatency(millis: number, jitterMillis?: number): void;
  /**
   * While on, nothing crosses in either direction and no socket is told. A connection that lost
   * something, or that was opened meanwhile, stays silent afterwards; the others go on.
   */
  blackHole(on: boolean): void;
  /** While on, new connections are reset at once; open ones go on. */
  refuse(on: boolean): void;
  /** Resets every open connection on both sides. */
  resetAll(): void;
  /** Resets one open connection, any of them, on both sides. */
  resetAny(): void;
  /** Closes every connection to the server; the clients stay connected and hear nothing more. */
  halfOpen(): void;
  stop(): Promise<void>;
}

interface Connection {
  client: Socket;
  server: Socket | undefined;
  silent: boolean;
  clientEnded: boolean;
}

export async function startTcpProxy({ target }: TcpProxyOptions): Promise<TcpProxy> {
  const open = new Set<Connection>();
  let latencyMillis = 0;
  let jitterMillis = 0;
  let swallowing = false;
  let refusing = false;
  let stopping: Promise<void> | undefined;

  // allowHalfOpen: the end of one side reaches the other when we say so, or never.
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, client => {
    if (refusing) reset(client);
    else accept(client);
  });

  function accept(client: Socket): void {
    const server = swallowing
      ? undefined
      : connect({ ...target, allowHalfOpen: true, noDelay: true });
    const connection = { client, server, silent: swallowing, clientEnded: false };
    open.add(connection);
    client.on('end', () => (connection.clientEnded = true));
    client.on('close', () => {
      connection.clientEnded = true;
      if (!server || server.destroyed) open.delete(connection);
    });
    server?.on('close', () => {
      if (client.destroyed) open.delete(connection);
    });
    forward(connection, client, server);
    if (server) forward(connection, server, client);
  }

  /** True when what was about to cross is lost, and with it the rest of the connection. */
  function isLost(connection: Connection): boolean {
    connection.silent ||= swallowing;
    return connection.silent;
  }

  function forward(connection: Connection, from: Socket, to: Socket | undefined): void {
    const crossing: { deliver: () => void; due: number }[] = [];
    let timer: NodeJS.Timeout | undefined;
    let lastDue = 0;

    function send(deliver: () => void): void {
      if (isLost(connection)) return;
      const delay = latencyMillis + Math.random() * jitterMillis;
      lastDue = Math.max(lastDue, performance.now() + delay);
      crossing.push({ deliver, due: lastDue });
      if (!timer) deliverDue();
    }

    // One timer for the whole queue: timers of different lengths may overtake each other.
    function deliverDue(): void {
      timer = undefined;
      for (let next = crossing[0]; next; next = crossing[0]) {
        const wait = next.due - performance.now();
        if (wait > 0) {
          timer = setTimeout(deliverDue, wait);
          return;
        }
        crossing.shift();
        if (!isLost(connection)) next.deliver();
      }
    }

    from.on('data', (chunk: Buffer) => {
      send(() => {
        if (to && !to.write(chunk)) from.pause();
      });
    });
    from.on('end', () => {
      send(() => to?.end());
    });
    // A reset overtakes what is still on its way, as it does on a network.
    from.on('error', () => {
      if (!isLost(connection)) reset(to);
    });
    to?.on('drain', () => from.resume());
    to?.on('close', () => {
      clearTimeout(timer);
      timer = undefined;
      crossing.length = 0;
      from.resume(); // so that its end is still seen
    });
  }

  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;

  async function close(): Promise<void> {
    const closed = once(listener, 'close');
    listener.close();
    for (const { client, server } of open) {
      client.destroy();
      server?.destroy();
    }
    await closed;
  }

  const stop = () => (stopping ??= close());

  return {
    port,
    get connections() {
      return [...open].filter(connection => !connection.clientEnded).length;
    },
    url(targetUrl) {
      const url = new URL(targetUrl);
      url.hostname = '127.0.0.1';
      url.port = String(port);
      return url.href;
    },
    setLatency(millis, jitter = 0) {
      latencyMillis = millis;
      jitterMillis = jitter;
    },
    blackHole(on) {
      swallowing = on;
    },
    refuse(on) {
      refusing = on;
    },
    resetAll() {
      for (const { client, server } of open) {
        reset(client);
        reset(server);
      }
    },
    resetAny() {
      const connections = [...open];
      const victim = connections[Math.floor(Math.random() * connections.length)];
      reset(victim?.client);
      reset(victim?.server);
    },
    halfOpen() {
      for (const connection of open) {
        connection.silent = true;
        connection.server?.destroy();
      }
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function reset(socket: Socket | undefined): void {
  // Node 20 refuses to reset a socket that is ending, never closes it, and may spin at exit.
  if (socket?.connecting || socket?.writableEnded) socket.destroy();
  else socket?.resetAndDestroy();
}
