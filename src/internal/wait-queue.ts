import { LinkedList } from './linked-list.js';
import type { Lane, Queue } from './queue.js';
import type { Request } from './request.js';

/**
 * Everybody who waits: lower priority number first, first come, first served within one. Finding the first takes
 * constant time, because empty lanes go as soon as there is another.
 */
export class WaitQueue<T> implements Queue<T> {
  readonly #lanes: Lane<T>[] = [];

  first(): Request<T> | undefined {
    return this.#lanes[0]?.list.head;
  }

  newest(): Request<T> | undefined {
    return this.#lanes[0]?.list.tail;
  }

  push(request: Request<T>, priority: number): void {
    const lane = this.#lane(priority);
    lane.list.push(request);
    request.lane = lane;
  }

  /** Takes the request out if it is in. */
  remove(request: Request<T>): boolean {
    const { lane } = request;
    if (lane === undefined) return false;
    lane.list.remove(request);
    request.lane = undefined;
    // The last lane stays: most pools have one priority only, and an empty queue fills again.
    if (lane.list.head === undefined && this.#lanes.length > 1) {
      this.#lanes.splice(this.#lanes.indexOf(lane), 1);
    }
    return true;
  }

  /** Everybody, in the order of being served. */
  *[Symbol.iterator](): Generator<Request<T>, void> {
    for (const lane of this.#lanes) {
      for (let request = lane.list.head; request !== undefined; request = request.next) {
        yield request;
      }
    }
  }

  #lane(priority: number): Lane<T> {
    const lanes = this.#lanes;
    const first = lanes[0];
    if (first?.priority === priority) return first;
    let index = 0;
    while (index < lanes.length && (lanes[index] as Lane<T>).priority < priority) index += 1;
    const found = lanes[index];
    if (found?.priority === priority) return found;
    const lane: Lane<T> = { priority, list: new LinkedList() };
    if (this.first() === undefined) lanes.length = 0;
    lanes.splice(index, 0, lane);
    return lane;
  }
}
