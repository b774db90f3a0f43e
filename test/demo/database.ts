import { lastValueFrom } from 'rxjs';
import { HookTimeoutError, InvalidOptionsError, type Pool } from '../../src/index.js';
import { postgresPool, query, type PostgresClient } from '../../src/postgres/index.js';
import { startPostgres } from '../services/postgres.js';
import { DemoError, type Wishes } from './wishes.js';

const connectSeconds = 5;
const applicationName = `rxpool demo ${process.pid}`;
export const accounts = `rxpool_demo_${process.pid}`;
export const accountCount = 2_000;

/** What the server says of the pool's connections. */
export interface ServerCount {
  readonly connections: number;
  readonly busy: number;
}

export interface Database extends AsyncDisposable {
  /** Where it is and what it is, for people. */
  readonly title: string;
  readonly pool: Pool<PostgresClient>;
  /** Asks the server, over a connection of its own. */
  count(): Promise<ServerCount>;
  dropTable(): Promise<void>;
}

/**
 * A server of our own, or the one of DATABASE_URL, with a pool for it and a table of accounts in it. The signal gives
 * up the start; once this has resolved it must not abort, for the pool is drained before the server stops.
 */
export async function openDatabase(wishes: Wishes, signal: AbortSignal): Promise<Database> {
  const givenUrl = process.env['DATABASE_URL'];
  if (givenUrl === undefined || givenUrl === '') {
    const server = await startPostgres({ port: wishes.port, signal });
    try {
      return await connect(server.url, `127.0.0.1:${server.port}`, signal, () => server.stop());
    } catch (error) {
      await server.stop();
      throw error;
    }
  }
  if (wishes.port !== undefined) {
    throw new DemoError('--port is for a server of our own, and DATABASE_URL names another one');
  }
  return connect(givenUrl, placeOf(givenUrl), signal, async () => undefined);
}

async function connect(
  url: string,
  place: string,
  signal: AbortSignal,
  stop: () => Promise<void>,
): Promise<Database> {
  const settings = { createTimeoutMillis: connectSeconds * 1_000 };
  const pool = poolFor('demo', { ...settings, max: 10, min: 2, createConcurrency: 4 });
  const observer = poolFor('observer', { ...settings, max: 1 });

  function poolFor(name: string, options: object): Pool<PostgresClient> {
    const application = name === 'demo' ? applicationName : `${applicationName} ${name}`;
    const connection = { connectionString: url, application_name: application };
    try {
      return postgresPool({ ...options, name, connection });
    } catch (error) {
      if (!(error instanceof InvalidOptionsError) || error.option !== 'connection') throw error;
      throw new DemoError(
        `DATABASE_URL must be a postgres:// URL, but is "${String(error.value)}"`,
      );
    }
  }

  async function ask<Row>(text: string, values?: readonly unknown[]): Promise<Row> {
    const rows$ = query<Row>(observer, text, values, { signal });
    return lastValueFrom(rows$, { defaultValue: undefined as Row });
  }

  try {
    const { version } = await ask<{ version: string }>(
      "SELECT current_setting('server_version') AS version",
    );
    await createTable(ask);
    return {
      title: `PostgreSQL ${version.split(' ')[0] ?? ''} at ${place}`,
      pool,
      count: () =>
        ask<ServerCount>(
          `SELECT count(*)::int AS connections, (count(*) FILTER (WHERE state <> 'idle'))::int AS busy
           FROM pg_stat_activity WHERE application_name = $1`,
          [applicationName],
        ),
      dropTable: () => ask(`DROP TABLE IF EXISTS ${accounts}`),
      async [Symbol.asyncDispose]() {
        await Promise.allSettled([pool.close({ force: true }), observer.close({ force: true })]);
        await stop();
      },
    };
  } catch (error) {
    await Promise.allSettled([pool.close({ force: true }), observer.close({ force: true })]);
    throw new DemoError(`no PostgreSQL for us at ${place}: ${reasonOf(error)}`, { cause: error });
  }
}

async function createTable(ask: (text: string) => Promise<unknown>): Promise<void> {
  await ask(`CREATE TABLE ${accounts} (
    id int PRIMARY KEY, owner text NOT NULL, city text NOT NULL, cents bigint NOT NULL)`);
  await ask(`INSERT INTO ${accounts}
    SELECT id, (ARRAY['Ada', 'Grace', 'Edsger', 'Barbara', 'Alan', 'Radia'])[1 + id % 6] || ' ' || id,
      (ARRAY['Lisbon', 'Oslo', 'Kyoto', 'Quito', 'Dakar'])[1 + id * 7 % 5], 100 * (id * 37 % 5000)
    FROM generate_series(1, ${accountCount}) id`);
}

/** The host alone: a URL holds a password. */
function placeOf(url: string): string {
  try {
    return new URL(url).host || 'DATABASE_URL';
  } catch {
    return 'DATABASE_URL';
  }
}

/** The pool's error tells its state too, which is of no interest before it has worked once. */
export function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  if (cause instanceof HookTimeoutError) return `no answer within ${connectSeconds} s`;
  return cause instanceof Error ? cause.message : message;
}
