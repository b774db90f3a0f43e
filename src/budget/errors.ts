import { PoolError } from '../index.js';

/**
 * Why a permit is not held any more.
 *
 * - `expired`: its time to live ran out, and others have it now.
 * - `away`: the budget's server could not be reached, and `whenAway` says to give it up.
 * - `recalled`: others wait for it, and no lease that ended could give it back in `takeBackAfterMillis`.
 * - `disposed`: the budget was disposed of.
 */
export type PermitLossReason = 'expired' | 'away' | 'recalled' | 'disposed';

const reasons: Readonly<Record<PermitLossReason, string>> = {
  expired: 'its time to live ran out, and others have it now',
  away: 'the server of the budget is away',
  recalled: 'others wait for it',
  disposed: 'the budget was disposed of',
};

/**
 * A permit was lost: the error of `permitLost`, and of the budget's `lost` event. `pool` is the pool that held it.
 *
 * @example
 * budget.events$.subscribe(event => {
 *   if (event.type === 'lost') console.warn(event.error.message);
 * });
 */
export class PermitLostError extends PoolError {
  /** For those who tell errors apart by name; `instanceof` and `code` do as well. */
  override readonly name = 'PermitLostError';
  /** Why the permit is not held any more. */
  readonly reason: PermitLossReason;

  constructor(pool: string, reason: PermitLossReason, options?: ErrorOptions) {
    super('PERMIT_LOST', pool, undefined, `a permit was lost: ${reasons[reason]}`, options);
    this.reason = reason;
  }
}

/**
 * A permit was asked of a budget that was disposed of. It fails the create of the pool that asked.
 *
 * @example
 * await budget.dispose();
 * pool.acquire().subscribe({ error: error => console.log(error.cause.name) }); // BudgetDisposedError
 */
export class BudgetDisposedError extends PoolError {
  /** For those who tell errors apart by name; `instanceof` and `code` do as well. */
  override readonly name = 'BudgetDisposedError';

  constructor(pool: string) {
    super('BUDGET_DISPOSED', pool, undefined, 'the budget of the pool was disposed of');
  }
}

/**
 * The server of a budget gave no answer in `answerTimeoutMillis`: the error of its `away` event.
 *
 * @example
 * budget.events$.subscribe(event => {
 *   if (event.type === 'away') console.warn(event.error);
 * });
 */
export class BudgetAnswerTimeoutError extends Error {
  /** For those who tell errors apart by name; `instanceof` does as well. */
  override readonly name = 'BudgetAnswerTimeoutError';
  /** How long was waited, in milliseconds. */
  readonly waitedMillis: number;

  constructor(waitedMillis: number) {
    super(`the budget gave no answer in ${waitedMillis} ms`);
    this.waitedMillis = waitedMillis;
  }
}
