import { CreateError, PoolClosedError } from '../errors.js';
import type { ResolvedOptions } from '../options.js';
import type { Permit } from '../permits.js';
import { FillPause } from './fill-pause.js';
import type { Housekeeping } from './housekeeping.js';
import type { Inventory } from './inventory.js';
import type { Journal } from './journal.js';
import type { Matching } from './matching.js';
import { giveBack, PermitDesk, type PermitAsk, type PermitAsker } from './permit-desk.js';
import { freeSlots, liveSize, missingResources, unservedWaiters, type Counts } from './policy.js';
import { Prefill } from './prefill.js';
import type { Reception } from './reception.js';
import type { CreateCause, Slot } from './slot.js';
import type { Timetable } from './timetable.js';
import type { Turns } from './turns.js';
import type { Workshop } from './workshop.js';

/** When new resources are made and for whom: a waiter, a call of `prefill`, or `min` and `minIdle`. */
export class Supply<T> implements PermitAsker {
  readonly #options: ResolvedOptions<T>;
  readonly #inventory: Inventory<T>;
  readonly #journal: Journal<T>;
  readonly #reception: Reception<T>;
  readonly #matching: Matching<T>;
  readonly #housekeeping: Housekeeping<T>;
  readonly #workshop: Workshop<T>;
  readonly #timetable: Timetable<T>;
  readonly #turns: Turns;
  readonly #fillPause: FillPause;
  readonly #permits: PermitDesk | undefined;
  /** A size to be kept up to while a generation is replaced, beside `min`. */
  kept = 0;
  #prefills: Prefill[] = [];

  constructor(
    inventory: Inventory<T>,
    reception: Reception<T>,
    matching: Matching<T>,
    housekeeping: Housekeeping<T>,
    workshop: Workshop<T>,
    timetable: Timetable<T>,
    turns: Turns,
  ) {
    const { options, journal } = inventory;
    const { min, minIdle, liveMin, permits } = options;
    this.#options = options;
    this.#inventory = inventory;
    this.#journal = journal;
    this.#reception = reception;
    this.#matching = matching;
    this.#housekeeping = housekeeping;
    this.#workshop = workshop;
    this.#timetable = timetable;
    this.#turns = turns;
    this.#fillPause = new FillPause(timetable);
    this.#permits = permits === undefined ? undefined : new PermitDesk(permits, this, journal);
    if (min > 0 || minIdle > 0 || liveMin !== undefined) {
      this.#fillPause.untilNextTurn(timetable.now());
      timetable.arm();
    }
  }

  /** Somebody awaits a `prefill`. */
  get awaited(): boolean {
    return this.#prefills.length > 0;
  }

  /** Creates may become possible or due by more than a waiting request or a slot that moves. */
  get restless(): boolean {
    return this.#options.minIdle > 0 || this.awaited || this.#permits !== undefined;
  }

  /** Starts the creates that are wanted and allowed, and takes back what was asked for in vain. */
  start(now: number): void {
    const journal = this.#journal;
    const { createConcurrency } = this.#options;
    while (
      journal.mayServe &&
      journal.creating + journal.asked < createConcurrency &&
      freeSlots(journal) > 0
    ) {
      if (unservedWaiters(journal) > 0) {
        this.#create('demand', undefined, now);
      } else if (this.#prefills.some(isUnstarted)) {
        this.#create('prefill', this.#prefills.find(isUnstarted), now);
      } else if (this.#missesResources()) {
        this.#create('fill', undefined, now);
      } else {
        break;
      }
    }
    this.#withdrawVain();
  }

  prefill(target: number): Promise<number> {
    const journal = this.#journal;
    if (journal.isClosing) {
      return Promise.reject(new PoolClosedError(this.#options.name, journal.state));
    }
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    let coming = liveSize(journal) + journal.creating + journal.asked;
    for (const { toStart } of this.#prefills) coming += toStart;
    const prefill = new Prefill(target, Math.max(0, Math.min(target, journal.max) - coming));
    if (liveSize(journal) < target) {
      for (const slot of this.#inventory.slots.values()) {
        if (slot.status === 'creating') prefill.join(slot);
      }
    }
    this.#prefills.push(prefill);
    this.#turns.restless = true;
    this.#turns.leave(outermost, now);
    return prefill.promise;
  }

  settlePrefills(): void {
    if (this.#prefills.length === 0) return;
    const journal = this.#journal;
    this.#prefills = this.#prefills.filter(prefill => {
      const wanted = Math.min(prefill.target, journal.max);
      // Others may have brought the size up meanwhile.
      if (liveSize(journal) + journal.creating + journal.asked >= wanted) prefill.toStart = 0;
      if (!prefill.done) return true;
      const { failure } = prefill;
      if (failure === undefined) prefill.resolve();
      else {
        const { name } = this.#options;
        prefill.reject(new CreateError(name, journal.state, failure.error, prefill));
      }
      return false;
    });
  }

  /** The pool closes: nothing is made any more but for a waiter that is still served. */
  close(): void {
    this.#fillPause.end();
    for (const prefill of this.#prefills) {
      prefill.reject(new PoolClosedError(this.#options.name, this.#journal.state));
    }
    this.#prefills = [];
  }

  /** Takes back all but `keep` of the requests for a permit. */
  withdrawAsks(keep: number): void {
    this.#permits?.withdraw(this.#journal.asked - keep);
  }

  permitted(ask: PermitAsk, permit: Permit): void {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    // While it waited the need may have gone.
    if (this.#stillNeeds(ask)) {
      this.#workshop.create(ask, permit, now);
    } else {
      ask.prefill?.ended();
      giveBack(permit);
    }
    this.#turns.leave(outermost, now);
  }

  permitFailed(ask: PermitAsk, error: unknown): void {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    this.#createFailed(ask, error, now);
    this.#turns.leave(outermost, now);
  }

  made(slot: Slot<T>, now: number): void {
    const { prefill, joined } = slot;
    this.#reception.lastCreateError = undefined;
    this.#fillPause.afterSuccess();
    if (prefill !== undefined) prefill.made += 1;
    leavePrefills(prefill, joined);
    slot.prefill = undefined;
    slot.joined = undefined;
    this.#matching.offer(slot, now);
    this.#housekeeping.planSpares(now);
    this.#workshop.watch(slot);
  }

  notMade(slot: Slot<T>, error: unknown, now: number): void {
    this.#createFailed(slot, error, now);
    leavePrefills(undefined, slot.joined);
  }

  #create(cause: CreateCause, prefill: Prefill | undefined, now: number): void {
    prefill?.started();
    if (this.#permits === undefined) this.#workshop.create({ cause, prefill }, undefined, now);
    else this.#permits.ask({ cause, prefill }, this.#permitRequest());
  }

  #permitRequest() {
    // Below its `min`, the pool asks for what a budget grants first.
    const floor = missingResources(this.#journal, 0) > 0;
    return { pool: this.#options.name, floor };
  }

  #stillNeeds(ask: PermitAsk): boolean {
    const journal = this.#journal;
    if (!journal.mayServe || freeSlots(journal) <= 0) return false;
    switch (ask.cause) {
      case 'demand':
        return unservedWaiters(journal) + journal.asked > 0;
      case 'fill':
        return missingResources(this.#wanted(), this.#options.minIdle, journal.creating) > 0;
      case 'prefill':
        return true;
    }
  }

  #missesResources(): boolean {
    const journal = this.#journal;
    const { minIdle } = this.#options;
    return (
      (journal.min > 0 || minIdle > 0 || this.kept > 0) &&
      !this.#fillPause.active &&
      !journal.isClosing &&
      missingResources(this.#wanted(), minIdle) > 0
    );
  }

  /** The counts, with the size that is to be kept for `min`. */
  #wanted(): Counts {
    const journal = this.#journal;
    if (this.kept <= journal.min) return journal;
    return { ...journal.state, min: this.kept, asked: journal.asked, checking: journal.checking };
  }

  /** A request for a permit that nobody needs any more would keep others from it. */
  #withdrawVain(): void {
    const permits = this.#permits;
    const journal = this.#journal;
    if (permits === undefined || journal.asked === 0) return;
    const excess = -freeSlots(journal);
    if (excess > 0) permits.withdraw(excess);
    const demand = permits.count('demand');
    const needed = Math.max(0, unservedWaiters(journal) + demand);
    if (demand > needed) permits.withdraw(demand - needed, 'demand');
  }

  /** One failed create fails one waiter: the oldest. A fill fails nobody, a prefill its caller. */
  #createFailed(ask: PermitAsk, error: unknown, now: number): void {
    const { cause, prefill } = ask;
    const journal = this.#journal;
    this.#reception.lastCreateError = { error };
    if (prefill !== undefined) {
      prefill.failure ??= { error };
      prefill.ended();
    } else if (cause === 'fill') {
      if (!journal.isClosing) this.#fillPause.afterFailure(now);
    } else {
      const request = this.#reception.firstLive(now);
      if (request === undefined) return;
      const failure = new CreateError(this.#options.name, journal.state, error);
      this.#reception.refuse(request, 'createFailed', failure, now);
    }
  }
}

function leavePrefills(own: Prefill | undefined, joined: readonly Prefill[] | undefined): void {
  own?.ended();
  for (const prefill of joined ?? []) prefill.ended();
}

function isUnstarted({ toStart }: Prefill): boolean {
  return toStart > 0;
}
