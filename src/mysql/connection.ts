import type { Pool } from '../index.js';

/**
 * What this adapter needs of a connection: that of `mysql2/promise` has it all. Structural, so that the types of mysql2
 * are needed by nobody; passing mysql2's own `createConnection` gives leases of the driver's own type.
 *
 * ```ts
 * const [rows] = await connection.query('SELECT * FROM orders WHERE id = ?', [7]);
 * ```
 */
export interface MysqlConnection {
  /** The number that the server gave the connection: `CONNECTION_ID()`, and what `KILL` takes. */
  readonly threadId: number;
  // The result of a statement is what its caller knows it to be, as in mysql2.
  /** Runs one statement, `?` standing for `values`; resolves to its rows, or what it changed, and to its fields. */
  query(sql: string, values?: any): Promise<[any, any]>; // eslint-disable-line @typescript-eslint/no-explicit-any
  /** The same as a prepared statement, which the connection keeps until its next reset. */
  execute(sql: string, values?: any): Promise<[any, any]>; // eslint-disable-line @typescript-eslint/no-explicit-any
  /** One round trip; rejects when there is none any more. */
  ping(): Promise<unknown>;
  /** Sends COM_RESET_CONNECTION; settles with the answer of the server. */
  reset(): Promise<unknown>;
  /** Says goodbye to the server, after what is under way. */
  end(): Promise<unknown>;
  /** Closes the socket without a word. */
  destroy(): void;
  /** Reads no further, so that the server has to stop sending. */
  pause(): void;
  /** Reads on. */
  resume(): void;
  /** A value as it stands in SQL. */
  escape(value: unknown): string;
  /** A name as it stands in SQL. */
  escapeId(name: string): string;
}

/** Where and how to connect: the options of mysql2's `createConnection`. */
export interface MysqlConnectionOptions {
  /** `mysql://user:password@host:port/database`; what it names goes before the single options. */
  readonly uri?: string | undefined;
  /** A name or an address. Default `localhost`. */
  readonly host?: string | undefined;
  /** Default 3306. */
  readonly port?: number | undefined;
  /** A Unix socket, instead of host and port. */
  readonly socketPath?: string | undefined;
  /** The account to connect as. */
  readonly user?: string | undefined;
  /** Never part of a message of ours. */
  readonly password?: string | undefined;
  /** The default database of the session; every reset comes back to it. */
  readonly database?: string | undefined;
  /** The character set or collation of the session. Default `UTF8MB4_UNICODE_CI`. */
  readonly charset?: string | undefined;
  /** How the driver reads and writes dates; the time zone of the session is `setUp`’s business. Default `local`. */
  readonly timezone?: string | undefined;
  /** Options of TLS, or the name of a profile. Default: not encrypted. */
  readonly ssl?: string | object | undefined;
  /** Milliseconds; the `createTimeoutMillis` of the pool covers all of the create. Default 10,000. */
  readonly connectTimeout?: number | undefined;
  /** mysql2 has many more, and takes new ones on with every release. */
  readonly [option: string]: unknown;
}

/**
 * `createConnection` of `mysql2` or of `mysql2/promise`. That of `mysql2` can be given up half-way; a connection of
 * `mysql2/promise` that nobody waits for any more is ended when it arrives.
 */
export type CreateMysqlConnection<C extends MysqlConnection = MysqlConnection> = (
  options: never,
) => PromiseLike<C> | { promise(): C };

/** Whether the connection to use is one of a pool. */
export function isPool(source: object): source is Pool<MysqlConnection> {
  return 'use' in source && typeof source.use === 'function';
}
