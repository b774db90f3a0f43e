import { Kysely, MysqlDialect, sql, type Generated } from 'kysely';
import type { Connection } from 'mysql2/promise';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Pool } from '../../src/index.js';
import { asMysqlPool } from '../../src/mysql/index.js';
import { isAtRest, MysqlFixture, stateOf } from '../mysql-fixture.js';
import { describeOnServer } from '../services/describe-on-server.js';
import { startMariadb } from '../services/mariadb.js';
import { demandTheMysqlBooks, openMysqlShop } from './mysql-shop.js';
import { failure, Meeting } from './shop.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

interface Schema {
  accounts: { id: number; owner: string; balance: number };
  orders: { id: Generated<number>; account_id: number; thread: number; total: number };
  lines: { order_id: number; place: number; article: string; price: number };
}

await describeOnServer('Kysely on MySQL', startMariadb, server => {
  const mysql = new MysqlFixture(server);
  beforeEach(() => openMysqlShop(mysql));
  afterEach(() => mysql.closePools());

  const over = (pool: Pool<Connection>) =>
    new Kysely<Schema>({ dialect: new MysqlDialect({ pool: asMysqlPool(pool) }) });

  it('runs 64 concurrent transactions on a real schema, each on its own connection', async () => {
    const pool = mysql.open({ max: 64 });
    const db = over(pool);
    const meeting = new Meeting(64);
    const buy = (account: number) =>
      db.transaction().execute(async trx => {
        const { rows } = await sql<{ id: number }>`SELECT CONNECTION_ID() AS id`.execute(trx);
        const thread = rows[0]!.id;
        await meeting.join();
        const { insertId } = await trx
          .insertInto('orders')
          .values({ account_id: account, thread, total: 30 })
          .executeTakeFirstOrThrow();
        const order_id = Number(insertId);
        await trx
          .insertInto('lines')
          .values([
            { order_id, place: 1, article: 'pen', price: 10 },
            { order_id, place: 2, article: 'ink', price: 20 },
          ])
          .execute();
        await trx
          .updateTable('accounts')
          .set(eb => ({ balance: eb('balance', '-', 30) }))
          .where('id', '=', account)
          .execute();
        const seen = await trx
          .selectFrom('orders')
          .innerJoin('accounts', 'accounts.id', 'orders.account_id')
          .select(['accounts.balance', 'orders.thread'])
          .execute();
        // Its own work and nobody else's: all others are open still, or on other connections.
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
    await db.destroy();
    expect(pool.state.lifecycle).toBe('closed');
    await mysql.untilThreads(threads => threads.length === 0);
  });

  it('queues what there is no connection for, and knows each connection again', async () => {
    const pool = mysql.open({ max: 4 });
    let made = 0;
    const db = new Kysely<Schema>({
      dialect: new MysqlDialect({
        pool: asMysqlPool(pool, { label: 'kysely' }),
        onCreateConnection: async () => {
          made += 1;
          await Promise.resolve();
        },
      }),
    });
    await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        db.transaction().execute(trx =>
          trx
            .updateTable('accounts')
            .set(eb => ({ balance: eb('balance', '-', 1) }))
            .where('id', '=', (index % 64) + 1)
            .execute(),
        ),
      ),
    );
    const [sum] = await mysql.query('SELECT SUM(balance) AS n FROM rxpool.accounts');
    expect(Number(sum?.['n'])).toBe(64_000 - 200);
    expect(made).toBe(4);
    expect(pool.stats).toMatchObject({ created: 4, peakLeased: 4, acquired: 200 });
  });

  it('streams rows, has savepoints, and isolation levels that the next one does not see', async () => {
    const pool = mysql.open({ max: 1 });
    const db = over(pool);
    let streamed = 0;
    for await (const { id } of db.selectFrom('accounts').select('id').orderBy('id').stream()) {
      expect(id).toBe((streamed += 1));
    }
    expect(streamed).toBe(64);
    await db
      .transaction()
      .setIsolationLevel('serializable')
      .execute(trx => trx.selectFrom('accounts').select('id').execute());
    const trx = await db.startTransaction().execute();
    await trx.deleteFrom('accounts').where('id', '>', 32).execute();
    const point = await trx.savepoint('half').execute();
    await point.deleteFrom('accounts').execute();
    await point.rollbackToSavepoint('half').execute();
    await trx.commit().execute();
    expect(await db.selectFrom('accounts').select('id').execute()).toHaveLength(32);
    expect(pool.stats.created).toBe(1);
  });

  it('goes on after the connections of its transactions were killed', async () => {
    const pool = mysql.open({ max: 8 });
    const db = over(pool);
    const meeting = new Meeting(8);
    const victims = Array.from({ length: 8 }, (_, index) =>
      db.transaction().execute(async trx => {
        await trx
          .deleteFrom('accounts')
          .where('id', '=', index + 1)
          .execute();
        await meeting.join();
        await sql`SELECT SLEEP(60)`.execute(trx);
      }),
    );
    const over$ = Promise.allSettled(victims);
    await mysql.untilThreads(
      threads => threads.filter(({ sql: text }) => text?.includes('SLEEP')).length === 8,
    );
    await server.killConnections();
    expect((await over$).map(({ status }) => status)).toEqual(Array(8).fill('rejected'));
    expect(await db.selectFrom('accounts').select('id').execute()).toHaveLength(64);
    await stateOf(pool, isAtRest);
  });
});
