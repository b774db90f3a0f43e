import { asyncScheduler, type SchedulerLike } from 'rxjs';

/** One question with a name: `run` resolves when the answer is right, and rejects with what is wrong. */
export interface ConformanceCheck {
  /** A sentence of behaviour. */
  readonly name: string;
  /** Resolves where the promise is kept; rejects with a ConformanceError that says what went wrong. */
  run(): Promise<void>;
}

/**
 * What a conformance check found.
 *
 * @example
 * for (const { name, run } of permitSourceConformance({ make: limit => ({ source: myPermits(limit) }) })) {
 *   await run().catch((error: unknown) => {
 *     if (error instanceof ConformanceError) console.error(name, error.message);
 *   });
 * }
 */
export class ConformanceError extends Error {
  /** The name of the class. */
  override readonly name = 'ConformanceError';
}

/** Throws unless it is so. */
export function demand(isSo: boolean, otherwise: string): asserts isSo {
  if (!isSo) throw new ConformanceError(otherwise);
}

/** Waits on a scheduler for what others do in their own time. */
export class Patience {
  readonly #scheduler: SchedulerLike;
  readonly #limitMillis: number;
  readonly #quietMillis: number;

  constructor(limitMillis: number, quietMillis: number, scheduler: SchedulerLike = asyncScheduler) {
    this.#scheduler = scheduler;
    this.#limitMillis = limitMillis;
    this.#quietMillis = quietMillis;
  }

  /** Looks again and again until it is so; throws when it is not within the limit. */
  async until(isSo: () => boolean, otherwise: string): Promise<void> {
    const stepMillis = Math.max(1, Math.min(10, Math.floor(this.#limitMillis / 20)));
    for (let waited = 0; waited <= this.#limitMillis; waited += stepMillis) {
      // What needs microtasks only is seen without any time passing.
      for (let turn = 0; turn < 20 && !isSo(); turn += 1) await Promise.resolve();
      if (isSo()) return;
      await this.#pause(stepMillis);
    }
    throw new ConformanceError(`${otherwise} within ${this.#limitMillis} ms`);
  }

  /** Long enough to see what should not happen. */
  quiet(): Promise<void> {
    return this.#pause(this.#quietMillis);
  }

  #pause(millis: number): Promise<void> {
    return new Promise(resolve => {
      this.#scheduler.schedule(() => resolve(), millis);
    });
  }
}
