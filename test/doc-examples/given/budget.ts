import type { Budget } from '../../../src/budget/index.js';

export { Worker, workerData } from 'node:worker_threads';
export { Client, Pool as PgPool } from 'pg';
export { createClient } from 'redis';
export { postgresPool } from '../../../src/postgres/index.js';
import type { createClient } from 'redis';

export { default as pg } from 'pg';
export declare const file: URL;
export declare function create(): Promise<object>;
export declare const client: ReturnType<typeof createClient>;
export declare const budget: Budget;
export declare const url: string;
