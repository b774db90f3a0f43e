import type { Pool } from '../../../src/index.js';
import type { RedisClient } from '../../../src/redis/index.js';

export { createClient } from 'redis';
export { Redis } from 'ioredis';
export declare const pool: Pool<RedisClient & { get(key: string): Promise<string | null> }>;
export declare const url: string;
export declare const ids: readonly string[];
export declare const name: string;
export declare function project(): [string, ...string[]][];
