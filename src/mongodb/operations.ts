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
  readonly session?: object | undefined;
  readonly [option: string]: unknown;
}

/** What `insertOne` gives. */
export interface InsertOneResult {
  readonly acknowledged: boolean;
  readonly insertedId: unknown;
}

/** What `insertMany` gives. */
export interface InsertManyResult {
  readonly acknowledged: boolean;
  readonly insertedCount: number;
  /** By the index of the document. */
  readonly insertedIds: Readonly<Record<number, unknown>>;
}

/** What `updateOne`, `updateMany` and `replaceOne` give. */
export interface UpdateResult {
  readonly acknowledged: boolean;
  readonly matchedCount: number;
  readonly modifiedCount: number;
  readonly upsertedCount: number;
  readonly upsertedId: unknown;
}

/** What `deleteOne` and `deleteMany` give. */
export interface DeleteResult {
  readonly acknowledged: boolean;
  readonly deletedCount: number;
}

/** What `bulkWrite` gives. */
export interface BulkWriteResult {
  readonly insertedCount: number;
  readonly matchedCount: number;
  readonly modifiedCount: number;
  readonly deletedCount: number;
  readonly upsertedCount: number;
}

/** What `execute` runs, by name, on a collection of documents `D`. */
export interface Operations<D> {
  find(filter?: MongodbFilter<D>, options?: OperationOptions): DocumentStream<StoredDocument<D>>;
  aggregate(
    pipeline: readonly MongodbDocument[],
    options?: OperationOptions,
  ): DocumentStream<MongodbDocument>;
  findOne(
    filter?: MongodbFilter<D>,
    options?: OperationOptions,
  ): Observable<StoredDocument<D> | null>;
  findOneAndUpdate(
    filter: MongodbFilter<D>,
    update: MongodbUpdate,
    options?: OperationOptions,
  ): Observable<StoredDocument<D> | null>;
  findOneAndReplace(
    filter: MongodbFilter<D>,
    replacement: D,
    options?: OperationOptions,
  ): Observable<StoredDocument<D> | null>;
  findOneAndDelete(
    filter: MongodbFilter<D>,
    options?: OperationOptions,
  ): Observable<StoredDocument<D> | null>;
  insertOne(document: D, options?: OperationOptions): Observable<InsertOneResult>;
  insertMany(documents: readonly D[], options?: OperationOptions): Observable<InsertManyResult>;
  updateOne(
    filter: MongodbFilter<D>,
    update: MongodbUpdate,
    options?: OperationOptions,
  ): Observable<UpdateResult>;
  updateMany(
    filter: MongodbFilter<D>,
    update: MongodbUpdate,
    options?: OperationOptions,
  ): Observable<UpdateResult>;
  replaceOne(
    filter: MongodbFilter<D>,
    replacement: D,
    options?: OperationOptions,
  ): Observable<UpdateResult>;
  deleteOne(filter: MongodbFilter<D>, options?: OperationOptions): Observable<DeleteResult>;
  deleteMany(filter: MongodbFilter<D>, options?: OperationOptions): Observable<DeleteResult>;
  bulkWrite(
    operations: readonly MongodbDocument[],
    options?: OperationOptions,
  ): Observable<BulkWriteResult>;
  countDocuments(filter?: MongodbFilter<D>, options?: OperationOptions): Observable<number>;
  estimatedDocumentCount(options?: OperationOptions): Observable<number>;
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
