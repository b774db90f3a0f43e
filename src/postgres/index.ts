export type {
  PostgresClient,
  PostgresClientConstructor,
  PostgresConnection,
  PostgresResult,
} from './client.js';
export { postgresPool, type PostgresPoolOptions } from './postgres-pool.js';
export { query } from './query.js';
