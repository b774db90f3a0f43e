import type { SqliteDatabase, SqlitePool } from '../../../src/sqlite/index.js';

export declare const db: SqlitePool;
export declare const database: SqliteDatabase;
