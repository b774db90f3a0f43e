/* eslint-disable @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return --
   without a class of its own for each shape, what the facade gives is typed where both shapes agree */
import type { Connection as CoreConnection, Pool as CorePool, PoolConnection } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import { firstValueFrom, Subject } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { asMysqlPool } from '../src/mysql/index.js';
import { isAtRest, MysqlFixture, rowOf, stateOf } from './mysql-fixture.js';
import { describeOnServer } from './services/describe-on-server.js';
import { startMariadb } from './services/mariadb.js';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

await describeOnServer('asMysqlPool', startMariadb, server => {
  const mysql = new MysqlFixture(server);
  beforeEach(() =>
    mysql.query(
      'CREATE OR REPLACE TABLE rxpool.accounts (id int PRIMARY KEY) SELECT seq AS id FROM rxpool.seq_1_to_64',
    ),
  );
  afterEach(() => mysql.closePools());

  const accounts = 'SELECT COUNT(*) AS n FROM accounts';

  it('fits the type of mysql2’s Pool, so that whatever wants one takes it without a cast', () => {
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- that is the point
    const facade: CorePool = asMysqlPool(mysql.open({ max: 7 }));
    expect(facade.config).toEqual({ connectionLimit: 7 });
  });

  it('has a class whose name ends in Pool, whatever a minifier does', () => {
    const { constructor } = Object.getPrototypeOf(asMysqlPool(mysql.open())) as object;
    expect(constructor.name).toBe('MysqlPool');
    expect(Object.hasOwn(constructor, 'name')).toBe(true);
  });

  it('queries and executes with promises', async () => {
    const pool = mysql.open({ max: 1 });
    const facade = asMysqlPool(pool);
    const [rows, fields] = await facade.query('SELECT ? AS n', [2]);
    expect(rows).toEqual([{ n: 2 }]);
    expect(fields).toMatchObject([{ name: 'n' }]);
    const asArrays = { sql: 'SELECT ? AS n', values: [3], rowsAsArray: true };
    expect((await facade.query(asArrays))[0]).toEqual([[3]]);
    expect((await facade.execute('SELECT ? AS n', [4]))[0]).toEqual([{ n: 4 }]);
    expect((await facade.promise().query('SELECT 5 AS n'))[0]).toEqual([{ n: 5 }]);
    await expect(facade.query('SELECT nothing')).rejects.toMatchObject({ errno: 1054 });
    expect(facade.escape("it's")).toBe("'it\\'s'");
    expect(facade.escapeId('a`b')).toBe('`a``b`');
    expect(facade.format('?? = ?', ['a', 1])).toBe('`a` = 1');
    await stateOf(pool, isAtRest);
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
  });

  it('queries, lends and ends with callbacks', async () => {
    const pool = mysql.open({ max: 1 });
    const facade = asMysqlPool(pool);
    const called = (run: (callback: (...given: unknown[]) => void) => void) =>
      new Promise<unknown[]>(resolve => {
        run((...given) => {
          resolve(given);
        });
      });
    const [none, rows] = await called(done => facade.query('SELECT ? AS n', [2], done));
    expect([none, rows]).toEqual([null, [{ n: 2 }]]);
    expect((await called(done => facade.execute('SELECT 3 AS n', done)))[1]).toEqual([{ n: 3 }]);
    expect((await called(done => facade.query('SELECT nothing', done)))[0]).toMatchObject({
      errno: 1054,
    });
    const [, lent] = (await called(done => {
      facade.getConnection(done);
    })) as [unknown, PoolConnection];
    const streamed: unknown[] = [];
    for await (const row of lent.query('SELECT seq FROM seq_1_to_3').stream()) streamed.push(row);
    expect(streamed).toEqual([{ seq: 1 }, { seq: 2 }, { seq: 3 }]);
    lent.release();
    expect(
      await called(done => {
        facade.end(done);
      }),
    ).toEqual([null]);
    const [refused] = await called(done => {
      facade.getConnection(done);
    });
    expect(refused).toMatchObject({ code: 'POOL_CLOSED' });
  });

  it('lends the same object for the same connection, in both shapes', async () => {
    const pool = mysql.open({ max: 1 });
    const facade = asMysqlPool(pool);
    const borrow = () =>
      new Promise<CoreConnection>((resolve, reject) => {
        facade.getConnection((error, connection: PoolConnection) => {
          if (error === null) resolve(connection);
          else reject(error as Error);
        });
      });
    const core = await borrow();
    facade.releaseConnection(core);
    expect(await borrow()).toBe(core);
    facade.releaseConnection(core);
    const connection = await facade.getConnection();
    connection.release();
    const again = await facade.getConnection();
    expect(again).toBe(connection);
    facade.releaseConnection(again);
    await using lease = await pool.lease();
    expect(lease.resource).toBe(connection);
    expect(pool.stats.created).toBe(1);
  });

  it('rolls back what release() was not told of', async () => {
    const pool = mysql.open({ max: 1 });
    const facade = asMysqlPool(pool);
    const connection = await facade.getConnection();
    await connection.query('BEGIN');
    await connection.query('DELETE FROM accounts');
    connection.release();
    expect((await facade.query(accounts))[0]).toEqual([{ n: 64 }]);
    expect(pool.stats.created).toBe(1);
  });

  it('takes a connection back once, however often and in which way it is given back', async () => {
    const pool = mysql.open({ max: 1 });
    const facade = asMysqlPool(pool);
    const connection = await facade.getConnection();
    // As with mysql2: the end of a lent connection gives it back.
    const { connection: core } = connection as unknown as { connection: CoreConnection };
    core.end();
    connection.release();
    facade.releaseConnection(connection);
    await stateOf(pool, isAtRest);
    expect(pool.stats).toMatchObject({ acquired: 1, released: 1, destroyed: 0 });
    expect((await facade.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    (await facade.getConnection()).destroy();
    await stateOf(pool, ({ size }) => size === 0);
    expect((await facade.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    expect(pool.stats).toMatchObject({ created: 2 });
  });

  it('tells of its connections by the events of mysql2’s pool', async () => {
    const pool = mysql.open({ max: 1 });
    const facade = asMysqlPool(pool);
    const told: unknown[] = [];
    for (const event of ['connection', 'acquire', 'release']) {
      facade.on(event, ({ threadId }: CoreConnection) => told.push([event, threadId]));
    }
    facade.on('enqueue', () => told.push('enqueue'));
    const connection = await facade.getConnection();
    const { threadId } = connection;
    const waiting = facade.query('SELECT 1');
    connection.release();
    await waiting;
    expect(told).toEqual([
      ['connection', threadId],
      ['acquire', threadId],
      'enqueue',
      ['release', threadId],
      ['acquire', threadId],
      ['release', threadId],
    ]);
  });

  it('keeps the listeners that the connection event adds, and no others, from borrower to borrower', async () => {
    const pool = mysql.open({ max: 1 });
    const facade = asMysqlPool(pool);
    const keep = (): void => undefined;
    facade.on('connection', (core: CoreConnection) => core.on('drain', keep));
    const first = await facade.getConnection();
    const { connection: core } = first as unknown as { connection: CoreConnection };
    core.on('drain', () => undefined);
    first.release();
    const second = await facade.getConnection();
    expect(core.listeners('drain')).toEqual([keep]);
    second.release();
    expect(pool.stats.created).toBe(1);
  });

  it('takes a broken connection back by itself, so that forgetting to release it costs nothing', async () => {
    const pool = mysql.open({ max: 1 });
    const facade = asMysqlPool(pool);
    const forgotten = await facade.getConnection();
    await server.killConnections();
    expect((await facade.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    forgotten.release();
    await stateOf(pool, isAtRest);
    expect(pool.state).toMatchObject({ size: 1, leased: 0 });
  });

  it('gives the connection back when a listener throws', async () => {
    const pool = mysql.open({ max: 1 });
    const facade = asMysqlPool(pool);
    facade.once('acquire', () => {
      throw new Error('mine');
    });
    await expect(facade.getConnection()).rejects.toThrow('mine');
    expect((await facade.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
  });

  it('leaves a server that only reads by now, as mysql2’s pool does', async () => {
    const pool = mysql.open({ max: 1 });
    const facade = asMysqlPool(pool);
    await mysql.query('SET GLOBAL read_only = 1');
    try {
      await expect(facade.query('DELETE FROM accounts')).rejects.toMatchObject({ errno: 1290 });
    } finally {
      await mysql.query('SET GLOBAL read_only = 0');
    }
    await stateOf(pool, ({ size }) => size === 0);
  });

  it('names its borrower in the events of the pool', async () => {
    const pool = mysql.open({ max: 1 });
    const labels: unknown[] = [];
    pool.stats$.subscribe(event => {
      if (event.type === 'acquired') labels.push(event.label);
    });
    await asMysqlPool(pool, { label: 'reports' }).query('SELECT 1');
    expect(labels).toEqual(['reports']);
  });

  it('ends when it goes out of scope', async () => {
    const pool = mysql.open({ max: 1 });
    {
      await using facade = asMysqlPool(pool);
      await facade.query('SELECT 1');
    }
    expect(pool.state.lifecycle).toBe('closed');
    const other = mysql.open({ max: 1 });
    const closed = new Subject<void>();
    other.state$.subscribe({ complete: () => closed.complete() });
    asMysqlPool(other)[Symbol.dispose]();
    await firstValueFrom(closed, { defaultValue: undefined });
  });

  describe('without a connection yet', () => {
    it('escapes nothing, because how depends on the connection, and prepares nothing', () => {
      const facade = asMysqlPool(mysql.open());
      expect(() => facade.escape('x')).toThrow('no connection yet');
      expect(() => facade.unprepare('SELECT 1')).toThrow('getConnection()');
    });
  });

  it('lends connections that still are what they were without it', async () => {
    const pool = mysql.open({ max: 1 });
    (await asMysqlPool(pool).getConnection()).release();
    const lease = await pool.lease();
    const connection: Connection = lease.resource;
    expect(await rowOf(connection, accounts)).toEqual({ n: 64 });
    await connection.end();
    await lease.release();
    expect(pool.state.size).toBe(0);
  });
});
