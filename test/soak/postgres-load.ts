import { Client } from 'pg';
import { lastValueFrom, take } from 'rxjs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Pool, PoolError } from '../../src/index.js';
import { postgresPool, query } from '../../src/postgres/index.js';
import { assertInvariants, assertQuiescent, checkInvariants } from '../../src/testing/index.js';
import { type PostgresServer, startPostgres } from '../services/postgres.js';
import { CountingScheduler } from './counting-scheduler.js';
import { Complaints, type Load, playWorkers, untilFine } from './load.js';

const workers = 8;
const largest = 4;

/** Statements on a real server, many of them left in the middle. */
export class PostgresLoad implements Load {
  readonly name = 'PostgreSQL';
  operations = 0;
  readonly #complaints = new Complaints();
  readonly #time = new CountingScheduler();
  readonly #server: PostgresServer;
  readonly #pool: Pool<Client>;

  private constructor(server: PostgresServer) {
    this.#server = server;
    this.#pool = postgresPool({
      connection: server.url,
      Client,
      name: 'soak-postgres',
      max: largest,
      maxUses: 500,
      idleTimeoutMillis: 500,
      maxLifetimeMillis: 5_000,
      validateAfterIdleMillis: 5,
      acquireTimeoutMillis: 2_000,
      scheduler: this.#time,
    });
    this.#pool.stats$.pipe(checkInvariants()).subscribe({
      error: (error: unknown) => this.#complaints.add('the events contradict one another', error),
    });
  }

  static async start(signal: AbortSignal): Promise<PostgresLoad> {
    // Not the signal itself: an interrupted soak closes its pool first.
    signal.throwIfAborted();
    return new PostgresLoad(await startPostgres({ maxConnections: largest }));
  }

  get failures(): readonly string[] {
    return this.#complaints.list;
  }

  get timers(): number {
    return this.#time.pending;
  }

  /** A socket each. */
  get ownHandles(): number {
    return this.#pool.state.size;
  }

  play(millis: number, signal: AbortSignal): Promise<void> {
    return playWorkers(workers, millis, signal, this.#complaints, () => this.#step());
  }

  rest(): Promise<void> {
    return untilFine(this.#complaints, () => {
      assertInvariants(this.#pool, { leased: 0, waiting: 0 });
      assertQuiescent(this.#pool);
    });
  }

  async close(): Promise<void> {
    await this.#pool.close().catch((error: unknown) => {
      this.#complaints.add('close', error);
    });
    const rows = await this.#server.query(
      "SELECT pid FROM pg_stat_activity WHERE usename = 'rxpool'",
    );
    if (rows.length > 0) this.#complaints.add(`${rows.length} connections outlive the close`);
    await this.#server.stop();
  }

  async #step(): Promise<void> {
    await this.#draw().catch((error: unknown) => {
      if (!(error instanceof PoolError)) throw error;
    });
    this.operations += 1;
  }

  async #draw(): Promise<unknown> {
    const drawn = Math.random();
    if (drawn < 0.5) return lastValueFrom(query(this.#pool, 'SELECT $1::int AS one', [1]));
    if (drawn < 0.7) return this.#transact();
    if (drawn < 0.85) {
      return lastValueFrom(query(this.#pool, 'SELECT generate_series(1, 200)').pipe(take(3)));
    }
    if (drawn < 0.95) return this.#leaveInTheMiddle();
    if (drawn < 0.99) return this.#own();
    return drawn < 0.995 ? this.#pool.recycle() : this.#pool.evict();
  }

  async #transact(): Promise<unknown> {
    const transaction$ = this.#pool.use(async client => {
      await client.query('BEGIN');
      await client.query('SELECT pg_sleep(0.001)');
      if (Math.random() < 0.5) await client.query('COMMIT'); // else the pool rolls back
    });
    return lastValueFrom(transaction$, { defaultValue: undefined });
  }

  async #leaveInTheMiddle(): Promise<void> {
    const subscription = query(this.#pool, 'SELECT pg_sleep(1)').subscribe();
    await sleep(Math.random() * 5);
    subscription.unsubscribe();
  }

  async #own(): Promise<void> {
    await using lease = await this.#pool.lease();
    await lease.resource.query('SELECT 1');
    if (Math.random() < 0.2) await lease.destroy();
  }
}
