export type { Budget, BudgetEvent, BudgetState, FleetState } from './budget.js';
export {
  BudgetAnswerTimeoutError,
  BudgetDisposedError,
  PermitLostError,
  type PermitLossReason,
} from './errors.js';
export type { BudgetOptions, WhenAway } from './options.js';
export {
  postgresPermits,
  type PostgresBudgetClient,
  type PostgresPermitsOptions,
} from './postgres-permits.js';
export type {
  IoRedisClient,
  IoRedisSubscriber,
  NodeRedisClient,
  NodeRedisSubscriber,
  RedisClient,
  RedisScriptRunner,
  RedisSubscriber,
} from './redis-client.js';
export { redisPermits, type RedisPermitsOptions } from './redis-permits.js';
export { sharedPermits, type SharedBudget, type SharedPermitsOptions } from './shared-permits.js';
