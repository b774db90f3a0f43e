import type { Client as PgClient } from 'pg';
import type { Pool } from '../../../src/index.js';

export { Client } from 'pg';
export { drizzle } from 'drizzle-orm/node-postgres';
export { Kysely, PostgresDialect } from 'kysely';
export interface Schema {
  orders: { id: number };
}
export declare const pool: Pool<PgClient>;
export declare function archive(order: unknown): Promise<void>;
