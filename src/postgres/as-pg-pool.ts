import type { AcquireOptions, Pool } from '../index.js';
import type { PostgresClient } from './client.js';
import { PgPool as Facade } from './pg-pool.js';

/** What a client that was lent by `connect` has beside its own. */
export interface PgPoolClient {
  /**
   * Gives the connection back; with an error, or `true`, ends it. A second call does nothing, until the connection is
   * lent again: like that of `pg.Pool`, a client is the same object for every borrower.
   */
  readonly release: (error?: Error | boolean) => void;
}

type EventName = string | symbol;
// The face of `EventEmitter`, whose own type only those have who have the types of Node.
type Listener = (...parameters: any[]) => void; // eslint-disable-line @typescript-eslint/no-explicit-any

/** The surface of `pg.Pool`, of a pool whose clients are of the class `C`. */
export interface PgPool<C extends PostgresClient> {
  /** Connections, those being made included. */
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  /** Connections that are out and will not be lent again. */
  readonly expiredCount: number;
  readonly ending: boolean;
  readonly ended: boolean;
  /** `min` and `max`, as they are now. `any`, because those of `pg.Pool` have more that a pool of ours keeps to itself. */
  readonly options: any; // eslint-disable-line @typescript-eslint/no-explicit-any

  /** Errors: those of `pool.lease`. */
  connect(): Promise<C & PgPoolClient>;
  connect(
    callback: (
      error: Error | undefined,
      client: (C & PgPoolClient) | undefined,
      // eslint-disable-next-line @typescript-eslint/no-explicit-any
      release: (error?: any) => void,
    ) => void,
  ): void;
  /** Runs one statement on any connection, as `client.query` does. */
  readonly query: C['query'];
  /** Closes the pool, as `pool.close()` does: whoever holds a connection may end what it is at. */
  end(): Promise<void>;
  end(callback: () => void): void;

  /**
   * `connect` when a connection is lent for the first time, `acquire`, `release` (with the error, if one was given),
   * `remove` when a connection has ended, `error` when one breaks that nobody has. An `error` without a listener ends no process.
   */
  on(event: EventName, listener: Listener): this;
  addListener(event: EventName, listener: Listener): this;
  once(event: EventName, listener: Listener): this;
  prependListener(event: EventName, listener: Listener): this;
  prependOnceListener(event: EventName, listener: Listener): this;
  off(event: EventName, listener: Listener): this;
  removeListener(event: EventName, listener: Listener): this;
  removeAllListeners(event?: EventName): this;
  emit(event: EventName, ...parameters: unknown[]): boolean;
  listenerCount(event: EventName, listener?: Listener): number;
  listeners(event: EventName): Listener[];
  rawListeners(event: EventName): Listener[];
  eventNames(): EventName[];
  getMaxListeners(): number;
  setMaxListeners(count: number): this;
}

/**
 * The pool with the face of `pg.Pool`, for Kysely, Drizzle and whatever else is written for that:
 *
 * ```ts
 * const pool = postgresPool({ connection: process.env['DATABASE_URL'] ?? {}, Client });
 * const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: asPgPool(pool) }) });
 * const db = drizzle({ client: asPgPool(pool) });
 * ```
 *
 * What is lent is the driver's own client. A transaction that its borrower left open is rolled back before the next one
 * gets the connection, whatever `release` is told. `options` holds for every connection that is asked for: `label` tells
 * in events who it was.
 */
export function asPgPool<C extends PostgresClient>(
  pool: Pool<C>,
  options?: AcquireOptions,
): PgPool<C> {
  return new Facade(pool, options) as unknown as PgPool<C>;
}
