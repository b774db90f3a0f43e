import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { join } from 'node:path';
import { MissingServerError } from './missing-server.js';
import { anyPort, findProgram, ServerProcess } from './server-process.js';

export interface MariadbOptions {
  /** How many connections the user of `url` may hold; `query` always finds one more. Default 100. */
  readonly maxConnections?: number | undefined;
  /** Aborting gives up the start, and later stops the server. */
  readonly signal?: AbortSignal | undefined;
}

export interface MariadbServer extends AsyncDisposable {
  /** For an ordinary user that owns the database of the URL; it stays valid across `restart`. */
  readonly url: string;
  readonly port: number;
  /** Of the running server, or of the last one. */
  readonly pid: number;
  /** Runs as the server's root on a connection of its own, which ends with the call. */
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** The ids (`CONNECTION_ID()`) of the connections of the user of `url`, as the server lists them. */
  connections(): Promise<number[]>;
  /** Ends the given connections of that user, or all of them; resolves to how many, once the server lists them no more. */
  killConnections(ids?: readonly number[]): Promise<number>;
  /** Same port, same data. Starts it again after `kill`. */
  restart(): Promise<void>;
  /** SIGKILL, as in a crash: connections break, the data survives for `restart`. */
  kill(): Promise<void>;
  /** Ends the server and deletes its directory; idempotent. */
  stop(): Promise<void>;
}

const host = '127.0.0.1';
const user = 'rxpool';
/** For whoever asks as root meanwhile. */
const rootConnections = 20;
const signs = { ready: 'ready for connections', portTaken: 'Address already in use' };

export async function startMariadb(options: MariadbOptions = {}): Promise<MariadbServer> {
  const { maxConnections = 100, signal } = options;
  signal?.throwIfAborted();
  const program = findProgram('mariadbd');
  const install = findProgram('mariadb-install-db');
  if (program === undefined || install === undefined) {
    throw new MissingServerError('MariaDB', 'apt-get install mariadb-server');
  }
  const server = new ServerProcess('mariadb');
  const data = join(server.directory, 'data');
  const socketPath = join(server.directory, 'socket');
  let port = anyPort();
  let lastTurn: Promise<unknown> = Promise.resolve();

  function inTurn<R>(work: () => Promise<R>): Promise<R> {
    const turn = lastTurn.then(work);
    lastTurn = turn.catch(() => undefined);
    return turn;
  }

  function boot(): Promise<boolean> {
    const settings = {
      datadir: data,
      tmpdir: server.directory,
      socket: socketPath,
      'bind-address': host,
      port,
      'max-connections': maxConnections + rootConnections,
      'skip-name-resolve': 1,
      'innodb-flush-log-at-trx-commit': 0, // nothing here has to be durable
      'innodb-buffer-pool-size': '16M',
      'innodb-log-file-size': '4M',
      'character-set-server': 'utf8mb4',
    };
    const parameters = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
    return server.launch(program as string, ['--no-defaults', ...parameters], signs, signal);
  }

  async function asRoot<R>(work: (connection: Connection) => Promise<R>): Promise<R> {
    const connection = await createConnection({
      socketPath,
      user: 'root',
      multipleStatements: true,
    });
    connection.on('error', () => undefined); // a broken connection rejects the query; no need to crash too
    try {
      return await work(connection);
    } finally {
      await connection.end();
    }
  }

  const query = (
    text: string,
    values: readonly unknown[] = [],
  ): Promise<Record<string, unknown>[]> =>
    asRoot(async connection => {
      const [rows] = await connection.query<RowDataPacket[]>(text, [...values]);
      return rows;
    });

  async function connections(): Promise<number[]> {
    const rows = await query(
      'SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = ? ORDER BY ID',
      [user],
    );
    return rows.map(row => Number(row['id']));
  }

  const stop = () => inTurn(() => server.stop());
  const onAbort = () => void stop();

  try {
    await server.run(install, [
      '--no-defaults',
      `--datadir=${data}`,
      `--tmpdir=${server.directory}`, // one that starts deletes the temporary tables of all who share the folder
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      '--skip-name-resolve',
      '--innodb-log-file-size=4M',
    ]);
    signal?.throwIfAborted();
    while (!(await boot())) port = anyPort();
    await query(
      `CREATE DATABASE ${user}; CREATE USER ${user}@'%' IDENTIFIED BY '${user}'
         WITH MAX_USER_CONNECTIONS ${maxConnections};
       GRANT ALL ON ${user}.* TO ${user}@'%'`,
    );
    signal?.throwIfAborted();
  } catch (error) {
    await stop();
    throw error;
  }
  signal?.addEventListener('abort', onAbort, { once: true });

  return {
    url: `mysql://${user}:${user}@${host}:${port}/${user}`,
    port,
    get pid() {
      return server.pid;
    },
    query,
    connections,
    killConnections: ids =>
      asRoot(async connection => {
        const victims = ids ?? (await connections());
        let killed = 0;
        for (const id of victims) {
          try {
            await connection.query('KILL CONNECTION ?', [id]);
            killed += 1;
          } catch (error) {
            // ER_NO_SUCH_THREAD: it has ended by itself.
            if ((error as { errno?: number }).errno !== 1094) throw error;
          }
        }
        while ((await connections()).some(id => victims.includes(id)));
        return killed;
      }),
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
