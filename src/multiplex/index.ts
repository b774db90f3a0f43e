export { SharedResourceBrokenError } from './errors.js';
export {
  createMultiplexedPool,
  type MultiplexedPool,
  type ResourceLoad,
} from './multiplexed-pool.js';
export type { Concurrency, MultiplexedPoolOptions } from './options.js';
