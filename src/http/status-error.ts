import { PoolError } from '../index.js';

/**
 * A response of status 400 or above, where `request` was asked to take that for an error.
 *
 * @example
 * request(pool, { path: '/orders/7', errorOnStatus: true })
 *   .pipe(mergeMap(response => response.json()))
 *   .subscribe({ error: error => error instanceof HttpStatusError && show(error.statusCode, error.body) });
 */
export class HttpStatusError extends PoolError {
  /** For those who tell errors apart by name; `instanceof` and `code` do as well. */
  override readonly name = 'HttpStatusError';
  /** 400 or above. */
  readonly statusCode: number;
  /** Those of the response, by names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What the server said, as text. */
  readonly body: string;

  constructor(
    origin: string,
    what: string,
    statusCode: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
    body: string,
  ) {
    super('HTTP_STATUS', origin, undefined, `${what} was answered by status ${statusCode}`);
    this.statusCode = statusCode;
    this.headers = headers;
    this.body = body;
  }
}
