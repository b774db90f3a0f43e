import { PoolError, type PoolState } from '../index.js';

/**
 * The connection ended while somebody waited for a message on it. The pool has given it up.
 *
 * @example
 * messages(pool)
 *   .pipe(retry({ count: 3, delay: error => (error instanceof WebSocketClosedError ? timer(1_000) : throwError(() => error)) }))
 *   .subscribe(message => show(message));
 */
export class WebSocketClosedError extends PoolError {
  /** For those who tell errors apart by name; `instanceof` and `code` do as well. */
  override readonly name = 'WebSocketClosedError';
  /** Of the close frame, as RFC 6455 has them: 1000 for the normal end, 1006 for one without a word. */
  readonly closeCode: number;
  /** What the close frame says in words; empty where it says nothing. */
  readonly reason: string;

  constructor(pool: string, state: PoolState, closeCode: number, reason: string, cause: unknown) {
    super(
      'WEBSOCKET_CLOSED',
      pool,
      state,
      `the connection was closed with ${closeCode}${reason === '' ? '' : `, ${reason}`}`,
      cause === undefined ? undefined : { cause },
    );
    this.closeCode = closeCode;
    this.reason = reason;
  }
}
