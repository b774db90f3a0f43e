import { Observable } from 'rxjs';
import { InvalidOptionsError, type AcquireOptions, type Pool } from '../index.js';
import { isPool, type HttpClient, type RawBody, type RawResponse } from './client.js';
import { responseOf, type HttpResponse } from './response.js';
import { HttpStatusError } from './status-error.js';

/** What to ask the server; beside these, what undici's `request` takes (`bodyTimeout`, `idempotent`, …). */
export interface HttpRequest {
  /** From the slash on. */
  readonly path: string;
  /** Default `GET`. */
  readonly method?: string | undefined;
  /** Appended to the path. */
  readonly query?: Readonly<Record<string, unknown>> | undefined;
  /** By name; a list sends the header once for each. Default: none but those that HTTP itself needs. */
  readonly headers?: Readonly<Record<string, string | string[]>> | undefined;
  /** Text, bytes or a stream. A stream can be sent once: with `retry`, make the request in `defer`. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /** Sent as JSON, with its content type, instead of `body`. */
  readonly json?: unknown;
  /** Whether a status of 400 or above is an HttpStatusError instead of a response. Default false. */
  readonly errorOnStatus?: boolean | undefined;
  /** Aborting ends the request with the signal's reason as error. Unsubscribing does without one. */
  readonly signal?: AbortSignal | undefined;
  /** Whatever else the `request` of undici takes; it goes there as it is. */
  readonly [option: string]: unknown;
}

/**
 * Cold: each subscription borrows a client of an `httpPool`, sends the request, emits the response when its headers have
 * arrived, and completes when its body has arrived whole and the client is given back. Read the body inside the chain:
 *
 * ```ts
 * request(pool, { path: '/orders' }).pipe(mergeMap(response => response.json()))
 * ```
 *
 * A body of up to 64 KiB may stay unread, and may be read later; of more the server waits, and the client is held, until
 * it is read, discarded or the request is unsubscribed from. `firstValueFrom` and `take(1)` right behind `request`
 * unsubscribe before the body is there.
 *
 * Unsubscribing before the headers are there aborts the request, and its connection with it. Later, the rest of a
 * response is read and forgotten where it is short (128 KiB, a quarter of a second); else the connection is destroyed.
 * Nobody is lent a client with an answer under way.
 *
 * Of a client instead of a pool it sends the request there. The deadline of the acquire does not cover the request:
 * `headersTimeout` and `bodyTimeout` do (undici's, 300,000 ms each), or RxJS's `timeout`.
 *
 * Errors: those of `pool.use`; what undici says of a connection that breaks; HttpStatusError where asked for. Any status
 * is a value otherwise. Throws InvalidOptionsError for a request without a path.
 *
 * @example
 * request(pool, { path: '/orders', method: 'POST', json: { total: 7 }, errorOnStatus: true })
 *   .pipe(mergeMap(response => response.json<{ id: number }>()), retry({ count: 2, delay: 100 }))
 *   .subscribe(({ id }) => console.log(id));
 */
export function request(
  source: Pool<HttpClient> | HttpClient,
  asked: HttpRequest,
  options?: AcquireOptions,
): Observable<HttpResponse> {
  const owner = isPool(source) ? source.name : 'request';
  if (typeof asked?.path !== 'string' || !asked.path.startsWith('/')) {
    throw new InvalidOptionsError(owner, 'path', asked?.path, 'must begin with a slash');
  }
  const send = (client: HttpClient): Observable<HttpResponse> => exchange(owner, client, asked);
  return isPool(source) ? source.use(send, options) : send(source);
}

function exchange(owner: string, client: HttpClient, asked: HttpRequest): Observable<HttpResponse> {
  return new Observable(subscriber => {
    const aborting = new AbortController();
    let raw: RawResponse | undefined = undefined;
    let isWhole = false;
    let dropping: Promise<void> | undefined = undefined;
    // The lease ends at once: whether the rest comes soon is for the reset to see.
    const drop = (body: RawBody): Promise<void> => {
      dropping ??= discard(body);
      subscriber.complete();
      return dropping;
    };
    const onWhole = (): void => {
      isWhole = true;
      subscriber.complete();
    };
    // The response is whole where nothing runs any more, though nobody has read it.
    const onDrain = (): void => {
      if (raw !== undefined && client.stats.running === 0) onWhole();
    };
    const arrived = async (response: RawResponse): Promise<void> => {
      raw = response;
      const { body } = response;
      // For good: it may break when nobody reads it, too.
      body.on('error', error => {
        isWhole = true;
        subscriber.error(error);
      });
      if (subscriber.closed) return;
      if (asked.errorOnStatus === true && response.statusCode >= 400) {
        throw await statusError(owner, asked, response);
      }
      body.on('end', onWhole);
      client.on('drain', onDrain);
      subscriber.next(responseOf(response, () => drop(body)));
      if (hasNoBody(asked, response)) void drop(body);
      else if (client.stats.running === 0) onWhole();
    };
    subscriber.add(() => {
      client.off('drain', onDrain);
      if (isWhole) return;
      if (raw === undefined) aborting.abort();
      else void drop(raw.body);
    });
    client
      .request(messageOf(asked, aborting.signal))
      .then(arrived)
      .catch((error: unknown) => {
        subscriber.error(error);
      });
  });
}

function messageOf(asked: HttpRequest, signal: AbortSignal): { path: string; method: string } {
  const { json } = asked;
  const ours = { json: undefined, errorOnStatus: undefined };
  const signals = asked.signal === undefined ? signal : AbortSignal.any([asked.signal, signal]);
  const message = { ...asked, ...ours, method: asked.method ?? 'GET', signal: signals };
  if (json === undefined) return message;
  const headers = { 'content-type': 'application/json', ...asked.headers };
  return Object.assign(message, { headers, body: JSON.stringify(json) });
}

/** Never rejects: who is not interested in the body is not in its failure. */
async function discard(body: RawBody): Promise<void> {
  if (body.destroyed) return;
  await body.dump().catch(() => undefined);
}

/** To be read by nobody, and so not waited for. */
function hasNoBody(asked: HttpRequest, { statusCode, headers }: RawResponse): boolean {
  return (
    asked.method === 'HEAD' ||
    statusCode === 204 ||
    statusCode === 304 ||
    headers['content-length'] === '0'
  );
}

async function statusError(
  owner: string,
  asked: HttpRequest,
  response: RawResponse,
): Promise<HttpStatusError> {
  const body = await response.body.text();
  const what = `${asked.method ?? 'GET'} ${asked.path}`;
  return new HttpStatusError(owner, what, response.statusCode, response.headers, body);
}
