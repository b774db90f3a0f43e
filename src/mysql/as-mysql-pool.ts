import type { AcquireOptions, Pool } from '../index.js';
import type { MysqlConnection } from './connection.js';
import { MysqlPool as Facade } from './pool-facade.js';

/** What a connection that was lent by `getConnection` has beside its own. */
export interface MysqlPoolConnection {
  /** Gives the connection back. A second call does nothing, until the connection is lent again. */
  release(): void;
}

// The faces of mysql2 and of `EventEmitter`, whose own types only those have who have mysql2 and the types of Node.
/* eslint-disable @typescript-eslint/no-explicit-any */

/** Any of the ways in which mysql2 takes a statement, callbacks included. */
export type MysqlPoolMethod = (...parameters: any[]) => any;

/** Who listens to an event of the facade. */
export type MysqlPoolListener = (...parameters: any[]) => void;

/**
 * The surface of mysql2's pools, both of them: with a callback a method is that of `mysql2` and lends the driver's core
 * connection; without one it is that of `mysql2/promise`.
 */
export interface MysqlPool<C extends MysqlConnection> {
  /** Errors: those of `pool.lease`. */
  getConnection(): Promise<C & MysqlPoolConnection>;
  /** The same to a callback, which gets the core connection of `mysql2`. */
  getConnection(callback: (error: any, connection: any) => void): void;
  /** As `connection.release()`. */
  releaseConnection(connection: any): void;
  /** Runs one statement on any connection, as `connection.query` does. */
  readonly query: C['query'] & MysqlPoolMethod;
  /** Runs one prepared statement on any connection, as `connection.execute` does. */
  readonly execute: C['execute'] & MysqlPoolMethod;
  /** Closes the pool, as `pool.close()` does: whoever holds a connection may end what it is at. */
  end(): Promise<void>;
  /** The same to a callback. */
  end(callback: (error: any) => void): void;
  /** This pool: its methods give promises where they are given no callback. */
  promise(): any;
  /** A value as it stands in SQL, by the settings of the connections; throws before there was any. */
  escape(value: any): string;
  /** A name as it stands in SQL; throws before there was any connection. */
  escapeId(name: any): string;
  /** SQL with its values filled in; throws before there was any connection. */
  format(sql: string, values?: any): string;
  /** Prepared statements belong to a connection: throws. */
  unprepare(sql: string): any;
  /** `connectionLimit`, as it is now. */
  readonly config: any;

  /**
   * `connection` when a connection is lent for the first time, `acquire`, `release`, all with the core connection, and
   * `enqueue` when somebody has to wait.
   */
  on(event: string | symbol, listener: MysqlPoolListener): this;
  /** As `on`. */
  addListener(event: string | symbol, listener: MysqlPoolListener): this;
  /** As `on`, for the next time only. */
  once(event: string | symbol, listener: MysqlPoolListener): this;
  /** As `on`, before all other listeners. */
  prependListener(event: string | symbol, listener: MysqlPoolListener): this;
  /** As `once`, before all other listeners. */
  prependOnceListener(event: string | symbol, listener: MysqlPoolListener): this;
  /** Ends what `on` began with the same listener. */
  off(event: string | symbol, listener: MysqlPoolListener): this;
  /** As `off`. */
  removeListener(event: string | symbol, listener: MysqlPoolListener): this;
  /** Ends all listening to an event, or to every one. */
  removeAllListeners(event?: string | symbol): this;
  /** Tells the listeners; whether there are any. */
  emit(event: string | symbol, ...parameters: any[]): boolean;
  /** How many listen. */
  listenerCount(event: string | symbol, listener?: MysqlPoolListener): number;
  /** Who listens, those of `once` as they were given. */
  listeners(event: string | symbol): any[];
  /** Who listens, those of `once` as they are kept. */
  rawListeners(event: string | symbol): any[];
  /** The events that somebody listens to. */
  eventNames(): any[];
  /** From how many listeners to one event on Node warns of a leak. */
  getMaxListeners(): number;
  /** Sets that; 0 is off. */
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
 * const kysely = new Kysely<Schema>({ dialect: new MysqlDialect({ pool: asMysqlPool(pool) }) });
 * const orders = drizzle({ client: asMysqlPool(pool) });
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
