import type { SchedulerLike } from 'rxjs';
import type { CreateContext } from '../options.js';

/** What one call of `create` is told, and what the pool's own helpers may know of it beside. */
export class CreationContext implements CreateContext {
  readonly pool: string;
  readonly #scheduler: SchedulerLike;
  readonly #attemptFailed: (error: unknown) => boolean;
  #controller: AbortController | undefined = undefined;
  #aborted: { readonly reason: unknown } | undefined = undefined;

  /** `attemptFailed` answers whether the create is still awaited. */
  constructor(pool: string, scheduler: SchedulerLike, attemptFailed: (error: unknown) => boolean) {
    this.pool = pool;
    this.#scheduler = scheduler;
    this.#attemptFailed = attemptFailed;
  }

  /** Made when it is asked for: a controller costs more than all else that the pool does for a create. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
  }

  static schedulerOf(context: CreateContext | undefined): SchedulerLike | undefined {
    return context instanceof CreationContext ? context.#scheduler : undefined;
  }

  static attemptFailed(context: CreateContext | undefined, error: unknown): boolean {
    return context instanceof CreationContext ? context.#attemptFailed(error) : true;
  }
}

export function schedulerOf(context: CreateContext | undefined): SchedulerLike | undefined {
  return CreationContext.schedulerOf(context);
}

/**
 * Tells the pool of a failed attempt inside a create that goes on, so that a time-out can name its cause. False when
 * the create has settled: what failed then is the resource itself, and nobody waits for another.
 */
export function reportAttempt(context: CreateContext | undefined, error: unknown): boolean {
  return CreationContext.attemptFailed(context, error);
}
