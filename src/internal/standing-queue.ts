import type { PoolLoad } from '../admission.js';

/** Tells a queue that stands from one that comes and goes: since when was it never empty? */
export class StandingQueue {
  readonly #intervalMillis: number;
  #emptyAt = -Infinity;

  constructor(intervalMillis: number) {
    this.#intervalMillis = intervalMillis;
  }

  /** With `leaving` of those who wait about to leave, or none as somebody comes, the queue is empty at this moment. */
  see({ at, waiting }: PoolLoad, leaving: number): void {
    if (waiting <= leaving) this.#emptyAt = at;
  }

  stands(at: number): boolean {
    return at - this.#emptyAt > this.#intervalMillis;
  }
}
