import type { Pool } from '../index.js';

/** The body of a response, as undici gives it. */
export interface RawBody {
  /** The chunks one after another; with `destroyOnReturn: false`, leaving the loop does not destroy the connection. */
  iterator(options: { readonly destroyOnReturn: boolean }): AsyncIterable<unknown>;
  /** Reads all, as UTF-8 text. */
  text(): Promise<string>;
  /** Reads all; rejects where that is no JSON. */
  json(): Promise<unknown>;
  /** Reads all, as bytes. */
  arrayBuffer(): Promise<ArrayBuffer>;
  /** Reads and forgets up to `limit` bytes, by default 128 KiB; of more it destroys the connection. */
  dump(options?: { limit: number }): Promise<unknown>;
  /** Whether the body has been read to its end. */
  readonly readableEnded: boolean;
  /** Whether nothing more can be read of it. */
  readonly destroyed: boolean;
  /** Each chunk as it arrives; listening begins the reading. */
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  /** `end`: all has been read. `close`: nothing more happens, whether all was read or not. */
  on(event: 'end' | 'close', listener: () => void): unknown;
  /** The connection broke, or the request was aborted. `request` keeps such a listener for good. */
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** Takes away a listener for chunks. */
  off(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  /** Takes away a listener for the end. */
  off(event: 'end', listener: () => void): unknown;
  /** Takes away a listener for the failure. */
  off(event: 'error', listener: (error: Error) => void): unknown;
}

/** A response, as undici gives it. */
export interface RawResponse {
  /** As HTTP numbers them: 200 for OK. */
  readonly statusCode: number;
  /** The words behind the number, where the server sends some. */
  readonly statusText?: string;
  /** By names in lower case; a list where a header came more than once. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What came after the body; empty before that has been read to its end. */
  readonly trailers: Readonly<Record<string, string>>;
  /** To be read once, or dumped: until then the connection is busy. */
  readonly body: RawBody;
}

/**
 * What this adapter needs of a client: the `Client` of undici has it all. Structural, so that the types of undici are
 * needed by nobody; passing the module to `httpPool` gives leases of the driver's own type.
 */
export interface HttpClient {
  /** Settles with the response once its headers are there; rejects when the connection breaks first. */
  request(options: { path: string; method: string }): Promise<RawResponse>;
  /** Fails the requests under way and cuts the connection; settles when that is done. */
  destroy(error?: Error | null): Promise<void>;
  /** The client is no longer busy: it would send another request at once. */
  on(event: 'drain', listener: () => void): unknown;
  /** Lost, or never there: either way the client leaves the pool. */
  on(
    event: 'disconnect' | 'connectionError',
    listener: (origin: URL, targets: readonly unknown[], error: Error) => void,
  ): unknown;
  /** Takes away a listener for `drain`. */
  off(event: 'drain', listener: () => void): unknown;
  /** Since undici 7.9. */
  readonly stats: { readonly running: number; readonly size: number };
}

/** The socket of a client. */
export interface HttpSocket {
  /** Whether it is of no use any more. */
  readonly destroyed: boolean;
  /** Bytes that have arrived and that nobody has read. */
  readonly readableLength: number;
  /** Cuts the connection at once, with that error where one is given. */
  destroy(error?: Error): unknown;
  /** The connection broke. The pool keeps such a listener for ever: without one the process ends. */
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** `end`: the server says no more. `close`: the socket is closed. `readable`: bytes have arrived. */
  on(event: 'end' | 'close' | 'readable', listener: () => void): unknown;
  /** Takes away a listener for `readable`. */
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
  /** The class of the clients, one for each connection of the pool. */
  readonly Client: new (
    origin: never,
    options?: never,
  ) => C;
  /** Makes the function that opens sockets, of the `connect` options; see HttpConnector. */
  readonly buildConnector: (options?: never) => unknown;
}

/** Whether the client to use is one of a pool. */
export function isPool(source: object): source is Pool<HttpClient> {
  return 'use' in source && typeof source.use === 'function';
}
