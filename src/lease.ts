import { LeaseReleasedError, type LeaseRevokedError } from './errors.js';
import type { ReleaseReason } from './events.js';
import type { AcquireOptions } from './options.js';
import type { ResourceInfo } from './resource-info.js';
import type { Delivery } from './internal/turns.js';
import type { Slot } from './internal/slot.js';
import type { PoolState } from './state.js';

/**
 * The one-shot handle of a borrowed resource. The borrower owns the resource from the moment it is handed over until
 * the first of `release`, `destroy`, `detach`, the unsubscribe of its stream, or the pool taking it back. A lease
 * that is over stays over: it can never touch the next borrower's.
 */
export interface Lease<T> extends Disposable, AsyncDisposable {
  /** The resource itself, never wrapped. Throws LeaseReleasedError once the lease is over. */
  readonly resource: T;
  /** A fresh snapshot; once the lease is over, the last one. */
  readonly info: ResourceInfo;
  readonly released: boolean;
  /** Aborted when the pool takes the lease back; its reason is a LeaseRevokedError. */
  readonly signal: AbortSignal;
  /**
   * Gives the resource back, at once. Resolves when it is ready for the next borrower (after `reset`), or gone where
   * it retires. Never rejects; a second call does nothing and returns the same promise.
   */
  release(): Promise<void>;
  /** Ends the resource instead of giving it back; an error says that it is broken. Resolves when it is gone; never rejects. */
  destroy(error?: unknown): Promise<void>;
  /** Takes the resource out of the pool for good: the caller owns it, no hook is called, its slot is free. */
  detach(): T;
  /** Tells that the lease is in use: `leakWarningMillis` and `maxLeaseMillis` count from now. */
  touch(): void;
}

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
  /** @internal */
  readonly slot: Slot<T>;
  /** @internal */
  readonly requestId: number;
  /** @internal */
  readonly options: AcquireOptions | undefined;
  /** @internal When it was acquired; once it is over, when it ended. */
  at: number;
  /** @internal The count at the grant, for `info` after the end. */
  readonly uses: number;
  /** @internal */
  holder: LeaseHolder | undefined = undefined;
  /** @internal How it ended. */
  ended: ReleaseReason | undefined = undefined;
  /** @internal What `release` and `destroy` return from the end on. */
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
    const { controller, error } = (this.#revocation ??= new Revocation());
    if (error !== undefined) controller.abort(error);
    return controller.signal;
  }

  /** @internal */
  get revokedBy(): LeaseRevokedError | undefined {
    return this.#revocation?.error;
  }

  /** @internal The signal is told when the lease is delivered. */
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

  /** @internal The stream of this lease is unsubscribed. */
  unsubscribe(): void {
    if (this.ended === undefined) this.#owner.cancelLease(this);
  }

  /** @internal Tells the stream of this lease, in its turn, that the lease is over. */
  deliver(): void {
    const { error, controller } = this.#revocation ?? {};
    if (error === undefined) {
      this.holder?.complete();
      return;
    }
    try {
      controller?.abort(error);
    } finally {
      this.holder?.error(error);
    }
  }
}

/** What the pool takes a lease back with: made when somebody asks for the signal, or when it happens. */
class Revocation {
  readonly controller = new AbortController();
  error: LeaseRevokedError | undefined = undefined;
}
