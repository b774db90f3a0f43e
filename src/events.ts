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
  /** A request was made: by a subscription to `acquire` or `use`, or a call of `lease`. */
  requested: { readonly requestId: number; readonly label: string | undefined };
  /** Code that holds a lease asked for another; see `nestedAcquireWarning`. */
  nestedAcquire: NestedFacts;
  /** A request got its lease: one of the four ends of a request. */
  acquired: {
    readonly id: number;
    readonly requestId: number;
    readonly label: string | undefined;
    readonly waitedMillis: number;
  };
  /** A request was unsubscribed or aborted before a lease came. */
  cancelled: RequestEnd & { readonly reason: 'unsubscribed' | 'aborted' };
  /** A request passed its deadline. `error` is the AcquireTimeoutError that its caller gets. */
  timedOut: RequestEnd & { readonly error: unknown };
  /** A request was refused. `error` is what its caller gets. */
  rejected: RequestEnd & { readonly reason: RejectReason; readonly error: unknown };
  /** A lease ended, once each, in whatever way `reason` says. */
  released: {
    readonly id: number;
    readonly requestId: number;
    readonly label: string | undefined;
    readonly heldMillis: number;
    readonly reason: ReleaseReason;
  };
  /** A `create` was called; `id` is that of the resource to come. */
  creating: { readonly id: number };
  /** A `create` gave its resource. */
  created: HookEnd;
  /** A `create` failed or passed its time limit. */
  createFailed: HookEnd & { readonly error: unknown };
  /** A `validate` was called. */
  validating: { readonly id: number };
  /** A `validate` said yes. */
  validated: HookEnd;
  /** A `validate` said no, failed or passed its time limit; the resource is destroyed. */
  validateFailed: HookEnd & { readonly error: unknown };
  /** A `reset` was called. */
  resetting: { readonly id: number };
  /** A `reset` is done. */
  reset: HookEnd;
  /** A `reset` failed or passed its time limit; the resource is destroyed. */
  resetFailed: HookEnd & { readonly error: unknown };
  /** The pool decided to retire a resource; `destroying` follows. */
  evicted: { readonly id: number; readonly reason: DestroyReason };
  /** The end of a resource began, with a call of `destroy` where there is one. */
  destroying: { readonly id: number; readonly reason: DestroyReason };
  /** A resource is gone, its slot free. */
  destroyed: HookEnd & { readonly reason: DestroyReason };
  /** A `destroy` failed or passed its time limit; the slot is free all the same. */
  destroyFailed: HookEnd & { readonly reason: DestroyReason; readonly error: unknown };
  /** A resource broke by itself, as `watch` or the Observable that made it told. */
  resourceError: { readonly id: number; readonly error: unknown };
  /** The budget took a permit away; the resource goes as soon as it is free. */
  permitLost: { readonly id: number; readonly error: unknown };
  /** A lease is held for longer than `leakWarningMillis`; told once for each. */
  leaked: LeaseFacts;
  /** The lease is over its time: its signal is aborted, and `revoked` follows when the grace time is over. */
  revoking: LeaseFacts & { readonly graceMillis: number };
  /** The pool took a lease back. */
  revoked: LeaseFacts;
  /** `error` is there when a live `min` or `max` failed or gave something senseless: the last value stays. */
  resized: { readonly min: number; readonly max: number; readonly error?: unknown };
  /** `pause` was called. */
  paused: object;
  /** `resume` was called. */
  resumed: object;
  /** `close` was called. */
  draining: object;
  /** All is gone. The last event. */
  closed: object;
}

/** What every end of a request without a lease tells. */
export interface RequestEnd {
  /** The number of the request, that of its `requested`. */
  readonly requestId: number;
  /** Of its `AcquireOptions`. */
  readonly label: string | undefined;
  /** From the request to this end, in milliseconds. */
  readonly waitedMillis: number;
}

/** What every end of a hook tells. */
export interface HookEnd {
  /** Of the resource. */
  readonly id: number;
  /** From the call of the hook to this end, in milliseconds. */
  readonly tookMillis: number;
}

/** What is told of a lease that is held for too long. */
export interface LeaseFacts {
  /** Of the resource. */
  readonly id: number;
  /** The request that got the lease. */
  readonly requestId: number;
  /** Of its `AcquireOptions`. */
  readonly label: string | undefined;
  /** Since it was acquired, in milliseconds. */
  readonly heldMillis: number;
  /** Where the lease was acquired; kept when `leakWarningMillis` is set. */
  readonly stack: string | undefined;
}

/** A request made by code that holds a lease of the same pool already: enough of those at once wait for each other. */
export interface NestedFacts {
  /** The inner request. */
  readonly requestId: number;
  /** Of its `AcquireOptions`. */
  readonly label: string | undefined;
  /** The request whose lease is held. */
  readonly heldRequestId: number;
  /** The label of that request. */
  readonly heldLabel: string | undefined;
  /** Where the inner request is made. */
  readonly stack: string | undefined;
  /** Where the lease that is held was acquired. */
  readonly heldStack: string | undefined;
}

/** The name of a kind of event. */
export type PoolEventType = keyof PoolEventFacts;

/** What every event carries. */
export interface PoolEventBase<Type extends PoolEventType> {
  /** Which kind of event it is; it says what other facts there are. */
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
