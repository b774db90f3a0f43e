export { PoolHealthIndicator, type PoolHealthResult } from './health-indicator.js';
export { RxpoolModule } from './module.js';
export type {
  PoolDefinition,
  RxpoolModuleAsyncOptions,
  RxpoolModuleSettings,
} from './options.js';
export { getPoolToken, InjectPool } from './token.js';
