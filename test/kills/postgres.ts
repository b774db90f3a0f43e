import { Client } from 'pg';
import { takeUntil, timer, type Observable } from 'rxjs';
import type { Pool } from '../../src/index.js';
import { postgresPool, query, transaction } from '../../src/postgres/index.js';
import { startPostgres } from '../services/postgres.js';
import type { KillTrial } from './contestant.js';

const max = 8;

export const trial: KillTrial = {
  name: 'postgres',
  async open() {
    const server = await startPostgres();
    // It admits not one more than the pool may have; those who count and kill come beside.
    await server.query(`ALTER ROLE rxpool CONNECTION LIMIT ${max}`);
    await server.query('CREATE TABLE kill_work (at timestamptz); GRANT ALL ON kill_work TO rxpool');
    const pool = postgresPool({ connection: server.url, Client, name: 'postgres', max });
    return {
      pool,
      borrow: () => work(pool),
      async kill() {
        await server.query(
          `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
           WHERE usename = 'rxpool' ORDER BY random() LIMIT 1`,
        );
      },
      async serverCount() {
        const [row] = await server.query(
          "SELECT count(*)::int AS count FROM pg_stat_activity WHERE usename = 'rxpool'",
        );
        return Number(row?.['count']);
      },
      counts: 'pg_stat_activity',
      close: () => server.stop(),
    };
  },
};

function work(pool: Pool<Client>): Observable<unknown> {
  const choice = Math.random();
  if (choice < 0.4) return query(pool, 'SELECT i FROM generate_series(1, 20) AS i');
  if (choice < 0.8) {
    return transaction(pool, client => client.query('INSERT INTO kill_work VALUES (now())'));
  }
  if (choice < 0.9) return query(pool, 'SELECT pg_sleep(0.002)');
  // Given up half-way: cancelled on the server.
  return query(pool, 'SELECT pg_sleep(10)').pipe(takeUntil(timer(2)));
}
