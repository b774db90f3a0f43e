export type {
  MongodbClient,
  MongodbClientConstructor,
  MongodbCollection,
  MongodbCursor,
  MongodbDatabase,
  MongodbDocument,
  MongodbSession,
} from './client.js';
export type { DocumentStream } from './document-stream.js';
export { collection, execute, type CollectionName } from './execute.js';
export { mongodbPool, type MongodbPoolOptions } from './mongodb-pool.js';
export type {
  BulkWriteResult,
  DeleteResult,
  InsertManyResult,
  InsertOneResult,
  MongodbFilter,
  MongodbUpdate,
  OperationOptions,
  Operations,
  StoredDocument,
  UpdateResult,
} from './operations.js';
export {
  isConflict,
  transaction,
  type TransactionOptions,
  type TransactionProject,
} from './transaction.js';
