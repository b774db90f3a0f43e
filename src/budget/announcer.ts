import { BehaviorSubject, Subject, type Observable } from 'rxjs';
import type { BudgetEvent, BudgetState } from './budget.js';

/** Tells states and events in one order for all, also where a subscriber causes the next one. */
export class Announcer {
  readonly state$: Observable<BudgetState>;
  readonly events$: Observable<BudgetEvent>;
  readonly #states: BehaviorSubject<BudgetState>;
  readonly #events = new Subject<BudgetEvent>();
  readonly #untold: (() => void)[] = [];
  #telling = false;

  constructor(state: BudgetState) {
    this.#states = new BehaviorSubject(state);
    this.state$ = this.#states.asObservable();
    this.events$ = this.#events.asObservable();
  }

  tell(event: BudgetEvent): void {
    this.#inTurn(() => {
      this.#events.next(event);
    });
  }

  /** The one before is not told again. */
  tellState(state: BudgetState): void {
    this.#inTurn(() => {
      if (!isSame(this.#states.value, state)) this.#states.next(state);
    });
  }

  /** Both streams complete once all is told. */
  complete(then: () => void): void {
    this.#inTurn(() => {
      this.#events.complete();
      this.#states.complete();
      then();
    });
  }

  #inTurn(work: () => void): void {
    this.#untold.push(work);
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) next();
    } finally {
      this.#telling = false;
    }
  }
}

function isSame(one: BudgetState, other: BudgetState): boolean {
  const [a, b] = [one.fleet, other.fleet];
  return (
    one.lifecycle === other.lifecycle &&
    one.held === other.held &&
    one.waiting === other.waiting &&
    one.recalled === other.recalled &&
    one.away === other.away &&
    a?.limit === b?.limit &&
    a?.out === b?.out &&
    a?.waiting === b?.waiting &&
    a?.members === b?.members
  );
}
