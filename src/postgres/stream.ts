import {
  concat,
  defer,
  EMPTY,
  finalize,
  from,
  identity,
  ignoreElements,
  mergeMap,
  Observable,
  of,
  repeat,
  type ObservableInput,
  type OperatorFunction,
} from 'rxjs';
import { InvalidOptionsError, type AcquireOptions, type Pool } from '../index.js';
import { isPool, type PostgresClient } from './client.js';
import { transaction } from './transaction.js';

/** Options of `stream`. */
export interface StreamOptions extends AcquireOptions {
  /** Rows that are fetched at once, and so kept in memory at most. Default 100. */
  readonly batchSize?: number | undefined;
}

/**
 * The rows of a statement, fetched batch by batch. As an Observable it fetches a batch when the rows of the one before
 * have been emitted. Whoever needs time for a row uses `each`, or iterates.
 *
 * @example
 * stream(pool, 'SELECT * FROM orders').each(order => archive(order)).subscribe();
 * for await (const order of stream(pool, 'SELECT * FROM orders')) await archive(order);
 */
export interface RowStream<Row> extends Observable<Row>, AsyncIterable<Row> {
  /**
   * Cold. Runs `project` for every row, `concurrency` of them side by side (default 1), and passes on what they give.
   * A batch is fetched when the work on the one before has completed. Operators behind it slow nothing down: what a
   * `concatMap` cannot take yet it keeps in memory.
   */
  each<R>(project: (row: Row) => ObservableInput<R>, concurrency?: number): Observable<R>;
}

/**
 * Cold: each subscription, or iteration, opens a cursor on the server and fetches rows as they are consumed, so that
 * neither side ever holds a big result in memory. Of a pool it borrows a connection for as long as it runs, and reads
 * in a transaction of its own: one snapshot from the first row to the last. Of a connection it reads in the
 * transaction that is open there: `transaction(pool, client => stream(client, …))`. It completes after the last row;
 * unsubscribing, or leaving the loop, closes the cursor and gives the connection back.
 *
 * `text` is a SELECT or VALUES, with `$1`, `$2`, … for `values`. For other statements there is `query`.
 *
 * Errors: those of `pool.use` and the server's. Throws InvalidOptionsError for bad options.
 *
 * @example
 * for await (const order of stream(pool, 'SELECT * FROM orders', [], { batchSize: 500 })) {
 *   console.log(order['id']);
 * }
 */
export function stream<Row = Record<string, unknown>>(
  source: Pool<PostgresClient> | PostgresClient,
  text: string,
  values?: readonly unknown[],
  options: StreamOptions = {},
): RowStream<Row> {
  const { batchSize = 100, ...acquireOptions } = options;
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
    const owner = isPool(source) ? source.name : 'stream';
    throw new InvalidOptionsError(owner, 'batchSize', batchSize, 'must be a whole number from 1');
  }
  const cursor = { text, values, batchSize };
  return new Rows<Row>(work =>
    isPool(source)
      ? transaction(source, client => read(client, cursor, work, false), acquireOptions)
      : read(source, cursor, work, true),
  );
}

/** Runs the cursor; a batch is done with when the work on its rows has completed. */
type Reading<Row> = <R>(work: OperatorFunction<Row, R>) => Observable<R>;

class Rows<Row> extends Observable<Row> implements RowStream<Row> {
  readonly #read: Reading<Row>;

  constructor(reading: Reading<Row>) {
    super(subscriber => reading<Row>(identity).subscribe(subscriber));
    this.#read = reading;
  }

  each<R>(project: (row: Row) => ObservableInput<R>, concurrency = 1): Observable<R> {
    if (typeof project !== 'function') {
      throw new InvalidOptionsError('stream', 'project', project, 'must be a function');
    }
    if (!(concurrency >= 1)) {
      throw new InvalidOptionsError(
        'stream',
        'concurrency',
        concurrency,
        'must be a number from 1',
      );
    }
    return this.#read(mergeMap(row => project(row), concurrency));
  }

  /** The work on a row is over when the next one is asked for. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Row, void, void> {
    let consumed = (): void => undefined;
    let arrived!: (arrival: Arrival<Row>) => void;
    const arrival = (): Promise<Arrival<Row>> =>
      new Promise(resolve => {
        arrived = resolve;
      });
    let next = arrival();
    const work = this.each(
      row =>
        new Observable<never>(subscriber => {
          consumed = () => {
            next = arrival();
            subscriber.complete();
          };
          arrived({ kind: 'row', row });
        }),
    ).subscribe({
      error: (error: unknown) => {
        arrived({ kind: 'error', error });
      },
      complete: () => {
        arrived({ kind: 'end' });
      },
    });
    try {
      for (;;) {
        const given = await next;
        if (given.kind === 'error') throw given.error;
        if (given.kind === 'end') return;
        yield given.row;
        consumed();
      }
    } finally {
      work.unsubscribe();
    }
  }
}

type Arrival<Row> =
  | { readonly kind: 'row'; readonly row: Row }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'end' };

interface CursorOptions {
  readonly text: string;
  readonly values: readonly unknown[] | undefined;
  readonly batchSize: number;
}

let cursors = 0;

/** `closes`: the transaction goes on after it. Else its end closes the cursor. */
function read<Row, R>(
  client: PostgresClient,
  { text, values, batchSize }: CursorOptions,
  work: OperatorFunction<Row, R>,
  closes: boolean,
): Observable<R> {
  return defer(() => {
    const name = `rxpool_${(cursors += 1)}`;
    let isAtEnd = false;
    let isOpen = false;
    const declare$ = defer(() =>
      client.query(
        `DECLARE ${name} NO SCROLL CURSOR FOR ${text}`,
        values === undefined ? undefined : [...values],
      ),
    ).pipe(ignoreElements());
    const batches$ = defer(() => {
      isOpen = true;
      return client.query(`FETCH ${batchSize} FROM ${name}`);
    }).pipe(
      mergeMap(({ rows }) => {
        isAtEnd = rows.length < batchSize;
        return from(rows as Row[]);
      }),
      work,
      repeat({ delay: () => (isAtEnd ? EMPTY : of(true)) }),
    );
    if (!closes) return concat(declare$, batches$);
    const close = (): Promise<unknown> => {
      isOpen = false;
      return client.query(`CLOSE ${name}`);
    };
    return concat(declare$, batches$, defer(close).pipe(ignoreElements())).pipe(
      finalize(() => {
        // In a transaction that has failed there is nothing left to close.
        if (isOpen) close().catch(() => undefined);
      }),
    );
  });
}
