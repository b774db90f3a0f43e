import type { Deadline } from './agenda.js';

/** What the drain limit of a close is told to. */
export interface Closer {
  drainLimit(now: number): void;
}

/** One close: how it goes about it, what went wrong on the way, and the promise that everybody who closes gets. */
export class Closing implements Deadline {
  dueAt: number = Infinity;
  place = -1;
  /** Before what else is due at the drain limit. */
  readonly order: number = -1;
  readonly promise: Promise<void>;
  /** The limit is over, or there never was one: nothing is waited for that has no limit of its own. */
  overdue = false;
  readonly errors: unknown[] = [];
  abandoned = 0;
  readonly #closer: Closer;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  constructor(closer: Closer) {
    this.#closer = closer;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Every failure in it was published as it happened; a close that nobody awaits must not end the process.
    this.promise.catch(() => undefined);
  }

  get clean(): boolean {
    return this.errors.length === 0 && this.abandoned === 0;
  }

  due(now: number): void {
    this.#closer.drainLimit(now);
  }

  resolve(): void {
    this.#resolve();
  }

  reject(error: unknown): void {
    this.#reject(error);
  }
}
