import type { Subscriber } from 'rxjs';
import type { AcquireAbortedError } from '../errors.js';
import type { Lease, LeaseHandle } from '../lease.js';
import type { AcquireOptions } from '../options.js';
import type { Deadline } from './agenda.js';
import type { Linked } from './linked-list.js';
import type { Delivery } from './turns.js';
import type { Lane } from './wait-queue.js';

/** What a request asks of the engine while it waits. */
export interface RequestOwner<T> {
  timedOut(request: Request<T>, now: number): void;
  unsubscribed(request: Request<T>): void;
  aborted(request: Request<T>): void;
  abortError(request: Request<T>): AcquireAbortedError;
}

/**
 * One pending acquire. It is its own queue node, its own deadline and its own delivery, so that a waiter costs one
 * object. How the outcome reaches the caller is up to the subclass.
 */
export abstract class Request<T> implements Linked<Request<T>>, Deadline, Delivery {
  previous: Request<T> | undefined = undefined;
  next: Request<T> | undefined = undefined;
  lane: Lane<T> | undefined = undefined;
  dueAt: number = Infinity;
  order = 0;
  place = -1;
  requestedAt = 0;
  /** It has neither a lease nor an end. */
  pending = true;
  lease: LeaseHandle<T> | undefined = undefined;
  failure: unknown = undefined;
  /** Where it was asked for, kept by pools that warn of leaks. */
  stack: string | undefined = undefined;
  readonly options: AcquireOptions | undefined;
  protected readonly owner: RequestOwner<T>;
  #onAbort: (() => void) | undefined = undefined;

  constructor(owner: RequestOwner<T>, options: AcquireOptions | undefined) {
    this.owner = owner;
    this.options = options;
  }

  get id(): number {
    return this.order;
  }

  due(now: number): void {
    this.owner.timedOut(this, now);
  }

  /** Listens to the caller's signal from now on. */
  listen(): void {
    const signal = this.options?.signal;
    if (signal === undefined || this.#onAbort !== undefined) return;
    this.#onAbort = () => {
      this.onAbort();
    };
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  unlisten(): void {
    if (this.#onAbort === undefined) return;
    this.options?.signal?.removeEventListener('abort', this.#onAbort);
    this.#onAbort = undefined;
  }

  /** The wait ended with a lease: the signal matters no more, unless a subclass says otherwise. */
  granted(): void {
    this.unlisten();
  }

  abstract deliver(): void;

  protected onAbort(): void {
    this.owner.aborted(this);
  }
}

/** A subscription to `acquire()`. It is the teardown of its stream. */
export class StreamRequest<T> extends Request<T> {
  readonly #subscriber: Subscriber<Lease<T>>;

  constructor(
    owner: RequestOwner<T>,
    options: AcquireOptions | undefined,
    subscriber: Subscriber<Lease<T>>,
  ) {
    super(owner, options);
    this.#subscriber = subscriber;
  }

  deliver(): void {
    const { lease } = this;
    if (lease === undefined) {
      this.#subscriber.error(this.failure);
    } else if (lease.ended === undefined) {
      // The holder is there before `next`: a consumer may release inside it.
      lease.holder = this.#subscriber;
      this.#subscriber.next(lease);
    } else if (lease.revokedBy !== undefined) {
      this.#subscriber.error(lease.revokedBy);
    }
  }

  unsubscribe(): void {
    if (this.lease !== undefined) this.lease.unsubscribe();
    else if (this.pending) this.owner.unsubscribed(this);
  }
}

/** A call of `lease()`. */
export class PromiseRequest<T> extends Request<T> {
  readonly #resolve: (lease: Lease<T>) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    owner: RequestOwner<T>,
    options: AcquireOptions | undefined,
    resolve: (lease: Lease<T>) => void,
    reject: (error: unknown) => void,
  ) {
    super(owner, options);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  deliver(): void {
    if (this.lease === undefined) this.#reject(this.failure);
    else this.#resolve(this.lease);
  }
}
