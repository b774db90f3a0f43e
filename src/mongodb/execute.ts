import { defer } from 'rxjs';
import { InvalidOptionsError, type Pool } from '../index.js';
import { isPool, type MongodbClient, type MongodbCursor, type MongodbDocument } from './client.js';
import { documents } from './document-stream.js';
import { cursorOperations, plainOperations, type Operations } from './operations.js';

type Methods = Readonly<Record<string, ((...given: unknown[]) => unknown) | undefined>>;

declare const documentType: unique symbol;

/** A collection by name, which knows the type of its documents. Made by `collection`. */
export interface CollectionName<D = MongodbDocument> {
  /** The name of the collection, without that of its database. */
  readonly name: string;
  /** The name of its database; undefined for the one of the client's URL. */
  readonly db: string | undefined;
  /** The driver's options for the collection. */
  readonly options: object | undefined;
  /** Never there: it is how the type of the documents is told to `execute`. */
  readonly [documentType]?: D;
}

/**
 * Names a collection of documents `D`, for `execute`. Without `db` it is in the database of the client's URL. `options`
 * are the driver's for a collection: `readPreference`, `writeConcern`, …. Throws InvalidOptionsError for an empty name.
 *
 * @example
 * const orders = collection<Order>('orders');
 * execute(pool, orders, 'find', { paid: false }).subscribe(order => console.log(order.total));
 */
export function collection<D extends object = MongodbDocument>(
  name: string,
  options: { readonly db?: string | undefined; readonly [option: string]: unknown } = {},
): CollectionName<D> {
  const { db, ...rest } = options;
  if (typeof name !== 'string' || name === '') {
    throw new InvalidOptionsError('collection', 'name', name, 'must be the name of a collection');
  }
  return { name, db, options: rest };
}

/**
 * Cold: each subscription borrows a client of a `mongodbPool`, runs the driver's operation of that name with these
 * arguments, emits what it gives, and gives the client back before it completes or errors. `find` and `aggregate` emit
 * their documents one by one, batch after batch from a cursor that is closed when the subscriber leaves; every other
 * operation emits its one result. Unsubscribing while an operation is on its way cannot call it back from the server:
 * its client is lent to nobody before it has ended, and is destroyed where that takes longer than a quarter of a second.
 *
 * Of a client instead of a pool it runs the operation there: in a `transaction`, with `{ session }` among its options, or
 * where the acquire needs options: `pool.use(client => execute(client, …), { priority: 1 })`.
 *
 * The driver writes the `_id` into a document that it inserts. A second subscription (`retry`) so inserts the same
 * document: if the first attempt arrived, it fails with a duplicate key instead of making a second one.
 *
 * Errors: those of `pool.use`, and the server's as the driver gives them. Throws InvalidOptionsError for an operation
 * that there is not.
 *
 * @example
 * execute(pool, 'orders', 'updateOne', { _id: 7 }, { $set: { paid: true } }).subscribe(
 *   ({ modifiedCount }) => console.log(modifiedCount),
 * );
 */
export function execute<Name extends keyof Operations<D>, D extends object = MongodbDocument>(
  source: Pool<MongodbClient> | MongodbClient,
  where: string | CollectionName<D>,
  operation: Name,
  ...parameters: Parameters<Operations<D>[Name]>
): ReturnType<Operations<D>[Name]> {
  const target = typeof where === 'string' ? collection(where) : where;
  const run = (client: MongodbClient): unknown => {
    const found = client.db(target.db).collection(target.name, target.options);
    return (found as unknown as Methods)[operation]?.(...parameters);
  };
  if (cursorOperations.has(operation)) {
    const opened = documents(source, client => run(client) as MongodbCursor);
    return opened as unknown as ReturnType<Operations<D>[Name]>;
  }
  if (!plainOperations.has(operation)) {
    const known = [...cursorOperations, ...plainOperations].join(', ');
    const owner = isPool(source) ? source.name : 'execute';
    throw new InvalidOptionsError(owner, 'operation', operation, `must be one of ${known}`);
  }
  const promised = (client: MongodbClient): Promise<unknown> => run(client) as Promise<unknown>;
  const result$ = isPool(source) ? source.use(promised) : defer(() => promised(source));
  return result$ as unknown as ReturnType<Operations<D>[Name]>;
}
