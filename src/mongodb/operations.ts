import type { Observable } from 'rxjs';
import type { MongodbDocument } from './client.js';
import type { DocumentStream } from './document-stream.js';

/** A document as it is found: with its `_id`. */
export type StoredDocument<D> = '_id' extends keyof D ? D : D & { readonly _id: unknown };

/** A query: fields of the document, with values or conditions (`{ $gt: 5 }`), and operators (`$or`, `$expr`, …). */
export type MongodbFilter<D> = { readonly [Field in keyof D]?: unknown } & MongodbDocument;

/** An update: operators such as `$set` and `$inc`, or a pipeline of them. */
export type MongodbUpdate = MongodbDocument | readonly MongodbDocument[];

/** Options of the driver's operation of the same name; `session` is the one of a `transaction`. */
export interface OperationOptions {
  /** The session in whose transaction the operation runs, on the client that started it. Default: none. */
  readonly session?: object | undefined;
  /** Any other option that the driver has for the operation, passed on as it is. */
  readonly [option: string]: unknown;
}

/** What `insertOne` gives. */
export interface InsertOneResult {
  /** Whether the server confirmed the write: false under the write concern `w: 0`. */
  readonly acknowledged: boolean;
  /** The `_id` of the document: its own, or the one that the driver made. */
  readonly insertedId: unknown;
}

/** What `insertMany` gives. */
export interface InsertManyResult {
  /** Whether the server confirmed the write: false under the write concern `w: 0`. */
  readonly acknowledged: boolean;
  /** How many documents were inserted. */
  readonly insertedCount: number;
  /** By the index of the document. */
  readonly insertedIds: Readonly<Record<number, unknown>>;
}

/** What `updateOne`, `updateMany` and `replaceOne` give. */
export interface UpdateResult {
  /** Whether the server confirmed the write: false under the write concern `w: 0`. */
  readonly acknowledged: boolean;
  /** How many documents matched, without one that an upsert inserted. */
  readonly matchedCount: number;
  /** How many documents changed: fewer than matched where some were like that already. */
  readonly modifiedCount: number;
  /** How many documents an upsert inserted: 0 or 1. */
  readonly upsertedCount: number;
  /** The `_id` of the document that an upsert inserted; null where there is none. */
  readonly upsertedId: unknown;
}

/** What `deleteOne` and `deleteMany` give. */
export interface DeleteResult {
  /** Whether the server confirmed the write: false under the write concern `w: 0`. */
  readonly acknowledged: boolean;
  /** How many documents were deleted. */
  readonly deletedCount: number;
}

/** What `bulkWrite` gives. */
export interface BulkWriteResult {
  /** How many documents were inserted, without those of upserts. */
  readonly insertedCount: number;
  /** How many documents the updates and replacements matched. */
  readonly matchedCount: number;
  /** How many documents changed: fewer than matched where some were like that already. */
  readonly modifiedCount: number;
  /** How many documents were deleted. */
  readonly deletedCount: number;
  /** How many documents were inserted by upserts. */
  readonly upsertedCount: number;
}

/** What `execute` runs, by name, on a collection of documents `D`. Each is cold: every subscription runs it anew. */
export interface Operations<D> {
  /** Emits the documents that match, all by default, one by one; unsubscribing closes the cursor. */
  find(filter?: MongodbFilter<D>, options?: OperationOptions): DocumentStream<StoredDocument<D>>;
  /** Emits the documents that the pipeline gives, one by one; unsubscribing closes the cursor. */
  aggregate(
    pipeline: readonly MongodbDocument[],
    options?: OperationOptions,
  ): DocumentStream<MongodbDocument>;
  /** Emits the first document that matches, or null. */
  findOne(
    filter?: MongodbFilter<D>,
    options?: OperationOptions,
  ): Observable<StoredDocument<D> | null>;
  /** Updates one document and emits it as it was before (`returnDocument: 'after'`: as it is now), or null. */
  findOneAndUpdate(
    filter: MongodbFilter<D>,
    update: MongodbUpdate,
    options?: OperationOptions,
  ): Observable<StoredDocument<D> | null>;
  /** Replaces one document and emits it as it was before (`returnDocument: 'after'`: as it is now), or null. */
  findOneAndReplace(
    filter: MongodbFilter<D>,
    replacement: D,
    options?: OperationOptions,
  ): Observable<StoredDocument<D> | null>;
  /** Deletes one document and emits it as it was, or null where none matches. */
  findOneAndDelete(
    filter: MongodbFilter<D>,
    options?: OperationOptions,
  ): Observable<StoredDocument<D> | null>;
  /** Inserts a document, into which the driver writes an `_id` where it has none. */
  insertOne(document: D, options?: OperationOptions): Observable<InsertOneResult>;
  /** Inserts documents, in order and up to the first that fails unless the option `ordered` is false. */
  insertMany(documents: readonly D[], options?: OperationOptions): Observable<InsertManyResult>;
  /** Updates the first document that matches; with the option `upsert` it inserts one where none does. */
  updateOne(
    filter: MongodbFilter<D>,
    update: MongodbUpdate,
    options?: OperationOptions,
  ): Observable<UpdateResult>;
  /** Updates every document that matches, each for itself: all or none takes a `transaction`. */
  updateMany(
    filter: MongodbFilter<D>,
    update: MongodbUpdate,
    options?: OperationOptions,
  ): Observable<UpdateResult>;
  /** Replaces the first document that matches, all but its `_id`; the option `upsert` is as with `updateOne`. */
  replaceOne(
    filter: MongodbFilter<D>,
    replacement: D,
    options?: OperationOptions,
  ): Observable<UpdateResult>;
  /** Deletes the first document that matches. */
  deleteOne(filter: MongodbFilter<D>, options?: OperationOptions): Observable<DeleteResult>;
  /** Deletes every document that matches; an empty filter matches all. */
  deleteMany(filter: MongodbFilter<D>, options?: OperationOptions): Observable<DeleteResult>;
  /** Runs several writes, in order and up to the first that fails unless the option `ordered` is false. */
  bulkWrite(
    operations: readonly MongodbDocument[],
    options?: OperationOptions,
  ): Observable<BulkWriteResult>;
  /** Emits how many documents match, by looking for them; without a filter it counts all. */
  countDocuments(filter?: MongodbFilter<D>, options?: OperationOptions): Observable<number>;
  /** Emits the number of all documents as the server has noted it: quick, and not always exact. */
  estimatedDocumentCount(options?: OperationOptions): Observable<number>;
  /** Emits one array: the different values of a field in the documents that match. */
  distinct(
    field: string & keyof D,
    filter?: MongodbFilter<D>,
    options?: OperationOptions,
  ): Observable<unknown[]>;
}

/** Those that give a cursor. */
export const cursorOperations: ReadonlySet<string> = new Set<keyof Operations<unknown>>([
  'find',
  'aggregate',
]);

/** Those that give one result. */
export const plainOperations: ReadonlySet<string> = new Set<keyof Operations<unknown>>([
  'findOne',
  'findOneAndUpdate',
  'findOneAndReplace',
  'findOneAndDelete',
  'insertOne',
  'insertMany',
  'updateOne',
  'updateMany',
  'replaceOne',
  'deleteOne',
  'deleteMany',
  'bulkWrite',
  'countDocuments',
  'estimatedDocumentCount',
  'distinct',
]);
