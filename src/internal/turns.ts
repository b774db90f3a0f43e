import { reportError } from './report.js';

/** A call-out to somebody else's code that waits for its turn. */
export interface Delivery {
  deliver(): void;
}

/** Entries delivered before the queue is shortened: often enough to stay small, rarely enough to cost nothing. */
const COMPACT_FROM = 1024;

/**
 * Run to completion: state changes at once, but notifications and leases leave one after another from the outermost
 * call. Every observer so sees one order, and the stack does not grow with a chain of release and grant.
 */
export class Turns {
  busy = false;
  readonly #queue: (Delivery | undefined)[] = [];
  #position = 0;

  /** True for the outermost caller, who must hand it back to `close`. */
  open(): boolean {
    if (this.busy) return false;
    this.busy = true;
    return true;
  }

  close(outermost: boolean): void {
    if (!outermost) return;
    this.flush();
    this.busy = false;
  }

  /** Inside a turn only. */
  later(delivery: Delivery): void {
    this.#queue.push(delivery);
  }

  /** Outermost caller only. Each delivery is isolated: a throw must not stop the ones behind it. */
  flush(): void {
    while (this.#position < this.#queue.length) {
      const delivery = this.#queue[this.#position] as Delivery;
      this.#queue[this.#position] = undefined;
      this.#position += 1;
      try {
        delivery.deliver();
      } catch (error) {
        reportError(error);
      }
      if (this.#position >= COMPACT_FROM) this.#compact();
    }
    this.#queue.length = 0;
    this.#position = 0;
  }

  /** Keeps the queue as short as what it holds, also inside a turn that goes on for long. */
  #compact(): void {
    this.#queue.splice(0, this.#position);
    this.#position = 0;
  }
}
