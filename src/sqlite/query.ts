import { Observable } from 'rxjs';
import type { AcquireOptions, Pool } from '../index.js';
import { isPool, type SqliteDatabase } from './database.js';
import { givesRows } from './driver.js';

/**
 * Cold: each subscription borrows a connection, runs the statement and emits its rows one by one, read as they are
 * emitted and in one go: SQLite and its drivers are synchronous. The connection is given back before the stream
 * completes or errors. A statement that returns no rows completes without a value. Unsubscribing early (`take(10)` of a
 * big table) reads no further.
 *
 * ```ts
 * query<{ id: number }>(db.read, 'SELECT id FROM orders WHERE total > ?', [100]).subscribe(({ id }) => console.log(id));
 * ```
 *
 * `values` are an array for `?`, an object for names. Of a database instead of a pool it runs the statement there:
 * `transaction(db.write, database => query(database, …))`.
 *
 * Errors: those of `pool.use`, and the driver's.
 */
export function query<Row = Record<string, unknown>>(
  source: Pool<SqliteDatabase> | SqliteDatabase,
  sql: string,
  values?: readonly unknown[] | Readonly<Record<string, unknown>>,
  options?: AcquireOptions,
): Observable<Row> {
  if (!isPool(source)) return rowsOf<Row>(source, sql, values);
  // Whoever leaves early leaves nothing under way here.
  const acquireOptions: AcquireOptions = { onCancel: 'release', ...options };
  return source.use(database => rowsOf<Row>(database, sql, values), acquireOptions);
}

function rowsOf<Row>(
  database: SqliteDatabase,
  sql: string,
  values: readonly unknown[] | Readonly<Record<string, unknown>> = [],
): Observable<Row> {
  return new Observable(subscriber => {
    const statement = database.prepare(sql);
    const given: readonly unknown[] = isList(values) ? values : [values];
    if (!givesRows(statement)) {
      statement.run(...given);
      subscriber.complete();
      return;
    }
    // Before 22.13, node:sqlite does not iterate.
    const rows = (statement.iterate?.(...given) ??
      statement.all(...given).values()) as IterableIterator<Row>;
    // Closed before the connection is given back, also by who leaves inside of `next`.
    subscriber.add(() => rows.return?.());
    for (const row of rows) {
      subscriber.next(row);
      if (subscriber.closed) return;
    }
    subscriber.complete();
  });
}

function isList(
  values: readonly unknown[] | Readonly<Record<string, unknown>>,
): values is readonly unknown[] {
  return Array.isArray(values);
}
