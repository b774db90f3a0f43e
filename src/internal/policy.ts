import type { DestroyReason } from '../events.js';
import type { ResolvedOptions } from '../options.js';
import type { ResourceInfo, ResourceStatus } from '../resource-info.js';
import type { PoolState } from '../state.js';
import type { Slot } from './slot.js';

/** The counts that the questions below are asked of; the journal is one. */
export interface Counts extends Omit<PoolState, 'lifecycle'> {
  /** Creates that wait for a permit. Each has a slot reserved. */
  readonly asked: number;
  /** Checks in flight that a waiter counts on. */
  readonly checking: number;
}

/** Resources that are there to stay: those under destroy hold a slot, but no promise. */
export function liveSize(counts: Counts): number {
  return counts.idle + counts.leased + counts.validating + counts.resetting;
}

/** Slots that a new resource may take. Derived from the counts each time, never kept. */
export function freeSlots(counts: Counts): number {
  return counts.max - counts.size - counts.creating - counts.asked;
}

/** Waiters that neither an idle resource nor a create or check in flight is going to serve. */
export function unservedWaiters(counts: Counts): number {
  return counts.waiting - counts.creating - counts.asked - counts.checking;
}

/** Creates that `min` and `minIdle` still want, beside those that are coming. */
export function missingResources(
  counts: Counts,
  minIdle: number,
  coming: number = counts.creating + counts.asked,
): number {
  const forMin = Math.min(counts.min, counts.max) - liveSize(counts) - coming;
  const spare = counts.idle + Math.max(0, coming - counts.waiting);
  const forMinIdle = minIdle === 0 ? 0 : minIdle - spare;
  return Math.max(forMin, forMinIdle);
}

/** Why a resource must not stay in the pool now that it is free, if it must not. */
export function retirement<T>(
  slot: Slot<T>,
  now: number,
  generation: number,
  options: ResolvedOptions<T>,
): DestroyReason | undefined {
  if (slot.doom !== undefined) return slot.doom;
  if (slot.generation !== generation) return 'recycled';
  if (now >= slot.expiresAt) return 'lifetime';
  if (slot.uses >= options.maxUses) return 'maxUses';
  return undefined;
}

/** A lifetime, shortened by a random share and fixed at birth. */
export function expiryOf<T>(bornAt: number, options: ResolvedOptions<T>): number {
  const { maxLifetimeMillis, lifetimeJitter } = options;
  if (maxLifetimeMillis === Infinity) return Infinity;
  return bornAt + Math.max(1, maxLifetimeMillis * (1 - lifetimeJitter * Math.random()));
}

/** Whether a decision of the pool's own precedes the destroy, and so is told as `evicted`. */
export function isEviction(reason: DestroyReason): boolean {
  switch (reason) {
    case 'idle':
    case 'lifetime':
    case 'surplus':
    case 'recycled':
    case 'maxUses':
      return true;
    default:
      return false;
  }
}

export function describeSlot<T>(slot: Slot<T>, now: number, stale: boolean): ResourceInfo {
  return {
    id: slot.id,
    state: slot.status as ResourceStatus,
    createdAt: slot.createdAt,
    lastUsedAt: slot.lastUsedAt,
    ageMillis: now - slot.createdAt,
    idleMillis: slot.status === 'idle' ? now - slot.idleSince : 0,
    uses: slot.uses,
    stale,
    ...(slot.lastError === undefined ? undefined : { lastError: slot.lastError }),
  };
}
