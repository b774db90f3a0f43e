export {
  asMysqlPool,
  type MysqlPool,
  type MysqlPoolConnection,
  type MysqlPoolListener,
  type MysqlPoolMethod,
} from './as-mysql-pool.js';
export type {
  CreateMysqlConnection,
  MysqlConnection,
  MysqlConnectionOptions,
} from './connection.js';
export { mysqlPool, type MysqlPoolOptions } from './mysql-pool.js';
export { query } from './query.js';
export { stream, type RowStream, type StreamOptions } from './stream.js';
export {
  isConflict,
  transaction,
  TransactionLostError,
  type IsolationLevel,
  type TransactionOptions,
} from './transaction.js';
