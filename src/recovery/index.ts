export {
  outageRecovery,
  type OutageRecovery,
  type OutageRecoveryOptions,
} from './outage-recovery.js';
export type { OutageReason } from './outage-signs.js';
export type { RecoveryEvent, RecoveryEventFacts, RecoveryState } from './recovery-events.js';
export {
  checkAfterFreeze,
  type CheckAfterFreezeOptions,
  type FreezeCheck,
} from './check-after-freeze.js';
export {
  processFreezes,
  type ProcessFreeze,
  type ProcessFreezeOptions,
} from './process-freezes.js';
