import type { SchedulerLike, Subscription } from 'rxjs';
import { later } from '../shared/later.js';

const longestDelayMillis = 2 ** 31 - 1;

/** One alarm on a scheduler, which keeps no process alive. */
export class Alarm {
  readonly #scheduler: SchedulerLike;
  readonly #ring: () => void;
  #action: Subscription | undefined = undefined;

  constructor(scheduler: SchedulerLike, ring: () => void) {
    this.#scheduler = scheduler;
    this.#ring = ring;
  }

  now(): number {
    return this.#scheduler.now();
  }

  /** Rings once in that time, or earlier where it is longer than timers can take. An alarm that is set stays. */
  set(millis: number): void {
    if (this.#action !== undefined) return;
    this.#action = later(this.#scheduler, Math.min(Math.max(millis, 1), longestDelayMillis), () => {
      this.#action = undefined;
      this.#ring();
    });
  }

  stop(): void {
    this.#action?.unsubscribe();
    this.#action = undefined;
  }
}
