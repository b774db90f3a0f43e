import type { Deadline } from './agenda.js';
import type { Inventory } from './inventory.js';
import type { Journal } from './journal.js';
import { liveSize } from './policy.js';
import { deferred, type Slot } from './slot.js';
import type { Supply } from './supply.js';
import type { Timetable } from './timetable.js';
import type { Turns } from './turns.js';
import type { Workshop } from './workshop.js';

/** How fast a generation is retired. */
export interface RenewalPace {
  readonly maxUnavailable: number;
  readonly everyMillis: number;
}

/** A generation that ends at once: each of it goes as soon as it is free. */
interface Recycling {
  readonly generation: number;
  remaining: number;
  readonly resolve: () => void;
}

/** A generation that is replaced a few at a time. */
class Rotation<T> implements Deadline {
  dueAt: number = Infinity;
  place = -1;
  /** After what expires by itself at that time, and so need not be rotated. */
  readonly order: number = Number.MAX_SAFE_INTEGER;
  /** Not told to go yet, oldest first. */
  readonly left: Set<Slot<T>>;
  /** Told to go, and not gone. */
  readonly leaving = new Set<Slot<T>>();
  /** The size to be kept: every resource that goes is replaced before the next. */
  readonly size: number;
  readonly pace: RenewalPace;
  readonly resolve: () => void;

  constructor(slots: Iterable<Slot<T>>, size: number, pace: RenewalPace, resolve: () => void) {
    this.left = new Set(slots);
    this.size = size;
    this.pace = pace;
    this.resolve = resolve;
  }

  due(): void {
    // Being planned no more is all there is to it: the turn that rang it goes on with the next step.
  }
}

/** Retires the resources of today, at once or without a dip. */
export class Renewal<T> {
  readonly #inventory: Inventory<T>;
  readonly #journal: Journal<T>;
  readonly #supply: Supply<T>;
  readonly #workshop: Workshop<T>;
  readonly #timetable: Timetable<T>;
  readonly #turns: Turns;
  #recyclings: Recycling[] = [];
  #rotations: Rotation<T>[] = [];

  constructor(
    inventory: Inventory<T>,
    supply: Supply<T>,
    workshop: Workshop<T>,
    timetable: Timetable<T>,
    turns: Turns,
  ) {
    this.#inventory = inventory;
    this.#journal = inventory.journal;
    this.#supply = supply;
    this.#workshop = workshop;
    this.#timetable = timetable;
    this.#turns = turns;
  }

  /** Somebody awaits the end of a generation. */
  get awaited(): boolean {
    return this.#recyclings.length + this.#rotations.length > 0;
  }

  /** Ends the generation; resolves when its last resource is gone. */
  recycle(): Promise<void> {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const inventory = this.#inventory;
    const { generation } = inventory;
    inventory.generation += 1;
    const done = deferred();
    this.#turns.restless = true;
    this.#recyclings.push({ generation, remaining: inventory.slots.size, resolve: done.resolve });
    this.#settleRecyclings();
    for (const slot of inventory.idleSlots()) {
      // A hook of the one before may have had it retired already.
      if (slot.status === 'idle') this.#workshop.retire(slot, 'recycled', now);
    }
    this.#turns.leave(outermost, now);
    return done.promise;
  }

  /** Replaces the generation step by step; resolves when its last resource is gone and made good. */
  rotate(pace: RenewalPace): Promise<void> {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const done = deferred();
    this.#turns.restless = true;
    this.#rotations.push(
      new Rotation(this.#inventory.slots.values(), liveSize(this.#journal), pace, done.resolve),
    );
    this.#keepSize();
    this.#turns.leave(outermost, now);
    return done.promise;
  }

  /** A slot is out of the books. */
  gone(slot: Slot<T>): void {
    for (const rotation of this.#rotations) {
      rotation.left.delete(slot);
      rotation.leaving.delete(slot);
    }
    for (const recycling of this.#recyclings) {
      if (slot.generation <= recycling.generation) recycling.remaining -= 1;
    }
    this.#settleRecyclings();
  }

  /** At the end of every entry: the next step of each rotation whose last one is made good. */
  advance(now: number): void {
    if (this.#rotations.length === 0) return;
    for (const rotation of this.#rotations) this.#step(rotation, now);
    this.#rotations = this.#rotations.filter(rotation => {
      const goesOn =
        rotation.left.size + rotation.leaving.size > 0 ||
        (!this.#isMadeGood(rotation) && !this.#journal.isClosing);
      if (!goesOn) {
        this.#timetable.cancel(rotation);
        rotation.resolve();
      }
      return goesOn;
    });
    this.#keepSize();
  }

  #step(rotation: Rotation<T>, now: number): void {
    const journal = this.#journal;
    const { left, leaving, pace } = rotation;
    if (!journal.isRunning || rotation.place >= 0 || leaving.size > 0) return;
    if (!this.#isMadeGood(rotation)) return;
    // Idle ones first: nobody waits for those.
    const made = [...left].filter(({ status }) => status !== 'creating');
    const idle = made.filter(({ status }) => status === 'idle');
    const busy = made.filter(({ status }) => status !== 'idle');
    const chosen = [...idle, ...busy].slice(0, pace.maxUnavailable);
    if (chosen.length === 0) return;
    if (pace.everyMillis > 0) this.#timetable.plan(rotation, now + pace.everyMillis);
    for (const slot of chosen) {
      left.delete(slot);
      leaving.add(slot);
      slot.doom ??= 'recycled';
    }
    for (const slot of chosen) {
      if (slot.status === 'idle') this.#workshop.retire(slot, 'recycled', now);
    }
  }

  #isMadeGood({ size }: Rotation<T>): boolean {
    return liveSize(this.#journal) >= Math.min(size, this.#journal.max);
  }

  #keepSize(): void {
    this.#supply.kept = Math.max(0, ...this.#rotations.map(({ size }) => size));
  }

  #settleRecyclings(): void {
    this.#recyclings = this.#recyclings.filter(({ remaining, resolve }) => {
      if (remaining === 0) resolve();
      return remaining > 0;
    });
  }
}
