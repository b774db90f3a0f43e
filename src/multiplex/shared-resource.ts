import { Subscription } from 'rxjs';
import type { Lease } from '../index.js';
import type { Concurrency } from './options.js';

/** What happens to a shared resource that its seats have to know. */
export interface SharedResourceOwner<T> {
  /** More may sit on it, or fewer. */
  limitChanged(resource: SharedResource<T>): void;
  broke(resource: SharedResource<T>, error: unknown): void;
}

/** One real resource, held by a lease of the underlying pool for as long as somebody sits on it. */
export class SharedResource<T> {
  readonly lease: Lease<T>;
  readonly resource: T;
  /** The id that it has in the underlying pool. */
  readonly id: number;
  /** Undefined until it is known. */
  limit: number | undefined = undefined;
  /** Leases that share it now. */
  taken = 0;
  /** Takes no new lease; ends with its last one. */
  isEnding = false;
  /** Ends by being destroyed rather than given back; with this error, where there is one. */
  end: { readonly error?: unknown } | undefined = undefined;
  readonly #limits = new Subscription();

  constructor(lease: Lease<T>) {
    this.lease = lease;
    this.resource = lease.resource;
    this.id = lease.info.id;
  }

  /** May tell the owner at once. */
  follow(concurrency: Concurrency<T>, owner: SharedResourceOwner<T>): void {
    if (typeof concurrency === 'number') {
      this.limit = concurrency;
      return;
    }
    const failed = (error: unknown): void => {
      if (!this.lease.released) owner.broke(this, error);
    };
    try {
      this.#limits.add(
        concurrency(this.resource).subscribe({
          next: limit => {
            if (!(limit === Infinity || (Number.isSafeInteger(limit) && limit >= 0))) {
              failed(new RangeError(`concurrencyPerResource gave ${String(limit)}`));
            } else if (limit !== this.limit) {
              this.limit = limit;
              owner.limitChanged(this);
            }
          },
          error: failed,
        }),
      );
    } catch (error) {
      failed(error);
    }
  }

  get free(): number {
    return this.isOpen ? Math.max(0, (this.limit ?? 0) - this.taken) : 0;
  }

  /** What is taken of what may be, with one lease more. */
  get utilizationWithOneMore(): number {
    return (this.taken + 1) / (this.limit ?? 0);
  }

  /** Whether it takes leases at all: its lifetime is not over, and nobody wants it gone. */
  get isOpen(): boolean {
    return !this.isEnding && !this.lease.released && !this.lease.info.stale;
  }

  /** Gives it back to the underlying pool, or ends it. */
  leave(): void {
    this.#limits.unsubscribe();
    if (this.end === undefined) void this.lease.release();
    else void this.lease.destroy(this.end.error);
  }
}
