import type { Pool } from '../index.js';

/** The body of a response, as undici gives it. */
export interface RawBody {
  iterator(options: { readonly destroyOnReturn: boolean }): AsyncIterable<unknown>;
  text(): Promise<string>;
  json(): Promise<unknown>;
  arrayBuffer(): Promise<ArrayBuffer>;
  dump(options?: { limit: number }): Promise<unknown>;
  readonly readableEnded: boolean;
  readonly destroyed: boolean;
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  on(event: 'end' | 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  off(event: 'end', listener: () => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
}

/** A response, as undici gives it. */
export interface RawResponse {
  readonly statusCode: number;
  readonly statusText?: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly trailers: Readonly<Record<string, string>>;
  readonly body: RawBody;
}

/**
 * What this adapter needs of a client: the `Client` of undici has it all. Structural, so that the types of undici are
 * needed by nobody; passing the module to `httpPool` gives leases of the driver's own type.
 */
export interface HttpClient {
  request(options: { path: string; method: string }): Promise<RawResponse>;
  destroy(error?: Error | null): Promise<void>;
  on(event: 'drain', listener: () => void): unknown;
  on(
    event: 'disconnect' | 'connectionError',
    listener: (origin: URL, targets: readonly unknown[], error: Error) => void,
  ): unknown;
  off(event: 'drain', listener: () => void): unknown;
  /** Since undici 7.9. */
  readonly stats: { readonly running: number; readonly size: number };
}

/** The socket of a client. */
export interface HttpSocket {
  readonly destroyed: boolean;
  readonly readableLength: number;
  destroy(error?: Error): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end' | 'close' | 'readable', listener: () => void): unknown;
  off(event: 'readable', listener: () => void): unknown;
}

/** Opens a socket, as those do that undici builds. */
export type HttpConnector = (
  target: {
    readonly host: string;
    readonly hostname: string;
    readonly protocol: string;
    readonly port: string;
  },
  callback: (error: Error | null, socket: HttpSocket | null) => void,
) => unknown;

/** What this adapter needs of the module undici. */
export interface HttpDriver<C extends HttpClient = HttpClient> {
  readonly Client: new (origin: never, options?: never) => C;
  readonly buildConnector: (options?: never) => unknown;
}

/** Whether the client to use is one of a pool. */
export function isPool(source: object): source is Pool<HttpClient> {
  return 'use' in source && typeof source.use === 'function';
}
