export {
  createRegistry,
  type NamedEvent,
  type NamedState,
  type PoolRegistry,
} from './registry.js';
