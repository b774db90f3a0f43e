export {
  createRegistry,
  type AnyPool,
  type NamedEvent,
  type NamedState,
  type PoolRegistry,
} from './registry.js';
