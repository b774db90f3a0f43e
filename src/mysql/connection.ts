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
  readonly threadId: number;
  // The result of a statement is what its caller knows it to be, as in mysql2.
  query(sql: string, values?: any): Promise<[any, any]>; // eslint-disable-line @typescript-eslint/no-explicit-any
  execute(sql: string, values?: any): Promise<[any, any]>; // eslint-disable-line @typescript-eslint/no-explicit-any
  ping(): Promise<unknown>;
  reset(): Promise<unknown>;
  end(): Promise<unknown>;
  destroy(): void;
  pause(): void;
  resume(): void;
  escape(value: unknown): string;
  escapeId(name: string): string;
}

/** Where and how to connect: the options of mysql2's `createConnection`. */
export interface MysqlConnectionOptions {
  readonly uri?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly socketPath?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly database?: string | undefined;
  readonly charset?: string | undefined;
  readonly timezone?: string | undefined;
  readonly ssl?: string | object | undefined;
  readonly connectTimeout?: number | undefined;
  // mysql2 has many more, and takes new ones on with every release.
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
