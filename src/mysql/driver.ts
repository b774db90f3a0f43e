import { AsyncSubject, type Observable } from 'rxjs';
import type {
  CreateMysqlConnection,
  MysqlConnection,
  MysqlConnectionOptions,
} from './connection.js';

/** A statement that reports row by row. */
export interface Statement {
  on(event: 'fields', listener: (fields: unknown) => void): this;
  on(event: 'result', listener: (row: unknown) => void): this;
  on(event: 'error', listener: (error: Error) => void): this;
  on(event: 'end', listener: () => void): this;
}

/** The connection of mysql2 that a connection of `mysql2/promise` stands on. */
export interface Core {
  readonly threadId?: number | null;
  readonly stream?: { destroy(): void; once(event: 'close', listener: () => void): unknown };
  readonly config?: { charsetNumber?: number; readonly user?: string };
  /** What runs; those behind it wait in a queue. */
  readonly _command?: object | null;
  query(options: object): Statement;
  connect(callback: (error: unknown) => void): void;
  end(): unknown;
  destroy(): void;
  promise(): MysqlConnection;
  on(event: string, listener: (error: unknown) => void): unknown;
}

/** A connection made by something else than mysql2 is its own core: what it lacks costs comfort, never safety. */
export function coreOf(connection: MysqlConnection): Core {
  return (connection as { readonly connection?: Core }).connection ?? (connection as never);
}

const deaths = new WeakMap<Core, AsyncSubject<unknown>>();
const watched = new WeakSet<object>();

/**
 * Emits once, when the connection is of no use any more. It listens for good: an `error` that nobody listens to ends
 * the process, and mysql2 tells some deaths to the statement that runs, others to the connection.
 */
export function deathOf(core: Core): Observable<unknown> {
  let death = deaths.get(core);
  if (death === undefined) {
    const begun = new AsyncSubject<unknown>();
    death = begun;
    deaths.set(core, death);
    core.on('error', error => {
      die(begun, error);
    });
    core.on('end', () => {
      die(begun, new ConnectionLostError());
    });
  }
  followStream(core, death);
  return death;
}

/** Once encrypted, a connection has another stream than it began with. */
function followStream(core: Core, death: AsyncSubject<unknown>): void {
  const { stream } = core;
  if (stream === undefined || watched.has(stream)) return;
  watched.add(stream);
  stream.once('close', () => {
    die(death, new ConnectionLostError());
  });
}

function die(death: AsyncSubject<unknown>, error: unknown): void {
  death.next(error);
  death.complete();
}

/** As mysql2 calls it, where it tells. */
class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError';
  readonly code = 'PROTOCOL_CONNECTION_LOST';
  readonly fatal = true;

  constructor() {
    super('The server has closed the connection');
  }
}

/** `createConnection` of the installed mysql2. */
export async function loadCreateConnection(): Promise<CreateMysqlConnection> {
  const loaded = (await import('mysql2').catch((cause: unknown) => {
    throw new Error('rxpool/mysql needs the package mysql2, which cannot be loaded', { cause });
  })) as unknown as {
    readonly createConnection?: CreateMysqlConnection;
    readonly default: { readonly createConnection: CreateMysqlConnection };
  };
  return loaded.createConnection ?? loaded.default.createConnection;
}

/** Connects and begins a session; aborting cuts the socket at once, whatever it waits for. */
export async function connect<C extends MysqlConnection, R>(
  createConnection: CreateMysqlConnection<C>,
  connection: string | MysqlConnectionOptions,
  signal: AbortSignal,
  begin: (connection: C) => PromiseLike<R>,
): Promise<R> {
  signal.throwIfAborted();
  // A copy: mysql2 writes what is in the URL into the object that it is given.
  const options = typeof connection === 'string' ? { uri: connection } : { ...connection };
  const made = createConnection(options as never);
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([connected(made).then(begin), aborted]);
  } catch (error) {
    giveUp(made);
    throw explained(error);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function connected<C extends MysqlConnection>(made: PromiseLike<C> | { promise(): C }): Promise<C> {
  if ('then' in made) return Promise.resolve(made);
  const core = made as never as Core;
  deathOf(core);
  return new Promise((resolve, reject) => {
    core.connect(error => {
      // What mysql2 gives for an error has the words of the server.
      if (error instanceof Error) reject(error);
      else resolve(made.promise());
    });
  });
}

function giveUp<C extends MysqlConnection>(made: PromiseLike<C> | { promise(): C }): void {
  if ('then' in made) {
    // It may still arrive; that it failed is known already.
    made.then(
      late => {
        cut(coreOf(late));
      },
      () => undefined,
    );
    return;
  }
  cut(made as never);
}

/** Without a word to the server. */
export function cut(core: Core): void {
  deathOf(core);
  core.destroy();
  core.stream?.destroy();
}

/** Node says nothing in its own words when every address of a host has failed. */
function explained(error: unknown): unknown {
  if (error instanceof AggregateError && error.message === '') {
    error.message = error.errors.map(each => (each as Error).message).join('; ');
  }
  return error;
}
