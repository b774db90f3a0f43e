import { Observable, type Subscriber } from 'rxjs';
import type { Permit, PermitSource } from '../index.js';

/**
 * One cap for the pools of all keys. Where it is reached, the share with the fewest permits is served first, and of
 * those with as few the one that has had no turn for longest; and permits are called back for whoever waits, from
 * resources that are idle, or come back to a pool that has more.
 */
export class Budget {
  readonly #maxTotal: number;
  readonly #maxPerKey: number;
  /** Shares that ask for permits. */
  readonly #asking = new Set<Share>();
  #out = 0;
  /** Permits that were called back and are on their way. */
  #coming = 0;
  /** Permits that somebody waits for. */
  #wanted = 0;
  #turns = 0;
  #serving = false;

  constructor(maxTotal: number, maxPerKey: number) {
    this.#maxTotal = maxTotal;
    this.#maxPerKey = maxPerKey;
  }

  /** Permits that are out: resources there are, or will be in a moment. */
  get out(): number {
    return this.#out;
  }

  /** Permits that somebody waits for, beyond those that are free or on their way. */
  get missing(): number {
    return Math.max(0, this.#wanted - this.#coming - (this.#maxTotal - this.#out));
  }

  /** Says how many requests wait in the pool of the share. A fill for `min` has nobody who waits. */
  waitingFor(share: Share, waiting: number): void {
    share.waiting = waiting;
    this.#tally(share);
  }

  /** A request for a permit of the share. The permit is given at once, or when it is the share's turn. */
  ask(share: Share, ask: Subscriber<Permit>): void {
    if (share.asks.size === 0) share.turn = this.#turns += 1;
    share.asks.add(ask);
    this.#asking.add(share);
    this.#tally(share);
    ask.add(() => {
      share.asks.delete(ask);
      if (share.asks.size === 0) this.#asking.delete(share);
      this.#tally(share);
    });
    this.#serve();
  }

  /** Whether a permit of the share, whose resource is free, is to come back. */
  recalls(share: Share): boolean {
    if (this.missing <= 0) return false;
    const neediest = this.#neediest(each => each !== share && each.wanted > 0);
    if (neediest === undefined) return false;
    // Its own who wait come first, unless others have less.
    if (share.waiting > 0 && neediest.staying >= share.staying) return false;
    share.leaving += 1;
    this.#coming += 1;
    this.#tally(share);
    return true;
  }

  released(share: Share, wasRecalled: boolean): void {
    this.#out -= 1;
    share.held -= 1;
    if (wasRecalled) {
      share.leaving -= 1;
      this.#coming -= 1;
    }
    this.#tally(share);
    this.#serve();
  }

  /** Whoever is given a permit may ask for more, or give it back, meanwhile: one loop serves them all. */
  #serve(): void {
    if (this.#serving) return;
    this.#serving = true;
    try {
      while (this.#out < this.#maxTotal) {
        const mayHave = (share: Share): boolean => share.held < this.#maxPerKey;
        const share =
          this.#neediest(each => mayHave(each) && each.wanted > 0) ?? this.#neediest(mayHave);
        const [ask] = share?.asks ?? [];
        if (share === undefined || ask === undefined) return;
        this.#out += 1;
        share.held += 1;
        share.turn = this.#turns += 1;
        this.#tally(share);
        ask.next(share.permit());
        ask.complete();
      }
    } finally {
      this.#serving = false;
    }
  }

  #tally(share: Share): void {
    const room = this.#maxPerKey - share.staying;
    const wanted = Math.max(0, Math.min(share.asks.size, share.waiting, room));
    this.#wanted += wanted - share.wanted;
    share.wanted = wanted;
  }

  #neediest(isMeant: (share: Share) => boolean): Share | undefined {
    let neediest: Share | undefined;
    for (const share of this.#asking) {
      if (!isMeant(share)) continue;
      const difference = neediest === undefined ? -1 : share.staying - neediest.staying;
      if (difference < 0 || (difference === 0 && share.turn < (neediest?.turn ?? 0))) {
        neediest = share;
      }
    }
    return neediest;
  }
}

/** What one key has of the budget, and how its pool asks for more. */
export class Share implements PermitSource {
  /** Requests that wait in the pool of the key, and how many permits they could use. */
  waiting = 0;
  wanted = 0;
  readonly asks: Set<Subscriber<Permit>> = new Set();
  held = 0;
  /** Of those, called back. */
  leaving = 0;
  /** When it was last given something, or began to ask: the lower, the longer it has waited. */
  turn = 0;
  readonly #budget: Budget;
  readonly #acquire: Observable<Permit>;

  constructor(budget: Budget) {
    this.#budget = budget;
    this.#acquire = new Observable(subscriber => {
      budget.ask(this, subscriber);
    });
  }

  get staying(): number {
    return this.held - this.leaving;
  }

  acquire(): Observable<Permit> {
    return this.#acquire;
  }

  permit(): Permit {
    let isRecalled = false;
    return {
      recall: () => {
        if (!isRecalled) isRecalled = this.#budget.recalls(this);
        return isRecalled;
      },
      release: () => {
        this.#budget.released(this, isRecalled);
      },
    };
  }
}
