import type { Pool } from '../index.js';

/** A word of a command. Numbers are sent as text. */
export type RedisWord = string | number | Uint8Array;

/** A command as it is sent: its name and what follows, `['SET', 'key', 'value', 'PX', 500]`. */
export type RedisCommand = readonly [name: string, ...words: RedisWord[]];

/** What this adapter needs of a client of node-redis (the package `redis`), as `createClient` makes it. */
export interface NodeRedisClient {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  connect(): Promise<unknown>;
  sendCommand(words: readonly string[]): Promise<unknown>;
  select(database: number): Promise<unknown>;
  reset(): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (error: Error) => void): unknown;
}

/** What this adapter needs of a client of ioredis, as `new Redis(…)` makes it. */
export interface IoredisClient {
  readonly status: string;
  connect(): Promise<unknown>;
  call(name: string, ...words: string[]): Promise<unknown>;
  disconnect(): void;
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
