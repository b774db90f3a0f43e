export {
  adaptiveMax,
  type AdaptiveMax,
  type AdaptiveMaxOptions,
  type SizingDecision,
} from './adaptive-max.js';
export type { SizingPhase } from './size-search.js';
