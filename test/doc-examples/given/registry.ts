import type { PoolRegistry } from '../../../src/registry/index.js';

export type { Connection } from './any.js';
export type { PostgresPoolOptions } from '../../../src/postgres/index.js';
export declare const registry: PoolRegistry;
