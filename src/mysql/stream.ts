import { defer, finalize, from, mergeMap, Observable, tap, type ObservableInput } from 'rxjs';
import { InvalidOptionsError, type AcquireOptions, type Pool } from '../index.js';
import { isPool, type MysqlConnection } from './connection.js';
import { rowsOf } from './query.js';

/** Options of `stream`. */
export interface StreamOptions extends AcquireOptions {
  /** Rows that may wait for their turn; then the connection is read no further. Default 100. */
  readonly readAhead?: number | undefined;
}

/**
 * The rows of a statement. Whoever needs time for a row uses `each`, or iterates:
 *
 * ```ts
 * stream(pool, 'SELECT * FROM orders').each(order => archive(order)).subscribe();
 * for await (const order of stream(pool, 'SELECT * FROM orders')) await archive(order);
 * ```
 */
export interface RowStream<Row> extends Observable<Row>, AsyncIterable<Row> {
  /**
   * Cold. Runs `project` for every row, `concurrency` of them side by side (default 1), and passes on what they give.
   * While `readAhead` rows wait nothing is read from the socket, and the server stops sending. Operators behind it slow
   * nothing down: what a `concatMap` cannot take yet it keeps in memory.
   */
  each<R>(project: (row: Row) => ObservableInput<R>, concurrency?: number): Observable<R>;
}

/**
 * Cold: each subscription, or iteration, runs the statement and reads its rows as they are consumed, so that a big
 * result is never in memory as a whole. Of a pool it borrows a connection for as long as it runs. Of a connection it
 * reads there: `transaction(pool, connection => stream(connection, …).each(…))`; other statements on it have to wait.
 * It completes after the last row; unsubscribing, or leaving the loop, kills the statement and gives the connection back.
 *
 * A server hangs up on whoever reads nothing for `net_write_timeout` (60 s by default): set it higher where the work
 * on `readAhead` rows may take longer.
 *
 * Errors: those of `pool.use` and the server's. Throws InvalidOptionsError for bad options.
 *
 * @example
 * for await (const order of stream(pool, 'SELECT * FROM orders', [], { readAhead: 50 })) {
 *   console.log(order['id']);
 * }
 */
export function stream<Row = Record<string, unknown>>(
  source: Pool<MysqlConnection> | MysqlConnection,
  sql: string,
  values?: readonly unknown[] | Readonly<Record<string, unknown>>,
  options: StreamOptions = {},
): RowStream<Row> {
  const { readAhead = 100, ...acquireOptions } = options;
  if (!Number.isSafeInteger(readAhead) || readAhead < 1) {
    const owner = isPool(source) ? source.name : 'stream';
    throw new InvalidOptionsError(owner, 'readAhead', readAhead, 'must be a whole number from 1');
  }
  return new Rows<Row>(work =>
    isPool(source)
      ? source.use(
          connection => work(connection, rowsOf<Row>(connection, sql, values), readAhead),
          acquireOptions,
        )
      : work(source, rowsOf<Row>(source, sql, values), readAhead),
  );
}

type Work<Row, R> = (
  connection: MysqlConnection,
  row$: Observable<Row>,
  readAhead: number,
) => Observable<R>;

type Reading<Row> = <R>(work: Work<Row, R>) => Observable<R>;

class Rows<Row> extends Observable<Row> implements RowStream<Row> {
  readonly #read: Reading<Row>;

  constructor(reading: Reading<Row>) {
    super(subscriber => reading<Row>((_, row$) => row$).subscribe(subscriber));
    this.#read = reading;
  }

  each<R>(project: (row: Row) => ObservableInput<R>, concurrency = 1): Observable<R> {
    if (typeof project !== 'function') {
      throw new InvalidOptionsError('stream', 'project', project, 'must be a function');
    }
    if (!(concurrency >= 1)) {
      const expected = 'must be a number from 1';
      throw new InvalidOptionsError('stream', 'concurrency', concurrency, expected);
    }
    return this.#read((connection, row$, readAhead) =>
      heldBack(connection, row$, project, concurrency, readAhead),
    );
  }

  /** The work on a row is over when the next one is asked for. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Row, void, void> {
    const arrivals: Arrival<Row>[] = [];
    let wake = (): void => undefined;
    const arrive = (arrival: Arrival<Row>): void => {
      arrivals.push(arrival);
      wake();
    };
    const work = this.each(
      row =>
        new Promise<void>(consumed => {
          arrive({ row, consumed });
        }),
    ).subscribe({
      error: (error: unknown) => {
        arrive({ error });
      },
      complete: () => {
        arrive('end');
      },
    });
    try {
      for (;;) {
        const arrival = arrivals.shift();
        if (arrival === undefined) {
          await new Promise<void>(resolve => {
            wake = resolve;
          });
          continue;
        }
        if (arrival === 'end') return;
        if ('error' in arrival) throw arrival.error;
        yield arrival.row;
        arrival.consumed();
      }
    } finally {
      work.unsubscribe();
    }
  }
}

type Arrival<Row> =
  | { readonly row: Row; readonly consumed: () => void }
  | { readonly error: unknown }
  | 'end';

/** Reads on only while fewer than `readAhead` rows wait for the work on them, beside those that are worked on. */
function heldBack<Row, R>(
  connection: MysqlConnection,
  row$: Observable<Row>,
  project: (row: Row) => ObservableInput<R>,
  concurrency: number,
  readAhead: number,
): Observable<R> {
  return defer(() => {
    let open = 0;
    let isPaused = false;
    const limit = readAhead + concurrency;
    return row$.pipe(
      tap(() => {
        open += 1;
        if (open < limit || isPaused) return;
        isPaused = true;
        connection.pause();
      }),
      mergeMap(
        row =>
          defer(() => from(project(row))).pipe(
            finalize(() => {
              open -= 1;
              if (isPaused && open < limit) {
                isPaused = false;
                connection.resume();
              }
            }),
          ),
        concurrency,
      ),
      // Whoever leaves must not leave the connection held back.
      finalize(() => {
        if (isPaused) connection.resume();
      }),
    );
  });
}
