import type { Pool } from '../index.js';

/** A document, as it is stored. */
export type MongodbDocument = Record<string, unknown>;

/** What this adapter needs of a cursor. */
export interface MongodbCursor {
  /** Gives the next document, or null at the end; fetches another batch where it needs one. */
  next(): Promise<unknown>;
  /** Frees the cursor here and on the server, whether or not it has been read to its end. */
  close(): Promise<void>;
}

/** What this adapter needs of a session. */
export interface MongodbSession {
  /** Begins a transaction; the server hears of it with the first operation. */
  startTransaction(options?: object): void;
  /** Makes the transaction last; rejects with the error of the server. */
  commitTransaction(): Promise<unknown>;
  /** Undoes what the transaction has done. */
  abortTransaction(): Promise<unknown>;
  /** Whether a transaction has begun that was neither committed nor aborted. */
  inTransaction(): boolean;
  /** Ends the session, and aborts a transaction that is still open. */
  endSession(): Promise<void>;
  /** The session has ended. */
  once(event: 'ended', listener: () => void): unknown;
}

/** What this adapter needs of a collection. */
export interface MongodbCollection {
  /** Opens a cursor on the documents that match; the server is asked with its first `next`. */
  find(filter: object, options?: object): MongodbCursor;
  /** Gives the first document that matches, or null. */
  findOne(filter: object, options?: object): Promise<unknown>;
  /** Updates one document and gives it, or null where none matches. */
  findOneAndUpdate(filter: object, update: object, options?: object): Promise<unknown>;
  /** Replaces one document and gives it, or null where none matches. */
  findOneAndReplace(filter: object, replacement: object, options?: object): Promise<unknown>;
  /** Deletes one document and gives it, or null where none matches. */
  findOneAndDelete(filter: object, options?: object): Promise<unknown>;
  /** Inserts a document, into which the driver writes an `_id` where it has none. */
  insertOne(document: object, options?: object): Promise<unknown>;
  /** Inserts documents, into which the driver writes an `_id` where they have none. */
  insertMany(documents: object[], options?: object): Promise<unknown>;
  /** Updates the first document that matches. */
  updateOne(filter: object, update: object, options?: object): Promise<unknown>;
  /** Updates every document that matches. */
  updateMany(filter: object, update: object, options?: object): Promise<unknown>;
  /** Replaces the first document that matches, all but its `_id`. */
  replaceOne(filter: object, replacement: object, options?: object): Promise<unknown>;
  /** Deletes the first document that matches. */
  deleteOne(filter: object, options?: object): Promise<unknown>;
  /** Deletes every document that matches. */
  deleteMany(filter: object, options?: object): Promise<unknown>;
  /** Runs several writes, in order unless the option `ordered` is false. */
  bulkWrite(operations: never[], options?: object): Promise<unknown>;
  /** Opens a cursor on what the pipeline gives; the server is asked with its first `next`. */
  aggregate(pipeline: object[], options?: object): MongodbCursor;
  /** Counts the documents that match, by looking for them. */
  countDocuments(filter?: object, options?: object): Promise<number>;
  /** Gives the number of all documents as the server has noted it, without looking at them. */
  estimatedDocumentCount(options?: object): Promise<number>;
  /** Gives the different values of a field in the documents that match. */
  distinct(key: string, filter: object, options: object): Promise<unknown[]>;
}

/** What this adapter needs of a database. */
export interface MongodbDatabase {
  /** Runs one command of the server, `{ ping: 1 }` for example, and gives its answer. */
  command(command: object, options?: object): Promise<unknown>;
  /** Names a collection of this database; asks the server nothing. */
  collection(name: string, options?: object): MongodbCollection;
}

/**
 * What this adapter needs of a client: the `MongoClient` of `mongodb` has it all. Structural, so that the types of the
 * driver are needed by nobody; passing `MongoClient` itself to `mongodbPool` gives leases of the driver's own type.
 */
export interface MongodbClient {
  /** Settles once a server is found and takes operations; rejects with the reason why there is none. */
  connect(): Promise<unknown>;
  /** Ends the client with its sessions, cursors and connections. The clients of a pool are its own to close. */
  close(force?: boolean): Promise<void>;
  /** Names a database, by default the one of the URL; asks the server nothing. */
  db(name?: string, options?: object): MongodbDatabase;
  /** Starts a session, to be ended by the caller; the pool ends those that a borrower leaves open. */
  startSession(options?: object): MongodbSession;
  /** Listens to an event of the client: of its connections, its servers, or an error. */
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
