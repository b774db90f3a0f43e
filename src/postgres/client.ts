import type { Pool } from '../index.js';

/** What a query gives; `pg` gives more. */
export interface PostgresResult {
  readonly rows: Record<string, unknown>[];
}

/**
 * What this adapter needs of a client: the `Client` of `pg` has it all. Structural, so that the types of `pg` are
 * needed by nobody; `postgresPool<Client>({ … })`, or passing `Client` itself, gives leases of the driver's own type.
 */
export interface PostgresClient {
  connect(): Promise<unknown>;
  query(text: string, values?: unknown[]): Promise<PostgresResult>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
}

/** A class like the `Client` of `pg`. */
export type PostgresClientConstructor<C extends PostgresClient = PostgresClient> = new (
  config: never,
) => C;

/** Where and how to connect: the configuration of a `pg` client. What is left out comes from the `PG…` variables. */
export interface PostgresConnection {
  readonly connectionString?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  readonly database?: string | undefined;
  readonly password?: string | (() => string | Promise<string>) | undefined;
  readonly ssl?: boolean | object | undefined;
  readonly sslnegotiation?: 'postgres' | 'direct' | undefined;
  readonly enableChannelBinding?: boolean | undefined;
  readonly application_name?: string | undefined;
  readonly fallback_application_name?: string | undefined;
  readonly client_encoding?: string | undefined;
  /** Settings of every session, `-c search_path=shop` for example: they survive the reset, unlike a `SET`. */
  readonly options?: string | undefined;
  readonly statement_timeout?: false | number | undefined;
  readonly lock_timeout?: number | undefined;
  readonly idle_in_transaction_session_timeout?: number | undefined;
  readonly query_timeout?: number | undefined;
  readonly connectionTimeoutMillis?: number | undefined;
  readonly keepAlive?: boolean | undefined;
  readonly keepAliveInitialDelayMillis?: number | undefined;
  readonly stream?: (() => unknown) | undefined;
  readonly types?: object | undefined;
}

/** Whether the connection to use is one of a pool. */
export function isPool(source: object): source is Pool<PostgresClient> {
  return 'use' in source && typeof source.use === 'function';
}
