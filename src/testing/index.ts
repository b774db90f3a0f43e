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
export {
  OracleError,
  oracleFactory,
  type Oracle,
  type OracleHooks,
  type OracleOptions,
  type OracleResource,
  type OracleUse,
} from './oracle.js';
export {
  gates,
  type Gate,
  type GateCall,
  type GateOutcome,
  type Gates,
  type GatesOptions,
  type SettleStyle,
} from './gates.js';
