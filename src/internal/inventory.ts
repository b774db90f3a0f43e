import type { DestroyReason } from '../events.js';
import type { ResolvedOptions } from '../options.js';
import type { ResourceInfo } from '../resource-info.js';
import type { Journal } from './journal.js';
import { LinkedList } from './linked-list.js';
import { describeSlot, liveSize, retirement } from './policy.js';
import { reportError } from './report.js';
import type { Slot, SlotStatus } from './slot.js';
import type { Turns } from './turns.js';

/** Every slot of the pool, and which of them are idle. A slot moves here, and with it the counts. */
export class Inventory<T> {
  readonly options: ResolvedOptions<T>;
  readonly journal: Journal<T>;
  /** By id, so oldest first. */
  readonly slots: Map<number, Slot<T>> = new Map();
  /** Ordered by `idleSince`, the longest idle first. */
  readonly idle: LinkedList<Slot<T>> = new LinkedList();
  /** Resources of an older generation are retired as soon as they are free. */
  generation = 0;
  // Copies of options that every acquire asks for.
  readonly #isLifo: boolean;
  readonly #checksOnBorrow: boolean;
  readonly #idleTimeout: number;
  readonly #turns: Turns;

  constructor(options: ResolvedOptions<T>, journal: Journal<T>, turns: Turns) {
    const { order, validate, validateOnBorrow, idleTimeoutMillis } = options;
    this.options = options;
    this.journal = journal;
    this.#turns = turns;
    this.#isLifo = order === 'lifo';
    this.#checksOnBorrow = validateOnBorrow && validate !== undefined;
    this.#idleTimeout = idleTimeoutMillis;
  }

  add(slot: Slot<T>): void {
    this.slots.set(slot.id, slot);
    this.journal.creating += 1;
    this.#turns.restless = true;
  }

  /** What `move` to leased does, for the ways that most leases come: from idle, or straight from the last one. */
  lend(slot: Slot<T>): void {
    if (slot.status === 'idle') {
      this.idle.remove(slot);
      slot.status = 'leased';
      this.journal.idle -= 1;
      this.journal.leased += 1;
    } else if (slot.status !== 'leased') {
      this.move(slot, 'leased');
    }
  }

  /** Takes the slot to another place. Into idle it goes by `shelve`, which knows its order. */
  move(slot: Slot<T>, to: SlotStatus): void {
    this.#turns.restless = true;
    if (slot.status === 'idle') this.idle.remove(slot);
    this.#count(slot.status, -1);
    slot.status = to;
    this.#count(to, 1);
  }

  /** Makes the slot idle. A resource that was only checked keeps its place in the order of idling. */
  shelve(slot: Slot<T>): void {
    if (slot.status === 'leased') {
      slot.status = 'idle';
      this.journal.leased -= 1;
      this.journal.idle += 1;
    } else {
      this.move(slot, 'idle');
    }
    slot.verified = false;
    let anchor = this.idle.tail;
    while (anchor !== undefined && anchor.idleSince > slot.idleSince) anchor = anchor.previous;
    this.idle.insertAfter(slot, anchor);
  }

  /** The slot is out of the books, and what it held can be collected. */
  remove(slot: Slot<T>): void {
    this.move(slot, 'gone');
    this.slots.delete(slot.id);
    slot.resource = undefined;
    slot.creation = undefined;
    slot.watching = undefined;
    slot.lease = undefined;
  }

  /** The idle resource to lend next, if it can be lent as it is. An idle one is never doomed: it would be gone. */
  ready(now: number): Slot<T> | undefined {
    const slot = this.#isLifo ? this.idle.tail : this.choose(now);
    if (slot === undefined || now >= slot.expiresAt || slot.generation !== this.generation) {
      return undefined;
    }
    if (now - slot.idleSince >= this.#idleTimeout && this.hasSpare()) return undefined;
    return this.#checksOnBorrow && this.needsCheck(slot, now) ? undefined : slot;
  }

  /** The idle resource that the pool's order prefers. */
  choose(now: number): Slot<T> | undefined {
    const { order } = this.options;
    if (order === 'lifo') return this.idle.tail;
    if (order === 'fifo') return this.idle.head;
    const last = this.idle.tail;
    if (last?.previous === undefined) return last;
    let best: Slot<T> = last;
    try {
      let bestInfo = this.describe(best, now);
      for (let slot = best.previous; slot !== undefined; slot = slot.previous) {
        const info = this.describe(slot, now);
        if (order(info, bestInfo) < 0) {
          best = slot;
          bestInfo = info;
        }
      }
    } catch (error) {
      reportError(error);
    }
    return best;
  }

  /** A copy: destroying one may change the list. */
  idleSlots(): Slot<T>[] {
    const slots: Slot<T>[] = [];
    for (let slot = this.idle.head; slot !== undefined; slot = slot.next) slots.push(slot);
    return slots;
  }

  /** Why a free resource must not stay, by its own record. */
  retirement(slot: Slot<T>, now: number): DestroyReason | undefined {
    return retirement(slot, now, this.generation, this.options);
  }

  /** Why an idle resource must go instead of being lent. */
  overdue(slot: Slot<T>, now: number): DestroyReason | undefined {
    return (
      this.retirement(slot, now) ??
      (now - slot.idleSince >= this.options.idleTimeoutMillis && this.hasSpare()
        ? 'idle'
        : undefined)
    );
  }

  needsCheck(slot: Slot<T>, now: number): boolean {
    const { validate, validateOnBorrow, validateAfterIdleMillis } = this.options;
    return (
      validateOnBorrow &&
      validate !== undefined &&
      !slot.verified &&
      now - slot.seenGoodAt >= validateAfterIdleMillis
    );
  }

  /** Whether one idle resource may go without falling below `min` or `minIdle`. */
  hasSpare(): boolean {
    const { journal } = this;
    return liveSize(journal) > journal.min && journal.idle > this.options.minIdle;
  }

  /** Whether there is more than `max`, as after a resize. */
  isOverfull(): boolean {
    const { journal } = this;
    return liveSize(journal) + journal.creating > journal.max;
  }

  describe(slot: Slot<T>, now: number): ResourceInfo {
    return describeSlot(slot, now, this.retirement(slot, now) !== undefined);
  }

  #count(status: SlotStatus, change: 1 | -1): void {
    if (status !== 'gone') this.journal[status] += change;
  }
}
