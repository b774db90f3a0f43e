import {
  concatMap,
  defer,
  from,
  ignoreElements,
  map,
  takeUntil,
  endWith,
  type Observable,
} from 'rxjs';
import type { Pool, PoolHealth } from '../index.js';
import {
  freezeRules,
  processFreezes,
  type ProcessFreeze,
  type ProcessFreezeOptions,
} from './process-freezes.js';
import { checkOptions } from './rules.js';

/** Options of {@link checkAfterFreeze}. */
export interface CheckAfterFreezeOptions extends ProcessFreezeOptions {
  /**
   * What becomes of the resources: `check` validates every idle one, which asks for a `validate`; `recycle` retires
   * all, leased ones on return. Default `check`.
   */
  readonly response?: 'check' | 'recycle' | undefined;
}

/** A freeze, and how the pool was found after it. */
export interface FreezeCheck {
  /** What the check was made for. */
  readonly freeze: ProcessFreeze;
  /** What `pool.healthCheck()` found after it. */
  readonly health: PoolHealth;
}

/**
 * Makes a pool's idle resources suspect after each freeze of the process, and tells what came of it.
 *
 * Cold: it watches while it is subscribed, and completes when the pool closes. Never errors. One check at a time; a
 * freeze during a check is followed by another one. A borrower that comes before the check is not held up: with
 * `validateOnBorrow`, the default where there is a `validate`, what idled through the freeze is checked for it.
 * Throws InvalidOptionsError.
 *
 * @example
 * checkAfterFreeze(pool).subscribe(({ health }) => console.log(health.status));
 */
export function checkAfterFreeze<T>(
  pool: Pool<T>,
  options: CheckAfterFreezeOptions = {},
): Observable<FreezeCheck> {
  checkOptions('checkAfterFreeze', options, {
    ...freezeRules,
    response: [value => value === 'check' || value === 'recycle', "must be 'check' or 'recycle'"],
  });
  const { response = 'check', ...freezes } = options;
  const closed$ = pool.stats$.pipe(ignoreElements(), endWith(true));
  return processFreezes(freezes).pipe(
    concatMap(freeze => {
      if (response === 'recycle') void pool.recycle();
      return defer(() => from(pool.healthCheck())).pipe(map(health => ({ freeze, health })));
    }),
    takeUntil(closed$),
  );
}
