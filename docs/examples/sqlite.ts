// Orders in SQLite: one writer, several readers, a transaction that fails and one that nobody waits for.
// Run it with Node 22.13 or newer, or with better-sqlite3 installed.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concat, defer, lastValueFrom, map, NEVER, takeUntil, timer, toArray } from 'rxjs';
import { query, sqlitePool, transaction, type SqliteDatabase } from 'rxpool/sqlite';

const folder = mkdtempSync(join(tmpdir(), 'orders-'));
const db = sqlitePool({ path: join(folder, 'orders.db'), readers: 4, name: 'orders' });
const nothing = { defaultValue: undefined };

await lastValueFrom(
  query(db.write, 'CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER CHECK (total > 0))'),
  nothing,
);

const add = (database: SqliteDatabase, ...totals: number[]): void => {
  const insert = database.prepare('INSERT INTO orders (total) VALUES (?)');
  for (const total of totals) insert.run(total);
};

const totals = () =>
  lastValueFrom(
    query<{ total: number }>(db.read, 'SELECT total FROM orders ORDER BY id').pipe(
      map(({ total }) => total),
      toArray(),
    ),
  );

await lastValueFrom(transaction(db.write, database => add(database, 10, 20)));
// prints: 10, 20
console.log((await totals()).join(', '));

await lastValueFrom(transaction(db.write, database => add(database, 30, -1))).catch(
  // prints: refused: CHECK constraint failed: total > 0
  (error: unknown) => console.log(`refused: ${(error as Error).message}`),
);
// prints: 10, 20
console.log((await totals()).join(', '));

// Readers see what is committed, and do not wait for the writer; who leaves in the middle has written nothing.
const leaving = lastValueFrom(
  transaction(db.write, database =>
    concat(
      defer(() => [add(database, 40)]),
      NEVER,
    ),
  ).pipe(takeUntil(timer(50))),
  nothing,
);
// prints: meanwhile: 10, 20
console.log(`meanwhile: ${(await totals()).join(', ')}`);
await leaving;
// prints: in the end: 10, 20
console.log(`in the end: ${(await totals()).join(', ')}`);

await db.close();
rmSync(folder, { recursive: true });
