import type { Connection } from 'mysql2/promise';
import {
  concat,
  defer,
  EMPTY,
  firstValueFrom,
  forkJoin,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  of,
  range,
  retry,
  Subject,
  tap,
  throwError,
  toArray,
} from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { InvalidOptionsError } from '../src/errors.js';
import type { Pool, PoolState } from '../src/index.js';
import {
  isConflict,
  query,
  transaction,
  TransactionLostError,
  type TransactionOptions,
} from '../src/mysql/index.js';
import { isAtRest, MysqlFixture, rowOf, stateOf } from './mysql-fixture.js';
import { describeOnServer } from './services/describe-on-server.js';
import { startMariadb } from './services/mariadb.js';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

await describeOnServer('transactions of mysqlPool', startMariadb, server => {
  const mysql = new MysqlFixture(server);
  beforeEach(() => mysql.query('CREATE OR REPLACE TABLE rxpool.entries (n int PRIMARY KEY)'));
  afterEach(() => mysql.closePools());

  /** What is committed, as somebody else sees it. */
  const committed = async (): Promise<unknown[]> =>
    (await mysql.query('SELECT n FROM rxpool.entries ORDER BY n')).map(({ n }) => n);

  const insert = (connection: Connection, n: number) =>
    connection.query('INSERT INTO entries VALUES (?)', [n]);

  /** Borrows the connection after a transaction has ended somehow, and finds nothing of it. */
  async function demandClean(pool: Pool<Connection>): Promise<number> {
    await using lease = await pool.lease();
    expect(
      await rowOf(
        lease.resource,
        "SELECT @@in_transaction AS open, @@tx_isolation AS level, IS_USED_LOCK('mine') AS holder, " +
          '@@tx_read_only AS readOnly',
      ),
    ).toEqual({ open: 0, level: 'REPEATABLE-READ', holder: null, readOnly: 0 });
    return lease.resource.threadId;
  }

  describe('that succeed', () => {
    it('commit before they emit the value of a promise, and give the connection back before that', async () => {
      const pool = mysql.open({ max: 1 });
      const seen: unknown[] = [];
      await lastValueFrom(
        transaction(pool, async connection => {
          await insert(connection, 1);
          expect(await committed()).toEqual([]);
          return 'done';
        }).pipe(
          tap(value => seen.push(value, pool.state.leased)),
          mergeMap(() => committed()),
          tap(rows => seen.push(rows)),
        ),
      );
      expect(seen).toEqual(['done', 0, [1]]);
      await demandClean(pool);
      expect(pool.stats.created).toBe(1);
    });

    it('survive firstValueFrom where the project gives one value', async () => {
      const pool = mysql.open({ max: 1, onCancel: 'destroy' });
      const kept$ = transaction(pool, connection => insert(connection, 1).then(() => 'kept'));
      expect(await firstValueFrom(kept$)).toBe('kept');
      expect(await committed()).toEqual([1]);
      expect(pool.stats.destroyed).toBe(0);
    });

    it('emit the values of a stream as they come and complete after the commit', async () => {
      const pool = mysql.open({ max: 1 });
      const stored$ = transaction(pool, connection =>
        range(1, 3).pipe(mergeMap(n => insert(connection, n).then(() => n), 1)),
      );
      const seen: unknown[] = [];
      await lastValueFrom(
        concat(
          stored$.pipe(tap(n => seen.push([n, pool.state.leased]))),
          defer(committed).pipe(tap(rows => seen.push(rows))),
        ),
      );
      expect(seen).toEqual([
        [1, 1],
        [2, 1],
        [3, 1],
        [1, 2, 3],
      ]);
      const values = await lastValueFrom(
        transaction(pool, async function* (connection) {
          await insert(connection, 4);
          yield 4;
        }).pipe(toArray()),
      );
      expect(values).toEqual([4]);
      expect(await committed()).toEqual([1, 2, 3, 4]);
    });

    it('are one for each subscription, and none before', async () => {
      const pool = mysql.open({ max: 2 });
      let n = 0;
      const adding$ = transaction(pool, connection => insert(connection, (n += 1)));
      expect(pool.stats.acquired).toBe(0);
      await lastValueFrom(forkJoin([adding$, adding$]));
      expect(await committed()).toEqual([1, 2]);
    });

    it('run statements of query() on their own connection', async () => {
      const pool = mysql.open({ max: 1 });
      const rows = await lastValueFrom(
        transaction(pool, connection =>
          concat(
            query(connection, 'INSERT INTO entries SELECT seq FROM seq_1_to_3'),
            query<{ n: number }>(connection, 'SELECT n FROM entries WHERE n > ? ORDER BY n', [1]),
          ).pipe(
            map(({ n }) => n),
            toArray(),
          ),
        ),
      );
      expect(rows).toEqual([2, 3]);
      expect(await committed()).toEqual([1, 2, 3]);
    });

    it('have the isolation level and access that were asked for, and the next one has not', async () => {
      const pool = mysql.open({ max: 1 });
      const demand = (wanted: unknown[], options?: TransactionOptions) =>
        lastValueFrom(
          transaction(
            pool,
            async connection => {
              await connection.query('SELECT * FROM entries');
              // The server looks anew only where nobody has asked for a tenth of a second.
              await vi.waitFor(
                async () => {
                  const [row] = await mysql.query(
                    'SELECT trx_isolation_level AS level, trx_is_read_only AS readOnly ' +
                      'FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id = ?',
                    [connection.threadId],
                  );
                  expect([row?.['level'], Number(row?.['readOnly'])]).toEqual(wanted);
                },
                { interval: 120, timeout: 10_000 },
              );
            },
            options,
          ),
        );
      await demand(['SERIALIZABLE', 0], { isolationLevel: 'serializable' });
      await demand(['READ UNCOMMITTED', 1], { isolationLevel: 'read uncommitted', readOnly: true });
      await demand(['REPEATABLE READ', 0]);
      await expect(
        lastValueFrom(transaction(pool, connection => insert(connection, 1), { readOnly: true })),
      ).rejects.toMatchObject({ code: 'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION' });
    });
  });

  describe('that fail', () => {
    it('are rolled back by the time their error is heard, and their connection is lent on clean', async () => {
      const pool = mysql.open({ max: 1 });
      const failure = new Error('no');
      const failing: [string, (connection: Connection) => unknown][] = [
        ['rejects', connection => insert(connection, 1).then(() => Promise.reject(failure))],
        [
          'throws',
          connection => {
            void insert(connection, 1);
            throw failure;
          },
        ],
        [
          'errors',
          connection =>
            concat(
              insert(connection, 1),
              throwError(() => failure),
            ),
        ],
      ];
      for (const [how, project] of failing) {
        let stateAtError: PoolState | undefined;
        const outcome = lastValueFrom(
          transaction(pool, project).pipe(tap({ error: () => (stateAtError = pool.state) })),
        );
        await expect(outcome, how).rejects.toBe(failure);
        expect(stateAtError, how).toMatchObject({ leased: 0, resetting: 0, idle: 1 });
        expect(await committed(), how).toEqual([]);
        await demandClean(pool);
      }
      expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0 });
    });

    it('kill what their project left running instead of waiting for it', async () => {
      const pool = mysql.open({ max: 1 });
      const outcome = lastValueFrom(
        transaction(pool, connection => {
          connection.query('SELECT SLEEP(60)').catch(() => undefined);
          return Promise.reject(new Error('enough'));
        }),
      );
      await expect(outcome).rejects.toThrow('enough');
      await demandClean(pool);
      expect(pool.stats.created).toBe(1);
    });

    it.each<[string, (connection: Connection) => Promise<unknown>, number[]]>([
      [
        'a deadlock that was swallowed',
        async connection => {
          await insert(connection, 1);
          await deadlock(connection).catch(() => undefined);
          await insert(connection, 2);
        },
        // What came after it was no part of the transaction any more; at least nobody is told that all is well.
        [2, 100],
      ],
      [
        'a statement that commits by itself',
        async connection => {
          await insert(connection, 1);
          await connection.query('CREATE OR REPLACE TABLE other (n int)');
        },
        [1],
      ],
    ])('do not pretend to have committed after %s', async (_, project, left) => {
      const pool = mysql.open({ max: 1 });
      const outcome = lastValueFrom(transaction(pool, project));
      await expect(outcome).rejects.toBeInstanceOf(TransactionLostError);
      await expect(outcome).rejects.toMatchObject({ code: 'TRANSACTION_LOST' });
      expect(await committed()).toEqual(left);
      await demandClean(pool);
    });

    it('send no COMMIT once their subscriber has left amid the question whether there is anything to commit', async () => {
      const pool = mysql.open({ max: 1 });
      const sent: unknown[] = [];
      await new Promise<void>(left => {
        const subscription = transaction(pool, async connection => {
          await insert(connection, 1);
          const send = connection.query.bind(connection) as (statement: unknown) => Promise<never>;
          vi.spyOn(connection, 'query').mockImplementation(statement => {
            sent.push(statement);
            queueMicrotask(() => {
              subscription.unsubscribe();
              left();
            });
            return send(statement);
          });
        }).subscribe();
      });
      await stateOf(pool, isAtRest);
      vi.restoreAllMocks();
      expect(sent[0]).toBe('DO 0');
      expect(sent).not.toContain('COMMIT');
      expect(await committed()).toEqual([]);
      await demandClean(pool);
    });

    it('commit nothing on a connection that their project gave back by itself', async () => {
      const pool = mysql.open({ max: 1 });
      const outcome = lastValueFrom(
        transaction(pool, async (connection, lease) => {
          await insert(connection, 1);
          await lease.release();
        }),
      );
      await expect(outcome).rejects.toThrow('gave back what it had borrowed');
      expect(await committed()).toEqual([]);
    });

    it('report the loss of their connection, and the pool makes another one', async () => {
      const pool = mysql.open({ max: 1 });
      const outcome = lastValueFrom(
        transaction(pool, async connection => {
          await insert(connection, 1);
          await server.killConnections();
          await insert(connection, 2);
        }),
      );
      await expect(outcome).rejects.toThrow();
      expect(await committed()).toEqual([]);
      await demandClean(pool);
      expect(pool.stats.created).toBe(2);
    });

    it('fail before anything is begun when there is no connection to be had', async () => {
      const pool = mysql.open({ max: 1 });
      await using _lease = await pool.lease();
      const outcome = lastValueFrom(transaction(pool, () => EMPTY, { timeoutMillis: 20 }));
      await expect(outcome).rejects.toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    });

    it('say by isConflict that the same may succeed next time, so that retry can be composed', async () => {
      const pool = mysql.open({ max: 2 });
      await mysql.query('INSERT INTO rxpool.entries VALUES (10), (20)');
      let attempts = 0;
      const both = new Subject<void>();
      // Each has what the other one wants next.
      const lockBoth = (first: number, second: number) =>
        transaction(pool, async connection => {
          attempts += 1;
          await connection.query('SELECT * FROM entries WHERE n = ? FOR UPDATE', [first]);
          if (attempts === 2) both.complete();
          else if (attempts < 2) await lastValueFrom(both, { defaultValue: undefined });
          await connection.query('SELECT * FROM entries WHERE n = ? FOR UPDATE', [second]);
          await insert(connection, first + 1);
        }).pipe(
          retry({
            count: 5,
            delay: (error: unknown) => (isConflict(error) ? of(true) : throwError(() => error)),
          }),
        );
      await lastValueFrom(forkJoin([lockBoth(10, 20), lockBoth(20, 10)]));
      expect(await committed()).toEqual([10, 11, 20, 21]);
      expect(attempts).toBe(3);
      expect([1213, 1205, 1020, 1062].map(errno => isConflict({ errno }))).toEqual([
        true,
        true,
        true,
        false,
      ]);
      expect(isConflict(undefined)).toBe(false);
    });
  });

  describe('whose subscriber leaves', () => {
    it('are rolled back, and their connection is clean for the next borrower', async () => {
      const pool = mysql.open({ max: 1 });
      const inserted = new Subject<number>();
      const open = firstValueFrom(inserted);
      const leaving = transaction(
        pool,
        connection =>
          concat(
            insert(connection, 1),
            connection.query("DO GET_LOCK('mine', 0)"),
            defer(() => {
              inserted.next(connection.threadId);
              return NEVER;
            }),
          ),
        { isolationLevel: 'serializable' },
      ).subscribe();
      const id = await open;
      leaving.unsubscribe();
      expect(await demandClean(pool)).toBe(id);
      expect(await committed()).toEqual([]);
    });

    it('are rolled back wherever they stand: at the beginning, in a statement that sleeps, in one that waits for a lock', async () => {
      const pool = mysql.open({ max: 2 });
      await mysql.query('INSERT INTO rxpool.entries VALUES (0)');
      transaction(pool, () => NEVER)
        .subscribe()
        .unsubscribe();

      const sleeping = transaction(pool, connection =>
        connection.query('SELECT SLEEP(60)'),
      ).subscribe();
      await mysql.untilThreads(threads => threads.some(({ sql }) => sql?.includes('SLEEP')));
      sleeping.unsubscribe();

      await using holder = await pool.lease();
      await holder.resource.query('BEGIN');
      await holder.resource.query('UPDATE entries SET n = 10');
      const waiting = transaction(pool, connection =>
        connection.query('UPDATE entries SET n = 20'),
      ).subscribe();
      await mysql.untilThreads(threads => threads.some(({ sql }) => sql?.endsWith('= 20')));
      waiting.unsubscribe();
      await demandClean(pool);
      await holder.resource.query('COMMIT');
      expect(await committed()).toEqual([10]);
      expect(pool.stats).toMatchObject({ resetFailed: 0, destroyed: 0 });
    });

    it('are rolled back although the pool’s reset does nothing', async () => {
      const pool = mysql.open({ max: 1, reset: () => undefined });
      const inserted = new Subject<void>();
      const open = firstValueFrom(inserted, { defaultValue: undefined });
      const leaving = transaction(pool, connection =>
        concat(
          insert(connection, 1),
          defer(() => {
            inserted.complete();
            return NEVER;
          }),
        ),
      ).subscribe();
      await open;
      leaving.unsubscribe();
      await demandClean(pool);
      expect(await committed()).toEqual([]);
    });

    it('are rolled back when their lease is revoked, or their pool closed by force', async () => {
      const revoked = mysql.open({ max: 1, maxLeaseMillis: 100 });
      await expect(
        lastValueFrom(transaction(revoked, connection => concat(insert(connection, 1), NEVER))),
      ).rejects.toMatchObject({ code: 'LEASE_REVOKED' });

      const closing = mysql.open({ max: 1 });
      const told = expect(
        lastValueFrom(transaction(closing, connection => concat(insert(connection, 2), NEVER))),
      ).rejects.toMatchObject({ code: 'LEASE_REVOKED' });
      await stateOf(closing, ({ leased }) => leased === 1);
      await closing.close({ force: true }).catch(() => undefined);
      await told;
      await mysql.untilThreads(threads => threads.length === 0);
      expect(await committed()).toEqual([]);
    });

    it('never mix with others, however many come and go', async () => {
      const pool = mysql.open({ max: 4 });
      const kept = new Set<number>();
      await Promise.all(
        Array.from({ length: 120 }, async (_, n) => {
          const stored = transaction(pool, connection => insert(connection, n).then(() => n));
          if (n % 3 === 0) {
            const leaving = stored.subscribe({ error: () => undefined });
            await new Promise(setImmediate);
            leaving.unsubscribe();
          } else {
            kept.add(await lastValueFrom(stored));
          }
        }),
      );
      await stateOf(pool, isAtRest);
      const found = new Set(await committed());
      for (const n of kept) expect(found.has(n)).toBe(true);
      expect(
        [...found].filter(n => !kept.has(n as number)).every(n => (n as number) % 3 === 0),
      ).toBe(true);
      await demandClean(pool);
    });
  });

  it('are refused options that make no sense', () => {
    const pool = mysql.open();
    const begin = (options: object, project: unknown = () => 1) =>
      expect(() => transaction(pool, project as () => number, options)).toThrow(
        InvalidOptionsError,
      );
    begin({ isolationLevel: 'serialisable' });
    begin({ readOnly: 'yes' });
    begin({ isolation: 'serializable' });
    begin({}, 'no function');
  });

  /** Runs into a deadlock with another connection, which is the one that survives. */
  async function deadlock(connection: Connection): Promise<void> {
    const other = mysql.open({ max: 1 });
    await using lease = await other.lease();
    const rival = lease.resource;
    await rival.query('BEGIN');
    // The server gives up the one that has changed less.
    await rival.query('INSERT INTO entries SELECT seq FROM seq_1000_to_1200');
    await insert(rival, 100);
    const waiting = rival.query('SELECT * FROM entries WHERE n = 1 FOR UPDATE');
    await mysql.untilThreads(threads => threads.some(({ sql }) => sql?.includes('FOR UPDATE')));
    const failing = connection.query('SELECT * FROM entries WHERE n = 100 FOR UPDATE');
    await Promise.allSettled([waiting, failing]);
    await rival.query('DELETE FROM entries WHERE n >= 1000');
    await rival.query('COMMIT');
    await failing;
  }
});
