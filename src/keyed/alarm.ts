import type { SchedulerLike, Subscription } from 'rxjs';

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
    const action = this.#scheduler.schedule(
      () => {
        this.#action = undefined;
        this.#ring();
      },
      Math.min(Math.max(millis, 1), longestDelayMillis),
    );
    this.#action = action;
    const { id } = action as { id?: unknown };
    if (typeof id === 'object') (id as { unref?(): void } | null)?.unref?.();
  }

  stop(): void {
    this.#action?.unsubscribe();
    this.#action = undefined;
  }
}
