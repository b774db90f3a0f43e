import { defer, from } from 'rxjs';
import { InvalidOptionsError } from '../index.js';
import type { Budget } from './budget.js';
import { enter, type Ledger } from './ledger.js';
import { Member } from './member.js';
import { type BudgetOptions, checkKey, randomName, resolveOptions } from './options.js';
import type { Answer, Report } from './protocol.js';

/** What is used of `pg`: a connected Client, or a Pool. Every statement stands for itself. */
export interface PostgresBudgetClient {
  /** Runs one statement, `$1`, `$2`, … standing for `values`; `rowCount` says how many rows it gave or changed. */
  query(
    text: string,
    values?: unknown[],
  ): PromiseLike<{ readonly rows: readonly unknown[]; readonly rowCount: number | null }>;
}

/** Options of {@link postgresPermits}. */
export interface PostgresPermitsOptions extends BudgetOptions {
  /** Names the budget: members that name the same key in the same table draw from it together. */
  readonly key: string;
  /** The table of the budgets, with or without its schema. Default `rxpool_budgets`. */
  readonly table?: string | undefined;
  /** Whether to create the table where there is none. Default true; it needs the right to. */
  readonly createTable?: boolean | undefined;
}

const OWNER = 'postgresPermits';

/** Somebody else was quicker so many times in a row: the server is too busy to count as being there. */
const MOST_TRIES = 50;

/**
 * Two who create a table at the same moment: one fails although it says IF NOT EXISTS, by the name of the table, the
 * name of its type, or the index over either.
 */
const CREATED_MEANWHILE = ['42P07', '42710', '23505'];

/**
 * A budget that PostgreSQL keeps, in one row of a table, for where there is no Redis.
 *
 * The client stays yours. Give it a connection of its own, and none of a pool that draws from this budget: a pool that
 * waits for a permit could not ask for it. Each report reads the row and, where something changes, replaces it if nobody
 * else did meanwhile: single statements without a session, so poolers in transaction mode are no obstacle. Time is the
 * server's. A member is dead `ttlMillis` after its last sign of life. Good for some dozens of members; for more take
 * `redisPermits`. Floors, fair shares, `whenAway` and all else are as there.
 *
 * The table is UNLOGGED: nothing of it goes into the write-ahead log or to replicas, and it is empty after a crash of
 * the server. Members that hold permits notice, say again what they hold, and nothing new is granted for `ttlMillis`.
 *
 * @throws InvalidOptionsError where an option makes no sense or is not known.
 *
 * @example
 * const client = new pg.Pool({ connectionString: 'postgres://127.0.0.1/orders', max: 1 });
 * const permits = postgresPermits(client, { key: 'orders-db', limit: 90 });
 * const pool = postgresPool({ connection: 'postgres://127.0.0.1/orders', max: 20, permits });
 */
export function postgresPermits(
  client: PostgresBudgetClient,
  options: PostgresPermitsOptions,
): Budget {
  const { key, table = 'rxpool_budgets', createTable = true, ...rest } = options;
  // Callers without types pass anything.
  if (typeof (client as Partial<PostgresBudgetClient> | undefined)?.query !== 'function') {
    throw new InvalidOptionsError(OWNER, 'client', client, 'must be a client of PostgreSQL');
  }
  checkKey(OWNER, key);
  if (!/^[\p{L}_][\p{L}\p{N}_$]*(\.[\p{L}_][\p{L}\p{N}_$]*)?$/u.test(table)) {
    throw new InvalidOptionsError(OWNER, 'table', table, 'must be the name of a table');
  }
  if (typeof (createTable as unknown) !== 'boolean') {
    throw new InvalidOptionsError(OWNER, 'createTable', createTable, 'must be true or false');
  }
  const resolved = resolveOptions(OWNER, rest, { member: randomName, ttlMillis: 10_000 }, [
    'key',
    'table',
    'createTable',
  ]);
  const books = new TableBooks(client, key, table, createTable);
  return new Member({ report: report => defer(() => from(books.enter(report))) }, resolved);
}

interface Row {
  /** As `pg` gives a bigint, and as other drivers do. */
  readonly version: string | number | bigint | null;
  readonly ledger: string | null;
  readonly now: string | number;
}

/** The books of one budget, in one row. */
class TableBooks {
  readonly #client: PostgresBudgetClient;
  readonly #key: string;
  readonly #table: string;
  #isThere: boolean;

  constructor(client: PostgresBudgetClient, key: string, table: string, createTable: boolean) {
    this.#client = client;
    this.#key = key;
    this.#table = table
      .split('.')
      .map(part => `"${part}"`)
      .join('.');
    this.#isThere = !createTable;
  }

  async enter(report: Report): Promise<Answer> {
    if (!this.#isThere) await this.#create();
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const { version, ledger: text, now } = await this.#read();
      const before = text === null ? undefined : (JSON.parse(text) as Ledger);
      const { ledger, answer, changed } = enter(before, report, Number(now), randomName);
      if (!changed || (await this.#replace(version, ledger))) return answer;
    }
    throw new Error(`others replaced the budget "${this.#key}" ${MOST_TRIES} times in a row`);
  }

  async #read(): Promise<Row> {
    const { rows } = await this.#client.query(
      `SELECT budget.version, budget.ledger,
              floor(extract(epoch FROM clock_timestamp()) * 1000)::text AS now
       FROM (SELECT 1) AS one LEFT JOIN ${this.#table} AS budget ON budget.key = $1`,
      [this.#key],
    );
    return rows[0] as Row;
  }

  /** False where somebody else was quicker. */
  async #replace(version: Row['version'], ledger: Ledger): Promise<boolean> {
    const text = JSON.stringify(ledger);
    const { rowCount } =
      version === null
        ? await this.#client.query(
            `INSERT INTO ${this.#table} (key, version, ledger) VALUES ($1, 1, $2)
             ON CONFLICT (key) DO NOTHING`,
            [this.#key, text],
          )
        : await this.#client.query(
            `UPDATE ${this.#table} SET version = version + 1, ledger = $3
             WHERE key = $1 AND version = $2`,
            [this.#key, version, text],
          );
    return rowCount === 1;
  }

  async #create(): Promise<void> {
    try {
      // Room for the next version of a row on its own page: a row that changes all the time leaves no bloat.
      await this.#client.query(
        `CREATE UNLOGGED TABLE IF NOT EXISTS ${this.#table}
         (key text PRIMARY KEY, version bigint NOT NULL, ledger text NOT NULL)
         WITH (fillfactor = 20)`,
      );
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (!CREATED_MEANWHILE.includes(String(code))) throw error;
    }
    this.#isThere = true;
  }
}
