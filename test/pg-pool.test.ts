import { Client, type Pool as DriverPool, type PoolClient } from 'pg';
import { filter, firstValueFrom } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Pool } from '../src/index.js';
import { asPgPool, type PostgresClient } from '../src/postgres/index.js';
import { rest } from './orm/shop.js';
import { PostgresFixture } from './postgres-fixture.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const postgres = new PostgresFixture();

beforeAll(async () => {
  await postgres.start();
  await postgres.query(
    'CREATE TABLE accounts AS SELECT n AS id FROM generate_series(1, 64) n; GRANT ALL ON accounts TO rxpool',
  );
});
afterAll(() => postgres.stop());
afterEach(() => postgres.closePools());

describe('the surface of pg.Pool', () => {
  it('fits its type, so that whatever wants a pg.Pool takes it without a cast', () => {
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- that is the point
    const facade: DriverPool = asPgPool(postgres.open());
    expect(facade.totalCount).toBe(0);
    // Nor is it needed where nobody named the class of the clients: of a registry, for example.
    const unnamed: Pool<PostgresClient> = postgres.open();
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- as above
    const bare: DriverPool = asPgPool(unnamed);
    expect(bare.totalCount).toBe(0);
  });

  it('has a class whose name ends in Pool, as Drizzle wants it, whatever a minifier does', () => {
    const facade = asPgPool(postgres.open());
    expect((Object.getPrototypeOf(facade) as object).constructor.name).toBe('PgPool');
    expect(Object.hasOwn((Object.getPrototypeOf(facade) as object).constructor, 'name')).toBe(true);
  });

  it('counts what the pool counts', async () => {
    const pool = postgres.open({ max: 2, min: 0 });
    const facade = asPgPool(pool);
    const counts = () => [
      facade.totalCount,
      facade.idleCount,
      facade.waitingCount,
      facade.expiredCount,
    ];
    expect(counts()).toEqual([0, 0, 0, 0]);
    expect(facade.options).toEqual({ min: 0, max: 2 });
    const clients = await Promise.all([facade.connect(), facade.connect()]);
    const third = facade.connect();
    expect(counts()).toEqual([2, 0, 1, 0]);
    const recycled = pool.recycle();
    expect(counts()).toEqual([2, 0, 1, 2]);
    for (const client of clients) client.release();
    (await third).release();
    await recycled;
    await rest(pool);
    expect(counts()).toEqual([1, 1, 0, 0]);
    expect([facade.ending, facade.ended]).toEqual([false, false]);
    const ended = facade.end();
    expect(facade.ending).toBe(true);
    await ended;
    expect([facade.ending, facade.ended]).toEqual([true, true]);
    await expect(facade.connect()).rejects.toMatchObject({ code: 'POOL_CLOSED' });
  });

  it('queries with text, values, configurations, promises and callbacks', async () => {
    const pool = postgres.open({ max: 1 });
    const facade = asPgPool(pool);
    expect((await facade.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect((await facade.query('SELECT $1::int AS n', [2])).rows).toEqual([{ n: 2 }]);
    expect((await facade.query({ text: 'SELECT $1::int', rowMode: 'array' }, [3])).rows).toEqual([
      [3],
    ]);
    const called = await new Promise(resolve => {
      facade.query('SELECT $1::int AS n', [4], (error, result) => {
        resolve([error, result.rows]);
      });
    });
    expect(called).toEqual([undefined, [{ n: 4 }]]);
    const failed = await new Promise(resolve => {
      facade.query('SELECT 1 / 0', resolve);
    });
    expect(failed).toMatchObject({ code: '22012' });
    await expect(facade.query('SELECT nothing')).rejects.toMatchObject({ code: '42703' });
    await expect(
      facade.query({ submit: () => undefined } as never) as unknown as Promise<unknown>,
    ).rejects.toThrow('connect()');
    await rest(pool);
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
  });

  it('connects and ends with callbacks as well', async () => {
    const pool = postgres.open({ max: 1 });
    const facade = asPgPool(pool);
    const one = await new Promise<unknown>((resolve, reject) => {
      facade.connect((error, client, release) => {
        if (client === undefined) reject(error);
        else
          client.query('SELECT 1 AS one').then(({ rows }) => {
            release();
            resolve(rows);
          }, reject);
      });
    });
    expect(one).toEqual([{ one: 1 }]);
    await new Promise<void>(resolve => {
      facade.end(resolve);
    });
    const refused = await new Promise(resolve => {
      facade.connect(resolve);
    });
    expect(refused).toMatchObject({ code: 'POOL_CLOSED' });
  });

  it('lends the same object for the same connection', async () => {
    const pool = postgres.open({ max: 1 });
    const facade = asPgPool(pool);
    const first = await facade.connect();
    first.release();
    const second = await facade.connect();
    expect(second).toBe(first);
    second.release();
    await using lease = await pool.lease();
    expect(lease.resource).toBe(first);
  });

  it('rolls back what release() was not told of', async () => {
    const pool = postgres.open({ max: 1 });
    const facade = asPgPool(pool);
    const client = await facade.connect();
    await client.query('BEGIN; DELETE FROM accounts');
    client.release();
    expect((await facade.query('SELECT count(*)::int AS n FROM accounts')).rows).toEqual([
      { n: 64 },
    ]);
    expect(pool.stats.created).toBe(1);
  });

  it('ends a connection that is released with an error or true, and one released twice but once', async () => {
    const pool = postgres.open({ max: 1 });
    const facade = asPgPool(pool);
    (await facade.connect()).release(new Error('bad'));
    await rest(pool);
    expect(pool.stats.destroyed).toBe(1);
    (await facade.connect()).release(true);
    await rest(pool);
    expect(pool.stats.destroyed).toBe(2);
    const client = await facade.connect();
    client.release(false);
    client.release(true);
    await rest(pool);
    client.release();
    expect(pool.stats).toMatchObject({ destroyed: 2, acquired: 3, released: 3 });
  });

  it('tells of its clients by the events of pg.Pool', async () => {
    const pool = postgres.open({ max: 1 });
    const facade = asPgPool(pool);
    const told: unknown[] = [];
    for (const event of ['connect', 'acquire', 'remove']) {
      facade.on(event, (client: PoolClient) => told.push([event, client instanceof Client]));
    }
    facade.on('release', (error: unknown, client: unknown) =>
      told.push(['release', error, client instanceof Client]),
    );
    (await facade.connect()).release();
    await rest(pool);
    await facade.query('SELECT 1');
    await facade.end();
    expect(told).toEqual([
      ['connect', true],
      ['acquire', true],
      ['release', undefined, true],
      ['acquire', true],
      ['release', undefined, true],
      ['remove', true],
    ]);
  });

  it('lets the connect event prepare a session before its borrower has it', async () => {
    const pool = postgres.open({ max: 1, reset: () => undefined });
    const facade = asPgPool(pool);
    facade.on('connect', (client: PoolClient) => {
      void client.query("SET application_name = 'prepared'");
    });
    expect((await facade.query('SHOW application_name')).rows).toEqual([
      { application_name: 'prepared' },
    ]);
  });

  it('keeps the listeners that the connect event adds, and no others, from borrower to borrower', async () => {
    const pool = postgres.open({ max: 1 });
    const facade = asPgPool(pool);
    const notices: string[] = [];
    const hear = (who: string) => (): void => void notices.push(who);
    facade.on('connect', (client: PoolClient) => client.on('notice', hear('connect')));
    const first = await facade.connect();
    first.on('notice', hear('borrower'));
    first.release();
    await facade.query("DO $$ BEGIN RAISE NOTICE 'to whom?'; END $$");
    expect(notices).toEqual(['connect']);
    expect(pool.stats.created).toBe(1);
  });

  it('emits error for an idle connection that breaks, and ends no process where nobody listens', async () => {
    const pool = postgres.open({ max: 1 });
    const deaf = asPgPool(pool);
    (await deaf.connect()).release();
    await rest(pool);
    await postgres.server.terminateBackends();
    await firstValueFrom(pool.state$.pipe(filter(({ size }) => size === 0)));

    const hearing = asPgPool(pool);
    const errors: unknown[] = [];
    hearing.on('error', (error: unknown) => errors.push(error));
    (await hearing.connect()).release();
    await rest(pool);
    await postgres.server.terminateBackends();
    await firstValueFrom(pool.state$.pipe(filter(({ size }) => size === 0)));
    expect(errors).toEqual([expect.objectContaining({ code: '57P01' })]);
  });

  it('takes a broken connection back by itself, so that forgetting to release it costs nothing', async () => {
    const pool = postgres.open({ max: 1 });
    const facade = asPgPool(pool);
    const forgotten = await facade.connect();
    forgotten.on('error', () => undefined);
    await postgres.server.terminateBackends();
    expect((await facade.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    forgotten.release();
    await rest(pool);
    expect(pool.state).toMatchObject({ size: 1, leased: 0 });
  });

  it('gives the connection back when a listener throws', async () => {
    const pool = postgres.open({ max: 1 });
    const facade = asPgPool(pool);
    facade.once('acquire', () => {
      throw new Error('mine');
    });
    await expect(facade.connect()).rejects.toThrow('mine');
    (await facade.connect()).release();
    await rest(pool);
    expect(pool.state.leased).toBe(0);
  });

  it('names its borrower in the events of the pool', async () => {
    const pool = postgres.open({ max: 1 });
    const labels: unknown[] = [];
    pool.stats$.subscribe(event => {
      if (event.type === 'acquired') labels.push(event.label);
    });
    await asPgPool(pool, { label: 'reports' }).query('SELECT 1');
    expect(labels).toEqual(['reports']);
  });
});
