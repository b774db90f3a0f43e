import { Kysely, PostgresDialect, sql as kyselySql, type Generated } from 'kysely';
import type { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Pool } from '../../src/index.js';
import { asPgPool } from '../../src/postgres/index.js';
import { PostgresFixture } from '../postgres-fixture.js';
import { demandTheBooks, failure, Meeting, openShop, rest } from './shop.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

const postgres = new PostgresFixture();

beforeAll(() => postgres.start(80));
afterAll(() => postgres.stop());
beforeEach(() => openShop(postgres));
afterEach(() => postgres.closePools());

describe('Kysely', () => {
  interface Schema {
    accounts: { id: number; owner: string; balance: number };
    orders: { id: Generated<number>; account_id: number; backend: number; total: number };
    lines: { order_id: number; place: number; article: string; price: number };
  }

  const over = (pool: Pool<Client>) =>
    new Kysely<Schema>({ dialect: new PostgresDialect({ pool: asPgPool(pool) }) });

  it('runs 64 concurrent transactions on a real schema, each on its own connection', async () => {
    const pool = postgres.open({ max: 64 });
    const db = over(pool);
    const meeting = new Meeting(64);
    const buy = (account: number) =>
      db.transaction().execute(async trx => {
        const { rows } = await kyselySql<{ pid: number }>`SELECT pg_backend_pid() AS pid`.execute(
          trx,
        );
        const backend = rows[0]!.pid;
        await meeting.join();
        const order = await trx
          .insertInto('orders')
          .values({ account_id: account, backend, total: 30 })
          .returning('id')
          .executeTakeFirstOrThrow();
        await trx
          .insertInto('lines')
          .values([
            { order_id: order.id, place: 1, article: 'pen', price: 10 },
            { order_id: order.id, place: 2, article: 'ink', price: 20 },
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
          .select(['accounts.balance', 'orders.backend'])
          .execute();
        // Its own work and nobody else's: all others are open still, or on other connections.
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
    await db.destroy();
    expect(pool.state.lifecycle).toBe('closed');
    expect(await postgres.backends()).toEqual([]);
  });

  it('queues what there is no connection for, and knows each connection again', async () => {
    const pool = postgres.open({ max: 4 });
    let made = 0;
    const db = new Kysely<Schema>({
      dialect: new PostgresDialect({
        pool: asPgPool(pool, { label: 'kysely' }),
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
    expect(await postgres.query('SELECT sum(balance)::int AS left FROM accounts')).toEqual([
      { left: 64_000 - 200 },
    ]);
    expect(made).toBe(4);
    expect(pool.stats).toMatchObject({ created: 4, peakLeased: 4, acquired: 200 });
  });

  it('has savepoints, and reads settings of a transaction that the next one does not see', async () => {
    const pool = postgres.open({ max: 1 });
    const db = over(pool);
    const levelOf = async (executor: Kysely<Schema>) => {
      const found = await kyselySql<{
        level: string;
      }>`SELECT current_setting('transaction_isolation') AS level`.execute(executor);
      return found.rows[0]?.level;
    };
    const level = await db.transaction().setIsolationLevel('serializable').execute(levelOf);
    expect(level).toBe('serializable');
    const trx = await db.startTransaction().execute();
    await trx.deleteFrom('accounts').where('id', '>', 32).execute();
    const point = await trx.savepoint('half').execute();
    await point.deleteFrom('accounts').execute();
    await point.rollbackToSavepoint('half').execute();
    await trx.commit().execute();
    expect(await postgres.query('SELECT count(*)::int AS n FROM accounts')).toEqual([{ n: 32 }]);
    expect(await levelOf(db)).toBe('read committed');
  });

  it('goes on after the connections of its transactions were killed', async () => {
    const pool = postgres.open({ max: 8 });
    const db = over(pool);
    const meeting = new Meeting(9);
    const victims = Promise.allSettled(
      Array.from({ length: 8 }, (_, index) =>
        db.transaction().execute(async trx => {
          await trx
            .deleteFrom('accounts')
            .where('id', '=', index + 1)
            .execute();
          await meeting.join();
          await kyselySql`SELECT pg_sleep(60)`.execute(trx);
        }),
      ),
    );
    await postgres.untilBackends(
      rows => rows.filter(({ state }) => state === 'idle in transaction').length === 8,
    );
    await meeting.join();
    await postgres.server.terminateBackends();
    expect((await victims).map(({ status }) => status)).toEqual(Array(8).fill('rejected'));
    expect(await db.selectFrom('accounts').select('id').execute()).toHaveLength(64);
    await rest(pool);
    expect(pool.state.leased).toBe(0);
  });
});
