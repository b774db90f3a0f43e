interface Action {
  readonly at: number;
  /** Of two that are due together, the one that was asked for first comes first. */
  readonly order: number;
  work: (() => void) | undefined;
}

/** The true time of a fleet, in milliseconds: a heap of what is to happen. */
export class FleetTime {
  now = 0;
  readonly #heap: Action[] = [];
  #order = 0;

  /** Returns what takes it back. */
  at(at: number, work: () => void): () => void {
    const action: Action = { at: Math.max(this.now, at), order: (this.#order += 1), work };
    this.#push(action);
    return () => {
      action.work = undefined;
    };
  }

  after(millis: number, work: () => void): () => void {
    return this.at(this.now + millis, work);
  }

  /** Does all that is due up to then. */
  run(upTo: number): void {
    for (let top = this.#heap[0]; top !== undefined && top.at <= upTo; top = this.#heap[0]) {
      this.#pop();
      const { work } = top;
      if (work === undefined) continue;
      this.now = top.at;
      work();
    }
    this.now = upTo;
  }

  #push(action: Action): void {
    const heap = this.#heap;
    let place = heap.length;
    heap.push(action);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = heap[parent] as Action;
      if (isBefore(above, action)) break;
      heap[place] = above;
      place = parent;
    }
    heap[place] = action;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Action;
    if (heap.length === 0) return;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Action)) child += 1;
      const below = heap[child] as Action;
      if (isBefore(last, below)) break;
      heap[place] = below;
      place = child;
    }
    heap[place] = last;
  }
}

function isBefore(one: Action, other: Action): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
