import type { SchedulerLike } from 'rxjs';
import type { CreateContext } from '../options.js';

/** What the pool's own helpers may know of a create beside its public context. */
interface Behind {
  readonly scheduler: SchedulerLike;
  /** Answers whether the create is still awaited. */
  readonly attemptFailed: (error: unknown) => boolean;
}

/** Kept beside the context, so that a user's hook sees only what is public. */
const behind = new WeakMap<CreateContext, Behind>();

export function openContext(
  pool: string,
  controller: AbortController,
  scheduler: SchedulerLike,
  attemptFailed: (error: unknown) => boolean,
): CreateContext {
  const context: CreateContext = { signal: controller.signal, pool };
  behind.set(context, { scheduler, attemptFailed });
  return context;
}

export function schedulerOf(context: CreateContext | undefined): SchedulerLike | undefined {
  return context === undefined ? undefined : behind.get(context)?.scheduler;
}

/**
 * Tells the pool of a failed attempt inside a create that goes on, so that a time-out can name its cause. False when
 * the create has settled: what failed then is the resource itself, and nobody waits for another.
 */
export function reportAttempt(context: CreateContext | undefined, error: unknown): boolean {
  const known = context === undefined ? undefined : behind.get(context);
  return known === undefined || known.attemptFailed(error);
}
