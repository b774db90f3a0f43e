import { MongoClient } from 'mongodb';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { giveToAccount } from './account.js';
import { MissingServerError } from './missing-server.js';
import { anyPort, ServerProcess } from './server-process.js';

export interface FerretdbOptions {
  /** Aborting gives up the start, and later stops the server. */
  readonly signal?: AbortSignal | undefined;
}

/** A server that speaks MongoDB's protocol: FerretDB over SQLite. It has neither sessions nor transactions. */
export interface FerretdbServer extends AsyncDisposable {
  /** It stays valid across `restart`. */
  readonly url: string;
  readonly port: number;
  /** Of the running server, or of the last one. */
  readonly pid: number;
  /** Runs a command of the database `admin`, on a connection of its own, which ends with the call. */
  command(command: Record<string, unknown>): Promise<Record<string, unknown>>;
  /** Same port, same data. Starts it again after `kill`. */
  restart(): Promise<void>;
  /** SIGKILL, as in a crash: connections break, the data survives for `restart`. */
  kill(): Promise<void>;
  /** Ends the server and deletes its directory; idempotent. */
  stop(): Promise<void>;
}

const host = '127.0.0.1';
const signs = { ready: 'mongodb://', portTaken: 'address already in use' };

export async function startFerretdb(options: FerretdbOptions = {}): Promise<FerretdbServer> {
  const { signal } = options;
  signal?.throwIfAborted();
  const built = builtProgram();
  if (built === undefined) throw new MissingServerError('FerretDB', 'npm run services');
  const server = new ServerProcess('ferretdb');
  // The account may not be let in where the project lives, below /root for example.
  const program = join(server.directory, 'ferretdb');
  const data = join(server.directory, 'data');
  let port = anyPort();
  let lastTurn: Promise<unknown> = Promise.resolve();

  function inTurn<R>(work: () => Promise<R>): Promise<R> {
    const turn = lastTurn.then(work);
    lastTurn = turn.catch(() => undefined);
    return turn;
  }

  const boot = (): Promise<boolean> => server.launch(program, [String(port), data], signs, signal);
  const urlOf = (at: number): string => `mongodb://${host}:${at}/`;
  const stop = () => inTurn(() => server.stop());
  const onAbort = () => void stop();

  try {
    copyFileSync(built, program);
    mkdirSync(data);
    giveToAccount(server.directory);
    while (!(await boot())) port = anyPort();
  } catch (error) {
    await stop();
    throw error;
  }
  signal?.addEventListener('abort', onAbort, { once: true });

  return {
    url: urlOf(port),
    port,
    get pid() {
      return server.pid;
    },
    async command(command) {
      await using client = new MongoClient(urlOf(port), { serverSelectionTimeoutMS: 5_000 });
      return await client.db('admin').command(command);
    },
    restart: () =>
      inTurn(async () => {
        await server.end('SIGTERM', 'SIGKILL');
        if (!(await boot())) throw new Error(`Port ${port} of ${host} is in use`);
      }),
    kill: () => inTurn(() => server.end('SIGKILL')),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Where it is built to; looked for upwards, because this file may run compiled, from another folder. */
function builtProgram(): string | undefined {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules/.cache/rxpool-services/ferretdb');
    if (existsSync(path)) return path;
    if (folder === dirname(folder)) return undefined;
  }
}
