import { Subscription, type Subscriber } from 'rxjs';
import type { Permit, PermitRequest, PermitSource } from '../index.js';

/** What a pool is given where no budget stands behind. */
const freePermit: Permit = { release: () => undefined };

/** One request of a pool for a permit. */
export class Ask {
  readonly request: PermitRequest;
  readonly subscriber: Subscriber<Permit>;
  #inner: Subscription | undefined = undefined;

  constructor(request: PermitRequest, subscriber: Subscriber<Permit>) {
    this.request = request;
    this.subscriber = subscriber;
  }

  /** Asks the budget behind. `give` takes the permit, which may come at once or much later. */
  pass(source: PermitSource | undefined, give: (permit: Permit) => void): void {
    if (source === undefined) {
      give(freePermit);
      return;
    }
    const inner = new Subscription();
    this.#inner = inner;
    this.subscriber.add(inner);
    let given = false;
    inner.add(
      source.acquire(this.request).subscribe({
        next: permit => {
          if (given) {
            permit.release();
            return;
          }
          given = true;
          give(permit);
          inner.unsubscribe();
        },
        error: (error: unknown) => {
          this.subscriber.error(error);
        },
        complete: () => {
          if (!given) this.subscriber.complete();
        },
      }),
    );
  }

  deliver(permit: Permit): void {
    // What is given to one that left would be lost.
    if (this.subscriber.closed) {
      permit.release();
      return;
    }
    this.subscriber.next(permit);
    this.subscriber.complete();
  }

  /** Asks nobody any more, for the time being. */
  withdraw(): void {
    this.#inner?.unsubscribe();
  }
}
