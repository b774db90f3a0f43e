import type { Deadline } from './agenda.js';
import type { LeaseHandle } from './lease-handle.js';

/** Told when a lease is held for too long. */
export interface LeaseWatcher<T> {
  heldTooLong(watch: LeaseWatch<T>, now: number): void;
}

/** The deadlines of one lease: the leak warning and the end. Made only for pools that have one of them. */
export class LeaseWatch<T> implements Deadline {
  dueAt: number = Infinity;
  place = -1;
  readonly order: number;
  readonly lease: LeaseHandle<T>;
  /** From when the limits count: the grant, or the last `touch`. */
  since: number;
  warned = false;
  /** Its borrower was told that the lease is over, and its grace time runs. */
  revoking = false;
  /** Where it was acquired. */
  readonly stack: string | undefined;
  readonly #watcher: LeaseWatcher<T>;

  constructor(
    watcher: LeaseWatcher<T>,
    lease: LeaseHandle<T>,
    since: number,
    stack: string | undefined,
  ) {
    this.#watcher = watcher;
    this.lease = lease;
    this.order = lease.requestId;
    this.since = since;
    this.stack = stack;
  }

  due(now: number): void {
    this.#watcher.heldTooLong(this, now);
  }
}
