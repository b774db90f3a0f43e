import { LeaseRevokedError } from '../errors.js';
import type { ReleaseReason } from '../events.js';
import type { AcquireOptions } from '../options.js';
import type { ResourceInfo } from '../resource-info.js';
import type { PoolState } from '../state.js';
import type { Inventory } from './inventory.js';
import type { Draft } from './journal.js';
import { LeaseHandle, type LeaseOwner } from './lease-handle.js';
import { LeaseWatch, type LeaseWatcher } from './lease-watch.js';
import { deferred, type Slot } from './slot.js';
import type { Timetable } from './timetable.js';
import type { Totals } from './totals.js';
import { callOut, type Turns } from './turns.js';
import type { Workshop } from './workshop.js';

/** What `release` returns when nothing is left to wait for. */
const DONE: Promise<void> = Promise.resolve();

/** Hears of leases. */
export interface LeaseListener {
  lent(label: string | undefined): void;
  ended(label: string | undefined, heldMillis: number, now: number): void;
}

/** Lends resources and takes them back. */
export class Leasing<T> implements LeaseOwner<T>, LeaseWatcher<T> {
  readonly #inventory: Inventory<T>;
  readonly #totals: Totals;
  readonly #timetable: Timetable<T>;
  readonly #turns: Turns;
  readonly #workshop: Workshop<T>;
  /** A lease ended by release: what becomes of its slot. */
  readonly #returned: (slot: Slot<T>, now: number) => void;
  /** Hears of every lease and its end, where an order or a policy of waiting looks at them. */
  readonly #listener: LeaseListener | undefined;
  /** After this, if ever, a lease has something due. */
  readonly #watchMillis: number;

  constructor(
    inventory: Inventory<T>,
    totals: Totals,
    timetable: Timetable<T>,
    turns: Turns,
    workshop: Workshop<T>,
    returned: (slot: Slot<T>, now: number) => void,
    listener: LeaseListener | undefined,
  ) {
    this.#listener = listener;
    this.#inventory = inventory;
    this.#totals = totals;
    this.#timetable = timetable;
    this.#turns = turns;
    this.#workshop = workshop;
    this.#returned = returned;
    const { leakWarningMillis, maxLeaseMillis } = inventory.options;
    this.#watchMillis = Math.min(leakWarningMillis, maxLeaseMillis);
  }

  get name(): string {
    return this.#inventory.options.name;
  }

  get state(): PoolState {
    return this.#inventory.journal.state;
  }

  /** The slot changes hands and its owner is set, with nothing between. */
  lend(
    slot: Slot<T>,
    requestId: number,
    options: AcquireOptions | undefined,
    now: number,
    stack: string | undefined,
  ): LeaseHandle<T> {
    const inventory = this.#inventory;
    const { journal } = inventory;
    const totals = this.#totals;
    inventory.lend(slot);
    slot.uses += 1;
    slot.lastUsedAt = now;
    slot.verified = false;
    const lease = new LeaseHandle(this, slot, requestId, options, now);
    slot.lease = lease;
    totals.acquired += 1;
    if (this.#listener !== undefined) this.#listener.lent(options?.label);
    if (journal.leased > totals.peakLeased) totals.peakLeased = journal.leased;
    if (this.#watchMillis !== Infinity) {
      slot.leaseWatch = new LeaseWatch(this, lease, now, stack);
      this.#timetable.plan(slot.leaseWatch, now + this.#watchMillis);
    }
    return lease;
  }

  giveBack(lease: LeaseHandle<T>): Promise<void> {
    if (lease.ended !== undefined) return this.#settlement(lease);
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    this.#end(lease, 'released', now);
    if (lease.holder !== undefined) this.#turns.later(lease);
    this.#returned(lease.slot, now);
    const settled = this.#settlement(lease);
    this.#turns.leave(outermost, now);
    return settled;
  }

  destroyLease(lease: LeaseHandle<T>, error: unknown): Promise<void> {
    if (lease.ended !== undefined) return this.#settlement(lease);
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const { slot } = lease;
    this.#end(lease, 'destroyed', now);
    if (error !== undefined) slot.lastError = error;
    if (lease.holder !== undefined) this.#turns.later(lease);
    this.#workshop.retire(slot, error === undefined ? 'released' : 'broken', now);
    const settled = this.#settlement(lease);
    this.#turns.leave(outermost, now);
    return settled;
  }

  detachLease(lease: LeaseHandle<T>): T {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const { slot } = lease;
    const resource = slot.resource as T;
    this.#end(lease, 'detached', now);
    // The source of its create stays open: the resource lives on, with its new owner.
    if (lease.holder !== undefined) this.#turns.later(lease);
    this.#workshop.release(slot);
    this.#turns.leave(outermost, now);
    return resource;
  }

  /** The stream of a lease was unsubscribed. */
  cancelLease(lease: LeaseHandle<T>): void {
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const { slot, options } = lease;
    if ((options?.onCancel ?? this.#inventory.options.onCancel) === 'destroy') {
      this.#end(lease, 'destroyed', now);
      this.#workshop.retire(slot, 'released', now);
    } else {
      this.#end(lease, 'released', now);
      this.#returned(slot, now);
    }
    this.#turns.leave(outermost, now);
  }

  /** Takes a lease back. The borrower is told before the resource is destroyed under it. */
  revoke(lease: LeaseHandle<T>, now: number): void {
    const { slot } = lease;
    const { journal } = this.#inventory;
    const heldMillis = now - lease.at;
    this.#totals.revoked += 1;
    journal.record('revoked', now, {
      ...factsOf(lease),
      heldMillis,
      stack: slot.leaseWatch?.stack,
    });
    lease.revoke(new LeaseRevokedError(this.name, this.state, heldMillis));
    this.#end(lease, 'revoked', now);
    this.#turns.later(lease);
    this.#workshop.retire(slot, 'revoked', now, true);
  }

  touchLease(lease: LeaseHandle<T>): void {
    const now = this.#timetable.now();
    const { slot } = lease;
    slot.lastUsedAt = now;
    // A lease that is being taken back is not renewed any more: its borrower was told to end.
    if (slot.leaseWatch === undefined || slot.leaseWatch.revoking) return;
    slot.leaseWatch.since = now;
    slot.leaseWatch.warned = false;
  }

  heldTooLong(watch: LeaseWatch<T>, now: number): void {
    const { lease, stack } = watch;
    const { journal, options } = this.#inventory;
    const { leakWarningMillis, maxLeaseMillis, revokeGraceMillis } = options;
    const untouched = now - watch.since;
    if (!watch.warned && untouched >= leakWarningMillis) {
      watch.warned = true;
      this.#totals.leaked += 1;
      const heldMillis = now - lease.at;
      journal.record('leaked', now, { ...factsOf(lease), heldMillis, stack });
    }
    if (untouched >= maxLeaseMillis) {
      if (revokeGraceMillis === undefined || watch.revoking) this.revoke(lease, now);
      else this.#startRevoking(watch, revokeGraceMillis, now);
      return;
    }
    const limit = watch.warned ? maxLeaseMillis : this.#watchMillis;
    this.#timetable.plan(watch, watch.since + limit);
  }

  /** The borrower is told, and has this long to end by itself. */
  #startRevoking(watch: LeaseWatch<T>, graceMillis: number, now: number): void {
    const { lease, stack } = watch;
    const heldMillis = now - lease.at;
    watch.revoking = true;
    const facts = { ...factsOf(lease), heldMillis, stack, graceMillis };
    this.#inventory.journal.record('revoking', now, facts);
    lease.giveNotice(new LeaseRevokedError(this.name, this.state, heldMillis, graceMillis));
    this.#turns.later(
      callOut(() => {
        lease.abort();
      }),
    );
    this.#timetable.plan(watch, now + graceMillis);
  }

  describeLease(lease: LeaseHandle<T>): ResourceInfo {
    const { slot, at: endedAt } = lease;
    if (lease.ended === undefined) return this.#inventory.describe(slot, this.#timetable.now());
    return {
      id: slot.id,
      state: 'leased',
      createdAt: slot.createdAt,
      lastUsedAt: endedAt,
      ageMillis: endedAt - slot.createdAt,
      idleMillis: 0,
      uses: lease.uses,
      stale: lease.ended !== 'released',
    };
  }

  #end(lease: LeaseHandle<T>, reason: ReleaseReason, now: number): void {
    const { journal } = this.#inventory;
    const { slot } = lease;
    const heldMillis = now - lease.at;
    lease.ended = reason;
    lease.at = now;
    slot.lastUsedAt = now;
    this.#totals.released += 1;
    this.#totals.hold.add(heldMillis);
    if (this.#listener !== undefined) this.#listener.ended(lease.options?.label, heldMillis, now);
    if (slot.leaseWatch !== undefined) {
      this.#timetable.cancel(slot.leaseWatch);
      slot.leaseWatch = undefined;
    }
    journal.sequence += 1;
    if (journal.heard) journal.add([this.#released(lease, reason, heldMillis, now)]);
  }

  #released(lease: LeaseHandle<T>, reason: ReleaseReason, heldMillis: number, now: number): Draft {
    return {
      type: 'released',
      seq: this.#inventory.journal.sequence,
      at: now,
      pool: this.name,
      state: undefined,
      id: lease.slot.id,
      requestId: lease.requestId,
      label: lease.options?.label,
      heldMillis,
      reason,
    };
  }

  /** What `release` and `destroy` of a lease that is over return: the same promise every time. */
  #settlement(lease: LeaseHandle<T>): Promise<void> {
    if (lease.settled !== undefined) return lease.settled;
    const { slot } = lease;
    const isUnderway =
      slot.status === 'resetting' || slot.status === 'validating' || slot.status === 'destroying';
    lease.settled =
      isUnderway && slot.lease === lease ? (slot.settled ??= deferred()).promise : DONE;
    return lease.settled;
  }
}

function factsOf<T>(lease: LeaseHandle<T>) {
  const { slot, requestId, options } = lease;
  return { id: slot.id, requestId, label: options?.label };
}
