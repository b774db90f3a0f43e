import type { DestroyReason } from '../events.js';
import type { AcquireOptions } from '../options.js';
import type { Housekeeping } from './housekeeping.js';
import type { Inventory } from './inventory.js';
import type { Draft, Journal } from './journal.js';
import type { LeaseHandle } from './lease-handle.js';
import type { Leasing } from './leasing.js';
import { recalled } from './permit-desk.js';
import type { Reception } from './reception.js';
import type { Request } from './request.js';
import type { Slot } from './slot.js';
import type { Totals } from './totals.js';
import type { Turns } from './turns.js';
import type { Workshop } from './workshop.js';

/** Who gets which resource: slots that are free meet those who want one. */
export class Matching<T> {
  readonly #inventory: Inventory<T>;
  readonly #journal: Journal<T>;
  readonly #reception: Reception<T>;
  readonly #leasing: Leasing<T>;
  readonly #housekeeping: Housekeeping<T>;
  readonly #workshop: Workshop<T>;
  readonly #totals: Totals;
  readonly #turns: Turns;
  /** Nothing happens to a returned resource but by its own record. */
  readonly #returnsAsIs: boolean;

  constructor(
    inventory: Inventory<T>,
    reception: Reception<T>,
    leasing: Leasing<T>,
    housekeeping: Housekeeping<T>,
    workshop: Workshop<T>,
    totals: Totals,
    turns: Turns,
  ) {
    const { reset, validate, validateOnReturn } = inventory.options;
    this.#inventory = inventory;
    this.#journal = inventory.journal;
    this.#reception = reception;
    this.#leasing = leasing;
    this.#housekeeping = housekeeping;
    this.#workshop = workshop;
    this.#totals = totals;
    this.#turns = turns;
    this.#returnsAsIs = reset === undefined && !(validateOnReturn && validate !== undefined);
  }

  /** The resource that a newcomer may have at once: nobody waits, and it needs neither a check nor an end. */
  lendable(now: number): Slot<T> | undefined {
    const journal = this.#journal;
    return journal.waiting === 0 && journal.isRunning ? this.#inventory.ready(now) : undefined;
  }

  /** As `lendable`, but ends what is overdue and has checks made that answer at once. */
  tryIdle(now: number): Slot<T> | undefined {
    const inventory = this.#inventory;
    const journal = this.#journal;
    while (journal.waiting === 0 && journal.isRunning) {
      const slot = inventory.choose(now);
      if (slot === undefined) return undefined;
      const overdue = inventory.overdue(slot, now);
      if (overdue !== undefined) {
        this.#workshop.retire(slot, overdue, now);
        continue;
      }
      if (!inventory.needsCheck(slot, now)) return slot;
      this.#workshop.check(slot, now);
      // Idle again: the check answered at once, and nobody was before us. Else it goes on, or the resource is gone.
      if (slot.status === 'idle' && journal.waiting === 0 && journal.isRunning) return slot;
      if (slot.status === 'validating') return undefined;
    }
    return undefined;
  }

  /** A request and its grant, in one transition. */
  lendAtOnce(
    slot: Slot<T>,
    options: AcquireOptions | undefined,
    now: number,
    stack: string | undefined,
  ): LeaseHandle<T> {
    const journal = this.#journal;
    const requestId = ++journal.requests;
    const lease = this.#leasing.lend(slot, requestId, options, now, stack);
    journal.sequence += 2;
    if (journal.heard) journal.add([this.#requested(lease, now), this.#acquired(lease, 0, now)]);
    return lease;
  }

  /** A lease ended by release. Expired or doomed goes; else it is checked if asked for, and reset. */
  returned(slot: Slot<T>, now: number): void {
    slot.idleSince = now;
    slot.seenGoodAt = now;
    if (this.#returnsAsIs && slot.permit === undefined) {
      // The quick way of `offer`: nobody waits, and only its own record can be against it.
      if (
        !this.#turns.restless &&
        this.#journal.waiting === 0 &&
        this.#inventory.retirement(slot, now) === undefined
      ) {
        slot.lease = undefined;
        this.#shelve(slot, now);
      } else {
        this.offer(slot, now);
      }
      return;
    }
    const { validate, validateOnReturn } = this.#inventory.options;
    const reason = this.#mustGo(slot, now) ?? recalled(slot.permit);
    if (reason !== undefined) this.#workshop.retire(slot, reason, now);
    else if (validateOnReturn && validate !== undefined) this.#workshop.check(slot, now, true);
    else this.#workshop.reset(slot, now);
  }

  /** A doomed resource is never reset. */
  checkedOnReturn(slot: Slot<T>, now: number): void {
    const reason = this.#mustGo(slot, now);
    if (reason === undefined) this.#workshop.reset(slot, now);
    else this.#workshop.retire(slot, reason, now);
  }

  /** The one door of every slot that is free: it goes if it must, else to the first waiter, else it is idle. */
  offer(slot: Slot<T>, now: number): void {
    const reason = this.#mustGo(slot, now);
    if (reason === undefined) this.#place(slot, now);
    else this.#workshop.retire(slot, reason, now);
  }

  /** Idle resources go to those who wait, as they are or after a check. */
  serveIdle(now: number): void {
    const journal = this.#journal;
    const inventory = this.#inventory;
    while (journal.mayServe && journal.waiting > journal.checking) {
      const slot = inventory.choose(now);
      if (slot === undefined) return;
      const overdue = inventory.overdue(slot, now);
      if (overdue !== undefined) {
        this.#workshop.retire(slot, overdue, now);
      } else if (inventory.needsCheck(slot, now)) {
        this.#workshop.check(slot, now);
      } else {
        const request = this.#reception.chosen(now);
        if (request === undefined) return;
        if (request.dueAt < now) this.#reception.timedOut(request, now);
        else this.#grant(slot, request, now);
      }
    }
  }

  #place(slot: Slot<T>, now: number): void {
    const journal = this.#journal;
    const reception = this.#reception;
    const request = journal.waiting > 0 && journal.mayServe ? reception.chosen(now) : undefined;
    slot.lease = undefined;
    if (request === undefined || request.dueAt < now) {
      // One whose time is up ends first, by a transition of its own; then the pump serves the next.
      this.#shelve(slot, now);
    } else if (!this.#inventory.needsCheck(slot, now)) {
      this.#grant(slot, request, now);
    } else if (journal.waiting > journal.checking) {
      this.#workshop.check(slot, now);
    } else {
      // Those who wait are served by checks in flight.
      this.#shelve(slot, now);
    }
    if (slot.settled !== undefined) slot.free();
  }

  #shelve(slot: Slot<T>, now: number): void {
    const housekeeping = this.#housekeeping;
    this.#inventory.shelve(slot);
    if (slot.place < 0 || slot.dueAt > slot.idleSince + this.#inventory.options.idleTimeoutMillis) {
      housekeeping.replan(slot, now);
    }
    if (housekeeping.sparesOverdue) housekeeping.planSpares(now);
  }

  /** Why a slot that is free must go, if it must. */
  #mustGo(slot: Slot<T>, now: number): DestroyReason | undefined {
    const reason = this.#inventory.retirement(slot, now);
    if (reason !== undefined || !this.#turns.restless) return reason;
    if (this.#journal.isClosing && !this.#journal.mayServe) return 'closed';
    return this.#inventory.isOverfull() ? 'surplus' : undefined;
  }

  #grant(slot: Slot<T>, request: Request<T>, now: number): void {
    const reception = this.#reception;
    const journal = this.#journal;
    reception.dequeue(request);
    const stack = reception.stackOf(request);
    const lease = this.#leasing.lend(slot, request.id, request.options, now, stack);
    request.lease = lease;
    request.granted();
    const waitedMillis = now - request.requestedAt;
    this.#totals.wait.add(waitedMillis);
    journal.sequence += 1;
    if (journal.heard) journal.add([this.#acquired(lease, waitedMillis, now)]);
    this.#turns.later(request);
  }

  #requested(lease: LeaseHandle<T>, now: number): Draft {
    return {
      type: 'requested',
      seq: this.#journal.sequence - 1,
      at: now,
      pool: this.#inventory.options.name,
      state: undefined,
      requestId: lease.requestId,
      label: lease.options?.label,
    };
  }

  #acquired(lease: LeaseHandle<T>, waitedMillis: number, now: number): Draft {
    return {
      type: 'acquired',
      seq: this.#journal.sequence,
      at: now,
      pool: this.#inventory.options.name,
      state: undefined,
      id: lease.slot.id,
      requestId: lease.requestId,
      label: lease.options?.label,
      waitedMillis,
    };
  }
}
