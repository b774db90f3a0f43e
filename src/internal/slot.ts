import type { Subscription } from 'rxjs';
import type { DestroyReason } from '../events.js';
import type { Permit } from '../permits.js';
import type { ResourceStatus } from '../resource-info.js';
import type { Deadline } from './agenda.js';
import type { LeaseHandle } from './lease-handle.js';
import type { LeaseWatch } from './lease-watch.js';
import type { Linked } from './linked-list.js';
import type { Prefill } from './prefill.js';
import type { Task } from './task.js';

/**
 * ```
 * creating ──▶ idle ◀──▶ leased          idle ──▶ validating ──▶ idle, leased
 *    │           │          │            leased ──▶ validating, resetting ──▶ idle, leased
 *    ▼           ▼          ▼
 *   gone    destroying ◀── every state that holds a resource ──▶ gone
 * ```
 */
export type SlotStatus = ResourceStatus | 'creating' | 'gone';

/** A waiting request, the pool's own `min`, or a call of `prefill`. */
export type CreateCause = 'demand' | 'fill' | 'prefill';

/** Told when a slot's upkeep is due: idle limit, lifetime or the next validation. */
export interface Upkeep<T> {
  upkeep(slot: Slot<T>, now: number): void;
}

/** A promise with its resolver, made only when somebody awaits. */
export interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

export function deferred(): Deferred {
  let resolve!: () => void;
  const promise = new Promise<void>(done => {
    resolve = done;
  });
  return { promise, resolve };
}

/** The pool's record of one resource. Only the engine changes it. */
export class Slot<T> implements Linked<Slot<T>>, Deadline {
  // Fixed order of fields, all set here: the hot path sees one shape only.
  previous: Slot<T> | undefined = undefined;
  next: Slot<T> | undefined = undefined;
  dueAt: number = Infinity;
  readonly order: number;
  place = -1;
  readonly id: number;
  readonly generation: number;
  readonly #upkeep: Upkeep<T>;
  status: SlotStatus = 'creating';
  /** Undefined before it is made and again when the slot is gone, so that a kept lease keeps no dead resource alive. */
  resource: T | undefined = undefined;
  createdAt = 0;
  /** Jittered once, at birth. */
  expiresAt: number = Infinity;
  /** When it last came back, or was made: what the idle list is ordered by. */
  idleSince = 0;
  lastUsedAt = 0;
  /** When it was last seen good: made, validated or returned. */
  seenGoodAt = 0;
  /** Made or validated for the grant that is about to happen, so not to be validated again. */
  verified = false;
  uses = 0;
  /** Set when it must go as soon as it is free. */
  doom: DestroyReason | undefined = undefined;
  lastError: unknown = undefined;
  permit: Permit | undefined = undefined;
  /** The subscription to the loss of the permit. */
  guarding: Subscription | undefined = undefined;
  /** Who caused the create, and so who hears of its failure. */
  cause: CreateCause = 'demand';
  /** The `prefill` that started the create, and those that wait for it. */
  prefill: Prefill | undefined = undefined;
  joined: Prefill[] | undefined = undefined;
  /** The `create` that made it: its subscription stays open as long as the resource lives. */
  creation: Task<T> | undefined = undefined;
  /** The hook in flight, if one is. */
  task: Task<T> | undefined = undefined;
  /** The lease that holds it, or that held it until what follows a lease is done. */
  lease: LeaseHandle<T> | undefined = undefined;
  /** The deadlines of its lease, in pools that have such. */
  leaseWatch: LeaseWatch<T> | undefined = undefined;
  watching: Subscription | undefined = undefined;
  /** Resolves when the slot is free again or gone: what `release()` waits for. */
  settled: Deferred | undefined = undefined;

  constructor(id: number, generation: number, upkeep: Upkeep<T>) {
    this.id = id;
    this.order = id;
    this.generation = generation;
    this.#upkeep = upkeep;
  }

  /** It is ready for the next borrower, or gone: whoever waits for that is told. */
  free(): void {
    this.settled?.resolve();
    this.settled = undefined;
  }

  due(now: number): void {
    this.#upkeep.upkeep(this, now);
  }
}
