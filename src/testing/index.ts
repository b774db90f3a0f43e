export { foldEvents, foldStats, PoolFold, type FoldStart } from './fold.js';
export type { InvariantOptions } from './invariant-checker.js';
export { InvariantError, type InvariantRule, type InvariantViolation } from './invariant-error.js';
export {
  assertInvariants,
  assertQuiescent,
  checkInvariants,
  type PoolFacts,
  type QuiescenceFacts,
} from './invariants.js';
