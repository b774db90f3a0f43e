import type { Request } from './request.js';

/** Empty delays kept for their next use; more than this many kinds are rare and are not kept. */
const KEPT_EMPTY = 16;

/** Requests with one time limit. Time does not run backwards, so the order of arrival is the order of running out. */
export interface Delay<T> {
  readonly millis: number;
  first: Request<T> | undefined;
  last: Request<T> | undefined;
}

/**
 * The deadlines of waiting requests, a list for each length of wait. A heap would cost every grant a way from its top
 * to its bottom, because the oldest waiter is the one that leaves; here joining and leaving take constant time.
 */
export class Delays<T> {
  readonly #delays = new Map<number, Delay<T>>();
  /** The delay that was asked for last: mostly there is only one. */
  #recent: Delay<T> | undefined = undefined;

  /** Returns whether the request is the first of its delay: only such a one can be the first of all. */
  add(request: Request<T>, millis: number): boolean {
    const delay = this.#recent?.millis === millis ? this.#recent : this.#delayOf(millis);
    const { last } = delay;
    request.delay = delay;
    request.earlier = last;
    if (last === undefined) delay.first = request;
    else last.later = request;
    delay.last = request;
    return last === undefined;
  }

  /** Takes the request out if it is in. */
  remove(request: Request<T>): void {
    const { delay, earlier, later } = request;
    if (delay === undefined) return;
    if (earlier === undefined) delay.first = later;
    else earlier.later = later;
    if (later === undefined) delay.last = earlier;
    else later.earlier = earlier;
    request.delay = undefined;
    request.earlier = undefined;
    request.later = undefined;
    if (delay.first === undefined && this.#delays.size > KEPT_EMPTY) {
      this.#delays.delete(delay.millis);
      if (this.#recent === delay) this.#recent = undefined;
    }
  }

  /** The request that runs out of time first; of several at one time, the oldest. */
  get earliest(): Request<T> | undefined {
    let earliest: Request<T> | undefined;
    for (const { first } of this.#delays.values()) {
      if (first === undefined) continue;
      if (
        earliest === undefined ||
        first.dueAt < earliest.dueAt ||
        (first.dueAt === earliest.dueAt && first.id < earliest.id)
      ) {
        earliest = first;
      }
    }
    return earliest;
  }

  #delayOf(millis: number): Delay<T> {
    let delay = this.#delays.get(millis);
    if (delay === undefined) {
      delay = { millis, first: undefined, last: undefined };
      this.#delays.set(millis, delay);
    }
    this.#recent = delay;
    return delay;
  }
}
