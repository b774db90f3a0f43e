import type { Pool } from '../index.js';

/** A word of a command. Numbers are sent as text. */
export type RedisWord = string | number | Uint8Array;

/** A command as it is sent: its name and what follows, `['SET', 'key', 'value', 'PX', 500]`. */
export type RedisCommand = readonly [name: string, ...words: RedisWord[]];

/** What this adapter needs of a client of node-redis (the package `redis`), as `createClient` makes it. */
export interface NodeRedisClient {
  /** Whether it is connected or about to be, and was not ended. */
  readonly isOpen: boolean;
  /** Whether it takes commands now. */
  readonly isReady: boolean;
  /** Settles once the connection takes commands; the pool calls it, for the clients of its factory. */
  connect(): Promise<unknown>;
  /** Sends one command, its name first, and gives the answer; rejects with the error of the server. */
  sendCommand(words: readonly string[]): Promise<unknown>;
  /** Goes to the database of that number. */
  select(database: number): Promise<unknown>;
  /** Sends RESET, then what the client was configured with, and forgets subscriptions. */
  reset(): Promise<unknown>;
  /** Ends the connection at once, without a word to the server; commands under way reject. */
  destroy(): void;
  /** Listens to an event. An `error` that nobody listens to ends the process: the pool keeps a listener for ever. */
  on(event: string, listener: (error: Error) => void): unknown;
}

/** What this adapter needs of a client of ioredis, as `new Redis(…)` makes it. */
export interface IoredisClient {
  /** Where the connection is in its life: `wait`, `connecting`, `ready`, `close`, `end`, …. */
  readonly status: string;
  /** Settles once the connection takes commands; the pool calls it where `lazyConnect` left that to be done. */
  connect(): Promise<unknown>;
  /** Sends one command, its name first, and gives the answer; rejects with the error of the server. */
  call(name: string, ...words: string[]): Promise<unknown>;
  /** Closes our side of the connection, without a command. */
  disconnect(): void;
  /** Listens to an event: `ready`, `error`, `close`. The pool keeps a listener to `error` for ever. */
  on(event: string, listener: (error: Error) => void): unknown;
}

/**
 * A client of either driver. Structural, so that the types of neither are needed by those who use the other; leases
 * are of the type that the factory gives.
 */
export type RedisClient = NodeRedisClient | IoredisClient;

export function isIoredis(client: RedisClient): client is IoredisClient {
  return 'call' in client && 'status' in client;
}

/** Whether the connection to use is one of a pool. */
export function isPool<C extends RedisClient>(source: Pool<C> | C): source is Pool<C> {
  return 'use' in source && 'state$' in source;
}
