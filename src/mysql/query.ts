import { Observable } from 'rxjs';
import type { AcquireOptions, Pool } from '../index.js';
import { isPool, type MysqlConnection } from './connection.js';
import { coreOf, deathOf } from './driver.js';

/**
 * Cold: each subscription borrows a connection, runs the statement and emits its rows as they arrive; the connection is
 * given back before the stream completes or errors. A statement that returns no rows completes without a value.
 * Unsubscribing early (`take(10)` of a big table, a `switchMap`, a closed page) kills the statement on the server, and
 * the connection is lent to nobody before that has worked. There is no back pressure: a consumer that is slower than
 * the server keeps the rows in memory; `stream` has it.
 *
 * ```ts
 * query<{ id: number }>(pool, 'SELECT id FROM orders WHERE total > ?', [100]).subscribe(({ id }) => console.log(id));
 * ```
 *
 * Of a connection instead of a pool it runs the statement there: `transaction(pool, connection => query(connection, …))`.
 * Unsubscribed early, the statement then runs on to its end.
 *
 * Errors: those of `pool.use`, and the server's as mysql2 gives them.
 */
export function query<Row = Record<string, unknown>>(
  source: Pool<MysqlConnection> | MysqlConnection,
  sql: string,
  values?: readonly unknown[] | Readonly<Record<string, unknown>>,
  options?: AcquireOptions,
): Observable<Row> {
  if (!isPool(source)) return rowsOf<Row>(source, sql, values);
  return source.use(connection => rowsOf<Row>(connection, sql, values), options);
}

/** Nothing to tear down on the server: what still runs when its lease ends is cancelled by the pool's reset. */
export function rowsOf<Row>(
  connection: MysqlConnection,
  sql: string,
  values: readonly unknown[] | Readonly<Record<string, unknown>> | undefined,
): Observable<Row> {
  return new Observable(subscriber => {
    const core = coreOf(connection);
    let areRows = false;
    // mysql2 does not tell a statement that its connection died.
    subscriber.add(
      deathOf(core).subscribe(error => {
        subscriber.error(error);
      }),
    );
    if (subscriber.closed) return;
    core
      .query({ sql, values })
      .on('fields', fields => {
        areRows = fields !== undefined;
      })
      .on('result', row => {
        // Else it is how many rows the statement has changed.
        if (areRows) subscriber.next(row as Row);
      })
      .on('error', error => {
        subscriber.error(error);
      })
      .on('end', () => {
        subscriber.complete();
      });
  });
}
