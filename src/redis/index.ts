export type {
  IoredisClient,
  NodeRedisClient,
  RedisClient,
  RedisCommand,
  RedisWord,
} from './client.js';
export { command, pipeline } from './command.js';
export { redisPool, type RedisPoolOptions } from './redis-pool.js';
export type { RedisMessage, SubscriptionKind } from './driver.js';
export { subscribe, type SubscribeOptions } from './subscribe.js';
export {
  isConflict,
  transaction,
  TransactionConflictError,
  type TransactionOptions,
  type TransactionProject,
} from './transaction.js';
