import type { AcquireOptions, Pool } from '../index.js';
import type { MysqlConnection } from './connection.js';
import { MysqlPool as Facade } from './pool-facade.js';

/** What a connection that was lent by `getConnection` has beside its own. */
export interface MysqlPoolConnection {
  /** Gives the connection back. A second call does nothing, until the connection is lent again. */
  release(): void;
}

type EventName = string | symbol;
// The faces of mysql2 and of `EventEmitter`, whose own types only those have who have mysql2 and the types of Node.
/* eslint-disable @typescript-eslint/no-explicit-any */
type Anything = (...parameters: any[]) => any;
type Listener = (...parameters: any[]) => void;

/**
 * The surface of mysql2's pools, both of them: with a callback a method is that of `mysql2` and lends the driver's core
 * connection; without one it is that of `mysql2/promise`.
 */
export interface MysqlPool<C extends MysqlConnection> {
  /** Errors: those of `pool.lease`. */
  getConnection(): Promise<C & MysqlPoolConnection>;
  getConnection(callback: (error: any, connection: any) => void): void;
  /** As `connection.release()`. */
  releaseConnection(connection: any): void;
  /** Runs one statement on any connection, as `connection.query` does. */
  readonly query: C['query'] & Anything;
  /** Runs one prepared statement on any connection, as `connection.execute` does. */
  readonly execute: C['execute'] & Anything;
  /** Closes the pool, as `pool.close()` does: whoever holds a connection may end what it is at. */
  end(): Promise<void>;
  end(callback: (error: any) => void): void;
  /** This pool: its methods give promises where they are given no callback. */
  promise(): any;
  escape(value: any): string;
  escapeId(name: any): string;
  format(sql: string, values?: any): string;
  /** Prepared statements belong to a connection: throws. */
  unprepare(sql: string): any;
  /** `connectionLimit`, as it is now. */
  readonly config: any;

  /**
   * `connection` when a connection is lent for the first time, `acquire`, `release`, all with the core connection, and
   * `enqueue` when somebody has to wait.
   */
  on(event: EventName, listener: Listener): this;
  addListener(event: EventName, listener: Listener): this;
  once(event: EventName, listener: Listener): this;
  prependListener(event: EventName, listener: Listener): this;
  prependOnceListener(event: EventName, listener: Listener): this;
  off(event: EventName, listener: Listener): this;
  removeListener(event: EventName, listener: Listener): this;
  removeAllListeners(event?: EventName): this;
  emit(event: EventName, ...parameters: any[]): boolean;
  listenerCount(event: EventName, listener?: Listener): number;
  listeners(event: EventName): any[];
  rawListeners(event: EventName): any[];
  eventNames(): any[];
  getMaxListeners(): number;
  setMaxListeners(count: number): this;
  /** Closes the pool; nobody waits for it. */
  [Symbol.dispose](): void;
  /** As `end()`. */
  [Symbol.asyncDispose](): Promise<void>;
}
/* eslint-enable @typescript-eslint/no-explicit-any */

/**
 * The pool with the face of mysql2's, for Kysely, Drizzle and whatever else is written for that:
 *
 * ```ts
 * const pool = mysqlPool({ connection: process.env['MYSQL_URL'] ?? {}, createConnection });
 * const db = new Kysely<Schema>({ dialect: new MysqlDialect({ pool: asMysqlPool(pool) }) });
 * const db = drizzle({ client: asMysqlPool(pool) });
 * ```
 *
 * What is lent is the driver's own connection. A transaction that its borrower left open is rolled back before the next
 * one gets the connection. `options` holds for every connection that is asked for: `label` tells in events who it was.
 */
export function asMysqlPool<C extends MysqlConnection>(
  pool: Pool<C>,
  options?: AcquireOptions,
): MysqlPool<C> {
  return new Facade(pool, options) as unknown as MysqlPool<C>;
}
