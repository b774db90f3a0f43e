export {
  asPgPool,
  type PgPool,
  type PgPoolClient,
  type PgPoolLent,
  type PgPoolListener,
} from './as-pg-pool.js';
export type {
  PostgresClient,
  PostgresClientConstructor,
  PostgresConnection,
  PostgresResult,
} from './client.js';
export { listen, type ListenOptions, type Notification } from './listen.js';
export { postgresPool, type PostgresPoolOptions } from './postgres-pool.js';
export { query } from './query.js';
export { stream, type RowStream, type StreamOptions } from './stream.js';
export {
  isConflict,
  transaction,
  TransactionRolledBackError,
  type IsolationLevel,
  type TransactionOptions,
} from './transaction.js';
