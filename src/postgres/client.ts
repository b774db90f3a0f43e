import type { Pool } from '../index.js';

/** What a query gives; `pg` gives more. */
export interface PostgresResult {
  /** One object a row, by the names of the columns; empty for a statement that gives none. */
  readonly rows: Record<string, unknown>[];
}

/**
 * What this adapter needs of a client: the `Client` of `pg` has it all. Structural, so that the types of `pg` are
 * needed by nobody; `postgresPool<Client>({ … })`, or passing `Client` itself, gives leases of the driver's own type.
 */
export interface PostgresClient {
  /** Settles once the session is ready for statements; rejects with the reason why there is none. */
  connect(): Promise<unknown>;
  /** Runs one statement, `$1`, `$2`, … standing for `values`; rejects with the error of the server. */
  query(text: string, values?: unknown[]): Promise<PostgresResult>;
  /** Says goodbye to the server; settles when the connection is closed. */
  end(): Promise<void>;
  /** The connection broke. A client without such a listener ends the process: the pool keeps one for ever. */
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** The connection is closed, by either side. */
  on(event: 'end', listener: () => void): unknown;
}

/** A class like the `Client` of `pg`. */
export type PostgresClientConstructor<C extends PostgresClient = PostgresClient> = new (
  config: never,
) => C;

/** Where and how to connect: the configuration of a `pg` client. What is left out comes from the `PG…` variables. */
export interface PostgresConnection {
  /** `postgres://user:password@host:port/database`; what it names goes before the single fields. */
  readonly connectionString?: string | undefined;
  /** A name or an address, or the directory of a Unix socket. Default `PGHOST`, else `localhost`. */
  readonly host?: string | undefined;
  /** Default `PGPORT`, else 5432. */
  readonly port?: number | undefined;
  /** The role to connect as. Default `PGUSER`, else the name of the user who runs the process. */
  readonly user?: string | undefined;
  /** Default `PGDATABASE`, else the name of the role. */
  readonly database?: string | undefined;
  /** A function is asked for each new connection: for passwords that expire. Never part of a message of ours. */
  readonly password?: string | (() => string | Promise<string>) | undefined;
  /** `true`, or options of `tls.connect`. Default: as `PGSSLMODE` says, else not encrypted. */
  readonly ssl?: boolean | object | undefined;
  /** `direct` begins with TLS at once, which saves a round trip; PostgreSQL 17 and later. */
  readonly sslnegotiation?: 'postgres' | 'direct' | undefined;
  /** Whether a password is bound to the TLS connection that it goes through, which no middleman survives. */
  readonly enableChannelBinding?: boolean | undefined;
  /** What `pg_stat_activity` shows as the name of these connections. */
  readonly application_name?: string | undefined;
  /** The name to show where `application_name` is not given. */
  readonly fallback_application_name?: string | undefined;
  /** Default UTF8. */
  readonly client_encoding?: string | undefined;
  /** Settings of every session, `-c search_path=shop` for example: they survive the reset, unlike a `SET`. */
  readonly options?: string | undefined;
  /** Milliseconds after which the server ends a statement. Default: the setting of the server. */
  readonly statement_timeout?: false | number | undefined;
  /** Milliseconds after which the server ends a statement that waits for a lock. */
  readonly lock_timeout?: number | undefined;
  /** Milliseconds after which the server ends a session that leaves a transaction open and does nothing. */
  readonly idle_in_transaction_session_timeout?: number | undefined;
  /**
   * Milliseconds after which the client gives up a query, which may run on at the server. `statement_timeout`, or the
   * `maxLeaseMillis` of the pool, is the better limit: with this one `query` emits its rows only at the end.
   */
  readonly query_timeout?: number | undefined;
  /** Of the client, for the connection alone. The `createTimeoutMillis` of the pool covers the whole create. */
  readonly connectionTimeoutMillis?: number | undefined;
  /** Whether the operating system asks a silent connection for a sign of life. */
  readonly keepAlive?: boolean | undefined;
  /** Milliseconds of silence before it first does so. */
  readonly keepAliveInitialDelayMillis?: number | undefined;
  /** Makes the socket, where the usual one will not do: through a proxy, say. */
  readonly stream?: (() => unknown) | undefined;
  /** Which parsers turn the text of a column into a value, by type: see `pg-types`. */
  readonly types?: object | undefined;
}

/** Whether the connection to use is one of a pool. */
export function isPool(source: object): source is Pool<PostgresClient> {
  return 'use' in source && typeof source.use === 'function';
}
