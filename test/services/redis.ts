import { createRedisMock } from 'js-redis-server';
import { createClient } from 'redis';
import { MissingServerError } from './missing-server.js';
import { anyPort, findProgram, ServerProcess } from './server-process.js';

export interface RedisOptions {
  /** Of the default user. Default: none. */
  readonly password?: string | undefined;
  /** Aborting gives up the start, and later stops the server. */
  readonly signal?: AbortSignal | undefined;
}

/** One line of CLIENT LIST. */
export interface RedisConnection {
  readonly id: string;
  readonly name: string;
  readonly db: string;
  readonly cmd: string;
}

export interface RedisServer extends AsyncDisposable {
  /** The password, if there is one, is part of it; it stays valid across `restart`. */
  readonly url: string;
  readonly port: number;
  /** Whether it is a Redis or Valkey, and not the stand-in. */
  readonly isReal: boolean;
  /** Of the running server, or of the last one. */
  readonly pid: number;
  /** Sends a command on a connection that `connections` leaves out. */
  send(...words: string[]): Promise<unknown>;
  /** The connections of clients, as the server lists them. */
  connections(): Promise<RedisConnection[]>;
  /** Ends the given connections, or all that `connections` lists; resolves to how many. */
  killConnections(ids?: readonly string[]): Promise<number>;
  /** Same port, without the data. Starts it again after `kill`. */
  restart(): Promise<void>;
  /** SIGKILL, as in a crash. */
  kill(): Promise<void>;
  /** Ends the server and deletes its directory; idempotent. */
  stop(): Promise<void>;
}

const host = '127.0.0.1';
const signs = { ready: 'Ready to accept connections', portTaken: 'Address already in use' };

/** A real Redis, or Valkey. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const { password, signal } = options;
  signal?.throwIfAborted();
  const program = findProgram('redis-server', 'valkey-server');
  if (program === undefined) throw new MissingServerError('Redis', 'apt-get install redis-server');
  const server = new ServerProcess('redis');
  const urlOf = (): string =>
    `redis://${password === undefined ? '' : `:${password}@`}${host}:${port}`;
  const control = new Control(urlOf);
  let port = anyPort();
  let lastTurn: Promise<unknown> = Promise.resolve();

  function inTurn<R>(work: () => Promise<R>): Promise<R> {
    const turn = lastTurn.then(work);
    lastTurn = turn.catch(() => undefined);
    return turn;
  }

  function boot(): Promise<boolean> {
    const settings = ['--bind', host, '--port', String(port), '--save', '', '--appendonly', 'no'];
    if (password !== undefined) settings.push('--requirepass', password);
    return server.launch(program as string, settings, signs, signal);
  }

  const stop = () =>
    inTurn(async () => {
      control.close();
      await server.stop();
    });
  const onAbort = () => void stop();

  try {
    while (!(await boot())) port = anyPort();
    signal?.throwIfAborted();
  } catch (error) {
    await stop();
    throw error;
  }
  signal?.addEventListener('abort', onAbort, { once: true });

  return {
    url: urlOf(),
    port,
    isReal: true,
    get pid() {
      return server.pid;
    },
    ...control.methods,
    restart: () =>
      inTurn(async () => {
        control.close();
        await server.end('SIGTERM', 'SIGKILL');
        if (!(await boot())) throw new Error(`Port ${port} of ${host} is in use`);
      }),
    kill: () =>
      inTurn(async () => {
        control.close();
        await server.end('SIGKILL');
      }),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The same face before the npm-only server, in this process: where no Redis is installed. It can't be restarted. */
export async function startRedisStandIn(): Promise<RedisServer> {
  const mock = await createRedisMock();
  const control = new Control(() => mock.url);
  const no = () => Promise.reject(new MissingServerError('Redis', 'apt-get install redis-server'));
  const stop = async () => {
    control.close();
    await mock.close();
  };
  return {
    url: mock.url,
    port: mock.port,
    isReal: false,
    pid: process.pid,
    ...control.methods,
    restart: no,
    kill: no,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The connection of whoever counts and kills. */
class Control {
  readonly #url: () => string;
  #client: Promise<Client> | undefined = undefined;

  constructor(url: () => string) {
    this.#url = url;
  }

  readonly methods = {
    send: async (...words: string[]): Promise<unknown> =>
      (await this.#connected()).sendCommand(words),

    connections: async (): Promise<RedisConnection[]> => {
      const client = await this.#connected();
      const own = String(await client.sendCommand<number>(['CLIENT', 'ID']));
      const list = await client.sendCommand<string>(['CLIENT', 'LIST']);
      return list
        .split('\n')
        .filter(line => line.includes('='))
        .map(line => Object.fromEntries(line.split(' ').map(pairOf)) as unknown as RedisConnection)
        .filter(({ id }) => id !== own);
    },

    killConnections: async (ids?: readonly string[]): Promise<number> => {
      const client = await this.#connected();
      const victims = ids ?? (await this.methods.connections()).map(({ id }) => id);
      const killed = await Promise.all(
        victims.map(id => client.sendCommand(['CLIENT', 'KILL', 'ID', id])),
      );
      return killed.reduce<number>((sum, count) => sum + Number(count), 0);
    },
  };

  close(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.then(
      open => {
        open.destroy();
      },
      () => undefined, // it never came up
    );
  }

  #connected(): Promise<Client> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  async #connect(): Promise<Client> {
    const client = newClient(this.#url());
    client.on('error', () => {
      this.#client = undefined; // the next one who asks connects again
    });
    await client.connect();
    return client;
  }
}

type Client = ReturnType<typeof newClient>;

function newClient(url: string) {
  return createClient({ url, socket: { reconnectStrategy: false }, disableOfflineQueue: true });
}

function pairOf(field: string): [string, string] {
  const at = field.indexOf('=');
  return [field.slice(0, at), field.slice(at + 1)];
}
