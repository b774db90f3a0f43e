import { reportError } from './report.js';

/** A call-out to somebody else's code that waits for its turn. In the queue once at a time, as it is its own link. */
export interface Delivery {
  /** Who leaves next. Only the turns write it. */
  following: Delivery | undefined;
  deliver(): void;
}

/** A call-out that has no object of its own. */
export function callOut(deliver: () => void): Delivery {
  return { following: undefined, deliver };
}

/** What a turn asks of the engine. */
export interface TurnOwner {
  /** Ends each entry, nested ones too: does what became possible and commits. */
  settle(now: number): void;
  /** Everything has left. */
  turnEnded(): void;
}

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
  // The queue: first what is committed, then what waits for the notification of its transition. A list and no array:
  // for the one or two that leave a turn, that is half the price.
  #first: Delivery | undefined = undefined;
  #last: Delivery | undefined = undefined;
  #lastCommitted: Delivery | undefined = undefined;

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
    if (this.#last === undefined) this.#first = delivery;
    else this.#last.following = delivery;
    this.#last = delivery;
  }

  /** A transition is committed: its notification, if anybody listens, goes before what was to leave behind it. */
  committed(notification: Delivery | undefined): void {
    if (notification !== undefined) {
      const before = this.#lastCommitted;
      const behind = before === undefined ? this.#first : before.following;
      notification.following = behind;
      if (before === undefined) this.#first = notification;
      else before.following = notification;
      if (behind === undefined) this.#last = notification;
    }
    this.#lastCommitted = this.#last;
  }

  /** Outermost caller only. Each delivery is isolated: a throw must not stop the ones behind it. */
  flush(): void {
    if (this.#lastCommitted !== undefined) this.#deliver();
  }

  #deliver(): void {
    while (this.#lastCommitted !== undefined) {
      const delivery = this.#first as Delivery;
      const { following } = delivery;
      delivery.following = undefined;
      this.#first = following;
      if (following === undefined) this.#last = undefined;
      if (delivery === this.#lastCommitted) this.#lastCommitted = undefined;
      try {
        delivery.deliver();
      } catch (error) {
        reportError(error);
      }
    }
  }
}
