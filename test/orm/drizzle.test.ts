import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { asPgPool } from '../../src/postgres/index.js';
import { PostgresFixture } from '../postgres-fixture.js';
import { demandTheBooks, failure, Meeting, openShop, rest } from './shop.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

const postgres = new PostgresFixture();

beforeAll(() => postgres.start(80));
afterAll(() => postgres.stop());
beforeEach(() => openShop(postgres));
afterEach(() => postgres.closePools());

describe('Drizzle', () => {
  const accounts = pgTable('accounts', {
    id: integer().primaryKey(),
    owner: text().notNull(),
    balance: integer().notNull(),
  });
  const orders = pgTable('orders', {
    id: integer().primaryKey().generatedAlwaysAsIdentity(),
    accountId: integer('account_id').notNull(),
    backend: integer().notNull(),
    total: integer().notNull(),
  });
  const lines = pgTable('lines', {
    orderId: integer('order_id').notNull(),
    place: integer().notNull(),
    article: text().notNull(),
    price: integer().notNull(),
  });

  it('runs 64 concurrent transactions on a real schema, each on its own connection', async () => {
    const pool = postgres.open({ max: 64 });
    const db = drizzle({ client: asPgPool(pool) });
    const meeting = new Meeting(64);
    const buy = (account: number) =>
      db.transaction(async tx => {
        const { rows } = await tx.execute<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`);
        const backend = rows[0]!.pid;
        await meeting.join();
        const [order] = await tx
          .insert(orders)
          .values({ accountId: account, backend, total: 30 })
          .returning();
        await tx.insert(lines).values([
          { orderId: order!.id, place: 1, article: 'pen', price: 10 },
          { orderId: order!.id, place: 2, article: 'ink', price: 20 },
        ]);
        await tx
          .update(accounts)
          .set({ balance: sql`${accounts.balance} - 30` })
          .where(eq(accounts.id, account));
        const seen = await tx
          .select({ balance: accounts.balance, backend: orders.backend })
          .from(orders)
          .innerJoin(accounts, eq(accounts.id, orders.accountId));
        expect(seen).toContainEqual({ balance: 970, backend });
        if (account % 4 === 0) throw failure;
        return backend;
      });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 64 }, (_, index) => buy(index + 1)),
    );
    const failed = outcomes.filter(({ status }) => status === 'rejected');
    expect(failed).toHaveLength(16);
    expect(failed.every(outcome => 'reason' in outcome && outcome.reason === failure)).toBe(true);
    expect(pool.stats.peakLeased).toBe(64);
    await demandTheBooks(postgres);
    await rest(pool);
    expect(await postgres.backends()).toHaveLength(64);
    expect(pool.stats).toMatchObject({ created: 64, destroyed: 0, resetFailed: 0 });
  });

  it('queues what there is no connection for', async () => {
    const pool = postgres.open({ max: 4 });
    const db = drizzle({ client: asPgPool(pool) });
    await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        db.transaction(tx =>
          tx
            .update(accounts)
            .set({ balance: sql`${accounts.balance} - 1` })
            .where(eq(accounts.id, (index % 64) + 1)),
        ),
      ),
    );
    expect(await postgres.query('SELECT sum(balance)::int AS left FROM accounts')).toEqual([
      { left: 64_000 - 200 },
    ]);
    expect(pool.stats).toMatchObject({ created: 4, peakLeased: 4, acquired: 200 });
  });

  it('queries outside of transactions, and nests transactions as savepoints', async () => {
    const pool = postgres.open({ max: 1 });
    const db = drizzle({ client: asPgPool(pool) });
    await db.transaction(async tx => {
      await tx.delete(accounts).where(sql`id > 32`);
      await tx
        .transaction(async inner => {
          await inner.delete(accounts);
          inner.rollback();
        })
        .catch(() => undefined);
    });
    expect(await db.select().from(accounts)).toHaveLength(32);
    expect(await db.$count(accounts)).toBe(32);
    await expect(db.execute(sql`SELECT 1 / 0`)).rejects.toThrow();
    expect(await db.select().from(accounts).where(eq(accounts.id, 1))).toEqual([
      { id: 1, owner: 'owner 1', balance: 1000 },
    ]);
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
  });

  it('loses no connection when BEGIN fails, which it gives back nothing after', async () => {
    const pool = postgres.open({ max: 2 });
    const db = drizzle({ client: asPgPool(pool) });
    const pids = await db.execute<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`);
    await rest(pool);
    // Checked a moment ago, so lent without a check, and killed in the middle of that.
    const lost = db.transaction(async tx => tx.select().from(accounts));
    const killing = postgres.server.terminateBackends([pids.rows[0]!.pid]);
    await Promise.allSettled([lost, killing]);
    expect(await db.select().from(accounts)).toHaveLength(64);
    await rest(pool);
    expect(pool.state.leased).toBe(0);
  });
});
