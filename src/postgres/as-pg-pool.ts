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

/**
 * What `connect` lends. Where nobody named the class of the clients (`Client` of `postgresPool`) it is `any`: what the
 * installed `pg` lends then, only its own types know.
 */
export type PgPoolLent<C extends PostgresClient> =
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  PostgresClient extends C ? any : C & PgPoolClient;

/**
 * Takes what goes with an event: see `PgPool.on`. The face of `EventEmitter`, whose own type only those have who have
 * the types of Node.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type PgPoolListener = (...parameters: any[]) => void;

/** The surface of `pg.Pool`, of a pool whose clients are of the class `C`. */
export interface PgPool<C extends PostgresClient> {
  /** Connections, those being made included. */
  readonly totalCount: number;
  /** Connections that are ready to be lent. */
  readonly idleCount: number;
  /** Requests that wait for a connection. */
  readonly waitingCount: number;
  /** Connections that are out and will not be lent again. */
  readonly expiredCount: number;
  /** Whether the pool was told to close: nothing is lent any more. */
  readonly ending: boolean;
  /** Whether it has closed: no connection is left. */
  readonly ended: boolean;
  /** `min` and `max`, as they are now. `any`, because those of `pg.Pool` have more that a pool of ours keeps to itself. */
  readonly options: any; // eslint-disable-line @typescript-eslint/no-explicit-any

  /** Errors: those of `pool.lease`. */
  connect(): Promise<PgPoolLent<C>>;
  /** The same to a callback, `release` included. */
  connect(
    callback: (
      error: Error | undefined,
      client: PgPoolLent<C> | undefined,
      // eslint-disable-next-line @typescript-eslint/no-explicit-any
      release: (error?: any) => void,
    ) => void,
  ): void;
  /** Runs one statement on any connection, as `client.query` does. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly query: PostgresClient extends C ? (...parameters: any[]) => any : C['query'];
  /** Closes the pool, as `pool.close()` does: whoever holds a connection may end what it is at. */
  end(): Promise<void>;
  /** The same to a callback. */
  end(callback: () => void): void;

  /**
   * `connect` when a connection is lent for the first time, `acquire`, `release` (with the error, if one was given),
   * `remove` when a connection has ended, `error` when one breaks that nobody has. An `error` without a listener ends no process.
   */
  on(event: string | symbol, listener: PgPoolListener): this;
  /** As `on`. */
  addListener(event: string | symbol, listener: PgPoolListener): this;
  /** As `on`, for the next time only. */
  once(event: string | symbol, listener: PgPoolListener): this;
  /** As `on`, before all other listeners. */
  prependListener(event: string | symbol, listener: PgPoolListener): this;
  /** As `once`, before all other listeners. */
  prependOnceListener(event: string | symbol, listener: PgPoolListener): this;
  /** Ends what `on` began with the same listener. */
  off(event: string | symbol, listener: PgPoolListener): this;
  /** As `off`. */
  removeListener(event: string | symbol, listener: PgPoolListener): this;
  /** Ends all listening to an event, or to every one. */
  removeAllListeners(event?: string | symbol): this;
  /** Tells the listeners; whether there are any. */
  emit(event: string | symbol, ...parameters: unknown[]): boolean;
  /** How many listen. */
  listenerCount(event: string | symbol, listener?: PgPoolListener): number;
  /** Who listens, those of `once` as they were given. */
  listeners(event: string | symbol): PgPoolListener[];
  /** Who listens, those of `once` as they are kept. */
  rawListeners(event: string | symbol): PgPoolListener[];
  /** The events that somebody listens to. */
  eventNames(): (string | symbol)[];
  /** From how many listeners to one event on Node warns of a leak. */
  getMaxListeners(): number;
  /** Sets that; 0 is off. */
  setMaxListeners(count: number): this;
}

/**
 * The pool with the face of `pg.Pool`, for Kysely, Drizzle and whatever else is written for that.
 *
 * What is lent is the driver's own client. A transaction that its borrower left open is rolled back before the next one
 * gets the connection, whatever `release` is told. `options` holds for every connection that is asked for: `label` tells
 * in events who it was.
 *
 * @example
 * const pool = postgresPool({ connection: process.env['DATABASE_URL'] ?? {}, Client });
 * const kysely = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: asPgPool(pool) }) });
 * const orders = drizzle({ client: asPgPool(pool) });
 */
export function asPgPool<C extends PostgresClient>(
  pool: Pool<C>,
  options?: AcquireOptions,
): PgPool<C> {
  return new Facade(pool, options) as unknown as PgPool<C>;
}
