import { createConnection, type Connection as CoreConnection } from 'mysql2';
import { createConnection as createPromiseConnection, type Connection } from 'mysql2/promise';
import { lastValueFrom, mergeMap, range, Subject, take, tap, toArray } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CreateError, InvalidOptionsError } from '../src/errors.js';
import type { Pool } from '../src/index.js';
import { mysqlPool, query, stream, type MysqlPoolOptions } from '../src/mysql/index.js';
import { isAtRest, MysqlFixture, rowOf, stateOf } from './mysql-fixture.js';
import { describeOnServer } from './services/describe-on-server.js';
import { startMariadb } from './services/mariadb.js';
import { startTcpProxy } from './services/tcp-proxy.js';
import { patience } from './patience.js';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

/** What a connection of `mysql2/promise` stands on. */
const coreOf = (lent: Connection): CoreConnection =>
  (lent as unknown as { connection: CoreConnection }).connection;

/** The id of the one connection of a pool, which is idle again after that. */
async function onlyId(pool: Pool<Connection>): Promise<number> {
  const id = await lastValueFrom(pool.use(({ threadId }) => threadId));
  await stateOf(pool, isAtRest);
  return id;
}

await describeOnServer('mysqlPool', startMariadb, server => {
  const mysql = new MysqlFixture(server);
  afterEach(() => mysql.closePools());

  const numbers = 'SELECT seq AS n FROM seq_1_to_100000';
  const sleeps = ({ sql }: { sql: string | null }): boolean => sql?.includes('SLEEP') === true;

  describe('lending', () => {
    it('lends real connections, as many as the server counts, and leaves none behind', async () => {
      const pool = mysql.open({ max: 4 });
      const ids = new Set<number>();
      const gate = new Subject<void>();
      const work = lastValueFrom(
        range(0, 10).pipe(
          mergeMap(() =>
            pool.use(async connection => {
              expect(await rowOf(connection, 'SELECT CONNECTION_ID() AS id')).toEqual({
                id: connection.threadId,
              });
              ids.add(connection.threadId);
              if (ids.size < 4) await lastValueFrom(gate, { defaultValue: undefined });
              else gate.complete();
            }),
          ),
        ),
      );
      await stateOf(pool, ({ leased }) => leased === 4);
      expect(await server.connections()).toHaveLength(4);
      await work;
      await stateOf(pool, isAtRest);
      expect(await server.connections()).toEqual([...ids].sort((a, b) => a - b));
      await pool.close();
      expect(await server.connections()).toEqual([]);
    });

    it.each([
      ['mysql2', createConnection],
      ['mysql2/promise', createPromiseConnection],
      ['nothing, and loads the driver itself', undefined],
    ] as const)('takes createConnection of %s', async (_, create) => {
      const options = { connection: server.url, max: 1 };
      await using pool = mysqlPool<Connection>(
        create === undefined ? options : { ...options, createConnection: create },
      );
      expect(await lastValueFrom(query(pool, 'SELECT ? AS n', [3]))).toEqual({ n: 3 });
      await server.killConnections();
      expect(await lastValueFrom(query(pool, 'SELECT ? AS n', [4]))).toEqual({ n: 4 });
    });

    it('emits the rows of a query as they arrive, gives back before it completes, and has none for an insert', async () => {
      const pool = mysql.open({ max: 1 });
      const leased: number[] = [];
      const rows = await lastValueFrom(
        query<{ n: number }>(pool, `${numbers} LIMIT 3`).pipe(
          tap({
            next: () => leased.push(pool.state.leased),
            complete: () => leased.push(pool.state.leased),
          }),
          toArray(),
        ),
      );
      expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
      expect(leased).toEqual([1, 1, 1, 0]);
      await mysql.query('CREATE OR REPLACE TABLE rxpool.inserts (n int)');
      const insert$ = query(pool, 'INSERT INTO inserts VALUES (?)', [1]).pipe(toArray());
      expect(pool.stats.acquired).toBe(1);
      expect([await lastValueFrom(insert$), await lastValueFrom(insert$)]).toEqual([[], []]);
      expect(await lastValueFrom(query(pool, 'SELECT COUNT(*) AS n FROM inserts'))).toEqual({
        n: 2,
      });
    });

    it('passes the error of a statement on and lends the connection again', async () => {
      const pool = mysql.open({ max: 1 });
      const id = await onlyId(pool);
      await expect(lastValueFrom(query(pool, 'SELECT nothing'))).rejects.toMatchObject({
        code: 'ER_BAD_FIELD_ERROR',
      });
      expect(await onlyId(pool)).toBe(id);
      expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0 });
    });
  });

  describe('what a borrower leaves behind', () => {
    it('is gone: transaction, variables, settings, locks, temporary tables, database and prepared statements', async () => {
      const pool = mysql.open({ max: 1 });
      await mysql.query(
        'CREATE OR REPLACE TABLE rxpool.left_open (n int); CREATE DATABASE IF NOT EXISTS elsewhere; ' +
          "GRANT ALL ON elsewhere.* TO rxpool@'%'",
      );
      const settings =
        'SELECT DATABASE() AS db, @@autocommit, @@time_zone, @@sql_mode, @@tx_isolation, @@character_set_client, ' +
        "@@character_set_results, @@collation_connection, @left AS left_over, IS_USED_LOCK('left') AS holder, " +
        'LAST_INSERT_ID() AS last, (SELECT COUNT(*) FROM rxpool.left_open) AS n';
      const first = await pool.lease();
      const { threadId } = first.resource;
      const before = await rowOf(first.resource, settings);
      for (const statement of [
        "SET time_zone = '+03:00', sql_mode = 'ANSI', @left = 5",
        'SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE',
        'SET autocommit = 0',
        "DO GET_LOCK('left', 0)",
        'CREATE TEMPORARY TABLE left_table (n int)',
        "PREPARE left_statement FROM 'SELECT 1'",
        'USE elsewhere',
        'BEGIN',
        'INSERT INTO rxpool.left_open VALUES (1)',
        'SET NAMES latin1',
      ]) {
        await first.resource.query(statement);
      }
      expect(await rowOf(first.resource, settings)).not.toEqual(before);
      await first.release();
      await using next = await pool.lease();
      expect(next.resource.threadId).toBe(threadId);
      expect(await rowOf(next.resource, settings)).toEqual(before);
      await expect(next.resource.query('SELECT * FROM left_table')).rejects.toMatchObject({
        code: 'ER_NO_SUCH_TABLE',
      });
      await expect(next.resource.query('EXECUTE left_statement')).rejects.toMatchObject({
        code: 'ER_UNKNOWN_STMT_HANDLER',
      });
    });

    it('is no listener, on the connection or the one beneath it, and none is missing', async () => {
      const pool = mysql.open({ max: 1 });
      const events = ['error', 'end', 'drain', 'enqueue'];
      const counts = (lent: Connection) =>
        [lent, coreOf(lent)].flatMap(each => events.map(event => each.listenerCount(event)));
      const before = await lastValueFrom(pool.use(async lent => counts(lent)));
      await lastValueFrom(
        pool.use(async lent => {
          lent.on('drain', () => undefined);
          lent.once('error', () => undefined);
          coreOf(lent).on('enqueue', () => undefined);
          coreOf(lent).removeAllListeners('error');
        }),
      );
      expect(await lastValueFrom(pool.use(async lent => counts(lent)))).toEqual(before);
      expect(pool.stats.created).toBe(1);
    });

    it('does not change how the driver writes the next one’s texts', async () => {
      const pool = mysql.open({ max: 1 });
      const text = 'Größe: 5 €, 日本';
      for (const charset of ['latin1', 'utf8mb4', 'koi8r']) {
        await lastValueFrom(pool.use(connection => connection.query(`SET NAMES ${charset}`)));
        expect(await lastValueFrom(query(pool, 'SELECT ? AS t', [text]))).toEqual({ t: text });
        expect(
          await lastValueFrom(pool.use(connection => rowOf(connection, `SELECT '${text}' AS t`))),
        ).toEqual({ t: text });
      }
      expect(pool.stats.created).toBe(1);
    });

    it('costs the connection where it cannot be undone: another user, a database where there was none', async () => {
      const pool = mysql.open({ max: 1, connection: server.url.replace(/rxpool$/, '') });
      const first = await onlyId(pool);
      await lastValueFrom(pool.use(connection => connection.query('USE rxpool')));
      const second = await onlyId(pool);
      expect(second).not.toBe(first);
      await mysql.query(
        "CREATE OR REPLACE USER guest@'%' IDENTIFIED BY 'rxpool'; GRANT ALL ON rxpool.* TO guest@'%'",
      );
      await lastValueFrom(pool.use(connection => connection.changeUser({ user: 'guest' })));
      expect(await onlyId(pool)).not.toBe(second);
      expect(pool.stats).toMatchObject({ resetFailed: 2, destroyed: 2 });
    });

    it('lets execute prepare anew, so that no statement of another session is run', async () => {
      const pool = mysql.open({ max: 1 });
      for (let round = 1; round <= 3; round += 1) {
        const [rows] = await lastValueFrom(
          pool.use(connection => connection.execute('SELECT ? + 1 AS sum', [round])),
        );
        expect(rows).toEqual([{ sum: round + 1 }]);
      }
      expect(pool.stats.created).toBe(1);
    });

    it('is what setUp made of it, on new connections and after every reset', async () => {
      let times = 0;
      const pool = mysql.open({
        max: 1,
        setUp: connection => {
          times += 1;
          return connection.query("SET time_zone = '+05:00'");
        },
      });
      for (let round = 1; round <= 3; round += 1) {
        await lastValueFrom(
          pool.use(async connection => {
            expect(await rowOf(connection, 'SELECT @@time_zone AS zone')).toEqual({
              zone: '+05:00',
            });
            await connection.query("SET time_zone = '+01:00'");
          }),
        );
        await stateOf(pool, isAtRest);
        expect(times).toBe(round + 1);
      }
    });

    it('stays where reset says so, but never an open transaction', async () => {
      const pool = mysql.open({ max: 1, reset: () => undefined });
      await mysql.query('CREATE OR REPLACE TABLE rxpool.left_open (n int)');
      await lastValueFrom(
        pool.use(async connection => {
          await connection.query('SET @kept = 7');
          await connection.query('BEGIN');
          await connection.query('INSERT INTO left_open VALUES (1)');
        }),
      );
      await using next = await pool.lease();
      expect(await rowOf(next.resource, 'SELECT @kept AS kept')).toEqual({ kept: 7 });
      expect(await rowOf(next.resource, 'SELECT COUNT(*) AS n FROM left_open')).toEqual({ n: 0 });
    });
  });

  describe('a statement that nobody waits for any more', () => {
    it('is killed on the server, and the connection is lent again', async () => {
      const pool = mysql.open({ max: 1 });
      const id = await onlyId(pool);
      const sleeping = query(pool, 'SELECT SLEEP(60)').subscribe();
      await mysql.untilThreads(threads => threads.some(sleeps));
      sleeping.unsubscribe();
      expect(pool.state).toMatchObject({ resetting: 1, idle: 0 });
      expect(await onlyId(pool)).toBe(id);
      expect((await mysql.threads()).filter(sleeps)).toEqual([]);
      expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0 });
    });

    it('is killed together with what was queued behind it on the same connection', async () => {
      const pool = mysql.open({ max: 1 });
      const id = await onlyId(pool);
      const work = pool
        .use(connection =>
          Promise.allSettled(
            ['BEGIN', 'DO SLEEP(60)', 'DO SLEEP(61)'].map(sql => connection.query(sql)),
          ),
        )
        .subscribe();
      await mysql.untilThreads(threads => threads.some(sleeps));
      work.unsubscribe();
      expect(await onlyId(pool)).toBe(id);
    });

    it('ends early on the server too, when a few rows of many are enough', async () => {
      const pool = mysql.open({ max: 1 });
      const id = await onlyId(pool);
      const endless = 'SELECT a.seq FROM seq_1_to_100000 a, seq_1_to_100000 b';
      const rows = await lastValueFrom(query(pool, endless).pipe(take(2), toArray()));
      expect(rows).toHaveLength(2);
      expect(await onlyId(pool)).toBe(id);
      await mysql.untilThreads(threads => threads.every(({ command }) => command === 'Sleep'));
    });

    it('never has its kill reach the next borrower', async () => {
      const pool = mysql.open({ max: 2 });
      for (let round = 0; round < 60; round += 1) {
        const left$ = query(pool, `${numbers} LIMIT 2000`).pipe(take(1));
        const [, next] = await Promise.all([
          lastValueFrom(left$),
          lastValueFrom(query(pool, 'SELECT SLEEP(0.002) AS nap, 1 AS one')),
        ]);
        expect(next).toEqual({ nap: 0, one: 1 });
      }
      expect(pool.stats.resetFailed).toBe(0);
    });

    it('is killed on behalf of another account where one is given, on a server that has no room for the own one', async () => {
      const limit = (most: number) =>
        mysql.query(`GRANT USAGE ON *.* TO rxpool@'%' WITH MAX_USER_CONNECTIONS ${most}`);
      await mysql.query(
        "CREATE USER canceller@'%'; GRANT CONNECTION ADMIN ON *.* TO canceller@'%'",
      );
      await limit(2);
      try {
        const cancelConnection = `mysql://canceller@127.0.0.1:${server.port}`;
        const pool = mysql.open({ cancelConnection, max: 2 });
        await using _other = await pool.lease();
        const sleeping = query(pool, 'SELECT SLEEP(60)').subscribe();
        await mysql.untilThreads(threads => threads.some(sleeps));
        await expect(mysql.open().lease()).rejects.toThrow('max_user_connections');
        sleeping.unsubscribe();
        expect(await lastValueFrom(query(pool, 'SELECT 1 AS one'))).toEqual({ one: 1 });
        expect(pool.stats).toMatchObject({ created: 2, destroyed: 0 });
      } finally {
        await limit(100);
      }
    });

    it('costs the connection, and nothing else, where there is no way to cancel', async () => {
      const cancelConnection = 'mysql://nobody:wrong@127.0.0.1:1/x';
      const pool = mysql.open({ cancelConnection, max: 1 });
      const id = await onlyId(pool);
      const sleeping = query(pool, 'SELECT SLEEP(1)').subscribe();
      await mysql.untilThreads(threads => threads.some(sleeps));
      sleeping.unsubscribe();
      expect(await onlyId(pool)).not.toBe(id);
      expect(pool.stats).toMatchObject({ resetFailed: 1, destroyFailed: 1 });
      await mysql.untilThreads(threads => !threads.some(sleeps));
    });

    it('is ended on the server before its connection is destroyed, where that is asked for', async () => {
      const pool = mysql.open({ max: 1, onCancel: 'destroy' });
      const sleeping = query(pool, 'SELECT SLEEP(60)').subscribe();
      await mysql.untilThreads(threads => threads.some(sleeps));
      sleeping.unsubscribe();
      await stateOf(pool, ({ size }) => size === 0);
      await mysql.untilThreads(threads => threads.length === 0);
    });

    it('does not outlive a forced close', async () => {
      const pool = mysql.open({ max: 3 });
      const errors: unknown[] = [];
      for (let count = 0; count < 3; count += 1) {
        query(pool, 'SELECT SLEEP(60)').subscribe({
          error: (error: unknown) => errors.push(error),
        });
      }
      await mysql.untilThreads(threads => threads.filter(sleeps).length === 3);
      await pool.close({ force: true });
      expect(errors).toHaveLength(3);
      await mysql.untilThreads(threads => threads.length === 0);
    });
  });

  describe('a stream of rows', () => {
    const big = "SELECT seq AS n, REPEAT('x', 1000) AS text FROM seq_1_to_30000";
    const isHeldBack = (threads: { state: string | null }[]): boolean =>
      threads.some(({ state }) => state === 'Writing to net');

    it('reads no further than it is consumed, and every row once and in order', async () => {
      const pool = mysql.open({ max: 1 });
      let seen = 0;
      for await (const { n } of stream<{ n: number }>(pool, big, [], { readAhead: 10 })) {
        seen += 1;
        expect(n).toBe(seen);
        // What the socket takes and the server's buffer hold is far less than the whole.
        if (seen === 3_000) await mysql.untilThreads(isHeldBack);
      }
      expect(seen).toBe(30_000);
      await stateOf(pool, isAtRest);
      expect(pool.stats).toMatchObject({ acquired: 1, created: 1 });
    });

    it('holds the server back while the work on a row lasts', async () => {
      const pool = mysql.open({ max: 1 });
      const gate = new Subject<void>();
      const started: number[] = [];
      const work = lastValueFrom(
        stream<{ n: number }>(pool, big, [], { readAhead: 5 }).each(({ n }) => {
          started.push(n);
          return gate;
        }, 2),
        { defaultValue: undefined },
      );
      // It has filled what there is between the two and can send no more.
      await mysql.untilThreads(isHeldBack);
      expect(started).toEqual([1, 2]);
      gate.complete();
      await work;
      expect(started).toHaveLength(30_000);
    });

    it('is killed when the loop is left, and its connection is clean and reads again', async () => {
      const pool = mysql.open({ max: 1 });
      const id = await onlyId(pool);
      for await (const row of stream(
        pool,
        'SELECT a.seq FROM seq_1_to_100000 a, seq_1_to_100000 b',
      )) {
        expect(row).toEqual({ seq: expect.any(Number) });
        break;
      }
      expect(await lastValueFrom(query(pool, 'SELECT 1 AS one'))).toEqual({ one: 1 });
      expect(await onlyId(pool)).toBe(id);
    });

    it('passes on errors of the server and of the work', async () => {
      const pool = mysql.open({ max: 1 });
      await expect(
        lastValueFrom(stream(pool, 'SELECT nothing').each(() => [1])),
      ).rejects.toMatchObject({ code: 'ER_BAD_FIELD_ERROR' });
      const failure = new Error('mine');
      await expect(
        lastValueFrom(
          stream(pool, numbers).each(() => {
            throw failure;
          }),
        ),
      ).rejects.toBe(failure);
      const iterate = async () => {
        for await (const row of stream(pool, 'SELECT nothing')) expect(row).toBeUndefined();
      };
      await expect(iterate()).rejects.toMatchObject({ code: 'ER_BAD_FIELD_ERROR' });
      expect(() => stream(pool, numbers, [], { readAhead: 0 })).toThrow(InvalidOptionsError);
      expect(() => stream(pool, numbers).each(() => [], 0)).toThrow(InvalidOptionsError);
    });
  });

  describe('death', () => {
    it('of an idle connection is noticed at once, and of one that works by who works with it', async () => {
      const pool = mysql.open({ max: 2 });
      const lost = lastValueFrom(query(pool, 'SELECT SLEEP(60)'));
      const told = expect(lost).rejects.toBeInstanceOf(Error);
      await onlyIdle(pool);
      await mysql.untilThreads(threads => threads.length === 2 && threads.some(sleeps));
      await server.killConnections();
      await told;
      await stateOf(pool, ({ size }) => size === 0);
      expect(await lastValueFrom(query(pool, 'SELECT 1 AS one'))).toEqual({ one: 1 });
      expect(pool.stats.validateFailed).toBe(0);
    });

    it('of the whole server is survived', async () => {
      const pool = mysql.open({ max: 2 });
      await onlyId(pool);
      await server.kill();
      await stateOf(pool, ({ size }) => size === 0);
      await expect(pool.lease()).rejects.toBeInstanceOf(CreateError);
      await server.restart();
      expect(await lastValueFrom(query(pool, 'SELECT 1 AS one'))).toEqual({ one: 1 });
    });

    it('that nobody tells of is found by the check before lending', async () => {
      await using proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
      const pool = mysql.open({
        connection: proxy.url(server.url),
        max: 1,
        validateAfterIdleMillis: 0,
        validateTimeoutMillis: 50,
      });
      const id = await onlyId(pool);
      proxy.halfOpen();
      expect(await onlyId(pool)).not.toBe(id);
      expect(pool.stats.validateFailed).toBe(1);
    });

    it('by age comes after 30 minutes by default, and nobody notices', async () => {
      vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
      try {
        const pool = mysql.open({ idleTimeoutMillis: Infinity, max: 1 });
        const id = await onlyId(pool);
        vi.advanceTimersByTime(30 * 60_000 - 1_000);
        expect(pool.state.idle).toBe(1);
        vi.advanceTimersByTime(1_000);
        await stateOf(pool, ({ size }) => size === 0);
        expect(await onlyId(pool)).not.toBe(id);
      } finally {
        vi.useRealTimers();
      }
    });
  });

  describe('connecting', () => {
    it('is given up when the time is over, and leaves nothing open', async () => {
      await using proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
      proxy.blackHole(true);
      for (const create of [createConnection, createPromiseConnection]) {
        const pool = mysql.open({
          connection: { uri: proxy.url(server.url), connectTimeout: 300 },
          createConnection: create,
          createTimeoutMillis: 50,
        });
        await expect(pool.lease()).rejects.toBeInstanceOf(CreateError);
        await vi.waitUntil(() => proxy.connections === 0, patience);
        await pool.close();
      }
    });

    it.each([
      ['the password is wrong', (url: string) => url.replace('rxpool@', 'wrong@'), 'Access denied'],
      ['the database is not there', (url: string) => `${url}x`, 'rxpoolx'],
      ['nobody listens', (url: string) => url.replace(/:\d+\//, ':1/'), 'ECONNREFUSED'],
    ])('says so when %s', async (_, change, words) => {
      const pool = mysql.open({ connection: change(server.url) });
      const failure = await pool.lease().catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(CreateError);
      expect((failure as CreateError).message).toContain(words);
      expect((failure as CreateError).cause).toBeInstanceOf(Error);
      expect(pool.state).toMatchObject({ size: 0, creating: 0 });
    });

    it('fails where setUp does, and ends what it had connected', async () => {
      const pool = mysql.open({ setUp: connection => connection.query('SET nothing = 1') });
      await expect(pool.lease()).rejects.toBeInstanceOf(CreateError);
      await mysql.untilThreads(threads => threads.length === 0);
    });
  });
});

/** Borrows a second connection and gives it back. */
async function onlyIdle(pool: Pool<Connection>): Promise<void> {
  await lastValueFrom(pool.use(connection => connection.ping()));
  await stateOf(pool, ({ idle }) => idle === 1);
}

describe('options of mysqlPool', () => {
  it.each<[string, object, string]>([
    ['connection', {}, 'but is undefined'],
    ['connection', { connection: 'localhost' }, 'mysql:// URL, but is "localhost"'],
    ['connection', { connection: 3306 }, 'but is 3306'],
    ['connection', { connection: { uri: 'db' } }, 'URL, but is "db"'],
    ['connection', { connection: 'http://me:secret@host/db' }, 'but is "http://…@host/db"'],
    ['cancelConnection', { connection: {}, cancelConnection: 'root' }, 'but is "root"'],
    ['createConnection', { connection: {}, createConnection: 'mysql2' }, 'but is "mysql2"'],
    ['setUp', { connection: {}, setUp: 'SET x' }, 'but is "SET x"'],
    ['create', { connection: {}, create: () => 1 }, 'brought by the adapter'],
    ['max', { connection: {}, max: 0 }, 'but is 0'],
    ['maxx', { connection: {}, maxx: 5 }, 'did you mean "max"'],
    ['options', null as unknown as object, 'must be an object'],
  ])('are refused where %s is senseless: %j', (option, options, words) => {
    const make = () => mysqlPool(options as MysqlPoolOptions);
    expect(make).toThrow(InvalidOptionsError);
    expect(make).toThrow(words);
    expect(make).toThrow(expect.objectContaining({ option }));
  });

  it('leave a pool that connects to nothing until it is asked', async () => {
    const pool = mysqlPool({ connection: 'mysql://127.0.0.1:1/x' });
    expect(pool.state).toMatchObject({ size: 0, creating: 0 });
    await pool.close();
  });
});
