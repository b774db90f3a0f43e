import { createConnection } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import { filter, firstValueFrom } from 'rxjs';
import type { Pool, PoolEvent, PoolState } from '../src/index.js';
import { mysqlPool, type MysqlPoolOptions } from '../src/mysql/index.js';
import { assertInvariants } from '../src/testing/index.js';
import type { MariadbServer } from './services/mariadb.js';

interface Thread {
  readonly id: number;
  readonly command: string;
  readonly state: string | null;
  readonly sql: string | null;
}

/** Pools on one server, which are closed and checked after each test. */
export class MysqlFixture {
  readonly server: MariadbServer;
  #pools: { pool: Pool<Connection>; events: PoolEvent<Connection>[] }[] = [];

  constructor(server: MariadbServer) {
    this.server = server;
  }

  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]> {
    return this.server.query(text, values);
  }

  open(options: Partial<MysqlPoolOptions<Connection>> = {}): Pool<Connection> {
    const pool = mysqlPool({
      connection: this.server.url,
      createConnection,
      lifetimeJitter: 0,
      ...options,
    });
    const events: PoolEvent<Connection>[] = [];
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
  async threads(): Promise<Thread[]> {
    const rows = await this.query(
      'SELECT ID AS id, COMMAND AS command, STATE AS state, INFO AS `sql` FROM information_schema.PROCESSLIST ' +
        "WHERE USER = 'rxpool' ORDER BY ID",
    );
    return rows.map(row => ({ ...row, id: Number(row['id']) }) as Thread);
  }

  /** Asks the server again and again, each time a round trip. */
  async untilThreads(wanted: (threads: Thread[]) => boolean): Promise<Thread[]> {
    for (;;) {
      const threads = await this.threads();
      if (wanted(threads)) return threads;
    }
  }
}

/** The state at which the pool has become what the test waits for. */
export function stateOf<T>(
  pool: Pool<T>,
  wanted: (state: PoolState) => boolean,
): Promise<PoolState> {
  return firstValueFrom(pool.state$.pipe(filter(wanted)));
}

export const isAtRest = ({ leased, resetting, validating, destroying }: PoolState): boolean =>
  leased + resetting + validating + destroying === 0;

/** The first row of what a connection is asked. */
export async function rowOf(
  connection: Pick<Connection, 'query'>,
  sql: string,
  values?: unknown[],
): Promise<Record<string, unknown>> {
  const [rows] = await connection.query(sql, values);
  return (rows as Record<string, unknown>[])[0] ?? {};
}
