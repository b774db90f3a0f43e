export {
  AcquireAbortedError,
  AcquireTimeoutError,
  CloseError,
  CreateError,
  HookTimeoutError,
  InvalidOptionsError,
  LeaseReleasedError,
  LeaseRevokedError,
  OverloadedError,
  PoolClosedError,
  PoolError,
  PoolExistsError,
  PoolNotFoundError,
  WaitingLimitError,
  type AcquirePhase,
  type HookName,
} from './errors.js';
export type {
  DestroyReason,
  HookEnd,
  LeaseFacts,
  NestedFacts,
  PoolEvent,
  PoolEventBase,
  PoolEventFacts,
  PoolEventType,
  RejectReason,
  ReleaseReason,
  RequestEnd,
} from './events.js';
export type { PoolHealth } from './health.js';
export type { Project } from './internal/use-request.js';
export type { Lease } from './lease.js';
export type {
  AcquireOptions,
  CloseOptions,
  CreateContext,
  Hook,
  IdleOrder,
  OnCancel,
  PoolOptions,
  RecycleOptions,
} from './options.js';
export type { Permit, PermitRequest, PermitSource } from './permits.js';
export { createPool, type Pool } from './pool.js';
export type { ResourceInfo, ResourceStatus } from './resource-info.js';
export type { Lifecycle, PoolState } from './state.js';
export type { DurationStats, PoolStats } from './stats.js';
export { backoff, type BackoffOptions } from './backoff.js';
export {
  circuitBreaker,
  CircuitOpenError,
  type CircuitBreaker,
  type CircuitBreakerOptions,
  type CircuitState,
} from './circuit-breaker.js';
export { withLease, type WithLeaseOptions } from './with-lease.js';
export type { Admission, PoolLoad, Verdict, WaitingRequest } from './admission.js';
export { deadlineAware, type DeadlineAwareOptions } from './deadline-aware.js';
export { codel, type CodelOptions } from './codel.js';
export { adaptiveLifo, type AdaptiveLifoOptions } from './adaptive-lifo.js';
export { fairQueue, type FairQueueOptions, type QueueOrder } from './fair-queue.js';
