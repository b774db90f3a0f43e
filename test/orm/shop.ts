import type { Client } from 'pg';
import { filter, firstValueFrom } from 'rxjs';
import { expect } from 'vitest';
import type { Pool, PoolState } from '../../src/index.js';
import type { PostgresFixture } from '../postgres-fixture.js';

/** The schema that the transactions of a query builder are tried on, with 64 customers. */
export async function openShop(postgres: PostgresFixture): Promise<void> {
  await postgres.query(`
    DROP TABLE IF EXISTS lines, orders, accounts;
    CREATE TABLE accounts (id int PRIMARY KEY, owner text NOT NULL UNIQUE, balance int NOT NULL CHECK (balance >= 0));
    CREATE TABLE orders (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      account_id int NOT NULL REFERENCES accounts,
      backend int NOT NULL,
      total int NOT NULL
    );
    CREATE TABLE lines (
      order_id int NOT NULL REFERENCES orders ON DELETE CASCADE,
      place int NOT NULL,
      article text NOT NULL,
      price int NOT NULL,
      PRIMARY KEY (order_id, place)
    );
    INSERT INTO accounts SELECT n, 'owner ' || n, 1000 FROM generate_series(1, 64) n;
    GRANT ALL ON accounts, orders, lines TO rxpool;
  `);
}

export function rest(pool: Pool<Client>): Promise<PoolState> {
  return firstValueFrom(
    pool.state$.pipe(
      filter(({ leased, resetting, destroying }) => leased + resetting + destroying === 0),
    ),
  );
}

/** Who is in a transaction at the same time as all the others. */
export class Meeting {
  readonly #size: number;
  #present = 0;
  #open!: () => void;
  readonly #all = new Promise<void>(resolve => {
    this.#open = resolve;
  });

  constructor(size: number) {
    this.#size = size;
  }

  join(): Promise<void> {
    this.#present += 1;
    if (this.#present === this.#size) this.#open();
    return this.#all;
  }
}

/** What 64 transactions on 64 connections, every fourth of which fails, have left in the tables. */
export async function demandTheBooks(postgres: PostgresFixture): Promise<void> {
  const [orders] = await postgres.query(
    'SELECT count(*)::int AS n, count(DISTINCT backend)::int AS backends, sum(total)::int AS total FROM orders',
  );
  expect(orders).toEqual({ n: 48, backends: 48, total: 48 * 30 });
  const [lines] = await postgres.query(
    'SELECT count(*)::int AS n, sum(price)::int AS total FROM lines',
  );
  expect(lines).toEqual({ n: 96, total: 48 * 30 });
  const [accounts] = await postgres.query(
    'SELECT sum(balance)::int AS left, count(*) FILTER (WHERE balance = 970)::int AS paid FROM accounts',
  );
  expect(accounts).toEqual({ left: 64_000 - 48 * 30, paid: 48 });
}

export const failure = new Error('the customer has left');
