import { Observable } from 'rxjs';
import type { AcquireOptions, Pool } from '../index.js';
import { isPool, type PostgresClient } from './client.js';
import { driverOf, statementClassOf } from './driver.js';

/**
 * Cold: each subscription borrows a connection, runs the statement and emits its rows as they arrive; the connection is
 * given back before the stream completes or errors. Unsubscribing early (`take(10)` of a big table, a `switchMap`, a
 * closed page) cancels the statement on the server, and the connection is lent to nobody before that has worked.
 * There is no back pressure: a consumer that is slower than the server keeps the rows in memory; `stream` has it.
 *
 * Of a connection instead of a pool it runs the statement there: `transaction(pool, client => query(client, …))`.
 * Unsubscribed early, the statement then runs on to its end.
 *
 * Errors: those of `pool.use`, and the server's as `pg` gives them.
 *
 * @example
 * query<{ id: number }>(pool, 'SELECT id FROM orders WHERE customer = $1', ['Ada'])
 *   .subscribe(({ id }) => console.log(id));
 */
export function query<Row = Record<string, unknown>>(
  source: Pool<PostgresClient> | PostgresClient,
  text: string,
  values?: readonly unknown[],
  options?: AcquireOptions,
): Observable<Row> {
  if (!isPool(source)) return rowsOf<Row>(source, text, values);
  return source.use(client => rowsOf<Row>(client, text, values), options);
}

/** Nothing to tear down: a statement that still runs when its lease ends is cancelled by the pool's reset. */
function rowsOf<Row>(
  client: PostgresClient,
  text: string,
  values: readonly unknown[] | undefined,
): Observable<Row> {
  const Statement = statementClassOf(client);
  // With a `query_timeout`, `pg` tells callers who wait for the whole result, and nobody else.
  const isLimited = Boolean(driverOf(client).connectionParameters?.query_timeout);
  if (Statement === undefined || isLimited) return allRowsOf(client, text, values);
  return new Observable(subscriber => {
    const statement = new Statement(text, values);
    statement.on('row', row => {
      subscriber.next(row as Row);
    });
    statement.on('error', error => {
      subscriber.error(error);
    });
    statement.on('end', () => {
      subscriber.complete();
    });
    (client as unknown as { query(statement: unknown): void }).query(statement);
  });
}

function allRowsOf<Row>(
  client: PostgresClient,
  text: string,
  values: readonly unknown[] | undefined,
): Observable<Row> {
  return new Observable(subscriber => {
    client.query(text, values === undefined ? undefined : [...values]).then(
      ({ rows }) => {
        for (const row of rows) subscriber.next(row as Row);
        subscriber.complete();
      },
      (error: unknown) => {
        subscriber.error(error);
      },
    );
  });
}
