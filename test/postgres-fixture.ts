import { Client } from 'pg';
import type { Pool, PoolEvent } from '../src/index.js';
import { postgresPool, type PostgresPoolOptions } from '../src/postgres/index.js';
import { assertInvariants } from '../src/testing/index.js';
import { startPostgres, type PostgresServer } from './services/postgres.js';

interface Backend {
  readonly pid: number;
  readonly state: string;
  readonly query: string;
  readonly wait: string | null;
}

/** A server for a file of tests, with pools that are closed and checked after each. */
export class PostgresFixture {
  #server: PostgresServer | undefined;
  #pools: { pool: Pool<Client>; events: PoolEvent<Client>[] }[] = [];

  async start(maxConnections = 100): Promise<void> {
    this.#server = await startPostgres({ maxConnections });
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  get server(): PostgresServer {
    if (this.#server === undefined) throw new Error('The server of these tests is not started');
    return this.#server;
  }

  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]> {
    return this.server.query(text, values);
  }

  open(options: Partial<PostgresPoolOptions<Client>> = {}): Pool<Client> {
    const pool = postgresPool({
      connection: this.server.url,
      Client,
      lifetimeJitter: 0,
      ...options,
    });
    const events: PoolEvent<Client>[] = [];
    pool.stats$.subscribe(event => events.push(event));
    this.#pools.push({ pool, events });
    return pool;
  }

  async closePools(): Promise<void> {
    const pools = this.#pools;
    this.#pools = [];
    for (const { pool, events } of pools) {
      await pool.close({ force: true }).catch(() => undefined);
      assertInvariants(pool, { events });
    }
  }

  /** The connections of pools, as the server sees them. */
  async backends(): Promise<Backend[]> {
    const rows = await this.query(
      'SELECT pid, state, query, wait_event_type AS wait FROM pg_stat_activity ' +
        "WHERE usename = 'rxpool' ORDER BY pid",
    );
    return rows as unknown as Backend[];
  }

  /** Asks the server again and again, each time a round trip. */
  async untilBackends(wanted: (rows: Backend[]) => boolean): Promise<Backend[]> {
    for (;;) {
      const rows = await this.backends();
      if (wanted(rows)) return rows;
    }
  }
}
