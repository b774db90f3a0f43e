import type { SchedulerLike, Subscription } from 'rxjs';
import { later } from '../shared/later.js';

/** Timers take a signed 32-bit delay: a longer wait rings early, and is set again. */
const LONGEST_DELAY_MILLIS = 2 ** 31 - 1;

/** Timers ring a moment early, compared with the clock: what is more than that is a clock that was set back. */
const EARLY_MILLIS = 20;

/** One alarm on a scheduler, which keeps no process alive. */
export class Alarm {
  readonly #scheduler: SchedulerLike;
  readonly #ring: () => void;
  #action: Subscription | undefined = undefined;
  #at = Infinity;
  #reading = -Infinity;
  #offset = 0;

  constructor(scheduler: SchedulerLike, ring: () => void) {
    this.#scheduler = scheduler;
    this.#ring = ring;
  }

  /** Never runs backwards: a clock that was set back must not put off a renewal. */
  now(): number {
    const reading = this.#scheduler.now();
    if (reading < this.#reading) this.#offset += this.#reading - reading;
    this.#reading = reading;
    return reading + this.#offset;
  }

  /** Rings at that time, and not at what was set before; Infinity is never. */
  set(at: number): void {
    if (at === this.#at) return;
    this.#action?.unsubscribe();
    this.#action = undefined;
    this.#at = at;
    if (at === Infinity) return;
    const now = this.now();
    const delay = Math.min(Math.max(0, at - now), LONGEST_DELAY_MILLIS);
    const action = later(this.#scheduler, delay, () => {
      // So much time has passed, whatever the clock says: a step loses what was before it.
      const missing = now + delay - this.now();
      if (missing > EARLY_MILLIS) this.#offset += missing;
      this.#action = undefined;
      this.#at = Infinity;
      this.#ring();
    });
    if (this.#at !== at) return;
    this.#action = action;
  }
}
