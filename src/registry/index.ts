export type { BackEnds } from './back-ends.js';
export {
  createRegistry,
  type AnyPool,
  type NamedEvent,
  type NamedState,
  type PoolRegistry,
} from './registry.js';
