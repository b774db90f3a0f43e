/** Something that is due at a time. The node carries its own place, so that it can be taken out early. */
export interface Deadline {
  dueAt: number;
  /** Breaks ties: of two deadlines at one time the lower order goes first. */
  order: number;
  /** Index in the agenda, or -1 outside it. Only the agenda writes it. */
  place: number;
  due(now: number): void;
}

/**
 * The deadlines of one pool but for its waiters', earliest first: an indexed binary heap.
 *
 * Most join with the largest deadline so far, which costs no sifting, and leave from anywhere: a random place is near
 * the leaves, so leaving costs a step or two on average. A node that left is not referenced any more.
 */
export class Agenda {
  readonly #heap: Deadline[] = [];

  get earliest(): Deadline | undefined {
    return this.#heap[0];
  }

  add(deadline: Deadline, dueAt: number): void {
    deadline.dueAt = dueAt;
    const last = this.#heap.length;
    this.#heap.push(deadline);
    this.#rise(deadline, last);
  }

  /** Takes the deadline out if it is in. */
  remove(deadline: Deadline): void {
    const { place } = deadline;
    if (place < 0) return;
    deadline.place = -1;
    const moved = this.#heap.pop();
    if (moved === undefined || moved === deadline) return;
    if (!this.#sink(moved, place)) this.#rise(moved, place);
  }

  #rise(node: Deadline, from: number): void {
    const heap = this.#heap;
    let place = from;
    while (place > 0) {
      const parentPlace = (place - 1) >> 1;
      const parent = heap[parentPlace] as Deadline;
      if (!isBefore(node, parent)) break;
      heap[place] = parent;
      parent.place = place;
      place = parentPlace;
    }
    heap[place] = node;
    node.place = place;
  }

  /** Returns whether the node went down. */
  #sink(node: Deadline, from: number): boolean {
    const heap = this.#heap;
    const size = heap.length;
    let place = from;
    for (;;) {
      let childPlace = 2 * place + 1;
      if (childPlace >= size) break;
      let child = heap[childPlace] as Deadline;
      const right = heap[childPlace + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childPlace += 1;
      }
      if (!isBefore(child, node)) break;
      heap[place] = child;
      child.place = place;
      place = childPlace;
    }
    heap[place] = node;
    node.place = place;
    return place !== from;
  }
}

function isBefore(a: Deadline, b: Deadline): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.order < b.order);
}
