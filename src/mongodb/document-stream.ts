import { defer, EMPTY, from, merge, mergeMap, Observable, of, repeat } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { InvalidOptionsError, type Pool } from '../index.js';
import { isPool, type MongodbClient, type MongodbCursor } from './client.js';

/**
 * The documents of a cursor. As an Observable it asks for the next batch when the documents of the one before have been
 * emitted. Whoever needs time for a document uses `each`, or iterates:
 *
 * @example
 * execute(pool, 'orders', 'find').each(order => archive(order)).subscribe();
 * for await (const order of execute(pool, 'orders', 'find')) await archive(order);
 */
export interface DocumentStream<D> extends Observable<D>, AsyncIterable<D> {
  /**
   * Cold. Runs `project` for every document, `concurrency` of them side by side (default 1), and passes on what they
   * give. A document is taken from the cursor when the work on one before has completed. Operators behind it slow
   * nothing down: what a `concatMap` cannot take yet it keeps in memory.
   */
  each<R>(project: (document: D) => ObservableInput<R>, concurrency?: number): Observable<R>;
}

type Open = (client: MongodbClient) => MongodbCursor;

/** Each subscription, or iteration, opens a cursor, on a client of its own where there is a pool. */
export function documents<D>(
  source: Pool<MongodbClient> | MongodbClient,
  open: Open,
): DocumentStream<D> {
  return new Documents<D>(source, open);
}

class Documents<D> extends Observable<D> implements DocumentStream<D> {
  readonly #from: Pool<MongodbClient> | MongodbClient;
  readonly #open: Open;

  constructor(lender: Pool<MongodbClient> | MongodbClient, open: Open) {
    super(subscriber => this.#read(everyDocument<D>).subscribe(subscriber));
    this.#from = lender;
    this.#open = open;
  }

  each<R>(project: (document: D) => ObservableInput<R>, concurrency = 1): Observable<R> {
    if (typeof project !== 'function') {
      throw new InvalidOptionsError('each', 'project', project, 'must be a function');
    }
    if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
      throw new InvalidOptionsError(
        'each',
        'concurrency',
        concurrency,
        'must be a whole number from 1',
      );
    }
    return this.#read(cursor => workOn(cursor, project, concurrency));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<D, void, void> {
    const given = this.#from;
    const lease = isPool(given) ? await given.lease() : undefined;
    try {
      const cursor = this.#open(lease?.resource ?? (given as MongodbClient));
      try {
        for (;;) {
          const document = await cursor.next();
          if (document === null) return;
          yield document as D;
        }
      } finally {
        await cursor.close();
      }
    } finally {
      void lease?.release();
    }
  }

  #read<R>(consume: (cursor: MongodbCursor) => Observable<R>): Observable<R> {
    const given = this.#from;
    const work = (client: MongodbClient): Observable<R> =>
      new Observable(subscriber => {
        const cursor = this.#open(client);
        const subscription = consume(cursor).subscribe(subscriber);
        subscription.add(() => {
          // Fails only with the connection, which has its own way to say so.
          cursor.close().catch(() => undefined);
        });
        return subscription;
      });
    return isPool(given) ? given.use(work) : defer(() => work(given));
  }
}

function everyDocument<D>(cursor: MongodbCursor): Observable<D> {
  return new Observable(subscriber => {
    const read = async (): Promise<void> => {
      for (;;) {
        const document = await cursor.next();
        if (subscriber.closed) return;
        if (document === null) break;
        subscriber.next(document as D);
        if (subscriber.closed) return;
      }
      subscriber.complete();
    };
    read().catch((error: unknown) => {
      subscriber.error(error);
    });
  });
}

/** Several workers, each of whom takes the next document when it is done with one: a cursor answers one at a time. */
function workOn<D, R>(
  cursor: MongodbCursor,
  project: (document: D) => ObservableInput<R>,
  concurrency: number,
): Observable<R> {
  let isAtEnd = false;
  let lastTurn: Promise<unknown> = Promise.resolve();
  const next = (): Promise<unknown> => {
    lastTurn = lastTurn.then(async () => {
      const document = isAtEnd ? null : await cursor.next();
      isAtEnd = document === null;
      return document;
    });
    return lastTurn;
  };
  const worker$ = defer(next).pipe(
    mergeMap(document => (document === null ? EMPTY : from(project(document as D)))),
    repeat({ delay: () => (isAtEnd ? EMPTY : of(true)) }),
  );
  return merge(...Array.from({ length: concurrency }, () => worker$));
}
