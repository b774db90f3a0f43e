import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { account, giveToAccount } from './account.js';
import { installedPackage, usableBinaries } from './postgres-installation.js';
import { copyTemplate, keepAsTemplate } from './postgres-template.js';

export interface PostgresOptions {
  /** A port of 127.0.0.1; 0, the default, takes a free one. */
  port?: number | undefined;
  /** How many connections the user of `url` may hold; `query` always finds one more. */
  maxConnections?: number | undefined;
  /** Aborting gives up the start, and later stops the server. */
  signal?: AbortSignal | undefined;
}

export interface PostgresServer extends AsyncDisposable {
  /** For an ordinary role that owns the database; it stays valid across `restart`. */
  readonly url: string;
  readonly port: number;
  /** Of the server's main process: the running one, or the last one. */
  readonly pid: number;
  /** Runs as superuser on a connection of its own, which ends with the call. */
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Ends the given backends, or those of all clients; resolves to how many, once they are gone. */
  terminateBackends(pids?: readonly number[]): Promise<number>;
  /** Same port, same data. Starts it again after `kill`. */
  restart(): Promise<void>;
  /** Immediate shutdown, as in a crash: connections break, the data survives for `restart`. */
  kill(): Promise<void>;
  /** Ends the server and deletes its directory; idempotent. */
  stop(): Promise<void>;
}

const host = '127.0.0.1';
const startTimeoutMillis = 30_000;
const signalTimeoutMillis = 5_000;

// $1: the directory, $2: the server to end, if any. PostgreSQL deletes postmaster.pid as its last
// act; its exit cannot be seen from here, because it may stay a zombie until our parent has ended.
const cleanUp = `
  [ -d "$1" ] || exit 0
  pidfile="$1/data/postmaster.pid"
  [ -z "$2" ] || kill -QUIT "$2"
  tries=0
  while [ -e "$pidfile" ] && [ "$tries" -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
  [ -z "$2" ] || [ ! -e "$pidfile" ] || kill -KILL "$2"
  rm -rf "$1"`;

// Reads which server runs, one line per change, and cleans up when the pipe closes.
const guardScript = `while read -r line; do server=$line; done; set -- "$1" "$server"; ${cleanUp}`;

export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const { port: wantedPort = 0, maxConnections = 100, signal } = options;
  signal?.throwIfAborted();
  const packageFolder = installedPackage();
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'rxpool-postgres-'));
  const data = join(directory, 'data');
  const logFile = join(directory, 'log');

  // A guard outlives this process, so nothing stays behind after SIGINT, SIGKILL or a crash either.
  const guard = spawn('/bin/sh', ['-c', guardScript, 'rxpool-postgres-guard', directory], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  guard.stdin.on('error', () => undefined); // somebody ended the guard: the exit hook remains

  let server: ChildProcess | undefined;
  const cleanUpNow = () => {
    const pid = server && isRunning(server) ? String(server.pid) : '';
    spawnSync('/bin/sh', ['-c', cleanUp, 'rxpool-postgres-exit', directory, pid]);
  };

  let binaries = '';
  let port = wantedPort || anyPort();
  let stopping: Promise<void> | undefined;
  let lastTurn: Promise<unknown> = Promise.resolve();

  function inTurn<R>(work: () => Promise<R>): Promise<R> {
    const turn = lastTurn.then(work);
    lastTurn = turn.catch(() => undefined);
    return turn;
  }

  function launch(
    name: 'initdb' | 'postgres',
    parameters: readonly string[],
    held: 'ignore' | Writable,
  ): ChildProcess {
    const log = openSync(logFile, 'w'); // emptied: it explains this launch only
    try {
      return spawn(join(binaries, name), parameters, {
        ...account,
        cwd: directory,
        detached: true, // a Ctrl-C in the terminal is for the program, which may want to drain first
        stdio: ['ignore', log, log, held],
      });
    } finally {
      closeSync(log);
    }
  }

  const failure = (what: string) => new Error(`${what}:\n${readFileSync(logFile, 'utf8').trim()}`);

  async function initialise(): Promise<void> {
    if (!(await copyTemplate(data))) {
      await makeCluster();
      await keepAsTemplate(data);
    }
    process.on('exit', cleanUpNow);
  }

  async function makeCluster(): Promise<void> {
    const identity = ['-U', 'postgres', '-A', 'trust'];
    const contents = ['-E', 'UTF8', '--locale=C', '--no-sync'];
    // It holds the guard's pipe open: should we end meanwhile, the guard lets it finish first.
    // Killed half-way, it would leave shared memory behind.
    const initdb = launch('initdb', ['-D', data, ...identity, ...contents], guard.stdin);
    await once(initdb, 'exit');
    if (initdb.exitCode !== 0) throw failure('initdb failed');
  }

  /** False when the port is taken. */
  async function boot(): Promise<boolean> {
    const settings = {
      superuser_reserved_connections: 3,
      max_connections: maxConnections + 3,
      unix_socket_directories: '',
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
    };
    const parameters = Object.entries(settings).flatMap(([name, value]) => [
      '-c',
      `${name}=${String(value)}`,
    ]);
    const location = ['-D', data, '-h', host, '-p', String(port)];
    const launched = launch('postgres', [...location, ...parameters], 'ignore');
    server = launched;
    guard.stdin.write(`${String(launched.pid)}\n`);
    launched.once('exit', () => guard.stdin.write('\n'));
    const deadline = Date.now() + startTimeoutMillis;
    // The file, not the port, says when it is ready: on a taken port somebody else would answer.
    while (!isReady(launched)) {
      signal?.throwIfAborted();
      if (!isRunning(launched)) {
        if (readFileSync(logFile, 'utf8').includes('Address already in use')) return false;
        throw failure('PostgreSQL did not start');
      }
      if (Date.now() > deadline) throw failure('PostgreSQL was not ready in time');
      await sleep(5);
    }
    await query('SELECT 1');
    launched.unref(); // a forgotten stop() does not hold the process: the exit hook cleans up
    return true;
  }

  function isReady(launched: ChildProcess): boolean {
    try {
      const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
      return lines[0] === String(launched.pid) && lines[7]?.trim() === 'ready';
    } catch {
      return false;
    }
  }

  async function end(...signals: readonly NodeJS.Signals[]): Promise<void> {
    for (const next of signals) {
      if (!server || !isRunning(server)) return;
      server.ref();
      server.kill(next);
      const patience = AbortSignal.timeout(signalTimeoutMillis);
      await once(server, 'exit', { signal: patience }).catch(() => undefined);
    }
  }

  async function query(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<Record<string, unknown>[]> {
    const client = new Client({ host, port, user: 'postgres', database: 'postgres' });
    client.on('error', () => undefined); // a broken connection rejects the query; no need to crash too
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text, [...values])).rows;
    } finally {
      await client.end();
    }
  }

  async function tidy(): Promise<void> {
    signal?.removeEventListener('abort', onAbort);
    await end('SIGINT', 'SIGQUIT', 'SIGKILL');
    rmSync(directory, { recursive: true, force: true });
    guard.ref();
    guard.stdin.end();
    if (isRunning(guard)) await once(guard, 'exit');
    process.off('exit', cleanUpNow);
  }

  const stop = () => (stopping ??= inTurn(tidy));
  const onAbort = () => void stop();
  const portTaken = () =>
    new Error(`Port ${String(port)} of ${host} is in use: no PostgreSQL there.`);

  try {
    giveToAccount(directory);
    binaries = usableBinaries(packageFolder, directory);
    await initialise();
    signal?.throwIfAborted();
    while (!(await boot())) {
      if (wantedPort !== 0) throw portTaken();
      port = anyPort();
    }
    await query('CREATE ROLE rxpool LOGIN; ALTER DATABASE postgres OWNER TO rxpool');
    await query('CHECKPOINT'); // with nothing flushed on commit, a kill() soon after would lose the role
    signal?.throwIfAborted();
  } catch (error) {
    await stop();
    throw error;
  }
  signal?.addEventListener('abort', onAbort, { once: true });

  return {
    url: `postgres://rxpool@${host}:${String(port)}/postgres`,
    port,
    get pid() {
      return server?.pid ?? 0;
    },
    query,
    async terminateBackends(pids) {
      const rows = await query(
        `SELECT pg_terminate_backend(pid, ${String(signalTimeoutMillis)}) AS gone
         FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
           AND ($1::int[] IS NULL OR pid = ANY ($1))`,
        [pids ?? null],
      );
      return rows.filter(row => row['gone'] === true).length;
    },
    async restart() {
      if (stopping) throw new Error('This PostgreSQL was stopped: start another one.');
      await inTurn(async () => {
        await end('SIGINT', 'SIGQUIT', 'SIGKILL');
        if (!(await boot())) throw portTaken();
      });
    },
    kill: () => inTurn(() => end('SIGQUIT', 'SIGKILL')),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function isRunning(process: ChildProcess): boolean {
  return process.pid !== undefined && process.exitCode === null && process.signalCode === null;
}

/** Below the range from which clients get theirs, so that a restart finds it free again. */
function anyPort(): number {
  return randomInt(20_000, 32_768);
}
