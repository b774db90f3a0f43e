import { Observable } from 'rxjs';
import type { RawBody, RawResponse } from './client.js';

/** A response whose status and headers have arrived. Its body is read once, in one of these ways. */
export interface HttpResponse {
  /** As HTTP numbers them; 400 and above is a response, too, unless `errorOnStatus` is set. */
  readonly statusCode: number;
  /** By names in lower case; a list where a header came more than once. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Filled when the body has been read to its end. */
  readonly trailers: Readonly<Record<string, string>>;
  /**
   * Chunk by chunk, as they arrive. Hot once the first subscriber reads: what has gone by is gone. Unsubscribing ends
   * the response. There is no back-pressure: `stream` has it.
   */
  readonly body: Observable<Uint8Array>;
  /** Chunk by chunk, for `for await`: what is not read yet keeps the server waiting. Leaving the loop ends the response. */
  readonly stream: AsyncIterable<Uint8Array>;
  /** Reads all. Rejects when the connection breaks or the request is unsubscribed from. */
  text(): Promise<string>;
  /** Reads all; rejects with a SyntaxError where that is no JSON. */
  json<T = unknown>(): Promise<T>;
  /** Reads all. Rejects when the connection breaks or the request is unsubscribed from. */
  bytes(): Promise<Uint8Array>;
  /** Reads and forgets up to 128 KiB, of more it destroys the connection. */
  discard(): Promise<void>;
}

/** `drop` is for the rest of the body, when nobody wants it any more. */
export function responseOf(raw: RawResponse, drop: () => Promise<void>): HttpResponse {
  const { body } = raw;
  return {
    statusCode: raw.statusCode,
    headers: raw.headers,
    trailers: raw.trailers,
    body: chunksOf(body, drop),
    stream: { [Symbol.asyncIterator]: () => readingOf(body, drop) },
    text: () => body.text(),
    json: <T>() => body.json() as Promise<T>,
    bytes: async () => new Uint8Array(await body.arrayBuffer()),
    discard: drop,
  };
}

function chunksOf(body: RawBody, drop: () => Promise<void>): Observable<Uint8Array> {
  return new Observable(subscriber => {
    const onData = (chunk: Uint8Array): void => {
      subscriber.next(chunk);
    };
    const onEnd = (): void => {
      subscriber.complete();
    };
    const onError = (error: Error): void => {
      subscriber.error(error);
    };
    body.on('error', onError);
    body.on('end', onEnd);
    body.on('data', onData);
    if (body.readableEnded) subscriber.complete();
    return () => {
      body.off('data', onData);
      body.off('end', onEnd);
      body.off('error', onError);
      if (!body.readableEnded) void drop();
    };
  });
}

async function* readingOf(
  body: RawBody,
  drop: () => Promise<void>,
): AsyncGenerator<Uint8Array, void, void> {
  let isWhole = false;
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
    isWhole = true;
  } finally {
    if (!isWhole) void drop();
  }
}
