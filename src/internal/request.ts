import type { Subscriber } from 'rxjs';
import type { AcquireAbortedError } from '../errors.js';
import type { Lease } from '../lease.js';
import type { AcquireOptions } from '../options.js';
import type { Abortable, AbortWatch } from './abort-watch.js';
import type { Delay } from './delays.js';
import type { LeaseHandle } from './lease-handle.js';
import type { Linked } from './linked-list.js';
import type { Delivery } from './turns.js';
import type { Lane } from './queue.js';

/** What a request asks of the engine while it waits. */
export interface RequestOwner<T> {
  readonly aborts: AbortWatch;
  timedOut(request: Request<T>, now: number): void;
  unsubscribed(request: Request<T>): void;
  aborted(request: Request<T>): void;
  abortError(request: Request<T>): AcquireAbortedError;
  /** Runs what the request's outcome is told to, so that a request made inside it is known to be nested. */
  handOver(request: Request<T>, work: () => void): void;
  /** Whether anybody wants to know: else the way above is left out. */
  readonly tracesNesting: boolean;
}

/**
 * One pending acquire. It is its own node in the queue and in the list of its delay, and its own delivery, so that a
 * waiter costs one object; a million of them is a case we have. How the outcome reaches the caller is up to the
 * subclass.
 */
export abstract class Request<T> implements Abortable, Delivery, Linked<Request<T>> {
  previous: Request<T> | undefined = undefined;
  next: Request<T> | undefined = undefined;
  /** Where it queues; undefined before and after the wait. */
  lane: Lane<T> | undefined = undefined;
  earlier: Request<T> | undefined = undefined;
  later: Request<T> | undefined = undefined;
  /** By which delay it runs out of time; undefined when it never does. */
  delay: Delay<T> | undefined = undefined;
  id = 0;
  requestedAt = 0;
  following: Delivery | undefined = undefined;
  lease: LeaseHandle<T> | undefined = undefined;
  failure: unknown = undefined;
  readonly options: AcquireOptions | undefined;
  protected readonly owner: RequestOwner<T>;

  constructor(owner: RequestOwner<T>, options: AcquireOptions | undefined) {
    this.owner = owner;
    this.options = options;
  }

  /** It has neither a lease nor an end. */
  get pending(): boolean {
    return this.lane !== undefined;
  }

  get dueAt(): number {
    return this.delay === undefined ? Infinity : this.requestedAt + this.delay.millis;
  }

  due(now: number): void {
    this.owner.timedOut(this, now);
  }

  /** Listens to the caller's signal from now on; twice is once. */
  listen(): void {
    const signal = this.options?.signal;
    if (signal !== undefined) this.owner.aborts.add(signal, this);
  }

  unlisten(): void {
    const signal = this.options?.signal;
    if (signal !== undefined) this.owner.aborts.remove(signal, this);
  }

  /** The caller's signal was aborted. */
  aborted(): void {
    this.owner.aborted(this);
  }

  /** The wait ended with a lease: the signal matters no more, unless a subclass says otherwise. */
  granted(): void {
    // Nothing to do: leaving the queue has ended the listening.
  }

  deliver(): void {
    if (!this.owner.tracesNesting) {
      this.tell();
      return;
    }
    this.owner.handOver(this, () => {
      this.tell();
    });
  }

  /** Tells the caller the outcome. */
  protected abstract tell(): void;
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

  protected tell(): void {
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

  protected tell(): void {
    if (this.lease === undefined) this.#reject(this.failure);
    else this.#resolve(this.lease);
  }
}
