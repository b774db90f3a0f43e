import type { Admission, PoolLoad, WaitingRequest } from '../admission.js';
import {
  AcquireAbortedError,
  AcquireTimeoutError,
  OverloadedError,
  PoolClosedError,
  WaitingLimitError,
  type AcquirePhase,
} from '../errors.js';
import type { RejectReason } from '../events.js';
import type { ResolvedOptions } from '../options.js';
import { AbortWatch } from './abort-watch.js';
import { withFrames } from './caller-stack.js';
import type { Inventory } from './inventory.js';
import type { Journal } from './journal.js';
import type { Nesting } from './nesting.js';
import { freeSlots, unservedWaiters } from './policy.js';
import type { Queue } from './queue.js';
import type { Request, RequestOwner } from './request.js';
import { reportError } from './report.js';
import type { Timetable } from './timetable.js';
import type { Totals } from './totals.js';
import type { Turns } from './turns.js';
import type { Workshop } from './workshop.js';

/** Requests that nothing is ready for: they queue or are refused, and each ends once. */
export class Reception<T> implements RequestOwner<T> {
  readonly aborts: AbortWatch = new AbortWatch();
  /** What a time-out names as its cause; a create that succeeds wipes it out. */
  lastCreateError: { readonly error: unknown } | undefined = undefined;
  readonly #options: ResolvedOptions<T>;
  readonly #journal: Journal<T>;
  readonly #inventory: Inventory<T>;
  readonly #totals: Totals;
  readonly #timetable: Timetable<T>;
  readonly #turns: Turns;
  readonly #workshop: Workshop<T>;
  readonly #waiters: Queue<T>;
  readonly #admission: Admission | undefined;
  readonly #nesting: Nesting<T> | undefined;
  /** Where requests came from, kept beside them by pools that warn of leaks or nesting. */
  #stacks: WeakMap<Request<T>, string> | undefined = undefined;

  constructor(
    inventory: Inventory<T>,
    totals: Totals,
    timetable: Timetable<T>,
    turns: Turns,
    workshop: Workshop<T>,
    waiters: Queue<T>,
    nesting: Nesting<T> | undefined,
  ) {
    this.#options = inventory.options;
    this.#journal = inventory.journal;
    this.#inventory = inventory;
    this.#totals = totals;
    this.#timetable = timetable;
    this.#turns = turns;
    this.#workshop = workshop;
    this.#waiters = waiters;
    this.#nesting = nesting;
    this.#admission = inventory.options.admission;
  }

  /** Who is served next, in the order of the queue. */
  first(now: number): Request<T> | undefined {
    return this.#waiters.first(now);
  }

  /** Whom the admission policy would have served now; those whom it refuses on the way are gone. */
  chosen(now: number): Request<T> | undefined {
    const admission = this.#admission;
    let oldest = this.first(now);
    while (admission !== undefined && oldest !== undefined) {
      const verdict = this.#ask(oldest, now, (request, load) => admission.serves(request, load));
      if (verdict === 'newest') return this.#waiters.newest(now);
      if (verdict !== 'refuse') break;
      this.#turnAway(oldest, now);
      oldest = this.first(now);
    }
    return oldest;
  }

  /** Queues the request or refuses it. */
  receive(request: Request<T>, now: number): void {
    const { options } = request;
    const journal = this.#journal;
    const { name, maxWaiting } = this.#options;
    request.id = ++journal.requests;
    request.requestedAt = now;
    if (journal.heard) {
      journal.record('requested', now, { requestId: request.id, label: options?.label });
    } else {
      journal.sequence += 1;
    }
    if (journal.isClosing) {
      this.refuse(request, 'closed', new PoolClosedError(name, journal.state), now);
    } else if (options?.signal?.aborted === true) {
      this.#abort(request, now);
    } else if (this.#isFull()) {
      const error = new WaitingLimitError(name, journal.state, maxWaiting);
      this.refuse(request, 'waitingLimit', error, now);
    } else if (this.#admits(request, now)) {
      this.#enqueue(request);
    } else {
      this.#turnAway(request, now);
    }
  }

  /** Ends the wait of a request, whether it was queued or never got that far. */
  dequeue(request: Request<T>): void {
    request.unlisten();
    if (!this.#waiters.remove(request)) return;
    this.#timetable.unlimit(request);
    this.#journal.waiting -= 1;
    // The process need not be kept alive for anybody any more.
    if (this.#journal.waiting === 0) this.#turns.restless = true;
  }

  refuse(request: Request<T>, reason: RejectReason, error: unknown, now: number): void {
    this.dequeue(request);
    this.#totals.rejected += 1;
    this.#journal.record('rejected', now, { ...endOf(request, now), reason, error });
    this.#fail(request, error);
  }

  refuseAll(now: number): void {
    for (let request = this.first(now); request !== undefined; request = this.first(now)) {
      const error = new PoolClosedError(this.#options.name, this.#journal.state);
      this.refuse(request, 'closed', error, now);
    }
  }

  timedOut(request: Request<T>, now: number): void {
    const journal = this.#journal;
    const phase = this.#phaseOf(request);
    this.dequeue(request);
    const waitedMillis = now - request.requestedAt;
    const cause = this.lastCreateError;
    // What calls here is a timer: its stack tells nothing, and a crowd that times out would pay for each.
    const error = withFrames(
      0,
      () => new AcquireTimeoutError(this.#options.name, journal.state, phase, waitedMillis, cause),
    );
    this.#totals.timedOut += 1;
    journal.record('timedOut', now, { ...endOf(request, now), error });
    this.#fail(request, error);
    if (journal.checking > journal.waiting) this.#giveUpCheck(now);
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
    const reason: unknown = request.options?.signal?.reason;
    return new AcquireAbortedError(this.#options.name, this.#journal.state, reason);
  }

  get tracesNesting(): boolean {
    return this.#nesting !== undefined;
  }

  handOver(request: Request<T>, work: () => void): void {
    const { lease } = request;
    const holding = lease === undefined ? undefined : { lease, stack: this.stackOf(request) };
    this.#nesting?.run(holding, work);
  }

  /** Keeps where a request came from, and tells of the first that is made by code which holds a lease already. */
  remember(request: Request<T>, stack: string, now: number): void {
    (this.#stacks ??= new WeakMap()).set(request, stack);
    const nesting = this.#nesting;
    const held = nesting?.held;
    if (nesting === undefined || held === undefined || nesting.warned) return;
    nesting.warned = true;
    this.#journal.record('nestedAcquire', now, {
      requestId: request.id,
      label: request.options?.label,
      heldRequestId: held.lease.requestId,
      heldLabel: held.lease.options?.label,
      stack,
      heldStack: held.stack,
    });
  }

  stackOf(request: Request<T>): string | undefined {
    return this.#stacks?.get(request);
  }

  /** The oldest waiter whose time is not up, as it may be in a process that stood still. */
  firstLive(now: number): Request<T> | undefined {
    for (const request of this.#waiters) if (request.dueAt >= now) return request;
    return undefined;
  }

  /** Before anything else is matched, and never within a transition: a time-out is one of its own. */
  endOverdue(now: number): void {
    let request = this.first(now);
    while (request !== undefined && request.dueAt < now) {
      this.timedOut(request, now);
      request = this.first(now);
    }
  }

  #enqueue(request: Request<T>): void {
    const journal = this.#journal;
    const { options } = request;
    if (journal.waiting === 0) this.#turns.restless = true;
    journal.waiting += 1;
    if (journal.waiting > this.#totals.peakWaiting) this.#totals.peakWaiting = journal.waiting;
    this.#waiters.push(request, options?.priority ?? 0);
    request.listen();
    const limit = options?.timeoutMillis ?? this.#options.acquireTimeoutMillis;
    this.#timetable.limit(request, limit);
  }

  /** Who need not wait, because something is free for it, is not asked about. */
  #admits(request: Request<T>, now: number): boolean {
    const admission = this.#admission;
    const journal = this.#journal;
    if (admission === undefined) return true;
    if (journal.idle + freeSlots(journal) - Math.max(0, unservedWaiters(journal)) > 0) return true;
    return this.#ask(request, now, (waiting, load) => admission.admits(waiting, load)) !== false;
  }

  /** A policy is users' code and may throw: then it has no say. */
  #ask<R>(
    request: Request<T>,
    now: number,
    question: (request: WaitingRequest, load: PoolLoad) => R,
  ): R | undefined {
    const { waiting, leased, max } = this.#journal;
    const { priority = 0, label, timeoutMillis } = request.options ?? {};
    const { requestedAt } = request;
    const dueAt = requestedAt + (timeoutMillis ?? this.#options.acquireTimeoutMillis);
    try {
      return question({ priority, label, requestedAt, dueAt }, { at: now, waiting, leased, max });
    } catch (error) {
      reportError(error);
      return undefined;
    }
  }

  #turnAway(request: Request<T>, now: number): void {
    const waitedMillis = now - request.requestedAt;
    const error = withFrames(
      0,
      () => new OverloadedError(this.#options.name, this.#journal.state, waitedMillis),
    );
    this.refuse(request, 'overloaded', error, now);
  }

  #abort(request: Request<T>, now: number): void {
    this.#cancel(request, 'aborted', now);
    this.#fail(request, this.abortError(request));
  }

  #cancel(request: Request<T>, reason: 'unsubscribed' | 'aborted', now: number): void {
    this.dequeue(request);
    this.#totals.cancelled += 1;
    this.#journal.record('cancelled', now, { ...endOf(request, now), reason });
  }

  #fail(request: Request<T>, error: unknown): void {
    request.failure = error;
    this.#turns.later(request);
  }

  /** Whether nothing idle and no slot is left for one more request, and the queue is at its limit. */
  #isFull(): boolean {
    const journal = this.#journal;
    if (journal.waiting < this.#options.maxWaiting) return false;
    const unserved = Math.max(0, unservedWaiters(journal));
    return journal.idle + freeSlots(journal) - unserved <= 0;
  }

  /** Checks and creates in flight serve the first waiters, checks being nearer to their end. */
  #phaseOf(request: Request<T>): AcquirePhase {
    const { checking, creating } = this.#journal;
    const inFlight = checking + creating;
    let place = 0;
    for (const waiter of this.#waiters) {
      if (waiter === request || place >= inFlight) break;
      place += 1;
    }
    if (place < checking) return 'validating';
    return place < inFlight ? 'creating' : 'waiting';
  }

  /** The oldest check that nobody waits for any more, after a request ran out of time: its resource is not trusted. */
  #giveUpCheck(now: number): void {
    for (const { task } of this.#inventory.slots.values()) {
      if (task?.forBorrow !== true) continue;
      this.#workshop.overdue(task, now);
      return;
    }
  }
}

function endOf<T>(request: Request<T>, now: number) {
  return {
    requestId: request.id,
    label: request.options?.label,
    waitedMillis: now - request.requestedAt,
  };
}
