import type { PoolState } from './state.js';

/** Why a resource was destroyed. `released` is `lease.destroy()`, `broken` is `lease.destroy(error)` or `watch`. */
export type DestroyReason =
  | 'idle'
  | 'lifetime'
  | 'maxUses'
  | 'invalid'
  | 'resetFailed'
  | 'broken'
  | 'released'
  | 'recycled'
  | 'surplus'
  | 'lateCreate'
  | 'closed'
  | 'revoked';

/** Why a request was refused. */
export type RejectReason = 'waitingLimit' | 'overloaded' | 'closed' | 'createFailed';

/** How a lease ended. */
export type ReleaseReason = 'released' | 'destroyed' | 'detached' | 'revoked';

/** The facts that each type of event carries beside the common ones. */
export interface PoolEventFacts {
  requested: { readonly requestId: number; readonly label: string | undefined };
  nestedAcquire: NestedFacts;
  acquired: {
    readonly id: number;
    readonly requestId: number;
    readonly label: string | undefined;
    readonly waitedMillis: number;
  };
  cancelled: RequestEnd & { readonly reason: 'unsubscribed' | 'aborted' };
  timedOut: RequestEnd & { readonly error: unknown };
  rejected: RequestEnd & { readonly reason: RejectReason; readonly error: unknown };
  released: {
    readonly id: number;
    readonly requestId: number;
    readonly label: string | undefined;
    readonly heldMillis: number;
    readonly reason: ReleaseReason;
  };
  creating: { readonly id: number };
  created: HookEnd;
  createFailed: HookEnd & { readonly error: unknown };
  validating: { readonly id: number };
  validated: HookEnd;
  validateFailed: HookEnd & { readonly error: unknown };
  resetting: { readonly id: number };
  reset: HookEnd;
  resetFailed: HookEnd & { readonly error: unknown };
  evicted: { readonly id: number; readonly reason: DestroyReason };
  destroying: { readonly id: number; readonly reason: DestroyReason };
  destroyed: HookEnd & { readonly reason: DestroyReason };
  destroyFailed: HookEnd & { readonly reason: DestroyReason; readonly error: unknown };
  resourceError: { readonly id: number; readonly error: unknown };
  permitLost: { readonly id: number; readonly error: unknown };
  leaked: LeaseFacts;
  /** The lease is over its time: its signal is aborted, and `revoked` follows when the grace time is over. */
  revoking: LeaseFacts & { readonly graceMillis: number };
  revoked: LeaseFacts;
  /** `error` is there when a live `min` or `max` failed or gave something senseless: the last value stays. */
  resized: { readonly min: number; readonly max: number; readonly error?: unknown };
  paused: object;
  resumed: object;
  draining: object;
  closed: object;
}

/** What every end of a request without a lease tells. */
export interface RequestEnd {
  readonly requestId: number;
  readonly label: string | undefined;
  readonly waitedMillis: number;
}

/** What every end of a hook tells. */
export interface HookEnd {
  readonly id: number;
  readonly tookMillis: number;
}

/** What is told of a lease that is held for too long. */
export interface LeaseFacts {
  readonly id: number;
  readonly requestId: number;
  readonly label: string | undefined;
  readonly heldMillis: number;
  /** Where the lease was acquired; kept when `leakWarningMillis` is set. */
  readonly stack: string | undefined;
}

/** A request made by code that holds a lease of the same pool already: enough of those at once wait for each other. */
export interface NestedFacts {
  readonly requestId: number;
  readonly label: string | undefined;
  /** The request whose lease is held. */
  readonly heldRequestId: number;
  readonly heldLabel: string | undefined;
  /** Where the inner request is made. */
  readonly stack: string | undefined;
  /** Where the lease that is held was acquired. */
  readonly heldStack: string | undefined;
}

export type PoolEventType = keyof PoolEventFacts;

/** What every event carries. */
export interface PoolEventBase<Type extends PoolEventType> {
  readonly type: Type;
  /** Counts the pool's events from 1, heard or not: a gap means that nobody listened. */
  readonly seq: number;
  /** The pool's clock, in milliseconds of the scheduler. */
  readonly at: number;
  /** The pool's name. */
  readonly pool: string;
  /** The state after the whole transition that this event belongs to. */
  readonly state: PoolState;
}

declare const resourceType: unique symbol;

/**
 * One step in the life of a pool. Events never carry the resource itself, so that a kept event keeps no connection
 * alive; `T` only tells which kind of pool it came from.
 */
export type PoolEvent<T = unknown> = {
  [Type in PoolEventType]: PoolEventBase<Type> &
    PoolEventFacts[Type] & { readonly [resourceType]?: T };
}[PoolEventType];
