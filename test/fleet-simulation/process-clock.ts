import { Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';
import type { FleetTime } from './fleet-time.js';

/**
 * The clock and the timers of one process: it is wrong by an offset and by a drift, it can be set, and a process that
 * stands still or is dead runs nothing.
 */
export class ProcessClock implements SchedulerLike {
  isDead = false;
  thawsAt = -Infinity;
  readonly #time: FleetTime;
  /** Milliseconds that it counts in one true millisecond. */
  readonly #rate: number;
  #offset: number;

  constructor(time: FleetTime, offset: number, rate: number) {
    this.#time = time;
    this.#offset = offset;
    this.#rate = rate;
  }

  get isFrozen(): boolean {
    return this.thawsAt > this.#time.now;
  }

  /** Whole milliseconds, as `Date.now()` gives. */
  now(): number {
    return Math.floor(this.#offset + this.#time.now * this.#rate);
  }

  /** Somebody sets it. Timers that run are not moved by that. */
  set(byMillis: number): void {
    this.#offset += byMillis;
  }

  freeze(millis: number): void {
    this.thawsAt = Math.max(this.thawsAt, this.#time.now + millis);
  }

  schedule<State>(
    work: (this: SchedulerAction<State>, state?: State) => void,
    delay = 0,
    state?: State,
  ): Subscription {
    const act = work as (this: unknown, state?: State) => void;
    // As Node's timers do: whole milliseconds, one at least.
    return new Subscription(
      this.arrive(Math.max(1, Math.ceil(delay)) / this.#rate, () => {
        act.call(undefined, state);
      }),
    );
  }

  /** Something reaches the process after so long, and is looked at when it runs. */
  arrive(millis: number, work: () => void): () => void {
    let cancel = this.#time.after(millis, () => {
      if (this.isDead) return;
      if (this.isFrozen) cancel = this.#time.at(this.thawsAt, () => this.isDead || work());
      else work();
    });
    return () => {
      cancel();
    };
  }
}
