// Accounts in MySQL or MariaDB: rows as a stream, a transfer in a transaction, and one that its caller gives up.
// Run it with MYSQL_URL=mysql://user:password@host/database.
import { createConnection } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import { lastValueFrom, map, takeUntil, timer, toArray } from 'rxjs';
import { mysqlPool, query, stream, transaction } from 'rxpool/mysql';

const pool = mysqlPool({
  connection: process.env['MYSQL_URL'] ?? 'mysql://root@127.0.0.1/test',
  createConnection,
  max: 4,
  setUp: connection => connection.query("SET time_zone = '+00:00'"),
});

const run = (sql: string, values?: unknown[]) =>
  lastValueFrom(query(pool, sql, values), { defaultValue: undefined });

await run('DROP TABLE IF EXISTS example_accounts');
await run('CREATE TABLE example_accounts (id int PRIMARY KEY, balance int NOT NULL)');
await run('INSERT INTO example_accounts VALUES (1, 100), (2, 100)');

const balances = () =>
  lastValueFrom(
    query<{ balance: number }>(pool, 'SELECT balance FROM example_accounts ORDER BY id').pipe(
      map(({ balance }) => balance),
      toArray(),
    ),
  );

async function move(connection: Connection, amount: number): Promise<string> {
  const update = 'UPDATE example_accounts SET balance = balance + ? WHERE id = ?';
  await connection.query(update, [-amount, 1]);
  await connection.query(update, [amount, 2]);
  return `moved ${amount}`;
}

// prints: moved 30
console.log(await lastValueFrom(transaction(pool, connection => move(connection, 30))));
// prints: 70, 130
console.log((await balances()).join(', '));

// Its caller leaves while the server is still at work: killed, rolled back, and the connection is clean again.
await lastValueFrom(
  transaction(pool, async connection => {
    await move(connection, 50);
    await connection.query('SELECT SLEEP(60)');
  }).pipe(takeUntil(timer(100))),
  { defaultValue: undefined },
);
// prints: 70, 130
console.log((await balances()).join(', '));

// One row at a time, at the reader's pace.
for await (const { id, balance } of stream<{ id: number; balance: number }>(
  pool,
  'SELECT id, balance FROM example_accounts ORDER BY id',
)) {
  // prints: account 1 has 70
  // prints: account 2 has 130
  console.log(`account ${id} has ${balance}`);
}

await run('DROP TABLE example_accounts');
const { acquired, released, destroyed } = pool.stats;
// prints: every lease came back: true, connections lost: 0
console.log(`every lease came back: ${acquired === released}, connections lost: ${destroyed}`);
await pool.close();
