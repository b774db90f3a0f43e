import type { Pool } from '../index.js';

/** A prepared statement, as both drivers have it. */
export interface SqliteStatement {
  // What a statement takes and gives is what its caller knows it to be, as with the drivers themselves.
  /* eslint-disable @typescript-eslint/no-explicit-any */
  /** All rows, as objects. */
  all(...values: any[]): any[];
  /** The first row, or undefined. */
  get(...values: any[]): any;
  /** Runs it for what it changes; what that was. */
  run(...values: any[]): any;
  /** Row by row, read as they are asked for. */
  iterate?(...values: any[]): IterableIterator<any>;
  /* eslint-enable @typescript-eslint/no-explicit-any */
}

/**
 * What this adapter needs of a database: `DatabaseSync` of node:sqlite and `Database` of better-sqlite3 have it all.
 * Structural, so that the types of neither are needed; passing the class gives leases of the driver's own type.
 *
 * ```ts
 * database.prepare('SELECT * FROM orders WHERE id = ?').get(7);
 * ```
 */
export interface SqliteDatabase {
  /** Runs one statement, or several, for their effects. */
  exec(sql: string): unknown;
  /** Throws what is wrong with the statement. */
  prepare(sql: string): SqliteStatement;
  /** Rolls back what is open, and closes the connection. */
  close(): unknown;
}

/** A class like `DatabaseSync` of node:sqlite or `Database` of better-sqlite3. */
export type SqliteDatabaseConstructor<D extends SqliteDatabase = SqliteDatabase> = new (
  path: string,
) => D;

/** Whether the database to use is one of a pool. */
export function isPool(source: object): source is Pool<SqliteDatabase> {
  return 'use' in source && typeof source.use === 'function';
}
