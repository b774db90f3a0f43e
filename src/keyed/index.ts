export {
  createKeyedPool,
  type KeyedEvent,
  type KeyedPool,
  type KeyedPoolOptions,
  type KeyedState,
} from './keyed-pool.js';
