import { FairWaitQueue } from './internal/fair-wait-queue.js';
import type { Queue } from './internal/queue.js';
import { checkRules, duration, flag, type Rule } from './internal/rules.js';

/** In which order those who wait are served; made by `fairQueue`. */
export interface QueueOrder {
  /** The queue of one pool. @internal */
  queue<T>(): Queue<T>;
}

/** Options of `fairQueue`. */
export interface FairQueueOptions {
  /**
   * A waiter rises by one priority for each of these times that it has waited, in whole milliseconds, so that nobody
   * starves behind a stream of better ones. Default Infinity: priorities never mix.
   */
  readonly ageingMillis?: number | undefined;
  /**
   * Within a priority, serve the label that holds the fewest leases, so that one tenant cannot take the pool. Those
   * without a label are one tenant. Default true.
   */
  readonly byLabel?: boolean | undefined;
}

const rules: Record<keyof FairQueueOptions, Rule> = { ageingMillis: duration, byLabel: flag };

/**
 * An order for those who wait: fair between labels, and with ageing priorities. Within one label and priority it stays
 * first come, first served. Finding the next costs a step for each label that waits, so this is for tenants, not for
 * a label of each request's own.
 *
 * Throws InvalidOptionsError for bad options.
 *
 * @example
 * const pool = createPool({ create: connect, max: 10, queue: fairQueue({ ageingMillis: 1_000 }) });
 * pool.use(work, { label: tenant, priority: isBatch ? 5 : 0 }).subscribe();
 */
export function fairQueue(options: FairQueueOptions = {}): QueueOrder {
  const { ageingMillis = Infinity, byLabel = true } = checkRules('fairQueue', options, rules);
  return { queue: <T>() => new FairWaitQueue<T>(ageingMillis, byLabel) };
}
