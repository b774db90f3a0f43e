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
export {
  countMarbles,
  eventLetters,
  eventMarbles,
  marblePool,
  marbleResource,
  stateMarbles,
  type Diagrams,
  type MarbleDiagrams,
  type MarbleHooks,
  type MarblePoolOptions,
  type MarbleTest,
  type StateCount,
} from './marbles.js';
export {
  flaky,
  type FlakyHooks,
  type FlakyOptions,
  type FlakyProfile,
  type SteadyHooks,
} from './flaky.js';
export { seededRandom } from './random.js';
export { ConformanceError, type ConformanceCheck } from './conformance.js';
export {
  permitSourceConformance,
  type PermitConformanceOptions,
  type PermitSubject,
} from './permit-conformance.js';
export { idleOrderConformance, type IdleComparator } from './order-conformance.js';
