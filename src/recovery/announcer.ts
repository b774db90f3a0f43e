import { BehaviorSubject, Subject, type Observable } from 'rxjs';
import type { RecoveryEvent, RecoveryState } from './recovery-events.js';

/** Tells states and events in one order for all, also where a subscriber causes the next one. */
export class Announcer {
  readonly state$: Observable<RecoveryState>;
  readonly events$: Observable<RecoveryEvent>;
  readonly #states = new BehaviorSubject<RecoveryState>('up');
  readonly #events = new Subject<RecoveryEvent>();
  readonly #untold: RecoveryEvent[] = [];
  #telling = false;

  constructor() {
    this.state$ = this.#states.asObservable();
    this.events$ = this.#events.asObservable();
  }

  tell(event: RecoveryEvent): void {
    this.#untold.push(event);
    if (this.#telling) return;
    this.#telling = true;
    for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) {
      if (next.state !== this.#states.value) this.#states.next(next.state);
      this.#events.next(next);
    }
    this.#telling = false;
  }
}
