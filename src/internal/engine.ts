import type { Subscriber } from 'rxjs';
import type { Admission } from '../admission.js';
import type { Lease } from '../lease.js';
import type { AcquireOptions, ResolvedOptions } from '../options.js';
import type { ResourceInfo } from '../resource-info.js';
import type { PoolState } from '../state.js';
import { callerStack } from './caller-stack.js';
import { asyncStorage, currentContext } from './context.js';
import { attach } from './direct-stream.js';
import { Housekeeping } from './housekeeping.js';
import { Inventory } from './inventory.js';
import { Journal } from './journal.js';
import type { LeaseHandle } from './lease-handle.js';
import { Leasing, type LeaseListener } from './leasing.js';
import { Matching } from './matching.js';
import { Nesting, type Holding } from './nesting.js';
import { freeSlots } from './policy.js';
import type { Queue } from './queue.js';
import { Reception } from './reception.js';
import { Renewal } from './renewal.js';
import { reportError } from './report.js';
import { StreamRequest, type Request } from './request.js';
import { checkSize } from './resolve-options.js';
import { Shutdown } from './shutdown.js';
import type { Slot } from './slot.js';
import { Supply } from './supply.js';
import { Timetable } from './timetable.js';
import { Totals } from './totals.js';
import { Turns, type TurnOwner } from './turns.js';
import { WaitQueue } from './wait-queue.js';
import { Workshop, type WorkshopOwner } from './workshop.js';

/**
 * The rooms of one pool, and what happens between them. Every entry is a turn: the books change at once, nothing of
 * anybody else's runs between a slot changing hands and its owner being set, and each entry ends by doing whatever
 * became possible.
 */
export class Engine<T> implements TurnOwner, WorkshopOwner<T> {
  readonly name: string;
  readonly journal: Journal<T>;
  readonly totals: Totals = new Totals();
  readonly reception: Reception<T>;
  readonly housekeeping: Housekeeping<T>;
  readonly supply: Supply<T>;
  readonly renewal: Renewal<T>;
  readonly shutdown: Shutdown<T>;
  readonly #turns: Turns;
  readonly #timetable: Timetable<T>;
  readonly #inventory: Inventory<T>;
  readonly #matching: Matching<T>;
  readonly #permitsAreShared: boolean;
  /** Where the caller is, for pools that warn of leaks and nesting: costly, so only for them. */
  readonly #keepsStacks: boolean;
  #pumping = false;
  #pumpAgain = false;
  /** Before being held down to `max`. */
  #wantedMin: number;

  constructor(options: ResolvedOptions<T>) {
    const { name, min, max, scheduler, keepProcessAlive, leakWarningMillis, permits } = options;
    const { queue, admission } = options;
    const { totals } = this;
    const detached = currentContext();
    const turns = new Turns(this);
    const timetable = new Timetable<T>(scheduler, keepProcessAlive, detached, turns);
    const journal = new Journal<T>(name, min, max, turns);
    const inventory = new Inventory(options, journal, turns);
    const workshop = new Workshop(this, inventory, totals, timetable, turns, detached);
    const waiters: Queue<T> = queue?.queue<T>() ?? new WaitQueue<T>();
    const storage = options.nestedAcquireWarning
      ? asyncStorage<Holding<T> | undefined>()
      : undefined;
    const reception = new Reception(
      inventory,
      totals,
      timetable,
      turns,
      workshop,
      waiters,
      storage === undefined ? undefined : new Nesting(storage),
    );
    const leasing = new Leasing(
      inventory,
      totals,
      timetable,
      turns,
      workshop,
      (slot, now) => {
        this.#matching.returned(slot, now);
      },
      leaseListener(waiters, admission),
    );
    const housekeeping = new Housekeeping(inventory, timetable, turns, workshop);
    const matching = new Matching(
      inventory,
      reception,
      leasing,
      housekeeping,
      workshop,
      totals,
      turns,
    );
    this.name = name;
    this.journal = journal;
    this.reception = reception;
    this.housekeeping = housekeeping;
    this.#turns = turns;
    this.#timetable = timetable;
    this.#inventory = inventory;
    this.#matching = matching;
    this.#permitsAreShared = permits !== undefined;
    this.#keepsStacks = leakWarningMillis !== Infinity || reception.tracesNesting;
    this.#wantedMin = min;
    const supply = new Supply(
      inventory,
      reception,
      matching,
      housekeeping,
      workshop,
      timetable,
      turns,
    );
    this.supply = supply;
    this.renewal = new Renewal(inventory, supply, workshop, timetable, turns);
    this.shutdown = new Shutdown(
      inventory,
      reception,
      supply,
      leasing,
      housekeeping,
      workshop,
      timetable,
      turns,
      now => {
        this.#pump(now);
      },
    );
  }

  get state(): PoolState {
    return this.journal.state;
  }

  get wantedMin(): number {
    return this.#wantedMin;
  }

  // ── Borrowing ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** One subscription to `acquire()`. The teardown is in place before `next`: a consumer may leave inside it. */
  acquire(subscriber: Subscriber<Lease<T>>, options: AcquireOptions | undefined): void {
    if (subscriber.closed) return;
    const lease = options === undefined ? this.#beginQuickly() : undefined;
    if (lease === undefined) {
      const request = new StreamRequest(this.reception, options, subscriber);
      attach(subscriber, request);
      this.submit(request);
      return;
    }
    lease.holder = subscriber;
    attach(subscriber, lease);
    this.settle(lease.at);
    this.#turns.flush();
    try {
      subscriber.next(lease);
    } catch (error) {
      reportError(error);
    }
    this.#turns.end();
  }

  /** As `submit`, for a request without options that can be served at once and whose lease needs no turn to leave. */
  lendQuickly(): LeaseHandle<T> | undefined {
    const lease = this.#beginQuickly();
    if (lease !== undefined) this.#turns.leave(true, lease.at);
    return lease;
  }

  /** The quick way, for the commonest case: no request object, no queue for the delivery. Leaves the turn open. */
  #beginQuickly(): LeaseHandle<T> | undefined {
    const turns = this.#turns;
    if (turns.busy || this.#keepsStacks || this.#inventory.idle.tail === undefined) {
      return undefined;
    }
    const now = this.#timetable.now();
    const slot = this.#matching.lendable(now);
    if (slot === undefined) return undefined;
    turns.busy = true;
    return this.#matching.lendAtOnce(slot, undefined, now, undefined);
  }

  /** Serves the request on the spot, queues it or refuses it. */
  submit(request: Request<T>): void {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const { options } = request;
    const stack = this.#stack();
    const slot = options?.signal?.aborted === true ? undefined : this.#matching.lendable(now);
    if (slot === undefined) {
      this.reception.receive(request, now);
    } else {
      const lease = this.#matching.lendAtOnce(slot, options, now, stack);
      request.id = lease.requestId;
      request.requestedAt = now;
      request.lease = lease;
      request.granted();
      this.#turns.later(request);
    }
    if (stack !== undefined) this.reception.remember(request, stack, now);
    this.#turns.leave(outermost, now);
  }

  /** Lends what is ready this instant, or undefined. */
  tryAcquire(): LeaseHandle<T> | undefined {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const matching = this.#matching;
    const slot = matching.lendable(now) ?? matching.tryIdle(now);
    const lease =
      slot === undefined ? undefined : matching.lendAtOnce(slot, undefined, now, this.#stack());
    this.#turns.leave(outermost, now);
    return lease;
  }

  #stack(): string | undefined {
    return this.#keepsStacks ? callerStack() : undefined;
  }

  // ── What the workshop hands on ────────────────────────────────────────────────────────────────────────────────

  offer(slot: Slot<T>, now: number): void {
    this.#matching.offer(slot, now);
  }

  checkedOnReturn(slot: Slot<T>, now: number): void {
    this.#matching.checkedOnReturn(slot, now);
  }

  made(slot: Slot<T>, now: number): void {
    this.supply.made(slot, now);
  }

  notMade(slot: Slot<T>, error: unknown, now: number): void {
    this.supply.notMade(slot, error, now);
  }

  attemptFailed(error: unknown): void {
    this.reception.lastCreateError = { error };
  }

  destroyFailed(error: unknown): void {
    this.shutdown.destroyFailed(error);
  }

  gone(slot: Slot<T>): void {
    this.renewal.gone(slot);
  }

  upkeep(slot: Slot<T>, now: number): void {
    this.housekeeping.upkeep(slot, now);
  }

  // ── The end of every entry ────────────────────────────────────────────────────────────────────────────────────

  /** Whatever became possible is done, and the transition is committed. */
  settle(now: number): void {
    if (this.#turns.restless || (this.journal.waiting > 0 && this.#hasRoom())) {
      this.#settleAll(now);
    } else {
      this.journal.commit();
    }
  }

  turnEnded(): void {
    if (this.#timetable.changed) this.#timetable.arm();
  }

  #settleAll(now: number): void {
    const { journal } = this;
    this.renewal.advance(now);
    if (this.#hasRoom()) this.#pump(now);
    this.shutdown.retireIdle(now);
    journal.commit();
    this.shutdown.finish(now);
    const isAwaited =
      this.supply.awaited || this.renewal.awaited || journal.lifecycle === 'draining';
    this.#timetable.hold(journal.waiting > 0 || isAwaited);
    this.#turns.restless =
      this.supply.restless ||
      this.renewal.awaited ||
      journal.isClosing ||
      this.#inventory.isOverfull();
  }

  /** Whether a pump could move anything: else all is lent, and whoever waits waits on. */
  #hasRoom(): boolean {
    return (
      this.#inventory.idle.tail !== undefined ||
      freeSlots(this.journal) > 0 ||
      this.#permitsAreShared ||
      this.supply.awaited
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
      this.reception.endOverdue(now);
      this.#matching.serveIdle(now);
      this.supply.start(now);
    } while (this.#pumpAgain);
    this.#pumping = false;
    this.supply.settlePrefills();
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

  /** Both are checked already. */
  resize(min: number, max: number): void {
    const { journal } = this;
    if (journal.isClosing) return;
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const effectiveMin = Math.min(min, max);
    this.#wantedMin = min;
    this.#turns.restless = true;
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
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const { min, max } = this.journal;
    this.journal.record('resized', now, { min, max, error });
    this.#turns.leave(outermost, now);
  }

  pause(): void {
    if (this.journal.isRunning) this.#switch('paused', 'paused');
  }

  resume(): void {
    if (this.journal.lifecycle === 'paused') this.#switch('running', 'resumed');
  }

  #switch(lifecycle: 'running' | 'paused', event: 'resumed' | 'paused'): void {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    this.#turns.restless = true;
    this.journal.lifecycle = lifecycle;
    this.journal.record(event, now, {});
    this.#turns.leave(outermost, now);
  }
}

/** For those who look at who holds what, and for how long. Most pools have none, and pay nothing. */
function leaseListener<T>(
  queue: Queue<T>,
  admission: Admission | undefined,
): LeaseListener | undefined {
  if (queue.holds === undefined && admission?.ended === undefined) return undefined;
  return {
    lent(label) {
      queue.holds?.(label, 1);
    },
    ended(label, heldMillis, now) {
      queue.holds?.(label, -1);
      try {
        admission?.ended?.(heldMillis, now);
      } catch (error) {
        reportError(error);
      }
    },
  };
}
