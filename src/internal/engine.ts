import { Subscription, type Subscriber } from 'rxjs';
import {
  AcquireAbortedError,
  AcquireTimeoutError,
  CloseError,
  CreateError,
  HookTimeoutError,
  LeaseRevokedError,
  PoolClosedError,
  WaitingLimitError,
  type AcquirePhase,
} from '../errors.js';
import type { DestroyReason, RejectReason, ReleaseReason } from '../events.js';
import { LeaseHandle, type Lease, type LeaseOwner } from '../lease.js';
import { checkSize, type AcquireOptions, type ResolvedOptions } from '../options.js';
import type { Permit } from '../permits.js';
import type { ResourceInfo } from '../resource-info.js';
import type { PoolState } from '../state.js';
import { Agenda } from './agenda.js';
import { Clock } from './clock.js';
import { Closing, type Closer } from './closing.js';
import { currentContext, type Runner } from './context.js';
import { openContext } from './create-context.js';
import { FillPause } from './fill-pause.js';
import { Journal } from './journal.js';
import { LeaseWatch, type LeaseWatcher } from './lease-watch.js';
import { LinkedList } from './linked-list.js';
import { giveBack, PermitDesk, type PermitAsk, type PermitAsker } from './permit-desk.js';
import {
  describeSlot,
  expiryOf,
  freeSlots,
  isEviction,
  liveSize,
  missingResources,
  retirement,
  unservedWaiters,
} from './policy.js';
import { Prefill } from './prefill.js';
import { reportError } from './report.js';
import { StreamRequest, type Request, type RequestOwner } from './request.js';
import { deferred, Slot, type CreateCause, type Upkeep } from './slot.js';
import { Task, type TaskEnd, type TaskOwner } from './task.js';
import { Totals } from './totals.js';
import { Turns } from './turns.js';
import { WaitQueue } from './wait-queue.js';

/** What `release` returns when nothing is left to wait for. */
const DONE: Promise<void> = Promise.resolve();

/** A call of `recycle` that waits for the last resource of its generation. */
interface Recycling {
  readonly generation: number;
  remaining: number;
  readonly resolve: () => void;
}

/**
 * The only mutable place. Every entry is a turn: it changes the books at once, commits, and lets notifications and
 * leases leave in order when the outermost entry ends. Between a slot changing hands and its new owner being set
 * nothing of anybody else's runs.
 */
export class Engine<T>
  implements
    Closer,
    LeaseOwner<T>,
    LeaseWatcher<T>,
    PermitAsker,
    RequestOwner<T>,
    TaskOwner<T>,
    Upkeep<T>
{
  readonly name: string;
  readonly journal: Journal<T>;
  readonly totals: Totals = new Totals();
  readonly #options: ResolvedOptions<T>;
  readonly #turns = new Turns();
  readonly #agenda = new Agenda();
  readonly #clock: Clock;
  readonly #waiters = new WaitQueue<T>();
  /** Ordered by `idleSince`, the longest idle first. */
  readonly #idle = new LinkedList<Slot<T>>();
  /** Every slot that is counted, by id, oldest first. */
  readonly #slots = new Map<number, Slot<T>>();
  readonly #fillPause: FillPause;
  readonly #permits: PermitDesk | undefined;
  /** The pool's own async context, not that of the request that happens to cause a create. */
  readonly #detached: Runner = currentContext();
  #requestIds = 0;
  #slotIds = 0;
  #generation = 0;
  /** Validations in flight that a waiter counts on. */
  #checking = 0;
  #pumping = false;
  #pumpAgain = false;
  /** Some idle resources are past their limit and stay only for `min` or `minIdle`. */
  #sparesOverdue = false;
  #lastCreateError: { readonly error: unknown } | undefined = undefined;
  /** The resource that a `tryAcquire` on the stack is having validated. */
  #trying: Slot<T> | undefined = undefined;
  #wantedMin: number;
  #prefills: Prefill[] = [];
  #recyclings: Recycling[] = [];
  #closing: Closing | undefined = undefined;

  constructor(options: ResolvedOptions<T>) {
    this.#options = options;
    this.name = options.name;
    this.#wantedMin = options.min;
    this.journal = new Journal(options.name, options.min, options.max, this.#turns);
    this.#clock = new Clock(options.scheduler, options.keepProcessAlive, this.#detached, () => {
      this.#onAlarm();
    });
    this.#fillPause = new FillPause(this.#agenda);
    this.#permits =
      options.permits === undefined ? undefined : new PermitDesk(options.permits, this);
    const now = this.#clock.now();
    this.#fillPause.untilNextTurn(now);
    if (options.min > 0 || options.minIdle > 0) this.#clock.arm(now, now);
  }

  get state(): PoolState {
    return this.journal.state;
  }

  // ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** One subscription to `acquire()`. The teardown is in place before `next`: a consumer may leave inside it. */
  acquire(subscriber: Subscriber<Lease<T>>, options: AcquireOptions | undefined): void {
    if (subscriber.closed) return;
    if (options === undefined && !this.#turns.busy) {
      const now = this.#clock.now();
      const slot = this.#lendable(now);
      if (slot !== undefined) {
        this.#turns.open();
        const lease = this.#lendAtOnce(slot, undefined, now, this.#stack());
        lease.holder = subscriber;
        subscriber.add(lease);
        this.#commit(now);
        this.#turns.flush();
        try {
          subscriber.next(lease);
        } catch (error) {
          reportError(error);
        }
        this.#turns.close(true);
        return;
      }
    }
    const request = new StreamRequest(this, options, subscriber);
    subscriber.add(request);
    this.submit(request);
  }

  /** Serves the request on the spot, queues it or refuses it. */
  submit(request: Request<T>): void {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    const { journal } = this;
    const { options } = request;
    request.requestedAt = now;
    request.stack = this.#stack();
    const slot = options?.signal?.aborted === true ? undefined : this.#lendable(now);
    if (slot !== undefined) {
      const lease = this.#lendAtOnce(slot, options, now, request.stack);
      request.order = lease.requestId;
      request.pending = false;
      request.lease = lease;
      request.granted();
      this.#turns.later(request);
    } else {
      request.order = ++this.#requestIds;
      journal.record('requested', now, { requestId: request.id, label: options?.label });
      if (this.#closing !== undefined) {
        this.#refuse(request, 'closed', new PoolClosedError(this.name, this.state), now);
      } else if (options?.signal?.aborted === true) {
        this.#abort(request, now);
      } else if (this.#isFull()) {
        const error = new WaitingLimitError(this.name, this.state, this.#options.maxWaiting);
        this.#refuse(request, 'waitingLimit', error, now);
      } else {
        this.#enqueue(request, now);
      }
    }
    this.#finish(outermost, now);
  }

  /** Lends what is ready this instant, or undefined. */
  tryAcquire(): LeaseHandle<T> | undefined {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    const slot = this.#lendable(now) ?? this.#tryIdle(now);
    const lease =
      slot === undefined
        ? undefined
        : this.#lendAtOnce(slot, undefined, now, this.#stack());
    this.#finish(outermost, now);
    return lease;
  }

  timedOut(request: Request<T>, now: number): void {
    const phase = this.#phaseOf(request);
    this.#dequeue(request);
    const waitedMillis = now - request.requestedAt;
    const error = new AcquireTimeoutError(
      this.name,
      this.state,
      phase,
      waitedMillis,
      this.#lastCreateError,
    );
    this.totals.timedOut += 1;
    this.journal.record('timedOut', now, { ...this.#endOf(request, now), error });
    this.#fail(request, error);
    if (this.#checking > this.journal.waiting) this.#giveUpCheck(now);
  }

  unsubscribed(request: Request<T>): void {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    this.#cancel(request, 'unsubscribed', now);
    this.#finish(outermost, now);
  }

  aborted(request: Request<T>): void {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    this.#abort(request, now);
    this.#finish(outermost, now);
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
    this.journal.record('cancelled', now, { ...this.#endOf(request, now), reason });
  }

  #refuse(request: Request<T>, reason: RejectReason, error: unknown, now: number): void {
    this.#dequeue(request);
    this.totals.rejected += 1;
    this.journal.record('rejected', now, { ...this.#endOf(request, now), reason, error });
    this.#fail(request, error);
  }

  #fail(request: Request<T>, error: unknown): void {
    request.failure = error;
    this.#turns.later(request);
  }

  #endOf(request: Request<T>, now: number) {
    return {
      requestId: request.id,
      label: request.options?.label,
      waitedMillis: now - request.requestedAt,
    };
  }

  #enqueue(request: Request<T>, now: number): void {
    const { journal, totals } = this;
    const { options } = request;
    journal.waiting += 1;
    if (journal.waiting > totals.peakWaiting) totals.peakWaiting = journal.waiting;
    this.#waiters.push(request, options?.priority ?? 0);
    request.listen();
    const limit = options?.timeoutMillis ?? this.#options.acquireTimeoutMillis;
    if (limit !== Infinity) this.#agenda.add(request, now + limit);
  }

  /** Ends the wait of a request, whether it was queued or never got that far. */
  #dequeue(request: Request<T>): void {
    request.pending = false;
    request.unlisten();
    if (!this.#waiters.remove(request)) return;
    this.#agenda.remove(request);
    this.journal.waiting -= 1;
  }

  /** Whether nothing idle and no slot is left for one more request, and the queue is at its limit. */
  #isFull(): boolean {
    const { journal } = this;
    if (journal.waiting < this.#options.maxWaiting) return false;
    const asked = this.#asked;
    const unserved = Math.max(0, unservedWaiters(journal, asked, this.#checking));
    return journal.idle + freeSlots(journal, asked) - unserved <= 0;
  }

  /** Checks and creates in flight serve the first waiters, checks being nearer to their end. */
  #phaseOf(request: Request<T>): AcquirePhase {
    let place = 0;
    const inFlight = this.#checking + this.journal.creating;
    for (const waiter of this.#waiters) {
      if (waiter === request || place >= inFlight) break;
      place += 1;
    }
    if (place < this.#checking) return 'validating';
    return place < inFlight ? 'creating' : 'waiting';
  }

  /** Where the caller is, for pools that warn of leaks: costly, so only for them. */
  #stack(): string | undefined {
    return this.#options.leakWarningMillis === Infinity
      ? undefined
      : new Error('acquired here').stack;
  }

  // ── Lending ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** The resource that a newcomer may have at once: nobody waits, and it needs neither a check nor an end. */
  #lendable(now: number): Slot<T> | undefined {
    if (this.journal.waiting > 0 || !this.#isRunning()) return undefined;
    const slot = this.#choose(now);
    return slot === undefined || this.#needsCheck(slot, now) || this.#overdue(slot, now)
      ? undefined
      : slot;
  }

  /** As `#lendable`, but ends what is overdue and has checks made that answer at once. */
  #tryIdle(now: number): Slot<T> | undefined {
    for (;;) {
      if (this.journal.waiting > 0 || !this.#isRunning()) return undefined;
      const slot = this.#choose(now);
      if (slot === undefined) return undefined;
      const overdue = this.#overdue(slot, now);
      if (overdue !== undefined) {
        this.#retire(slot, overdue, now);
        continue;
      }
      if (!this.#needsCheck(slot, now)) return slot;
      this.#trying = slot;
      this.#check(slot, now);
      const isOurs = this.#trying === slot && slot.verified;
      this.#trying = undefined;
      if (isOurs) {
        // The hook may have closed the pool, or let somebody in who was first.
        if (this.journal.waiting === 0 && this.#isRunning() && this.#mustGo(slot, now) === undefined)
          return slot;
        this.#offer(slot, now);
      } else if (slot.status === 'validating') {
        return undefined;
      }
    }
  }

  #choose(now: number): Slot<T> | undefined {
    const { order } = this.#options;
    if (order === 'lifo') return this.#idle.tail;
    if (order === 'fifo') return this.#idle.head;
    const last = this.#idle.tail;
    if (last?.previous === undefined) return last;
    let best: Slot<T> = last;
    try {
      let bestInfo = this.#describe(best, now);
      for (let slot = best.previous; slot !== undefined; slot = slot.previous) {
        const info = this.#describe(slot, now);
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

  #needsCheck(slot: Slot<T>, now: number): boolean {
    const { validate, validateOnBorrow, validateAfterIdleMillis } = this.#options;
    return (
      validate !== undefined &&
      validateOnBorrow &&
      !slot.verified &&
      now - slot.seenGoodAt >= validateAfterIdleMillis
    );
  }

  /** Why an idle resource must go instead of being lent. */
  #overdue(slot: Slot<T>, now: number): DestroyReason | undefined {
    return (
      retirement(slot, now, this.#generation, this.#options) ??
      (this.#isIdleTooLong(slot, now) && this.#hasSpare() ? 'idle' : undefined)
    );
  }

  #isIdleTooLong(slot: Slot<T>, now: number): boolean {
    return now - slot.idleSince >= this.#options.idleTimeoutMillis;
  }

  /** Whether one idle resource may go without falling below `min` or `minIdle`. */
  #hasSpare(): boolean {
    const { journal } = this;
    return liveSize(journal) > journal.min && journal.idle > this.#options.minIdle;
  }

  #lendAtOnce(
    slot: Slot<T>,
    options: AcquireOptions | undefined,
    now: number,
    stack: string | undefined,
  ): LeaseHandle<T> {
    const { journal } = this;
    const requestId = ++this.#requestIds;
    const lease = this.#lend(slot, requestId, options, now, stack);
    if (journal.heard) {
      const label = options?.label;
      journal.record('requested', now, { requestId, label });
      journal.record('acquired', now, { id: slot.id, requestId, label, waitedMillis: 0 });
    } else {
      journal.skip(2);
    }
    this.totals.wait.add(0);
    return lease;
  }

  #grant(slot: Slot<T>, request: Request<T>, now: number): void {
    this.#dequeue(request);
    const { options } = request;
    const lease = this.#lend(slot, request.id, options, now, request.stack);
    request.lease = lease;
    request.granted();
    const waitedMillis = now - request.requestedAt;
    this.totals.wait.add(waitedMillis);
    const { journal } = this;
    if (journal.heard) {
      journal.record('acquired', now, {
        id: slot.id,
        requestId: request.id,
        label: options?.label,
        waitedMillis,
      });
    } else {
      journal.skip(1);
    }
    this.#turns.later(request);
  }

  /** The slot changes hands and its owner is set, with nothing between. */
  #lend(
    slot: Slot<T>,
    requestId: number,
    options: AcquireOptions | undefined,
    now: number,
    stack: string | undefined,
  ): LeaseHandle<T> {
    const { journal, totals } = this;
    this.#move(slot, 'leased');
    slot.uses += 1;
    slot.lastUsedAt = now;
    slot.verified = false;
    const lease = new LeaseHandle(this, slot, requestId, options, now);
    slot.lease = lease;
    totals.acquired += 1;
    if (journal.leased > totals.peakLeased) totals.peakLeased = journal.leased;
    const { leakWarningMillis, maxLeaseMillis } = this.#options;
    if (leakWarningMillis !== Infinity || maxLeaseMillis !== Infinity) {
      lease.watch = new LeaseWatch(this, lease, now, stack);
      this.#agenda.add(lease.watch, now + Math.min(leakWarningMillis, maxLeaseMillis));
    }
    return lease;
  }

  // ── Leases ────────────────────────────────────────────────────────────────────────────────────────────────────

  giveBack(lease: LeaseHandle<T>): Promise<void> {
    if (lease.ended !== undefined) return this.#settlement(lease);
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    this.#endLease(lease, 'released', now);
    if (lease.holder !== undefined) this.#turns.later(lease);
    this.#return(lease.slot, now);
    const settled = this.#settlement(lease);
    this.#finish(outermost, now);
    return settled;
  }

  destroyLease(lease: LeaseHandle<T>, error: unknown): Promise<void> {
    if (lease.ended !== undefined) return this.#settlement(lease);
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    this.#endLease(lease, 'destroyed', now);
    if (lease.holder !== undefined) this.#turns.later(lease);
    if (error !== undefined) lease.slot.lastError = error;
    this.#retire(lease.slot, error === undefined ? 'released' : 'broken', now);
    const settled = this.#settlement(lease);
    this.#finish(outermost, now);
    return settled;
  }

  detachLease(lease: LeaseHandle<T>): T {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    const { slot } = lease;
    const resource = slot.resource as T;
    this.#endLease(lease, 'detached', now);
    if (lease.holder !== undefined) this.#turns.later(lease);
    slot.watching?.unsubscribe();
    // Its source stays open: the resource lives on, with its new owner.
    slot.creation = undefined;
    this.#forget(slot);
    this.#finish(outermost, now);
    return resource;
  }

  /** The stream of a lease was unsubscribed. */
  cancelLease(lease: LeaseHandle<T>): void {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    const destroys = (lease.options?.onCancel ?? this.#options.onCancel) === 'destroy';
    this.#endLease(lease, destroys ? 'destroyed' : 'released', now);
    if (destroys) this.#retire(lease.slot, 'released', now);
    else this.#return(lease.slot, now);
    this.#finish(outermost, now);
  }

  touchLease(lease: LeaseHandle<T>): void {
    const now = this.#clock.now();
    lease.slot.lastUsedAt = now;
    if (lease.watch === undefined) return;
    lease.watch.since = now;
    lease.watch.warned = false;
  }

  heldTooLong(watch: LeaseWatch<T>, now: number): void {
    const { lease } = watch;
    const { leakWarningMillis, maxLeaseMillis } = this.#options;
    const held = now - watch.since;
    if (held >= maxLeaseMillis) {
      this.#revoke(lease, now);
      return;
    }
    if (!watch.warned && held >= leakWarningMillis) {
      watch.warned = true;
      this.totals.leaked += 1;
      this.journal.record('leaked', now, {
        id: lease.slot.id,
        requestId: lease.requestId,
        label: lease.options?.label,
        heldMillis: now - lease.acquiredAt,
        stack: watch.stack,
      });
    }
    const limit = watch.warned ? maxLeaseMillis : Math.min(leakWarningMillis, maxLeaseMillis);
    if (limit !== Infinity) this.#agenda.add(watch, watch.since + limit);
  }

  describeLease(lease: LeaseHandle<T>): ResourceInfo {
    const { slot } = lease;
    const now = this.#clock.now();
    if (lease.ended === undefined) return this.#describe(slot, now);
    const at = lease.endedAt;
    return {
      id: slot.id,
      state: 'leased',
      createdAt: slot.createdAt,
      lastUsedAt: at,
      ageMillis: at - slot.createdAt,
      idleMillis: 0,
      uses: lease.uses,
      stale: lease.ended !== 'released',
    };
  }

  #revoke(lease: LeaseHandle<T>, now: number): void {
    const { slot } = lease;
    const heldMillis = now - lease.acquiredAt;
    this.totals.revoked += 1;
    this.journal.record('revoked', now, {
      id: slot.id,
      requestId: lease.requestId,
      label: lease.options?.label,
      heldMillis,
      stack: lease.watch?.stack,
    });
    lease.revokedBy = new LeaseRevokedError(this.name, this.state, heldMillis);
    this.#endLease(lease, 'revoked', now);
    // The borrower is told before the resource is destroyed under it.
    this.#turns.later(lease);
    this.#retire(slot, 'revoked', now, true);
  }

  #endLease(lease: LeaseHandle<T>, reason: ReleaseReason, now: number): void {
    const { journal } = this;
    const heldMillis = now - lease.acquiredAt;
    lease.ended = reason;
    lease.endedAt = now;
    lease.slot.lastUsedAt = now;
    this.totals.released += 1;
    this.totals.hold.add(heldMillis);
    if (lease.watch !== undefined) this.#agenda.remove(lease.watch);
    if (journal.heard) {
      journal.record('released', now, {
        id: lease.slot.id,
        requestId: lease.requestId,
        label: lease.options?.label,
        heldMillis,
        reason,
      });
    } else {
      journal.skip(1);
    }
  }

  /** What `release` and `destroy` of a lease that is over return: the same promise every time. */
  #settlement(lease: LeaseHandle<T>): Promise<void> {
    if (lease.settled !== undefined) return lease.settled;
    const { slot } = lease;
    const isOurs = slot.lease === lease;
    switch (slot.status) {
      case 'validating':
      case 'resetting':
      case 'destroying':
        lease.settled = isOurs ? (slot.settled ??= deferred()).promise : DONE;
        break;
      default:
        lease.settled = DONE;
    }
    return lease.settled;
  }

  // ── The way of a slot ─────────────────────────────────────────────────────────────────────────────────────────

  /** A lease ended by release. Expired or doomed goes; else it is checked if asked for, and reset. */
  #return(slot: Slot<T>, now: number): void {
    slot.idleSince = now;
    slot.seenGoodAt = now;
    const reason = this.#mustGo(slot, now);
    if (reason !== undefined) this.#retire(slot, reason, now);
    else if (this.#options.validateOnReturn && this.#options.validate !== undefined)
      this.#check(slot, now, true);
    else this.#reset(slot, now);
  }

  #reset(slot: Slot<T>, now: number): void {
    const { reset } = this.#options;
    if (reset === undefined) {
      this.#offer(slot, now);
      return;
    }
    this.#move(slot, 'resetting');
    this.journal.record('resetting', now, { id: slot.id });
    this.journal.commit();
    const resource = slot.resource as T;
    this.#run(new Task('reset', slot, now, this), this.#options.resetTimeoutMillis, () =>
      reset(resource),
    );
  }

  /** The one door of every slot that is free: the oldest waiter first, else idle. */
  #offer(slot: Slot<T>, now: number): void {
    const reason = this.#mustGo(slot, now);
    if (reason !== undefined) {
      this.#retire(slot, reason, now);
      return;
    }
    const request = this.#mayServe() ? this.#firstWaiter(now) : undefined;
    if (request === undefined) this.#shelve(slot, now);
    else if (this.#needsCheck(slot, now)) this.#check(slot, now);
    else this.#grant(slot, request, now);
    this.#freed(slot);
  }

  #shelve(slot: Slot<T>, now: number): void {
    this.#move(slot, 'idle');
    slot.verified = false;
    let anchor = this.#idle.tail;
    // A resource that was only checked keeps its place in the order of idling.
    while (anchor !== undefined && anchor.idleSince > slot.idleSince) anchor = anchor.previous;
    this.#idle.insertAfter(slot, anchor);
    if (slot.place < 0) this.#planUpkeep(slot, now);
  }

  /** Why a slot that is free must go, if it must. */
  #mustGo(slot: Slot<T>, now: number): DestroyReason | undefined {
    const { journal } = this;
    const reason = retirement(slot, now, this.#generation, this.#options);
    if (reason !== undefined) return reason;
    if (this.#closing !== undefined && !(this.#closing.serving && journal.waiting > 0))
      return 'closed';
    return liveSize(journal) + journal.creating > journal.max ? 'surplus' : undefined;
  }

  /** `told` waits for the borrower to have been told before the hook runs. */
  #retire(slot: Slot<T>, reason: DestroyReason, now: number, told = false): void {
    const { journal, totals } = this;
    if (reason === 'lifetime') totals.expired += 1;
    else if (reason === 'idle') totals.pruned += 1;
    else if (reason === 'recycled') totals.recycled += 1;
    if (isEviction(reason)) journal.record('evicted', now, { id: slot.id, reason });
    slot.doom = reason;
    this.#move(slot, 'destroying');
    this.#agenda.remove(slot);
    journal.record('destroying', now, { id: slot.id, reason });
    journal.commit();
    if (told) {
      this.#turns.later({
        deliver: () => {
          this.#destroy(slot, reason, this.#clock.now());
        },
      });
    } else {
      this.#destroy(slot, reason, now);
    }
  }

  #destroy(slot: Slot<T>, reason: DestroyReason, now: number): void {
    const outermost = this.#turns.open();
    unsubscribeSafely(slot.watching);
    const { destroy, destroyTimeoutMillis } = this.#options;
    const resource = slot.resource as T;
    this.#run(new Task('destroy', slot, now, this), destroyTimeoutMillis, () =>
      destroy?.(resource, reason),
    );
    this.#finish(outermost, now);
  }

  /** Validates: for the first waiter, or before the reset of a returned one, or just so, with somebody to tell. */
  #check(slot: Slot<T>, now: number, onReturn = false, onEnd?: TaskEnd): void {
    const { validate, validateTimeoutMillis } = this.#options;
    this.#move(slot, 'validating');
    this.journal.record('validating', now, { id: slot.id });
    const task = new Task('validate', slot, now, this);
    task.onReturn = onReturn;
    task.onEnd = onEnd;
    task.forBorrow = !onReturn && onEnd === undefined;
    if (task.forBorrow) this.#checking += 1;
    this.journal.commit();
    const resource = slot.resource as T;
    this.#run(task, validateTimeoutMillis, () => validate?.(resource));
  }

  #run(task: Task<T>, limitMillis: number, call: () => unknown): void {
    task.slot.task = task;
    task.run(call);
    if (task.running && limitMillis !== Infinity) {
      this.#agenda.add(task, task.startedAt + limitMillis);
    }
  }

  settled(task: Task<T>, failed: boolean, value: unknown): void {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    this.#agenda.remove(task);
    if (task.late) this.#late(task, failed, value, now);
    else this.#taskEnded(task, failed, value, now);
    this.#finish(outermost, now);
  }

  overdue(task: Task<T>, now: number): void {
    const limit = now - task.startedAt;
    const error = new HookTimeoutError(this.name, this.state, task.hook, limit);
    this.#giveUp(task, error, now);
  }

  /** Ends the wait for a hook. A create may still give a resource, which is then late. */
  #giveUp(task: Task<T>, error: unknown, now: number): void {
    this.#agenda.remove(task);
    if (task.hook === 'create') {
      task.late = true;
      this.#taskEnded(task, true, error, now);
      task.controller?.abort(error);
      return;
    }
    if (task.hook === 'destroy') task.running = false;
    else task.giveUp();
    this.#taskEnded(task, true, error, now);
  }

  #taskEnded(task: Task<T>, failed: boolean, value: unknown, now: number): void {
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

  #checked(task: Task<T>, failed: boolean, value: unknown, now: number): void {
    const { slot } = task;
    const good = !failed && value !== false;
    const error = failed ? value : undefined;
    const facts = { id: slot.id, tookMillis: now - task.startedAt };
    if (task.forBorrow) this.#checking -= 1;
    if (good) {
      slot.seenGoodAt = now;
      slot.verified = true;
      this.journal.record('validated', now, facts);
      if (task.onReturn) this.#resetOrRetire(slot, now);
      else if (this.#trying !== slot) this.#offer(slot, now);
    } else {
      slot.lastError = error;
      this.totals.validateFailed += 1;
      this.journal.record('validateFailed', now, { ...facts, error });
      this.#retire(slot, 'invalid', now);
    }
    task.onEnd?.(good, error);
  }

  /** A doomed resource is never reset. */
  #resetOrRetire(slot: Slot<T>, now: number): void {
    const reason = this.#mustGo(slot, now);
    if (reason === undefined) this.#reset(slot, now);
    else this.#retire(slot, reason, now);
  }

  #wasReset(task: Task<T>, failed: boolean, value: unknown, now: number): void {
    const { slot } = task;
    const facts = { id: slot.id, tookMillis: now - task.startedAt };
    if (failed) {
      slot.lastError = value;
      this.totals.resetFailed += 1;
      this.journal.record('resetFailed', now, { ...facts, error: value });
      this.#retire(slot, 'resetFailed', now);
    } else {
      slot.idleSince = now;
      slot.seenGoodAt = now;
      this.journal.record('reset', now, facts);
      this.#offer(slot, now);
    }
  }

  #destroyed(task: Task<T>, failed: boolean, value: unknown, now: number): void {
    const { slot } = task;
    const reason = slot.doom ?? 'released';
    // The teardown of its source may do the closing, so it belongs to the destroy.
    const sourceError = closeSource(slot.creation);
    const error = failed ? { error: value } : sourceError;
    const facts = { id: slot.id, tookMillis: now - task.startedAt, reason };
    if (error === undefined) {
      this.totals.destroyed += 1;
      this.journal.record('destroyed', now, facts);
    } else {
      this.totals.destroyFailed += 1;
      this.#closing?.errors.push(error.error);
      this.journal.record('destroyFailed', now, { ...facts, error: error.error });
    }
    this.#forget(slot);
  }

  /** The slot is free of its resource and out of the books. */
  #forget(slot: Slot<T>): void {
    this.#move(slot, 'gone');
    this.#agenda.remove(slot);
    this.#slots.delete(slot.id);
    slot.resource = undefined;
    slot.creation = undefined;
    slot.watching = undefined;
    giveBack(slot.permit);
    slot.permit = undefined;
    for (const recycling of this.#recyclings) {
      if (slot.generation <= recycling.generation) recycling.remaining -= 1;
    }
    this.#settleRecyclings();
    this.#freed(slot);
  }

  #freed(slot: Slot<T>): void {
    slot.settled?.resolve();
    slot.settled = undefined;
  }

  #move(slot: Slot<T>, to: Slot<T>['status']): void {
    const { journal } = this;
    switch (slot.status) {
      case 'idle':
        this.#idle.remove(slot);
        journal.idle -= 1;
        break;
      case 'leased':
        journal.leased -= 1;
        break;
      case 'creating':
        journal.creating -= 1;
        break;
      case 'validating':
        journal.validating -= 1;
        break;
      case 'resetting':
        journal.resetting -= 1;
        break;
      case 'destroying':
        journal.destroying -= 1;
        break;
      case 'gone':
        break;
    }
    slot.status = to;
    switch (to) {
      case 'idle':
        journal.idle += 1;
        break;
      case 'leased':
        journal.leased += 1;
        break;
      case 'creating':
        journal.creating += 1;
        break;
      case 'validating':
        journal.validating += 1;
        break;
      case 'resetting':
        journal.resetting += 1;
        break;
      case 'destroying':
        journal.destroying += 1;
        break;
      case 'gone':
        break;
    }
  }

  // ── Creating ──────────────────────────────────────────────────────────────────────────────────────────────────

  get #asked(): number {
    return this.#permits === undefined ? 0 : this.#permits.asked;
  }

  #create(cause: CreateCause, prefill: Prefill | undefined, now: number): void {
    prefill?.started();
    if (this.#permits === undefined) this.#begin({ cause, prefill }, undefined, now);
    else this.#permits.ask({ cause, prefill });
  }

  permitted(ask: PermitAsk, permit: Permit): void {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    // While it waited the need may have gone.
    if (this.#stillNeeds(ask)) {
      this.#begin(ask, permit, now);
    } else {
      ask.prefill?.ended();
      giveBack(permit);
    }
    this.#finish(outermost, now);
  }

  permitFailed(ask: PermitAsk, error: unknown): void {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    this.#createFailed(ask, error, now);
    this.#finish(outermost, now);
  }

  #stillNeeds(ask: PermitAsk): boolean {
    const { journal } = this;
    if (!this.#mayServe() || freeSlots(journal, this.#asked) <= 0) return false;
    switch (ask.cause) {
      case 'demand':
        return unservedWaiters(journal, 0, this.#checking) > 0;
      case 'fill':
        return missingResources(journal, this.#options.minIdle, 0) > 0;
      case 'prefill':
        return true;
    }
  }

  #begin(ask: PermitAsk, permit: Permit | undefined, now: number): void {
    const { journal } = this;
    const slot = new Slot<T>(++this.#slotIds, this.#generation, this);
    slot.cause = ask.cause;
    slot.prefill = ask.prefill;
    slot.permit = permit;
    this.#slots.set(slot.id, slot);
    journal.creating += 1;
    journal.record('creating', now, { id: slot.id });
    journal.commit();
    const task = new Task('create', slot, now, this);
    const controller = new AbortController();
    task.controller = controller;
    slot.creation = task;
    const { create, createTimeoutMillis, scheduler } = this.#options;
    const context = openContext(this.name, controller, scheduler, error => {
      if (task.running && !task.late) this.#lastCreateError = { error };
    });
    this.#run(task, createTimeoutMillis, () => this.#detached(() => create(context)));
  }

  #created(task: Task<T>, failed: boolean, value: unknown, now: number): void {
    const { slot } = task;
    const { journal, totals } = this;
    const tookMillis = now - task.startedAt;
    if (failed || value === undefined || value === null) {
      const error = failed ? value : new TypeError('create gave no resource');
      if (!task.late) unsubscribeSafely(task.source);
      totals.createFailed += 1;
      journal.record('createFailed', now, { id: slot.id, tookMillis, error });
      slot.creation = undefined;
      this.#forget(slot);
      this.#createFailed(slot, error, now);
      this.#leaveJoined(slot);
      return;
    }
    slot.resource = value as T;
    slot.createdAt = now;
    slot.idleSince = now;
    slot.lastUsedAt = now;
    slot.seenGoodAt = now;
    slot.expiresAt = expiryOf(now, this.#options);
    slot.verified = true;
    totals.created += 1;
    totals.create.add(tookMillis);
    journal.record('created', now, { id: slot.id, tookMillis });
    this.#lastCreateError = undefined;
    this.#fillPause.afterSuccess();
    if (slot.prefill !== undefined) {
      slot.prefill.made += 1;
      slot.prefill.ended();
      slot.prefill = undefined;
    }
    this.#leaveJoined(slot);
    this.#offer(slot, now);
    if (this.#sparesOverdue) this.#planSpares(now);
    this.#watch(slot);
  }

  /** One failed create fails one waiter: the oldest. A fill fails nobody, a prefill its caller. */
  #createFailed(ask: PermitAsk, error: unknown, now: number): void {
    this.#lastCreateError = { error };
    if (ask.prefill !== undefined) {
      ask.prefill.failure ??= { error };
      ask.prefill.ended();
    } else if (ask.cause === 'fill') {
      if (this.#closing === undefined) this.#fillPause.afterFailure(now);
    } else {
      const request = this.#firstWaiter(now);
      if (request !== undefined) {
        const failure = new CreateError(this.name, this.state, error);
        this.#refuse(request, 'createFailed', failure, now);
      }
    }
  }

  #leaveJoined(slot: Slot<T>): void {
    for (const prefill of slot.joined ?? []) prefill.ended();
    slot.joined = undefined;
  }

  /** A resource that comes after its create was given up is destroyed outside the count. */
  #late(task: Task<T>, failed: boolean, value: unknown, now: number): void {
    const { slot } = task;
    if (task.hook === 'destroy') {
      const facts = { id: slot.id, tookMillis: now - task.startedAt, reason: 'lateCreate' } as const;
      unsubscribeSafely(slot.creation?.source);
      slot.creation = undefined;
      slot.resource = undefined;
      if (failed) this.journal.record('destroyFailed', now, { ...facts, error: value });
      else this.journal.record('destroyed', now, facts);
      return;
    }
    if (failed || value === undefined || value === null) return;
    this.journal.record('destroying', now, { id: slot.id, reason: 'lateCreate' });
    this.journal.commit();
    const destroying = new Task('destroy', slot, now, this);
    destroying.late = true;
    slot.creation = task;
    const { destroy } = this.#options;
    destroying.run(() => destroy?.(value as T, 'lateCreate'));
  }

  // ── A resource that breaks by itself ──────────────────────────────────────────────────────────────────────────

  #watch(slot: Slot<T>): void {
    const { watch } = this.#options;
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

  sourceFailed(task: Task<T>, error: unknown): void {
    if (!task.late) this.#broke(task.slot, error);
  }

  /** Once: idle it goes now, else as soon as it is free. */
  #broke(slot: Slot<T>, error: unknown): void {
    if (slot.status === 'gone' || slot.status === 'destroying') return;
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    unsubscribeSafely(slot.watching);
    slot.lastError = error;
    slot.doom = 'broken';
    this.journal.record('resourceError', now, { id: slot.id, error });
    if (slot.status === 'idle') this.#retire(slot, 'broken', now);
    this.#finish(outermost, now);
  }

  // ── The turn ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends every entry: whatever became possible is done, committed and, by the outermost, told. */
  #finish(outermost: boolean, now: number): void {
    this.#commit(now);
    this.#turns.close(outermost);
  }

  #commit(now: number): void {
    const { journal } = this;
    if (journal.waiting > 0 || this.#wantsMore()) this.#pump(now);
    journal.commit();
    if (this.#closing !== undefined) this.#checkClosed(now);
    this.#clock.hold(journal.waiting > 0 || this.#isAwaited());
    this.#clock.arm(this.#agenda.earliest, now);
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
      this.#serveIdle(now);
      this.#startCreates(now);
      this.#withdrawAsks();
    } while (this.#pumpAgain);
    this.#pumping = false;
    this.#settlePrefills();
  }

  #serveIdle(now: number): void {
    const { journal } = this;
    while (this.#mayServe() && journal.waiting > this.#checking) {
      const slot = this.#choose(now);
      if (slot === undefined) return;
      const overdue = this.#overdue(slot, now);
      if (overdue !== undefined) this.#retire(slot, overdue, now);
      else if (this.#needsCheck(slot, now)) this.#check(slot, now);
      else {
        const request = this.#firstWaiter(now);
        if (request !== undefined) this.#grant(slot, request, now);
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
      const prefill = this.#prefills.find(({ toStart }) => toStart > 0);
      if (unservedWaiters(journal, this.#asked, this.#checking) > 0)
        this.#create('demand', undefined, now);
      else if (prefill !== undefined) this.#create('prefill', prefill, now);
      else if (this.#missesResources()) this.#create('fill', undefined, now);
      else return;
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
    const needed = Math.max(0, unservedWaiters(journal, others, this.#checking));
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

  #wantsMore(): boolean {
    return this.#prefills.length > 0 || this.#asked > 0 || this.#missesResources();
  }

  /** Somebody holds a promise that only the pool's going on can keep. */
  #isAwaited(): boolean {
    return (
      this.#prefills.length > 0 ||
      this.#recyclings.length > 0 ||
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

  /** The oldest waiter; those whose time was up while the process stood still are told so first. */
  #firstWaiter(now: number): Request<T> | undefined {
    let request = this.#waiters.first;
    while (request !== undefined && request.dueAt < now) {
      this.timedOut(request, now);
      request = this.#waiters.first;
    }
    return request;
  }

  /** The oldest check that nobody waits for any more, after a request ran out of time: its resource is not trusted. */
  #giveUpCheck(now: number): void {
    for (const { task } of this.#slots.values()) {
      if (task?.forBorrow !== true) continue;
      this.overdue(task, now);
      return;
    }
  }

  // ── Time ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #onAlarm(): void {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    let deadline = this.#agenda.takeDue(now);
    while (deadline !== undefined) {
      deadline.due(now);
      deadline = this.#agenda.takeDue(now);
    }
    this.#finish(outermost, now);
  }

  upkeep(slot: Slot<T>, now: number): void {
    if (slot.status !== 'idle') return;
    const reason = this.#overdue(slot, now);
    if (reason !== undefined) this.#retire(slot, reason, now);
    else if (now >= this.#nextCheckOf(slot)) this.#check(slot, now, false, () => undefined);
    else this.#planUpkeep(slot, now);
  }

  /** A plan stays while its resource is lent and rings once for nothing: cheaper than to cancel it on every lease. */
  #planUpkeep(slot: Slot<T>, now: number): void {
    const { idleTimeoutMillis } = this.#options;
    let dueAt = Math.min(slot.expiresAt, this.#nextCheckOf(slot));
    if (idleTimeoutMillis !== Infinity) {
      if (this.#hasSpare()) dueAt = Math.min(dueAt, slot.idleSince + idleTimeoutMillis);
      else this.#sparesOverdue = true;
    }
    if (dueAt !== Infinity) this.#agenda.add(slot, Math.max(dueAt, now));
  }

  /** There is more than `min` again: what idled too long behind it may go now. */
  #planSpares(now: number): void {
    if (!this.#sparesOverdue || !this.#hasSpare()) return;
    this.#sparesOverdue = false;
    for (let slot = this.#idle.head; slot !== undefined; slot = slot.next) {
      this.#agenda.remove(slot);
      this.#planUpkeep(slot, now);
    }
  }

  #nextCheckOf(slot: Slot<T>): number {
    const { validate, validateIdleEveryMillis } = this.#options;
    return validate === undefined ? Infinity : slot.seenGoodAt + validateIdleEveryMillis;
  }

  #describe(slot: Slot<T>, now: number): ResourceInfo {
    const stale = retirement(slot, now, this.#generation, this.#options) !== undefined;
    return describeSlot(slot, now, stale);
  }

  // ── Upkeep by hand ────────────────────────────────────────────────────────────────────────────────────────────

  resources(): readonly ResourceInfo[] {
    const now = this.#clock.now();
    const infos: ResourceInfo[] = [];
    for (const slot of this.#slots.values()) {
      if (slot.status !== 'creating') infos.push(this.#describe(slot, now));
    }
    return infos;
  }

  prefill(target: number): Promise<number> {
    if (this.#closing !== undefined) {
      return Promise.reject(new PoolClosedError(this.name, this.state));
    }
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    const { journal } = this;
    let coming = liveSize(journal) + journal.creating + this.#asked;
    for (const { toStart } of this.#prefills) coming += toStart;
    const prefill = new Prefill(target, Math.max(0, Math.min(target, journal.max) - coming));
    if (liveSize(journal) < target) {
      for (const slot of this.#slots.values()) {
        if (slot.status === 'creating') prefill.join(slot);
      }
    }
    this.#prefills.push(prefill);
    this.#finish(outermost, now);
    return prefill.promise;
  }

  evict(): Promise<number> {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    const ends: Promise<void>[] = [];
    for (const slot of this.#idleSlots()) {
      if (slot.status !== 'idle') continue;
      const reason = this.#overdue(slot, now);
      if (reason === undefined) continue;
      ends.push((slot.settled ??= deferred()).promise);
      this.#retire(slot, reason, now);
    }
    this.#finish(outermost, now);
    return Promise.all(ends).then(({ length }) => length);
  }

  recycle(): Promise<void> {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    const generation = this.#generation;
    this.#generation += 1;
    const remaining = this.#slots.size;
    const done = deferred();
    this.#recyclings.push({ generation, remaining, resolve: done.resolve });
    this.#settleRecyclings();
    for (const slot of this.#idleSlots()) {
      if (slot.status === 'idle' && slot.generation <= generation) {
        this.#retire(slot, 'recycled', now);
      }
    }
    this.#finish(outermost, now);
    return done.promise;
  }

  #settleRecyclings(): void {
    if (this.#recyclings.length === 0) return;
    this.#recyclings = this.#recyclings.filter(({ remaining, resolve }) => {
      if (remaining === 0) resolve();
      return remaining > 0;
    });
  }

  /** A copy: destroying one may change the list. */
  #idleSlots(): Slot<T>[] {
    const slots: Slot<T>[] = [];
    for (let slot = this.#idle.head; slot !== undefined; slot = slot.next) slots.push(slot);
    return slots;
  }

  /** Has every idle resource checked; resolves to how many failed. */
  checkIdle(): Promise<number> {
    if (this.#options.validate === undefined) return Promise.resolve(0);
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    const checks: Promise<boolean>[] = [];
    for (const slot of this.#idleSlots()) {
      if (slot.status !== 'idle') continue;
      checks.push(
        new Promise(resolve => {
          this.#check(slot, now, false, resolve);
        }),
      );
    }
    this.#finish(outermost, now);
    return Promise.all(checks).then(results => results.filter(good => !good).length);
  }

  get lastCreateError(): { readonly error: unknown } | undefined {
    return this.#lastCreateError;
  }

  // ── Sizes ─────────────────────────────────────────────────────────────────────────────────────────────────────

  get wantedMin(): number {
    return this.#wantedMin;
  }

  /** Both are checked already. */
  resize(min: number, max: number): void {
    if (this.#closing !== undefined) return;
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    const { journal } = this;
    this.#wantedMin = min;
    const effectiveMin = Math.min(min, max);
    if (effectiveMin !== journal.min || max !== journal.max) {
      journal.min = effectiveMin;
      journal.max = max;
      journal.record('resized', now, {});
      this.#retireSurplus(now);
      this.#planSpares(now);
    }
    this.#finish(outermost, now);
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
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    this.journal.record('resized', now, { error });
    this.#finish(outermost, now);
  }

  #retireSurplus(now: number): void {
    const { journal } = this;
    while (this.#idle.head !== undefined && liveSize(journal) + journal.creating > journal.max) {
      this.#retire(this.#idle.head, 'surplus', now);
    }
  }

  // ── Lifecycle ─────────────────────────────────────────────────────────────────────────────────────────────────

  pause(): void {
    if (this.journal.lifecycle === 'running') this.#switch('paused', 'paused');
  }

  resume(): void {
    if (this.journal.lifecycle === 'paused') this.#switch('running', 'resumed');
  }

  #switch(lifecycle: 'running' | 'paused', event: 'resumed' | 'paused'): void {
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    this.journal.lifecycle = lifecycle;
    this.journal.record(event, now, {});
    this.#finish(outermost, now);
  }

  close(drainTimeoutMillis: number, serving: boolean, force: boolean): Promise<void> {
    const running = this.#closing;
    if (running !== undefined && !(force && !running.overdue)) return running.promise;
    const outermost = this.#turns.open();
    const now = this.#clock.now();
    const closing = (this.#closing ??= new Closing(this, serving && !force));
    if (running === undefined) this.#startClosing(closing, now);
    if (force) this.#endWaiting(closing, now);
    else if (drainTimeoutMillis !== Infinity) this.#agenda.add(closing, now + drainTimeoutMillis);
    this.#finish(outermost, now);
    return closing.promise;
  }

  #startClosing(closing: Closing, now: number): void {
    const { journal } = this;
    journal.lifecycle = 'draining';
    journal.record('draining', now, {});
    this.#fillPause.end();
    for (const prefill of this.#prefills) prefill.reject(new PoolClosedError(this.name, this.state));
    this.#prefills = [];
    if (closing.serving) this.#pump(now);
    else this.#refuseAll(now);
    this.#permits?.withdraw(this.#asked - Math.max(0, journal.waiting));
    this.#abortCreates(journal.waiting);
    if (journal.waiting === 0 || !closing.serving) this.#retireIdle(now);
  }

  drainLimit(now: number): void {
    const closing = this.#closing;
    if (closing === undefined) return;
    closing.abandoned += this.#endWaiting(closing, now);
  }

  /** From here on nothing is waited for that has no time limit of its own. Returns what was given up. */
  #endWaiting(closing: Closing, now: number): number {
    let givenUp = 0;
    closing.overdue = true;
    closing.serving = false;
    this.#agenda.remove(closing);
    this.#refuseAll(now);
    this.#permits?.withdraw(this.#asked);
    for (const slot of [...this.#slots.values()]) {
      const { task, lease } = slot;
      if (slot.status === 'leased' && lease !== undefined) {
        givenUp += 1;
        this.#revoke(lease, now);
      } else if (task !== undefined && (task.hook !== 'destroy' || !this.#hasDestroyLimit())) {
        givenUp += 1;
        this.#giveUp(task, new PoolClosedError(this.name, this.state), now);
      }
    }
    this.#retireIdle(now);
    return givenUp;
  }

  #hasDestroyLimit(): boolean {
    return this.#options.destroyTimeoutMillis !== Infinity;
  }

  #refuseAll(now: number): void {
    for (let request = this.#waiters.first; request !== undefined; request = this.#waiters.first) {
      this.#refuse(request, 'closed', new PoolClosedError(this.name, this.state), now);
    }
  }

  #retireIdle(now: number): void {
    while (this.#idle.head !== undefined) this.#retire(this.#idle.head, 'closed', now);
  }

  /** Tells all but the oldest `keep` creates that nobody waits for them. What they still give is destroyed. */
  #abortCreates(keep: number): void {
    let kept = 0;
    for (const slot of [...this.#slots.values()]) {
      if (slot.status !== 'creating') continue;
      kept += 1;
      if (kept > keep) slot.task?.controller?.abort(new PoolClosedError(this.name, this.state));
    }
  }

  #checkClosed(now: number): void {
    const closing = this.#closing;
    const { journal } = this;
    if (closing === undefined || closing.finished) return;
    if (journal.size + journal.creating + journal.waiting + this.#asked > 0) return;
    closing.finished = true;
    this.#agenda.remove(closing);
    journal.lifecycle = 'closed';
    journal.record('closed', now, {});
    journal.commit();
    this.#clock.stop();
    this.#turns.later({
      deliver: () => {
        journal.complete();
      },
    });
    if (closing.clean) closing.resolve();
    else closing.reject(new CloseError(this.name, this.state, closing.errors, closing.abandoned));
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

function closeSource<T>(creation: Task<T> | undefined): { readonly error: unknown } | undefined {
  try {
    creation?.source?.unsubscribe();
    return undefined;
  } catch (error) {
    return { error };
  }
}
