export type { SqliteDatabase, SqliteDatabaseConstructor, SqliteStatement } from './database.js';
export { query } from './query.js';
export { sqlitePool, type SqlitePool, type SqlitePoolOptions } from './sqlite-pool.js';
export {
  isConflict,
  transaction,
  type TransactionMode,
  type TransactionOptions,
} from './transaction.js';
