import { LinkedList } from './linked-list.js';
import type { Lane, Queue } from './queue.js';
import type { Request } from './request.js';

interface FairLane<T> extends Lane<T> {
  readonly label: string | undefined;
}

/**
 * Waiters by priority and label. With ageing a waiter rises by one priority for each such time that it waits, so that
 * none starves; within a priority the label with the fewest leases is next. A look at the first costs a step for each
 * kind of waiter, not for each waiter.
 */
export class FairWaitQueue<T> implements Queue<T> {
  readonly #ageingMillis: number;
  readonly #byLabel: boolean;
  readonly #lanes: FairLane<T>[] = [];
  readonly #held = new Map<string | undefined, number>();

  constructor(ageingMillis: number, byLabel: boolean) {
    this.#ageingMillis = ageingMillis;
    this.#byLabel = byLabel;
  }

  first(now: number): Request<T> | undefined {
    return this.#best(now)?.list.head;
  }

  newest(now: number): Request<T> | undefined {
    return this.#best(now)?.list.tail;
  }

  push(request: Request<T>, priority: number): void {
    const label = this.#byLabel ? request.options?.label : undefined;
    let lane = this.#lanes.find(each => each.priority === priority && each.label === label);
    if (lane === undefined) {
      lane = { priority, label, list: new LinkedList() };
      this.#lanes.push(lane);
    }
    lane.list.push(request);
    request.lane = lane;
  }

  remove(request: Request<T>): boolean {
    const { lane } = request;
    if (lane === undefined) return false;
    lane.list.remove(request);
    request.lane = undefined;
    if (lane.list.head === undefined)
      this.#lanes.splice(this.#lanes.indexOf(lane as FairLane<T>), 1);
    return true;
  }

  holds(label: string | undefined, change: 1 | -1): void {
    if (!this.#byLabel) return;
    const held = (this.#held.get(label) ?? 0) + change;
    if (held === 0) this.#held.delete(label);
    else this.#held.set(label, held);
  }

  /** Lane by lane, the better priority first: whose turn it is within a priority changes with every lease. */
  *[Symbol.iterator](): Generator<Request<T>, void> {
    for (const { list } of [...this.#lanes].sort((a, b) => a.priority - b.priority)) {
      for (let request = list.head; request !== undefined; request = request.next) yield request;
    }
  }

  #best(now: number): FairLane<T> | undefined {
    let best: FairLane<T> | undefined;
    for (const lane of this.#lanes) {
      if (best === undefined || this.#isBefore(lane, best, now)) best = lane;
    }
    return best;
  }

  #isBefore(a: FairLane<T>, b: FairLane<T>, now: number): boolean {
    const byRank = this.#rankOf(a, now) - this.#rankOf(b, now);
    if (byRank !== 0) return byRank < 0;
    const byShare = (this.#held.get(a.label) ?? 0) - (this.#held.get(b.label) ?? 0);
    return byShare === 0 ? oldestOf(a).id < oldestOf(b).id : byShare < 0;
  }

  #rankOf(lane: FairLane<T>, now: number): number {
    return lane.priority - Math.floor((now - oldestOf(lane).requestedAt) / this.#ageingMillis);
  }
}

/** A lane that is empty is in no queue. */
function oldestOf<T>({ list }: FairLane<T>): Request<T> {
  return list.head as Request<T>;
}
