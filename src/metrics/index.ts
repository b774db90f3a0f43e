export {
  health$,
  HealthJudge,
  type HealthFinding,
  type HealthOptions,
  type HealthReport,
  type HealthStatus,
  type HealthThresholds,
} from './health.js';
export { Histogram } from './histogram.js';
export { history, historyOf, Ring, type EventHistory } from './history.js';
export {
  callerFrames,
  HolderBook,
  longestHeld,
  type Holder,
  type LongestHeldOptions,
  type Waiter,
} from './holders.js';
export { summarize, type SummarizeOptions } from './summarize.js';
export { SummaryWindow, type DurationSummary, type PoolSummary } from './summary-window.js';
