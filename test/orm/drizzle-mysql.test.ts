import { eq, sql } from 'drizzle-orm';
import { int, mysqlTable, varchar } from 'drizzle-orm/mysql-core';
import { drizzle } from 'drizzle-orm/mysql2';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { asMysqlPool } from '../../src/mysql/index.js';
import { isAtRest, MysqlFixture, stateOf } from '../mysql-fixture.js';
import { describeOnServer } from '../services/describe-on-server.js';
import { startMariadb } from '../services/mariadb.js';
import { demandTheMysqlBooks, openMysqlShop } from './mysql-shop.js';
import { failure, Meeting } from './shop.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

const accounts = mysqlTable('accounts', {
  id: int().primaryKey(),
  owner: varchar({ length: 50 }).notNull(),
  balance: int().notNull(),
});
const orders = mysqlTable('orders', {
  id: int().primaryKey().autoincrement(),
  accountId: int('account_id').notNull(),
  thread: int().notNull(),
  total: int().notNull(),
});
const lines = mysqlTable('lines', {
  orderId: int('order_id').notNull(),
  place: int().notNull(),
  article: varchar({ length: 50 }).notNull(),
  price: int().notNull(),
});

await describeOnServer('Drizzle on MySQL', startMariadb, server => {
  const mysql = new MysqlFixture(server);
  beforeEach(() => openMysqlShop(mysql));
  afterEach(() => mysql.closePools());

  it('runs 64 concurrent transactions on a real schema, each on its own connection', async () => {
    const pool = mysql.open({ max: 64 });
    const db = drizzle({ client: asMysqlPool(pool) });
    const meeting = new Meeting(64);
    const buy = (account: number) =>
      db.transaction(async tx => {
        const [found] = await tx.execute(sql`SELECT CONNECTION_ID() AS id`);
        const thread = (found as unknown as { id: number }[])[0]!.id;
        await meeting.join();
        const [{ insertId }] = await tx
          .insert(orders)
          .values({ accountId: account, thread, total: 30 });
        await tx.insert(lines).values([
          { orderId: insertId, place: 1, article: 'pen', price: 10 },
          { orderId: insertId, place: 2, article: 'ink', price: 20 },
        ]);
        await tx
          .update(accounts)
          .set({ balance: sql`${accounts.balance} - 30` })
          .where(eq(accounts.id, account));
        const seen = await tx
          .select({ balance: accounts.balance, thread: orders.thread })
          .from(orders)
          .innerJoin(accounts, eq(accounts.id, orders.accountId));
        expect(seen).toContainEqual({ balance: 970, thread });
        if (account % 4 === 0) throw failure;
        return thread;
      });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 64 }, (_, index) => buy(index + 1)),
    );
    const failed = outcomes.filter(({ status }) => status === 'rejected');
    expect(failed).toHaveLength(16);
    expect(failed.every(outcome => 'reason' in outcome && outcome.reason === failure)).toBe(true);
    expect(pool.stats.peakLeased).toBe(64);
    await demandTheMysqlBooks(mysql);
    await stateOf(pool, isAtRest);
    expect(await server.connections()).toHaveLength(64);
    expect(pool.stats).toMatchObject({ created: 64, destroyed: 0, resetFailed: 0 });
  });

  it('queues what there is no connection for', async () => {
    const pool = mysql.open({ max: 4 });
    const db = drizzle({ client: asMysqlPool(pool) });
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
    const [sum] = await mysql.query('SELECT SUM(balance) AS n FROM rxpool.accounts');
    expect(Number(sum?.['n'])).toBe(64_000 - 200);
    expect(pool.stats).toMatchObject({ created: 4, peakLeased: 4, acquired: 200 });
  });

  it('queries outside of transactions, nests transactions as savepoints, and iterates', async () => {
    const pool = mysql.open({ max: 1 });
    const db = drizzle({ client: asMysqlPool(pool) });
    await db.transaction(
      async tx => {
        await tx.delete(accounts).where(sql`id > 32`);
        await tx
          .transaction(async inner => {
            await inner.delete(accounts);
            inner.rollback();
          })
          .catch(() => undefined);
      },
      { isolationLevel: 'serializable' },
    );
    expect(await db.select().from(accounts)).toHaveLength(32);
    expect(await db.$count(accounts)).toBe(32);
    await expect(db.execute(sql`SELECT nothing`)).rejects.toThrow();
    const prepared = db.select().from(accounts).where(eq(accounts.id, 1)).prepare();
    const iterated: unknown[] = [];
    // It ends the connection that it was lent instead of giving it back.
    for await (const row of prepared.iterator()) iterated.push(row);
    expect(iterated).toEqual([{ id: 1, owner: 'owner 1', balance: 1000 }]);
    expect(await prepared.execute()).toEqual(iterated);
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
  });

  it('loses no connection when BEGIN fails, which it gives back nothing after', async () => {
    const pool = mysql.open({ max: 1 });
    const db = drizzle({ client: asMysqlPool(pool) });
    await db.execute(sql`SELECT 1`);
    await stateOf(pool, isAtRest);
    const lost = Promise.allSettled([db.transaction(async tx => tx.select().from(accounts))]);
    await Promise.all([lost, server.killConnections()]);
    expect(await db.select().from(accounts)).toHaveLength(64);
    await stateOf(pool, isAtRest);
  });
});
