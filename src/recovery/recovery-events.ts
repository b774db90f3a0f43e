import type { OutageReason } from './outage-signs.js';

/** `up`: creates pass; `down`: they are held, but for one probe at a time; `recovering`: they pass at the refill rate. */
export type RecoveryState = 'up' | 'down' | 'recovering';

/** The facts that each type of event carries beside the common ones. Durations are milliseconds. */
export interface RecoveryEventFacts {
  /** An outage has begun: the pools' generations are retired, and creates are held from now on. */
  down: {
    /** What it was seen by. */
    readonly reason: OutageReason;
    /** Creates that failed in a row, or resources that broke within the burst. */
    readonly count: number;
    /** What the last of them failed with. */
    readonly error: unknown;
    /** How long from now until one create is let through. */
    readonly nextProbeMillis: number;
  };
  /** One create is let through. `attempt` counts the probes of this outage from 1. */
  probing: { readonly attempt: number };
  /** The create that was let through failed, with `error`: it is still down, and the next one comes later. */
  probeFailed: {
    /** Which probe it was, from 1. */
    readonly attempt: number;
    /** What its create failed with. */
    readonly error: unknown;
    /** How long from now until the next one. */
    readonly nextProbeMillis: number;
  };
  /** The probe's resource was created: creates are let through at the refill rate. */
  recovering: { readonly attempt: number; readonly downMillis: number };
  /** A create failed, or resources broke, while recovering: creates are held again. */
  relapsed: { readonly error: unknown; readonly nextProbeMillis: number };
  /** Nothing is held any more. `refilled` counts the creates that were let through one by one. */
  up: { readonly downMillis: number; readonly refilled: number };
}

/** One step of an outage. */
export type RecoveryEvent = {
  [Type in keyof RecoveryEventFacts]: {
    readonly type: Type;
    /** The scheduler's clock, in milliseconds. */
    readonly at: number;
    /** The pool that it was seen in; '' where it is none. */
    readonly pool: string;
    /** The state after it. */
    readonly state: RecoveryState;
  } & RecoveryEventFacts[Type];
}[keyof RecoveryEventFacts];
