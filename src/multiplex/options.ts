import { InvalidOptionsError, type PoolOptions } from '../index.js';
import type { Observable } from 'rxjs';

/** How many leases may share a resource: a number, or one for each resource that may change while it is shared. */
export type Concurrency<T> = number | ((resource: T) => Observable<number>);

/**
 * Options of `createMultiplexedPool`: those of `createPool`, of which the ones about resources (`create`, `destroy`,
 * `watch`, `validate`, `min`, `max`, lifetimes, …) hold for the real ones, and those about requests and leases
 * (`acquireTimeoutMillis`, `maxWaiting`, `maxLeaseMillis`, …) for the leases that share them.
 *
 * `validate` is asked when a resource that nobody used gets its first borrower. There is no `reset`, and no use that
 * could be counted: a borrower is never alone.
 */
export interface MultiplexedPoolOptions<T>
  extends Omit<PoolOptions<T>, 'reset' | 'resetTimeoutMillis' | 'maxUses' | 'validateOnReturn'> {
  /**
   * Leases that may share one resource at once, a whole number from 1. Or an Observable of it for each resource, whole
   * numbers from 0: subscribed while somebody has the resource, which is lent from its first value on. A lower value
   * takes nothing from anybody: there are no new leases until enough have ended. An error is one of the resource, which
   * is broken then.
   */
  readonly concurrencyPerResource: Concurrency<T>;
  /**
   * The share of all seats that may be taken before one more resource is opened, above 0 to 1. Below 1 the next
   * resource is on its way before the last seat is gone. Default 1.
   */
  readonly targetUtilization?: number | undefined;
}

const refused = ['reset', 'resetTimeoutMillis', 'maxUses', 'validateOnReturn'] as const;

export function checkOptions<T>(options: MultiplexedPoolOptions<T>): void {
  const { name, concurrencyPerResource, targetUtilization = 1 } = options;
  const refuse = (option: string, value: unknown, expected: string): never => {
    const pool = typeof name === 'string' ? name : 'multiplexed';
    throw new InvalidOptionsError(pool, option, value, expected);
  };
  for (const option of refused) {
    const value = (options as Partial<PoolOptions<T>>)[option];
    if (value !== undefined) refuse(option, value, 'makes no sense where a resource is shared');
  }
  const isCount =
    concurrencyPerResource === Infinity ||
    (Number.isSafeInteger(concurrencyPerResource) && (concurrencyPerResource as number) >= 1);
  if (!isCount && typeof concurrencyPerResource !== 'function') {
    const expected =
      'must be a whole number from 1, Infinity, or a function that gives an Observable';
    refuse('concurrencyPerResource', concurrencyPerResource, expected);
  }
  if (!(targetUtilization > 0 && targetUtilization <= 1)) {
    refuse('targetUtilization', targetUtilization, 'must be a number above 0, to 1');
  }
}
