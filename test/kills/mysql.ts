import { createConnection } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import { takeUntil, timer, type Observable } from 'rxjs';
import type { Pool } from '../../src/index.js';
import { mysqlPool, query, transaction } from '../../src/mysql/index.js';
import { startMariadb } from '../services/mariadb.js';
import type { KillTrial } from './contestant.js';

const max = 8;

export const trial: KillTrial = {
  name: 'mysql',
  async open() {
    // It admits not one more than the pool may have; those who count, kill and cancel come beside.
    const server = await startMariadb({ maxConnections: max });
    await server.query(
      "CREATE USER canceller@'%'; GRANT CONNECTION ADMIN ON *.* TO canceller@'%'; " +
        'CREATE TABLE rxpool.kill_work (at timestamp)',
    );
    const pool = mysqlPool({
      connection: server.url,
      cancelConnection: `mysql://canceller@127.0.0.1:${server.port}`,
      createConnection,
      name: 'mysql',
      max,
    });
    const killed = new Set<number>();
    return {
      pool,
      borrow: () => work(pool),
      async kill() {
        const ids = await server.connections();
        const victim = ids[Math.floor(Math.random() * ids.length)];
        if (victim === undefined) return;
        killed.add(victim);
        await server.killConnections([victim]);
      },
      // MariaDB hangs up on whom it kills first, and takes the connection off its list a moment later: that the list is
      // rid of it `killConnections` waits for.
      async serverCount() {
        const ids = await server.connections();
        return ids.filter(id => !killed.has(id)).length;
      },
      counts: 'PROCESSLIST, without what was killed',
      close: () => server.stop(),
    };
  },
};

function work(pool: Pool<Connection>): Observable<unknown> {
  const choice = Math.random();
  if (choice < 0.4) return query(pool, 'SELECT seq FROM seq_1_to_20');
  if (choice < 0.8) {
    return transaction(pool, connection =>
      connection.query('INSERT INTO kill_work VALUES (NOW())'),
    );
  }
  if (choice < 0.9) return query(pool, 'SELECT SLEEP(0.002)');
  // Given up half-way: killed on the server.
  return query(pool, 'SELECT SLEEP(10)').pipe(takeUntil(timer(2)));
}
