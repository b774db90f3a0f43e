import type { Inventory } from './inventory.js';
import { recalled } from './permit-desk.js';
import { deferred, type Slot } from './slot.js';
import type { Timetable } from './timetable.js';
import type { Turns } from './turns.js';
import type { Workshop } from './workshop.js';

/** What happens to idle resources: they expire, are checked or are too many. */
export class Housekeeping<T> {
  readonly #inventory: Inventory<T>;
  readonly #timetable: Timetable<T>;
  readonly #turns: Turns;
  readonly #workshop: Workshop<T>;
  /** Some idle resources are past their limit and stay only for `min` or `minIdle`. */
  sparesOverdue = false;

  constructor(
    inventory: Inventory<T>,
    timetable: Timetable<T>,
    turns: Turns,
    workshop: Workshop<T>,
  ) {
    this.#inventory = inventory;
    this.#timetable = timetable;
    this.#turns = turns;
    this.#workshop = workshop;
  }

  /** The slot's plan rang. It may ring for nothing: a plan outlives the lending of its resource. */
  upkeep(slot: Slot<T>, now: number): void {
    if (slot.status !== 'idle') return;
    const reason = this.#inventory.overdue(slot, now);
    if (reason !== undefined) this.#workshop.retire(slot, reason, now);
    else if (now >= this.#nextCheckOf(slot)) this.#workshop.check(slot, now, false, ignore);
    else this.plan(slot, now);
  }

  /** A plan may be for later than the slot's idling ends: from when there was nothing to spare. */
  replan(slot: Slot<T>, now: number): void {
    this.#timetable.cancel(slot);
    this.plan(slot, now);
  }

  /** Plans the upkeep of an idle slot. Leaving it planned while lent is cheaper than to cancel it on every lease. */
  plan(slot: Slot<T>, now: number): void {
    const { idleTimeoutMillis } = this.#inventory.options;
    let dueAt = Math.min(slot.expiresAt, this.#nextCheckOf(slot));
    if (idleTimeoutMillis !== Infinity) {
      if (this.#inventory.hasSpare()) dueAt = Math.min(dueAt, slot.idleSince + idleTimeoutMillis);
      else this.sparesOverdue = true;
    }
    this.#timetable.plan(slot, Math.max(dueAt, now));
  }

  /** There may be more than `min` again: what idled too long behind it goes now. */
  planSpares(now: number): void {
    if (!this.sparesOverdue || !this.#inventory.hasSpare()) return;
    this.sparesOverdue = false;
    for (const slot of this.#inventory.idleSlots()) {
      this.replan(slot, now);
    }
  }

  /** Destroys what is past its limits; resolves to the number when they are gone. */
  evict(): Promise<number> {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const ends: Promise<void>[] = [];
    for (const slot of this.#inventory.idleSlots()) {
      if (slot.status !== 'idle') continue;
      const reason = this.#inventory.overdue(slot, now) ?? recalled(slot.permit);
      if (reason === undefined) continue;
      ends.push((slot.settled ??= deferred()).promise);
      this.#workshop.retire(slot, reason, now);
    }
    this.#turns.leave(outermost, now);
    return Promise.all(ends).then(({ length }) => length);
  }

  /** Has every idle resource checked; resolves to how many failed. */
  checkIdle(): Promise<number> {
    if (this.#inventory.options.validate === undefined) return Promise.resolve(0);
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const checks: Promise<boolean>[] = [];
    for (const slot of this.#inventory.idleSlots()) {
      if (slot.status !== 'idle') continue;
      checks.push(
        new Promise(resolve => {
          this.#workshop.check(slot, now, false, resolve);
        }),
      );
    }
    this.#turns.leave(outermost, now);
    return Promise.all(checks).then(results => results.filter(good => !good).length);
  }

  retireSurplus(now: number): void {
    const { idle } = this.#inventory;
    while (idle.head !== undefined && this.#inventory.isOverfull()) {
      this.#workshop.retire(idle.head, 'surplus', now);
    }
  }

  retireAll(now: number): void {
    const { idle } = this.#inventory;
    while (idle.head !== undefined) this.#workshop.retire(idle.head, 'closed', now);
  }

  #nextCheckOf(slot: Slot<T>): number {
    const { validate, validateIdleEveryMillis } = this.#inventory.options;
    return validate === undefined ? Infinity : slot.seenGoodAt + validateIdleEveryMillis;
  }
}

function ignore(): void {
  // The outcome of a routine check is in the books; nobody else waits for it.
}
