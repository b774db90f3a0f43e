import { Subscription, type Observable } from 'rxjs';
import { HookTimeoutError } from '../errors.js';
import type { DestroyReason } from '../events.js';
import type { Permit } from '../permits.js';
import type { Runner } from './context.js';
import { CreationContext } from './create-context.js';
import type { Inventory } from './inventory.js';
import { giveBack, type PermitAsk } from './permit-desk.js';
import { expiryOf, isEviction } from './policy.js';
import { reportError } from './report.js';
import { Slot, type Upkeep } from './slot.js';
import { Task, type TaskEnd, type TaskOwner } from './task.js';
import type { Timetable } from './timetable.js';
import type { Totals } from './totals.js';
import { callOut, type Turns } from './turns.js';

/** What becomes of the slots that the workshop worked on. */
export interface WorkshopOwner<T> extends Upkeep<T> {
  /** The slot holds a resource that is new, checked or reset: whose is it now? */
  offer(slot: Slot<T>, now: number): void;
  /** Goes on with a returned resource that passed its check. */
  checkedOnReturn(slot: Slot<T>, now: number): void;
  made(slot: Slot<T>, now: number): void;
  notMade(slot: Slot<T>, error: unknown, now: number): void;
  destroyFailed(error: unknown): void;
  /** The slot is out of the books. */
  gone(slot: Slot<T>): void;
  attemptFailed(error: unknown): void;
}

/** Runs the users' hooks on slots, each within its time limit, and enters what came of it in the books. */
export class Workshop<T> implements TaskOwner<T> {
  readonly #owner: WorkshopOwner<T>;
  readonly #inventory: Inventory<T>;
  readonly #totals: Totals;
  readonly #timetable: Timetable<T>;
  readonly #turns: Turns;
  /** Runs creates in the pool's own async context, not that of the request that happens to cause one. */
  readonly #detached: Runner;
  #slotIds = 0;

  constructor(
    owner: WorkshopOwner<T>,
    inventory: Inventory<T>,
    totals: Totals,
    timetable: Timetable<T>,
    turns: Turns,
    detached: Runner,
  ) {
    this.#owner = owner;
    this.#inventory = inventory;
    this.#totals = totals;
    this.#timetable = timetable;
    this.#turns = turns;
    this.#detached = detached;
  }

  create(ask: PermitAsk, permit: Permit | undefined, now: number): void {
    const { journal, generation, options } = this.#inventory;
    const slot = new Slot<T>(++this.#slotIds, generation, this.#owner);
    slot.cause = ask.cause;
    slot.prefill = ask.prefill;
    slot.permit = permit;
    this.#inventory.add(slot);
    journal.record('creating', now, { id: slot.id });
    journal.commit();
    if (permit?.lost !== undefined) this.#guard(slot, permit.lost);
    const task = new Task('create', slot, now, this);
    slot.creation = task;
    const { create, createTimeoutMillis, scheduler, name } = options;
    const context = new CreationContext(name, scheduler, error => {
      const awaited = task.running && !task.late;
      if (awaited) this.#owner.attemptFailed(error);
      return awaited;
    });
    task.context = context;
    this.#run(task, createTimeoutMillis, () => this.#detached(() => create(context)));
  }

  /** Validates for the first waiter, or before the reset of a returned resource, or just so, with somebody to tell. */
  check(slot: Slot<T>, now: number, onReturn = false, onEnd?: TaskEnd): void {
    const { journal, options } = this.#inventory;
    const { validate, validateTimeoutMillis } = options;
    this.#inventory.move(slot, 'validating');
    journal.record('validating', now, { id: slot.id });
    const task = new Task('validate', slot, now, this);
    task.onReturn = onReturn;
    task.onEnd = onEnd;
    task.forBorrow = !onReturn && onEnd === undefined;
    if (task.forBorrow) journal.checking += 1;
    journal.commit();
    this.#run(task, validateTimeoutMillis, () => validate?.(slot.resource as T));
  }

  reset(slot: Slot<T>, now: number): void {
    const { journal, options } = this.#inventory;
    const { reset, resetTimeoutMillis } = options;
    if (reset === undefined) {
      this.#owner.offer(slot, now);
      return;
    }
    this.#inventory.move(slot, 'resetting');
    journal.record('resetting', now, { id: slot.id });
    journal.commit();
    const task = new Task('reset', slot, now, this);
    this.#run(task, resetTimeoutMillis, () => reset(slot.resource as T));
  }

  /** Takes the resource out of use and destroys it; `inTurn`: after what waits to leave, as its borrower's notice. */
  retire(slot: Slot<T>, reason: DestroyReason, now: number, inTurn = false): void {
    const { journal } = this.#inventory;
    const totals = this.#totals;
    if (reason === 'lifetime') totals.expired += 1;
    else if (reason === 'idle') totals.pruned += 1;
    else if (reason === 'recycled') totals.recycled += 1;
    if (isEviction(reason)) journal.record('evicted', now, { id: slot.id, reason });
    slot.doom = reason;
    this.#inventory.move(slot, 'destroying');
    this.#timetable.cancel(slot);
    journal.record('destroying', now, { id: slot.id, reason });
    journal.commit();
    if (!inTurn) {
      this.#destroy(slot, reason, now);
      return;
    }
    this.#turns.later(
      callOut(() => {
        const outermost = this.#turns.enter();
        const then = this.#timetable.now();
        this.#destroy(slot, reason, then);
        this.#turns.leave(outermost, then);
      }),
    );
  }

  /** Subscribes to what tells that the resource broke. The resource may be lent by now, or gone again. */
  watch(slot: Slot<T>): void {
    const { watch } = this.#inventory.options;
    const { resource } = slot;
    if (watch === undefined || resource === undefined || slot.status === 'destroying') return;
    const broke = (error: unknown): void => {
      this.#broke(slot, error);
    };
    const watching = new Subscription();
    slot.watching = watching;
    try {
      watching.add(watch(resource).subscribe({ next: broke, error: broke }));
    } catch (error) {
      broke(error);
    }
  }

  /** Takes the slot out of the books without a destroy: the resource was never made, or left with its borrower. */
  release(slot: Slot<T>): void {
    unsubscribeSafely(slot.watching);
    unsubscribeSafely(slot.guarding);
    this.#timetable.cancel(slot);
    this.#inventory.remove(slot);
    this.#givePermitBack(slot);
    this.#owner.gone(slot);
    slot.free();
  }

  /** Behind the notification: whoever gets the permit next must not be seen before this resource is seen to be gone. */
  #givePermitBack(slot: Slot<T>): void {
    const { permit } = slot;
    if (permit === undefined) return;
    slot.permit = undefined;
    this.#turns.later(
      callOut(() => {
        giveBack(permit);
      }),
    );
  }

  settled(task: Task<T>, failed: boolean, value: unknown): void {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    this.#timetable.cancel(task);
    if (task.late) this.#late(task, failed, value, now);
    else this.#ended(task, failed, value, now);
    this.#turns.leave(outermost, now);
  }

  overdue(task: Task<T>, now: number): void {
    const { journal, options } = this.#inventory;
    const limit = now - task.startedAt;
    this.giveUp(task, new HookTimeoutError(options.name, journal.state, task.hook, limit), now);
  }

  sourceFailed(task: Task<T>, error: unknown): void {
    if (!task.late) this.#broke(task.slot, error);
  }

  /** Ends the wait for a hook. A create may still give a resource, which is then late. */
  giveUp(task: Task<T>, error: unknown, now: number): void {
    this.#timetable.cancel(task);
    if (task.hook === 'create') task.late = true;
    else if (task.hook === 'destroy') task.running = false;
    else task.giveUp();
    this.#ended(task, true, error, now);
    task.context?.abort(error);
  }

  /** `call` takes the resource from the slot: an error that is kept keeps the functions of its stack, and theirs. */
  #run(task: Task<T>, limitMillis: number, call: () => unknown): void {
    task.slot.task = task;
    task.run(call);
    // The hook may have closed the pool by force, which gives up this very call.
    if (task.running && !task.late) {
      this.#timetable.plan(task, task.startedAt + limitMillis);
    }
  }

  #ended(task: Task<T>, failed: boolean, value: unknown, now: number): void {
    task.slot.task = undefined;
    switch (task.hook) {
      case 'create':
        this.#created(task, failed, value, now);
        break;
      case 'validate':
        this.#checked(task, failed, value, now);
        break;
      case 'reset':
        this.#wasReset(task, failed, value, now);
        break;
      case 'destroy':
        this.#destroyed(task, failed, value, now);
        break;
    }
  }

  #created(task: Task<T>, failed: boolean, value: unknown, now: number): void {
    const { slot } = task;
    const { journal, options } = this.#inventory;
    const totals = this.#totals;
    const tookMillis = now - task.startedAt;
    if (failed || value === undefined || value === null) {
      const error = failed ? value : new TypeError('create gave no resource');
      // The source of a late one goes on: what it still gives has to be destroyed.
      if (!task.late) task.unsubscribe();
      totals.createFailed += 1;
      journal.record('createFailed', now, { id: slot.id, tookMillis, error });
      this.release(slot);
      this.#owner.notMade(slot, error, now);
      return;
    }
    slot.resource = value as T;
    // Only what still has a source to close is kept for as long as the resource lives.
    if (task.source === undefined) slot.creation = undefined;
    slot.createdAt = now;
    slot.idleSince = now;
    slot.lastUsedAt = now;
    slot.seenGoodAt = now;
    slot.expiresAt = expiryOf(now, options);
    slot.verified = true;
    totals.created += 1;
    totals.create.add(tookMillis);
    journal.record('created', now, { id: slot.id, tookMillis });
    this.#owner.made(slot, now);
  }

  #checked(task: Task<T>, failed: boolean, value: unknown, now: number): void {
    const { slot } = task;
    const { journal } = this.#inventory;
    const good = !failed && value !== false;
    const error = failed ? value : undefined;
    const facts = { id: slot.id, tookMillis: now - task.startedAt };
    if (task.forBorrow) journal.checking -= 1;
    if (good) {
      slot.seenGoodAt = now;
      slot.verified = true;
      journal.record('validated', now, facts);
      if (task.onReturn) this.#owner.checkedOnReturn(slot, now);
      else this.#owner.offer(slot, now);
    } else {
      slot.lastError = error;
      this.#totals.validateFailed += 1;
      journal.record('validateFailed', now, { ...facts, error });
      this.retire(slot, 'invalid', now);
    }
    task.onEnd?.(good, error);
  }

  #wasReset(task: Task<T>, failed: boolean, value: unknown, now: number): void {
    const { slot } = task;
    const { journal } = this.#inventory;
    const facts = { id: slot.id, tookMillis: now - task.startedAt };
    if (failed) {
      slot.lastError = value;
      this.#totals.resetFailed += 1;
      journal.record('resetFailed', now, { ...facts, error: value });
      this.retire(slot, 'resetFailed', now);
    } else {
      slot.idleSince = now;
      slot.seenGoodAt = now;
      journal.record('reset', now, facts);
      this.#owner.offer(slot, now);
    }
  }

  #destroy(slot: Slot<T>, reason: DestroyReason, now: number): void {
    unsubscribeSafely(slot.watching);
    const { destroy, destroyTimeoutMillis } = this.#inventory.options;
    const task = new Task('destroy', slot, now, this);
    this.#run(task, destroyTimeoutMillis, () => destroy?.(slot.resource as T, reason));
  }

  #destroyed(task: Task<T>, failed: boolean, value: unknown, now: number): void {
    const { slot } = task;
    const { journal } = this.#inventory;
    const reason = slot.doom ?? 'released';
    // The teardown of its source may do the closing, so it belongs to the destroy.
    const failure = closeSource(slot) ?? (failed ? { error: value } : undefined);
    const facts = { id: slot.id, tookMillis: now - task.startedAt, reason };
    if (failure === undefined) {
      this.#totals.destroyed += 1;
      journal.record('destroyed', now, facts);
    } else {
      this.#totals.destroyFailed += 1;
      journal.record('destroyFailed', now, { ...facts, error: failure.error });
      this.#owner.destroyFailed(failure.error);
    }
    this.release(slot);
  }

  /** A resource that comes after its create was given up is destroyed outside the count. */
  #late(task: Task<T>, failed: boolean, value: unknown, now: number): void {
    const { slot } = task;
    const { journal, options } = this.#inventory;
    const reason = 'lateCreate';
    if (task.hook === 'destroy') {
      const facts = { id: slot.id, tookMillis: now - task.startedAt, reason } as const;
      const failure = closeSource(slot) ?? (failed ? { error: value } : undefined);
      slot.creation = undefined;
      if (failure === undefined) journal.record('destroyed', now, facts);
      else journal.record('destroyFailed', now, { ...facts, error: failure.error });
    } else if (!failed && value !== undefined && value !== null) {
      journal.record('destroying', now, { id: slot.id, reason });
      journal.commit();
      slot.creation = task;
      const destroying = new Task('destroy', slot, now, this);
      destroying.late = true;
      destroying.run(() => options.destroy?.(value as T, reason));
    }
  }

  /** Subscribes to the loss of the slot's permit. */
  #guard(slot: Slot<T>, lost: Observable<unknown>): void {
    const lose = (error: unknown): void => {
      this.#permitLost(slot, error);
    };
    const guarding = new Subscription();
    slot.guarding = guarding;
    try {
      guarding.add(lost.subscribe({ next: lose, error: lose }));
    } catch (error) {
      lose(error);
    }
  }

  /** Once, as a break is: what has no permit is one too many for its budget. */
  #permitLost(slot: Slot<T>, error: unknown): void {
    if (slot.status === 'gone' || slot.status === 'destroying') return;
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    unsubscribeSafely(slot.guarding);
    slot.doom ??= 'surplus';
    this.#inventory.journal.record('permitLost', now, { id: slot.id, error });
    if (slot.status === 'idle') this.retire(slot, slot.doom, now);
    this.#turns.leave(outermost, now);
  }

  /** Once: an idle one goes now, any other as soon as it is free. */
  #broke(slot: Slot<T>, error: unknown): void {
    if (slot.status === 'gone' || slot.status === 'destroying') return;
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    unsubscribeSafely(slot.watching);
    slot.lastError = error;
    slot.doom = 'broken';
    this.#inventory.journal.record('resourceError', now, { id: slot.id, error });
    if (slot.status === 'idle') this.retire(slot, 'broken', now);
    this.#turns.leave(outermost, now);
  }
}

/** A teardown is users' code and may throw. */
function unsubscribeSafely(subscription: Subscription | undefined): void {
  try {
    subscription?.unsubscribe();
  } catch (error) {
    reportError(error);
  }
}

function closeSource<T>(slot: Slot<T>): { readonly error: unknown } | undefined {
  try {
    slot.creation?.source?.unsubscribe();
    return undefined;
  } catch (error) {
    return { error };
  }
}
