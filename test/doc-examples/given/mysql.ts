import type { MysqlConnection } from '../../../src/mysql/index.js';
import type { Pool } from '../../../src/index.js';

export { createConnection } from 'mysql2/promise';
export { drizzle } from 'drizzle-orm/mysql2';
export { Kysely, MysqlDialect } from 'kysely';
export interface Schema {
  orders: { id: number };
}
export declare const connection: MysqlConnection;
export declare const pool: Pool<MysqlConnection>;
export declare function archive(order: unknown): Promise<void>;
