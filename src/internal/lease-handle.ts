/// <reference lib="esnext.disposable" preserve="true" />
import { LeaseReleasedError, type LeaseRevokedError } from '../errors.js';
import type { ReleaseReason } from '../events.js';
import type { Lease } from '../lease.js';
import type { AcquireOptions } from '../options.js';
import type { ResourceInfo } from '../resource-info.js';
import type { PoolState } from '../state.js';
import type { Slot } from './slot.js';
import type { Delivery } from './turns.js';

/** What a lease asks of the engine. */
export interface LeaseOwner<T> {
  giveBack(lease: LeaseHandle<T>): Promise<void>;
  destroyLease(lease: LeaseHandle<T>, error: unknown): Promise<void>;
  detachLease(lease: LeaseHandle<T>): T;
  cancelLease(lease: LeaseHandle<T>): void;
  touchLease(lease: LeaseHandle<T>): void;
  describeLease(lease: LeaseHandle<T>): ResourceInfo;
  readonly name: string;
  readonly state: PoolState;
}

/** The stream that a lease belongs to; an RxJS Subscriber is one. */
export interface LeaseHolder {
  /** The lease ended by hand. */
  complete(): void;
  /** The pool took it back. */
  error(error: unknown): void;
}

/**
 * Also the teardown of its own `acquire()` stream and the delivery of its own end, so that an acquire with an idle
 * resource allocates one object beside what RxJS does.
 */
export class LeaseHandle<T> implements Lease<T>, Delivery {
  readonly #owner: LeaseOwner<T>;
  readonly slot: Slot<T>;
  readonly requestId: number;
  readonly options: AcquireOptions | undefined;
  /** When it was acquired; once it is over, when it ended. */
  at: number;
  /** The count at the grant, for `info` after the end. */
  readonly uses: number;
  following: Delivery | undefined = undefined;
  holder: LeaseHolder | undefined = undefined;
  /** How it ended. */
  ended: ReleaseReason | undefined = undefined;
  /** What `release` and `destroy` return from the end on. */
  settled: Promise<void> | undefined = undefined;
  #revocation: Revocation | undefined = undefined;

  constructor(
    owner: LeaseOwner<T>,
    slot: Slot<T>,
    requestId: number,
    options: AcquireOptions | undefined,
    at: number,
  ) {
    this.#owner = owner;
    this.slot = slot;
    this.requestId = requestId;
    this.options = options;
    this.at = at;
    this.uses = slot.uses;
  }

  get resource(): T {
    if (this.ended !== undefined) {
      throw new LeaseReleasedError(this.#owner.name, this.#owner.state, this.revokedBy);
    }
    return this.slot.resource as T;
  }

  get info(): ResourceInfo {
    return this.#owner.describeLease(this);
  }

  get released(): boolean {
    return this.ended !== undefined;
  }

  get signal(): AbortSignal {
    const revocation = (this.#revocation ??= new Revocation());
    revocation.abort();
    return revocation.controller.signal;
  }

  get revokedBy(): LeaseRevokedError | undefined {
    return this.#revocation?.error;
  }

  /** From now on the signal is aborted, though the lease goes on; `abort` tells those who listen already. */
  giveNotice(notice: LeaseRevokedError): void {
    (this.#revocation ??= new Revocation()).notice = notice;
  }

  abort(): void {
    this.#revocation?.abort();
  }

  /** The signal is told when the lease is delivered. */
  revoke(error: LeaseRevokedError): void {
    (this.#revocation ??= new Revocation()).error = error;
  }

  release(): Promise<void> {
    return this.#owner.giveBack(this);
  }

  destroy(error?: unknown): Promise<void> {
    return this.#owner.destroyLease(this, error);
  }

  detach(): T {
    if (this.ended !== undefined) {
      throw new LeaseReleasedError(this.#owner.name, this.#owner.state, this.revokedBy);
    }
    return this.#owner.detachLease(this);
  }

  touch(): void {
    if (this.ended === undefined) this.#owner.touchLease(this);
  }

  [Symbol.dispose](): void {
    void this.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** The stream of this lease is unsubscribed. */
  unsubscribe(): void {
    if (this.ended === undefined) this.#owner.cancelLease(this);
  }

  /** Tells the stream of this lease, in its turn, that the lease is over. */
  deliver(): void {
    const error = this.revokedBy;
    if (error === undefined) {
      this.holder?.complete();
      return;
    }
    try {
      this.abort();
    } finally {
      this.holder?.error(error);
    }
  }
}

/** What the pool takes a lease back with: made when somebody asks for the signal, or when it happens. */
class Revocation {
  readonly controller = new AbortController();
  /** The grace time began with this. */
  notice: LeaseRevokedError | undefined = undefined;
  error: LeaseRevokedError | undefined = undefined;

  /** Once: a signal keeps its first reason. */
  abort(): void {
    const reason = this.notice ?? this.error;
    if (reason !== undefined) this.controller.abort(reason);
  }
}
