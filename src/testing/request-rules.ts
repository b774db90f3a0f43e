import type { PoolEvent } from '../index.js';
import { nameEvent, type Report } from './invariant-error.js';

type EventOf<Type extends PoolEvent['type']> = Extract<PoolEvent, { readonly type: Type }>;

/** What holds of the requests of one pool, by its events. Keeps one number for each that is open. */
export class RequestRules {
  readonly #report: Report;
  readonly #fifo: boolean;
  readonly #fromStart: boolean;
  readonly #open = new Set<number>();
  #first = Infinity;
  #highest = 0;
  /** No request that is open is older. It only moves on: to look for the first of a set passes all that left it. */
  #oldest = Infinity;
  /** The last request of this transition. */
  #queued: number | undefined = undefined;

  constructor(report: Report, fifo: boolean, fromStart: boolean) {
    this.#report = report;
    this.#fifo = fifo;
    this.#fromStart = fromStart;
  }

  asked(event: EventOf<'requested'>): void {
    const { requestId } = event;
    if (requestId <= this.#highest) {
      this.#report('identity', `${nameEvent(event)} has an id that was given before`);
    }
    this.#first = Math.min(this.#first, requestId);
    this.#oldest = Math.min(this.#oldest, requestId);
    this.#highest = Math.max(this.#highest, requestId);
    this.#open.add(requestId);
    this.#queued = requestId;
  }

  served(event: EventOf<'acquired'>): void {
    if (this.#fifo) this.#checkOrder(event);
    this.ended(event);
  }

  #checkOrder(event: EventOf<'acquired'>): void {
    const end = Math.min(event.requestId, this.#highest);
    while (this.#oldest < end && !this.#open.has(this.#oldest)) this.#oldest += 1;
    if (this.#oldest >= end) return;
    this.#report('order', `${nameEvent(event)} is served while request ${this.#oldest} waits`);
  }

  ended(event: EventOf<'acquired' | 'cancelled' | 'timedOut' | 'rejected'>): void {
    const { requestId } = event;
    if (this.#open.delete(requestId)) return;
    // A request from before the first event heard has a lower id than all that were heard.
    if (!this.#fromStart && requestId < this.#first) return;
    this.#report('requestEnd', `${nameEvent(event)}: request ${requestId} does not wait`);
  }

  /** Whether the transition that ends here left the last of its requests waiting. */
  endTransition(): boolean {
    const queued = this.#queued;
    this.#queued = undefined;
    return queued !== undefined && this.#open.has(queued);
  }
}
