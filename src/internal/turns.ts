import { reportError } from './report.js';

/** A call-out to somebody else's code that waits for its turn. */
export interface Delivery {
  deliver(): void;
}

/** What a turn asks of the engine. */
export interface TurnOwner {
  /** Ends each entry, nested ones too: does what became possible and commits. */
  settle(now: number): void;
  /** Everything has left. */
  turnEnded(): void;
}

/** Entries delivered before the queue is shortened: often enough to stay small, rarely enough to cost nothing. */
const COMPACT_FROM = 1024;

/**
 * Run to completion: state changes at once, but notifications and leases leave one after another from the outermost
 * call. Every observer so sees one order, and the stack does not grow with a chain of release and grant.
 */
export class Turns {
  busy = false;
  /**
   * Something may be possible or due beyond lending and taking back. Else the end of an entry only commits, unless
   * somebody waits and there is room.
   */
  restless = true;
  readonly #owner: TurnOwner;
  /** What leaves: first what is committed, then what waits for the notification of its transition. */
  readonly #queue: (Delivery | undefined)[] = [];
  #position = 0;
  #committed = 0;

  constructor(owner: TurnOwner) {
    this.#owner = owner;
  }

  /** True for the outermost caller. Whoever enters hands the answer back to `leave`. */
  enter(): boolean {
    if (this.busy) return false;
    this.busy = true;
    return true;
  }

  leave(outermost: boolean, now: number): void {
    this.#owner.settle(now);
    if (outermost) this.end();
  }

  /** The last step of the outermost: everything that waits leaves, then the pool is free for the next entry. */
  end(): void {
    this.flush();
    this.#owner.turnEnded();
    this.busy = false;
  }

  /** Leaves behind the notification of the transition that it belongs to. Inside a turn only. */
  later(delivery: Delivery): void {
    this.#queue.push(delivery);
  }

  /** A transition is committed: its notification, if anybody listens, goes before what was to leave behind it. */
  committed(notification: Delivery | undefined): void {
    const queue = this.#queue;
    if (notification !== undefined) {
      if (queue.length === this.#committed) queue.push(notification);
      else queue.splice(this.#committed, 0, notification);
    }
    this.#committed = queue.length;
  }

  /** Outermost caller only. Each delivery is isolated: a throw must not stop the ones behind it. */
  flush(): void {
    if (this.#position < this.#committed) this.#deliver();
  }

  #deliver(): void {
    const queue = this.#queue;
    while (this.#position < this.#committed) {
      const delivery = queue[this.#position] as Delivery;
      queue[this.#position] = undefined;
      this.#position += 1;
      try {
        delivery.deliver();
      } catch (error) {
        reportError(error);
      }
      if (this.#position >= COMPACT_FROM) {
        queue.splice(0, this.#position);
        this.#committed -= this.#position;
        this.#position = 0;
      }
    }
    // Entry by entry: setting `length` costs more than a whole acquire.
    while (queue.length > 0) queue.pop();
    this.#position = 0;
    this.#committed = 0;
  }
}
