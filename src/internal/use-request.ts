import { isObservable, Observable, type Subscriber } from 'rxjs';
import type { Lease } from '../lease.js';
import type { AcquireOptions } from '../options.js';
import type { LeaseHolder } from './lease-handle.js';
import { reportError } from './report.js';
import { Request, type RequestOwner } from './request.js';
import { isThenable } from './thenable.js';

/** What `use` may be given to run with a borrowed resource. */
export type Project<T, R> = (
  resource: T,
  lease: Lease<T>,
) => R | PromiseLike<R> | Observable<R> | AsyncIterable<R>;

/**
 * A subscription to `use()`: waits, runs the project with the lease, passes its values on and gives the lease back
 * before it completes or errors.
 */
export class UseRequest<T, R> extends Request<T> implements LeaseHolder {
  readonly #subscriber: Subscriber<R>;
  readonly #project: Project<T, R>;
  #work: Subscriber<R> | undefined = undefined;

  constructor(
    owner: RequestOwner<T>,
    options: AcquireOptions | undefined,
    subscriber: Subscriber<R>,
    project: Project<T, R>,
  ) {
    super(owner, options);
    this.#subscriber = subscriber;
    this.#project = project;
  }

  /** The signal covers the whole stream, so it is listened to until the stream ends. */
  override granted(): void {
    this.listen();
  }

  protected tell(): void {
    const { lease } = this;
    if (lease === undefined) {
      this.#subscriber.error(this.failure);
      return;
    }
    if (lease.ended !== undefined) {
      if (lease.revokedBy !== undefined) this.#subscriber.error(lease.revokedBy);
      return;
    }
    lease.holder = this;
    try {
      this.#follow(this.#project(lease.resource, lease));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The project released or destroyed its own lease: its outcome still counts. */
  complete(): void {
    // Nothing to do: the stream ends when the project does.
  }

  /** The pool took the lease back. */
  error(error: unknown): void {
    this.#fail(error);
  }

  unsubscribe(): void {
    if (this.pending) this.owner.unsubscribed(this);
    else this.#leave();
  }

  override aborted(): void {
    if (this.pending) this.owner.aborted(this);
    else {
      this.#leave();
      this.#subscriber.error(this.owner.abortError(this));
    }
  }

  /** Leaves in flight. The work stops first: what it still does with the resource must not run into the reset. */
  #leave(): void {
    this.unlisten();
    try {
      this.#work?.unsubscribe();
    } finally {
      this.lease?.unsubscribe();
    }
  }

  #follow(outcome: ReturnType<Project<T, R>>): void {
    if (isObservable(outcome)) this.#stream(outcome);
    else if (isThenable(outcome)) this.#await(outcome);
    else if (isAsyncIterable(outcome)) this.#stream(iterate(outcome));
    else this.#succeed(outcome);
  }

  #stream(values: Observable<R>): void {
    let isSubscribed = false;
    let end: (() => void) | undefined;
    // A source that ends within `subscribe` has its finalizers run by the time that `subscribe` returns.
    const ended = (how: () => void): void => {
      if (isSubscribed) how();
      else end = how;
    };
    // The subscriber is at hand before the first value: a source that emits within `subscribe` can be stopped, too.
    const source = new Observable<R>(work => {
      this.#work = work;
      values.subscribe(work);
    });
    source.subscribe({
      next: value => {
        this.#subscriber.next(value);
      },
      error: (error: unknown) => {
        ended(() => {
          this.#fail(error);
        });
      },
      complete: () => {
        ended(() => {
          this.#giveBack();
          this.#subscriber.complete();
        });
      },
    });
    isSubscribed = true;
    end?.();
  }

  #await(promise: PromiseLike<R>): void {
    promise.then(
      value => {
        this.#succeed(value);
      },
      (error: unknown) => {
        this.#fail(error);
      },
    );
  }

  /** Gives back before `next`, so that a consumer who leaves on the one value does not count as leaving in flight. */
  #succeed(value: R): void {
    this.#giveBack();
    this.#subscriber.next(value);
    this.#subscriber.complete();
  }

  #fail(error: unknown): void {
    this.#giveBack();
    this.#subscriber.error(error);
  }

  /** The work's own finalizers run first: nothing of it touches a resource that is somebody else's. */
  #giveBack(): void {
    this.unlisten();
    try {
      this.#work?.unsubscribe();
    } catch (error) {
      reportError(error);
    }
    if (this.lease === undefined) return;
    this.lease.holder = undefined;
    void this.lease.release();
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** Unlike `from`, unsubscribing tells the iterator at once, so that a generator's `finally` runs before its next value. */
function iterate<R>(values: AsyncIterable<R>): Observable<R> {
  return new Observable(subscriber => {
    const iterator = values[Symbol.asyncIterator]();
    const step = (): void => {
      iterator.next().then(
        result => {
          if (result.done === true) {
            subscriber.complete();
          } else {
            subscriber.next(result.value);
            if (!subscriber.closed) step();
          }
        },
        (error: unknown) => {
          subscriber.error(error);
        },
      );
    };
    step();
    return () => {
      iterator.return?.().then(undefined, reportError);
    };
  });
}
