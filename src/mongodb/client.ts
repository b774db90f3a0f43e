import type { Pool } from '../index.js';

/** A document, as it is stored. */
export type MongodbDocument = Record<string, unknown>;

/** What this adapter needs of a cursor. */
export interface MongodbCursor {
  next(): Promise<unknown>;
  close(): Promise<void>;
}

/** What this adapter needs of a session. */
export interface MongodbSession {
  startTransaction(options?: object): void;
  commitTransaction(): Promise<unknown>;
  abortTransaction(): Promise<unknown>;
  inTransaction(): boolean;
  endSession(): Promise<void>;
  once(event: 'ended', listener: () => void): unknown;
}

/** What this adapter needs of a collection. */
export interface MongodbCollection {
  find(filter: object, options?: object): MongodbCursor;
  findOne(filter: object, options?: object): Promise<unknown>;
  findOneAndUpdate(filter: object, update: object, options?: object): Promise<unknown>;
  findOneAndReplace(filter: object, replacement: object, options?: object): Promise<unknown>;
  findOneAndDelete(filter: object, options?: object): Promise<unknown>;
  insertOne(document: object, options?: object): Promise<unknown>;
  insertMany(documents: object[], options?: object): Promise<unknown>;
  updateOne(filter: object, update: object, options?: object): Promise<unknown>;
  updateMany(filter: object, update: object, options?: object): Promise<unknown>;
  replaceOne(filter: object, replacement: object, options?: object): Promise<unknown>;
  deleteOne(filter: object, options?: object): Promise<unknown>;
  deleteMany(filter: object, options?: object): Promise<unknown>;
  bulkWrite(operations: never[], options?: object): Promise<unknown>;
  aggregate(pipeline: object[], options?: object): MongodbCursor;
  countDocuments(filter?: object, options?: object): Promise<number>;
  estimatedDocumentCount(options?: object): Promise<number>;
  distinct(key: string, filter: object, options: object): Promise<unknown[]>;
}

/** What this adapter needs of a database. */
export interface MongodbDatabase {
  command(command: object, options?: object): Promise<unknown>;
  collection(name: string, options?: object): MongodbCollection;
}

/**
 * What this adapter needs of a client: the `MongoClient` of `mongodb` has it all. Structural, so that the types of the
 * driver are needed by nobody; passing `MongoClient` itself to `mongodbPool` gives leases of the driver's own type.
 */
export interface MongodbClient {
  connect(): Promise<unknown>;
  close(force?: boolean): Promise<void>;
  db(name?: string, options?: object): MongodbDatabase;
  startSession(options?: object): MongodbSession;
  on(event: string, listener: (...facts: never[]) => void): unknown;
}

/** A class like the `MongoClient` of `mongodb`. */
export type MongodbClientConstructor<C extends MongodbClient = MongodbClient> = new (
  url: string,
  options?: never,
) => C;

/** Whether the client to use is one of a pool. */
export function isPool(source: object): source is Pool<MongodbClient> {
  return 'use' in source && typeof source.use === 'function';
}
