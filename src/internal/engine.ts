import type { Subscriber } from 'rxjs';
import {
  AcquireAbortedError,
  AcquireTimeoutError,
  CloseError,
  CreateError,
  PoolClosedError,
  WaitingLimitError,
  type AcquirePhase,
} from '../errors.js';
import type { DestroyReason, RejectReason } from '../events.js';
import type { Lease } from '../lease.js';
import { checkSize, type AcquireOptions, type ResolvedOptions } from '../options.js';
import type { Permit } from '../permits.js';
import type { ResourceInfo } from '../resource-info.js';
import type { PoolState } from '../state.js';
import { AbortWatch } from './abort-watch.js';
import { callerStack, withFrames } from './caller-stack.js';
import { Closing, type Closer } from './closing.js';
import { currentContext } from './context.js';
import { FillPause } from './fill-pause.js';
import { Housekeeping } from './housekeeping.js';
import { Inventory } from './inventory.js';
import { Journal } from './journal.js';
import type { LeaseHandle } from './lease-handle.js';
import { Leasing } from './leasing.js';
import { giveBack, PermitDesk, recalled, type PermitAsk, type PermitAsker } from './permit-desk.js';
import { freeSlots, liveSize, missingResources, unservedWaiters } from './policy.js';
import { Prefill } from './prefill.js';
import { reportError } from './report.js';
import { StreamRequest, type Request, type RequestOwner } from './request.js';
import type { CreateCause, Slot } from './slot.js';
import { Timetable } from './timetable.js';
import { Totals } from './totals.js';
import { Turns, type TurnOwner } from './turns.js';
import { WaitQueue } from './wait-queue.js';
import { Workshop, type WorkshopOwner } from './workshop.js';

/**
 * Matches requests with resources. Every entry is a turn: the books change at once, nothing of anybody else's runs
 * between a slot changing hands and its owner being set, and each entry ends by doing whatever became possible.
 */
export class Engine<T>
  implements Closer, PermitAsker, RequestOwner<T>, TurnOwner, WorkshopOwner<T>
{
  readonly name: string;
  readonly journal: Journal<T>;
  readonly totals: Totals = new Totals();
  readonly aborts: AbortWatch = new AbortWatch();
  readonly leasing: Leasing<T>;
  readonly housekeeping: Housekeeping<T>;
  readonly #options: ResolvedOptions<T>;
  readonly #turns: Turns;
  readonly #timetable: Timetable<T>;
  readonly #inventory: Inventory<T>;
  readonly #workshop: Workshop<T>;
  readonly #waiters: WaitQueue<T> = new WaitQueue();
  readonly #fillPause: FillPause;
  readonly #permits: PermitDesk | undefined;
  /** Nothing happens to a returned resource but by its own record. */
  readonly #returnsAsIs: boolean;
  /** Where the caller is, for pools that warn of leaks: costly, so only for them. */
  readonly #keepsStacks: boolean;
  /** Where requests came from, kept beside them by pools that warn of leaks. */
  readonly #stacks = new WeakMap<Request<T>, string>();
  #requestIds = 0;
  #pumping = false;
  /** Somebody waits, or there is more to do than to lend and take back. Else an entry only commits. */
  #restless = true;
  #pumpAgain = false;
  #lastCreateError: { readonly error: unknown } | undefined = undefined;
  /** Before being held down to `max`. */
  #wantedMin: number;
  #prefills: Prefill[] = [];
  #closing: Closing | undefined = undefined;

  constructor(options: ResolvedOptions<T>) {
    const { name, min, max, minIdle, scheduler, keepProcessAlive, permits } = options;
    const detached = currentContext();
    const turns = new Turns(this);
    const timetable = new Timetable<T>(scheduler, keepProcessAlive, detached, turns);
    const journal = new Journal<T>(name, min, max, turns);
    const inventory = new Inventory(options, journal);
    const workshop = new Workshop(this, inventory, this.totals, timetable, turns, detached);
    this.name = name;
    this.#options = options;
    this.#turns = turns;
    this.#timetable = timetable;
    this.journal = journal;
    this.#inventory = inventory;
    this.#workshop = workshop;
    this.leasing = new Leasing(inventory, this.totals, timetable, turns, workshop, (slot, now) => {
      this.#returned(slot, now);
    });
    this.housekeeping = new Housekeeping(inventory, timetable, turns, workshop);
    this.#fillPause = new FillPause(timetable);
    this.#permits = permits === undefined ? undefined : new PermitDesk(permits, this);
    this.#returnsAsIs =
      options.reset === undefined && !(options.validateOnReturn && options.validate !== undefined);
    this.#keepsStacks = options.leakWarningMillis !== Infinity;
    this.#wantedMin = min;
    if (min > 0 || minIdle > 0 || options.liveMin !== undefined) {
      this.#fillPause.untilNextTurn(timetable.now());
      timetable.arm();
    }
  }

  get state(): PoolState {
    return this.journal.state;
  }

  get wantedMin(): number {
    return this.#wantedMin;
  }

  get lastCreateError(): { readonly error: unknown } | undefined {
    return this.#lastCreateError;
  }

  // ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** One subscription to `acquire()`. The teardown is in place before `next`: a consumer may leave inside it. */
  acquire(subscriber: Subscriber<Lease<T>>, options: AcquireOptions | undefined): void {
    if (subscriber.closed) return;
    const turns = this.#turns;
    // The quick way, for the commonest case: no request object, and no queue for the one delivery.
    if (options === undefined && !turns.busy && this.#inventory.idle.tail !== undefined) {
      const now = this.#timetable.now();
      const slot = this.#lendable(now);
      if (slot !== undefined) {
        turns.busy = true;
        const lease = this.#lendAtOnce(
          slot,
          undefined,
          now,
          this.#keepsStacks ? callerStack() : undefined,
        );
        lease.holder = subscriber;
        subscriber.add(lease);
        this.settle(now);
        turns.flush();
        try {
          subscriber.next(lease);
        } catch (error) {
          reportError(error);
        }
        turns.end();
        return;
      }
    }
    const request = new StreamRequest(this, options, subscriber);
    subscriber.add(request);
    this.submit(request);
  }

  /** Serves the request on the spot, queues it or refuses it. */
  submit(request: Request<T>): void {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const { options } = request;
    const aborted = options?.signal?.aborted === true;
    const stack = this.#keepsStacks ? callerStack() : undefined;
    request.requestedAt = now;
    const slot = aborted ? undefined : this.#lendable(now);
    if (slot !== undefined) {
      const lease = this.#lendAtOnce(slot, options, now, stack);
      request.id = lease.requestId;
      request.lease = lease;
      request.granted();
      this.#turns.later(request);
    } else {
      request.id = ++this.#requestIds;
      if (stack !== undefined) this.#stacks.set(request, stack);
      const label = options?.label;
      this.journal.record('requested', now, { requestId: request.id, label });
      if (this.#closing !== undefined) {
        this.#refuse(request, 'closed', new PoolClosedError(this.name, this.state), now);
      } else if (aborted) {
        this.#abort(request, now);
      } else if (this.#isFull()) {
        const error = new WaitingLimitError(this.name, this.state, this.#options.maxWaiting);
        this.#refuse(request, 'waitingLimit', error, now);
      } else {
        this.#enqueue(request);
      }
    }
    this.#turns.leave(outermost, now);
  }

  /** Lends what is ready this instant, or undefined. */
  tryAcquire(): LeaseHandle<T> | undefined {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const slot = this.#lendable(now) ?? this.#tryIdle(now);
    const lease =
      slot === undefined
        ? undefined
        : this.#lendAtOnce(slot, undefined, now, this.#keepsStacks ? callerStack() : undefined);
    this.#turns.leave(outermost, now);
    return lease;
  }

  timedOut(request: Request<T>, now: number): void {
    const phase = this.#phaseOf(request);
    this.#dequeue(request);
    const waitedMillis = now - request.requestedAt;
    const cause = this.#lastCreateError;
    // What calls here is a timer: its stack tells nothing, and a crowd that times out would pay for each.
    const error = withFrames(
      0,
      () => new AcquireTimeoutError(this.name, this.state, phase, waitedMillis, cause),
    );
    this.totals.timedOut += 1;
    this.journal.record('timedOut', now, { ...endOf(request, now), error });
    this.#fail(request, error);
    if (this.#workshop.checking > this.journal.waiting) this.#giveUpCheck(now);
  }

  unsubscribed(request: Request<T>): void {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    this.#cancel(request, 'unsubscribed', now);
    this.#turns.leave(outermost, now);
  }

  aborted(request: Request<T>): void {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    this.#abort(request, now);
    this.#turns.leave(outermost, now);
  }

  abortError(request: Request<T>): AcquireAbortedError {
    return new AcquireAbortedError(this.name, this.state, request.options?.signal?.reason);
  }

  #abort(request: Request<T>, now: number): void {
    this.#cancel(request, 'aborted', now);
    this.#fail(request, this.abortError(request));
  }

  #cancel(request: Request<T>, reason: 'unsubscribed' | 'aborted', now: number): void {
    this.#dequeue(request);
    this.totals.cancelled += 1;
    this.journal.record('cancelled', now, { ...endOf(request, now), reason });
  }

  #refuse(request: Request<T>, reason: RejectReason, error: unknown, now: number): void {
    this.#dequeue(request);
    this.totals.rejected += 1;
    this.journal.record('rejected', now, { ...endOf(request, now), reason, error });
    this.#fail(request, error);
  }

  #fail(request: Request<T>, error: unknown): void {
    request.failure = error;
    this.#turns.later(request);
  }

  #enqueue(request: Request<T>): void {
    const { journal, totals } = this;
    const { options } = request;
    this.#restless = true;
    journal.waiting += 1;
    if (journal.waiting > totals.peakWaiting) totals.peakWaiting = journal.waiting;
    this.#waiters.push(request, options?.priority ?? 0);
    request.listen();
    const limit = options?.timeoutMillis ?? this.#options.acquireTimeoutMillis;
    this.#timetable.limit(request, limit);
  }

  /** Ends the wait of a request, whether it was queued or never got that far. */
  #dequeue(request: Request<T>): void {
    request.unlisten();
    if (!this.#waiters.remove(request)) return;
    this.#timetable.unlimit(request);
    this.journal.waiting -= 1;
  }

  /** Whether nothing idle and no slot is left for one more request, and the queue is at its limit. */
  #isFull(): boolean {
    const { journal } = this;
    if (journal.waiting < this.#options.maxWaiting) return false;
    const asked = this.#asked;
    const unserved = Math.max(0, unservedWaiters(journal, asked, this.#workshop.checking));
    return journal.idle + freeSlots(journal, asked) - unserved <= 0;
  }

  /** Checks and creates in flight serve the first waiters, checks being nearer to their end. */
  #phaseOf(request: Request<T>): AcquirePhase {
    const { checking } = this.#workshop;
    const inFlight = checking + this.journal.creating;
    let place = 0;
    for (const waiter of this.#waiters) {
      if (waiter === request || place >= inFlight) break;
      place += 1;
    }
    if (place < checking) return 'validating';
    return place < inFlight ? 'creating' : 'waiting';
  }

  /** The oldest waiter whose time is not up, as it may be in a process that stood still. */
  #firstLive(now: number): Request<T> | undefined {
    for (const request of this.#waiters) if (request.dueAt >= now) return request;
    return undefined;
  }

  /** Before anything else is matched, and never within a transition: a time-out is one of its own. */
  #endOverdue(now: number): void {
    let request = this.#waiters.first;
    while (request !== undefined && request.dueAt < now) {
      this.timedOut(request, now);
      request = this.#waiters.first;
    }
  }

  /** The oldest check that nobody waits for any more, after a request ran out of time: its resource is not trusted. */
  #giveUpCheck(now: number): void {
    for (const { task } of this.#inventory.slots.values()) {
      if (task?.forBorrow !== true) continue;
      this.#workshop.overdue(task, now);
      return;
    }
  }

  // ── Lending ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** The resource that a newcomer may have at once: nobody waits, and it needs neither a check nor an end. */
  #lendable(now: number): Slot<T> | undefined {
    return this.journal.waiting === 0 && this.#isRunning() ? this.#inventory.ready(now) : undefined;
  }

  /** As `#lendable`, but ends what is overdue and has checks made that answer at once. */
  #tryIdle(now: number): Slot<T> | undefined {
    const inventory = this.#inventory;
    while (this.journal.waiting === 0 && this.#isRunning()) {
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
      if (slot.status === 'idle' && this.journal.waiting === 0 && this.#isRunning()) return slot;
      if (slot.status === 'validating') return undefined;
    }
    return undefined;
  }

  #lendAtOnce(
    slot: Slot<T>,
    options: AcquireOptions | undefined,
    now: number,
    stack: string | undefined,
  ): LeaseHandle<T> {
    const { journal } = this;
    const requestId = ++this.#requestIds;
    const lease = this.leasing.lend(slot, requestId, options, now, stack);
    journal.sequence += 2;
    if (journal.heard) this.#addLent(lease, now);
    return lease;
  }

  #grant(slot: Slot<T>, request: Request<T>, now: number): void {
    this.#dequeue(request);
    const lease = this.leasing.lend(
      slot,
      request.id,
      request.options,
      now,
      this.#stacks.get(request),
    );
    request.lease = lease;
    request.granted();
    const waitedMillis = now - request.requestedAt;
    this.totals.wait.add(waitedMillis);
    this.journal.sequence += 1;
    if (this.journal.heard) this.#addAcquired(lease, waitedMillis, now);
    this.#turns.later(request);
  }

  /** A request and its grant, in one transition. */
  #addLent(lease: LeaseHandle<T>, now: number): void {
    const { journal } = this;
    journal.add({
      type: 'requested',
      seq: journal.sequence - 1,
      at: now,
      pool: this.name,
      state: undefined,
      requestId: lease.requestId,
      label: lease.options?.label,
    });
    this.#addAcquired(lease, 0, now);
  }

  #addAcquired(lease: LeaseHandle<T>, waitedMillis: number, now: number): void {
    this.journal.add({
      type: 'acquired',
      seq: this.journal.sequence,
      at: now,
      pool: this.name,
      state: undefined,
      id: lease.slot.id,
      requestId: lease.requestId,
      label: lease.options?.label,
      waitedMillis,
    });
  }

  // ── Slots that are free ───────────────────────────────────────────────────────────────────────────────────────

  /** A lease ended by release. Expired or doomed goes; else it is checked if asked for, and reset. */
  #returned(slot: Slot<T>, now: number): void {
    slot.idleSince = now;
    slot.seenGoodAt = now;
    if (this.#returnsAsIs && slot.permit === undefined) {
      // The quick way of `offer`: nobody waits, and only its own record can be against it.
      if (!this.#restless && this.#inventory.retirement(slot, now) === undefined) {
        slot.lease = undefined;
        this.#shelve(slot, now);
      } else {
        this.offer(slot, now);
      }
      return;
    }
    const { validate, validateOnReturn } = this.#options;
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

  /** The one door of every slot that is free: it goes if it must, else to the oldest waiter, else it is idle. */
  offer(slot: Slot<T>, now: number): void {
    const reason = this.#mustGo(slot, now);
    if (reason === undefined) this.#place(slot, now);
    else this.#workshop.retire(slot, reason, now);
  }

  #place(slot: Slot<T>, now: number): void {
    const request = this.journal.waiting > 0 && this.#mayServe() ? this.#waiters.first : undefined;
    slot.lease = undefined;
    if (request === undefined || request.dueAt < now) {
      // One whose time is up ends first, by a transition of its own; then the pump serves the next.
      this.#shelve(slot, now);
    } else if (!this.#inventory.needsCheck(slot, now)) {
      this.#grant(slot, request, now);
    } else if (this.journal.waiting > this.#workshop.checking) {
      this.#workshop.check(slot, now);
    } else {
      // Those who wait are served by checks in flight.
      this.#shelve(slot, now);
    }
    if (slot.settled !== undefined) slot.free();
  }

  #shelve(slot: Slot<T>, now: number): void {
    this.#inventory.shelve(slot);
    if (slot.place < 0 || slot.dueAt > slot.idleSince + this.#options.idleTimeoutMillis) {
      this.housekeeping.replan(slot, now);
    }
    if (this.housekeeping.sparesOverdue) this.housekeeping.planSpares(now);
  }

  /** Why a slot that is free must go, if it must. */
  #mustGo(slot: Slot<T>, now: number): DestroyReason | undefined {
    const reason = this.#inventory.retirement(slot, now);
    if (reason !== undefined || !this.#restless) return reason;
    if (this.#closing !== undefined && !this.#mayServe()) return 'closed';
    return this.#inventory.isOverfull() ? 'surplus' : undefined;
  }

  upkeep(slot: Slot<T>, now: number): void {
    this.housekeeping.upkeep(slot, now);
  }

  gone(slot: Slot<T>): void {
    this.housekeeping.gone(slot);
  }

  destroyFailed(error: unknown): void {
    this.#closing?.errors.push(error);
  }

  // ── Creating ──────────────────────────────────────────────────────────────────────────────────────────────────

  get #asked(): number {
    return this.#permits === undefined ? 0 : this.#permits.asked;
  }

  #create(cause: CreateCause, prefill: Prefill | undefined, now: number): void {
    prefill?.started();
    if (this.#permits === undefined) this.#workshop.create({ cause, prefill }, undefined, now);
    else this.#permits.ask({ cause, prefill }, { pool: this.name, floor: this.#isBelowMin() });
  }

  /** Whether `min` is not reached by what is there or coming. */
  #isBelowMin(): boolean {
    return missingResources(this.journal, 0, this.#asked) > 0;
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

  #stillNeeds(ask: PermitAsk): boolean {
    const { journal } = this;
    if (!this.#mayServe() || freeSlots(journal, this.#asked) <= 0) return false;
    switch (ask.cause) {
      case 'demand':
        return unservedWaiters(journal, 0, this.#workshop.checking) > 0;
      case 'fill':
        return missingResources(journal, this.#options.minIdle, 0) > 0;
      case 'prefill':
        return true;
    }
  }

  attemptFailed(error: unknown): void {
    this.#lastCreateError = { error };
  }

  made(slot: Slot<T>, now: number): void {
    const { prefill, joined } = slot;
    this.#lastCreateError = undefined;
    this.#fillPause.afterSuccess();
    if (prefill !== undefined) prefill.made += 1;
    this.#leavePrefills(prefill, joined);
    slot.prefill = undefined;
    slot.joined = undefined;
    this.offer(slot, now);
    this.housekeeping.planSpares(now);
    this.#workshop.watch(slot);
  }

  notMade(slot: Slot<T>, error: unknown, now: number): void {
    this.#createFailed(slot, error, now);
    this.#leavePrefills(undefined, slot.joined);
  }

  /** One failed create fails one waiter: the oldest. A fill fails nobody, a prefill its caller. */
  #createFailed(ask: PermitAsk, error: unknown, now: number): void {
    const { cause, prefill } = ask;
    this.#lastCreateError = { error };
    if (prefill !== undefined) {
      prefill.failure ??= { error };
      prefill.ended();
    } else if (cause === 'fill') {
      if (this.#closing === undefined) this.#fillPause.afterFailure(now);
    } else {
      const request = this.#firstLive(now);
      if (request === undefined) return;
      const failure = new CreateError(this.name, this.state, error);
      this.#refuse(request, 'createFailed', failure, now);
    }
  }

  #leavePrefills(own: Prefill | undefined, joined: readonly Prefill[] | undefined): void {
    own?.ended();
    for (const prefill of joined ?? []) prefill.ended();
  }

  // ── The end of every entry ────────────────────────────────────────────────────────────────────────────────────

  /** Whatever became possible is done, and the transition is committed. */
  settle(now: number): void {
    if (this.#restless) this.#settleAll(now);
    else this.journal.commit();
  }

  #settleAll(now: number): void {
    const { journal } = this;
    if (this.#hasRoom()) this.#pump(now);
    if (this.#closing !== undefined && !this.#mayServe()) this.housekeeping.retireAll(now);
    journal.commit();
    if (this.#closing !== undefined) this.#finishClosing(now);
    const isWaitedFor = journal.waiting > 0;
    this.#timetable.hold(isWaitedFor || this.#isAwaited());
    this.#restless = isWaitedFor || this.#hasMoreToDo();
  }

  /** Whether a pump could move anything: else all is lent, and whoever waits waits on. */
  #hasRoom(): boolean {
    return (
      this.#inventory.idle.tail !== undefined ||
      freeSlots(this.journal, 0) > 0 ||
      this.#permits !== undefined ||
      this.#prefills.length > 0
    );
  }

  turnEnded(): void {
    if (this.#timetable.changed) this.#timetable.arm();
  }

  /** Whether anything but a waiting request may want something done at the end of an entry. */
  #hasMoreToDo(): boolean {
    const { journal } = this;
    return (
      journal.min > 0 ||
      this.#options.minIdle > 0 ||
      this.#prefills.length > 0 ||
      this.#permits !== undefined ||
      this.#closing !== undefined ||
      this.housekeeping.awaited ||
      this.#inventory.isOverfull()
    );
  }

  /** Matches what is free with who waits. Runs to its end before a nested call starts anew: hooks may re-enter. */
  #pump(now: number): void {
    if (this.#pumping) {
      this.#pumpAgain = true;
      return;
    }
    this.#pumping = true;
    do {
      this.#pumpAgain = false;
      this.#endOverdue(now);
      this.#serveIdle(now);
      this.#startCreates(now);
      this.#withdrawAsks();
    } while (this.#pumpAgain);
    this.#pumping = false;
    this.#settlePrefills();
  }

  #serveIdle(now: number): void {
    const { journal } = this;
    const inventory = this.#inventory;
    while (this.#mayServe() && journal.waiting > this.#workshop.checking) {
      const slot = inventory.choose(now);
      if (slot === undefined) return;
      const overdue = inventory.overdue(slot, now);
      if (overdue !== undefined) {
        this.#workshop.retire(slot, overdue, now);
      } else if (inventory.needsCheck(slot, now)) {
        this.#workshop.check(slot, now);
      } else {
        const request = this.#waiters.first;
        if (request === undefined) return;
        this.#grant(slot, request, now);
      }
    }
  }

  #startCreates(now: number): void {
    const { journal } = this;
    const { createConcurrency } = this.#options;
    while (
      this.#mayServe() &&
      journal.creating + this.#asked < createConcurrency &&
      freeSlots(journal, this.#asked) > 0
    ) {
      if (unservedWaiters(journal, this.#asked, this.#workshop.checking) > 0) {
        this.#create('demand', undefined, now);
      } else if (this.#prefills.some(isUnstarted)) {
        this.#create('prefill', this.#prefills.find(isUnstarted), now);
      } else if (this.#missesResources()) {
        this.#create('fill', undefined, now);
      } else {
        return;
      }
    }
  }

  #missesResources(): boolean {
    const { journal } = this;
    const { minIdle } = this.#options;
    return (
      (journal.min > 0 || minIdle > 0) &&
      !this.#fillPause.active &&
      this.#closing === undefined &&
      missingResources(journal, minIdle, this.#asked) > 0
    );
  }

  /** A request for a permit that nobody needs any more would keep others from it. */
  #withdrawAsks(): void {
    const permits = this.#permits;
    if (permits === undefined || permits.asked === 0) return;
    const { journal } = this;
    const excess = -freeSlots(journal, permits.asked);
    if (excess > 0) permits.withdraw(excess);
    const demand = permits.count('demand');
    const others = permits.asked - demand;
    const needed = Math.max(0, unservedWaiters(journal, others, this.#workshop.checking));
    if (demand > needed) permits.withdraw(demand - needed, 'demand');
  }

  #settlePrefills(): void {
    if (this.#prefills.length === 0) return;
    const { journal } = this;
    this.#prefills = this.#prefills.filter(prefill => {
      const wanted = Math.min(prefill.target, journal.max);
      // Others may have brought the size up meanwhile.
      if (liveSize(journal) + journal.creating + this.#asked >= wanted) prefill.toStart = 0;
      if (!prefill.done) return true;
      const { failure } = prefill;
      if (failure === undefined) prefill.resolve();
      else prefill.reject(new CreateError(this.name, this.state, failure.error, prefill));
      return false;
    });
  }

  /** Somebody holds a promise that only the pool's going on can keep. */
  #isAwaited(): boolean {
    return (
      this.#prefills.length > 0 ||
      this.housekeeping.awaited ||
      (this.#closing !== undefined && !this.#closing.finished)
    );
  }

  #isRunning(): boolean {
    return this.journal.lifecycle === 'running';
  }

  /** Whether grants and creates go on: not while paused, and in a close only for those who came before it. */
  #mayServe(): boolean {
    return this.#isRunning() || (this.#closing?.serving === true && this.journal.waiting > 0);
  }

  // ── By hand ───────────────────────────────────────────────────────────────────────────────────────────────────

  resources(): readonly ResourceInfo[] {
    const now = this.#timetable.now();
    const infos: ResourceInfo[] = [];
    for (const slot of this.#inventory.slots.values()) {
      if (slot.status !== 'creating') infos.push(this.#inventory.describe(slot, now));
    }
    return infos;
  }

  recycle(): Promise<void> {
    this.#restless = true;
    return this.housekeeping.recycle();
  }

  prefill(target: number): Promise<number> {
    if (this.#closing !== undefined) {
      return Promise.reject(new PoolClosedError(this.name, this.state));
    }
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const { journal } = this;
    let coming = liveSize(journal) + journal.creating + this.#asked;
    for (const { toStart } of this.#prefills) coming += toStart;
    const prefill = new Prefill(target, Math.max(0, Math.min(target, journal.max) - coming));
    if (liveSize(journal) < target) {
      for (const slot of this.#inventory.slots.values()) {
        if (slot.status === 'creating') prefill.join(slot);
      }
    }
    this.#prefills.push(prefill);
    this.#restless = true;
    this.#turns.leave(outermost, now);
    return prefill.promise;
  }

  /** Both are checked already. */
  resize(min: number, max: number): void {
    if (this.#closing !== undefined) return;
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const { journal } = this;
    const effectiveMin = Math.min(min, max);
    this.#wantedMin = min;
    this.#restless = true;
    if (effectiveMin !== journal.min || max !== journal.max) {
      journal.min = effectiveMin;
      journal.max = max;
      journal.record('resized', now, { min: effectiveMin, max });
      this.housekeeping.retireSurplus(now);
      this.housekeeping.planSpares(now);
    }
    this.#turns.leave(outermost, now);
  }

  /** A value of a live option: a senseless one is told, and the last one stays. */
  setSize(option: 'min' | 'max', value: number): void {
    try {
      checkSize(this.name, option, value);
    } catch (error) {
      this.sizeFailed(error);
      return;
    }
    if (option === 'min') this.resize(value, this.journal.max);
    else this.resize(this.#wantedMin, value);
  }

  sizeFailed(error: unknown): void {
    if (this.#closing !== undefined) return;
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const { min, max } = this.journal;
    this.journal.record('resized', now, { min, max, error });
    this.#turns.leave(outermost, now);
  }

  pause(): void {
    if (this.#isRunning()) this.#switch('paused', 'paused');
  }

  resume(): void {
    if (this.journal.lifecycle === 'paused') this.#switch('running', 'resumed');
  }

  #switch(lifecycle: 'running' | 'paused', event: 'resumed' | 'paused'): void {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    this.#restless = true;
    this.journal.lifecycle = lifecycle;
    this.journal.record(event, now, {});
    this.#turns.leave(outermost, now);
  }

  // ── Closing ───────────────────────────────────────────────────────────────────────────────────────────────────

  close(drainTimeoutMillis: number, serving: boolean, force: boolean): Promise<void> {
    const running = this.#closing;
    if (running !== undefined && (!force || running.overdue)) return running.promise;
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const closing = running ?? new Closing(this, serving && !force);
    if (running === undefined) this.#startClosing(closing, now);
    if (force) this.#endWaiting(closing, now);
    else if (!closing.finished) this.#timetable.plan(closing, now + drainTimeoutMillis);
    this.#turns.leave(outermost, now);
    return closing.promise;
  }

  #startClosing(closing: Closing, now: number): void {
    const { journal } = this;
    this.#closing = closing;
    this.#restless = true;
    journal.lifecycle = 'draining';
    journal.record('draining', now, {});
    this.#fillPause.end();
    for (const prefill of this.#prefills) {
      prefill.reject(new PoolClosedError(this.name, this.state));
    }
    this.#prefills = [];
    if (closing.serving) this.#pump(now);
    else this.#refuseAll(now);
    this.#permits?.withdraw(this.#asked - journal.waiting);
    this.#abortCreates(journal.waiting);
  }

  drainLimit(now: number): void {
    const closing = this.#closing;
    if (closing !== undefined) closing.abandoned += this.#endWaiting(closing, now);
  }

  /** From here on nothing is waited for that has no time limit of its own. Returns what was given up. */
  #endWaiting(closing: Closing, now: number): number {
    let givenUp = 0;
    closing.overdue = true;
    closing.serving = false;
    this.#timetable.cancel(closing);
    this.#refuseAll(now);
    this.#permits?.withdraw(this.#asked);
    const destroysAreLimited = this.#options.destroyTimeoutMillis !== Infinity;
    for (const slot of [...this.#inventory.slots.values()]) {
      const { task, lease } = slot;
      if (slot.status === 'leased' && lease !== undefined) {
        givenUp += 1;
        this.leasing.revoke(lease, now);
      } else if (task !== undefined && (task.hook !== 'destroy' || !destroysAreLimited)) {
        givenUp += 1;
        this.#workshop.giveUp(task, new PoolClosedError(this.name, this.state), now);
      }
    }
    this.housekeeping.retireAll(now);
    return givenUp;
  }

  #refuseAll(now: number): void {
    for (let request = this.#waiters.first; request !== undefined; request = this.#waiters.first) {
      this.#refuse(request, 'closed', new PoolClosedError(this.name, this.state), now);
    }
  }

  /** Tells all but the oldest `keep` creates that nobody waits for them. What they still give is destroyed. */
  #abortCreates(keep: number): void {
    let kept = 0;
    for (const { status, task } of [...this.#inventory.slots.values()]) {
      if (status !== 'creating') continue;
      kept += 1;
      if (kept > keep) task?.context?.abort(new PoolClosedError(this.name, this.state));
    }
  }

  #finishClosing(now: number): void {
    const closing = this.#closing;
    const { journal } = this;
    if (closing === undefined || closing.finished) return;
    if (journal.size + journal.creating + journal.waiting + this.#asked > 0) return;
    closing.finished = true;
    this.#timetable.cancel(closing);
    journal.lifecycle = 'closed';
    journal.record('closed', now, {});
    journal.commit();
    this.#timetable.stop();
    this.#turns.committed({
      deliver: () => {
        journal.complete();
      },
    });
    if (closing.clean) closing.resolve();
    else closing.reject(new CloseError(this.name, this.state, closing.errors, closing.abandoned));
  }
}

function isUnstarted({ toStart }: Prefill): boolean {
  return toStart > 0;
}

function endOf<T>(request: Request<T>, now: number) {
  return {
    requestId: request.id,
    label: request.options?.label,
    waitedMillis: now - request.requestedAt,
  };
}
