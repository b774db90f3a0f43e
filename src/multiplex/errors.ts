import { PoolError, type PoolState } from '../index.js';

/**
 * The resource that a lease shared broke, so that all its leases ended. `cause` is what `watch` or a borrower said of it.
 *
 * @example
 * const sessions = createMultiplexedPool({ create: () => connect(), concurrencyPerResource: 100 });
 * sessions
 *   .use(session => request(session, '/orders'))
 *   .pipe(retry({ count: 1, delay: error => (error instanceof SharedResourceBrokenError ? of(0) : throwError(() => error)) }))
 *   .subscribe();
 */
export class SharedResourceBrokenError extends PoolError {
  /** For those who tell errors apart by name; `instanceof` and `code` do as well. */
  override readonly name = 'SharedResourceBrokenError';

  constructor(pool: string, state: PoolState, cause: unknown) {
    super(
      'SHARED_RESOURCE_BROKEN',
      pool,
      state,
      'the shared resource broke, and its leases with it',
      {
        cause,
      },
    );
  }
}
