import { copyFileSync, existsSync, renameSync, writeFileSync } from 'node:fs';
import {
  concat,
  defer,
  firstValueFrom,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  of,
  range,
  take,
  tap,
  throwError,
  toArray,
} from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import { CreateError, InvalidOptionsError } from '../src/errors.js';
import type { Pool } from '../src/index.js';
import { createRegistry } from '../src/registry/index.js';
import {
  isConflict,
  query,
  sqlitePool,
  transaction,
  type SqliteDatabase,
  type SqlitePool,
  type SqlitePoolOptions,
} from '../src/sqlite/index.js';
import { describeOnSqlite } from './sqlite-fixture.js';

const rowsOf = <Row>(source: Pool<SqliteDatabase> | SqliteDatabase, sql: string) =>
  lastValueFrom(
    query<Row & object>(source, sql).pipe(
      map(row => ({ ...row })),
      toArray(),
    ),
  );

const valueOf = async (source: Pool<SqliteDatabase> | SqliteDatabase, sql: string) =>
  Object.values((await rowsOf<object>(source, sql))[0] ?? {})[0] as unknown;

const done = { defaultValue: undefined };

/** Both drivers have it, and the adapter needs it of neither. */
const definerOf = (database: SqliteDatabase) =>
  database as SqliteDatabase & { function(name: string, implementation: () => number): void };

describeOnSqlite('sqlitePool', sqlite => {
  async function withEntries(options: Partial<SqlitePoolOptions> = {}): Promise<SqlitePool> {
    const db = sqlite.open(options);
    await lastValueFrom(
      query(db.write, 'CREATE TABLE IF NOT EXISTS entries (n INTEGER PRIMARY KEY, text TEXT)'),
      done,
    );
    return db;
  }

  const insert = (database: SqliteDatabase, n: number) => {
    database.prepare('INSERT INTO entries (n) VALUES (?)').run(n);
    return n;
  };
  const committed = (): unknown[] =>
    sqlite.outside(database =>
      (database.prepare('SELECT n FROM entries ORDER BY n').all() as { n: number }[]).map(
        ({ n }) => n,
      ),
    );

  describe('queries', () => {
    it('emit rows with values by place and by name, and give back before they complete', async () => {
      const db = await withEntries();
      const leased: number[] = [];
      await lastValueFrom(
        query(db.write, 'INSERT INTO entries VALUES (?, ?), (?, ?)', [1, 'a', 2, 'b']),
        done,
      );
      const rows = await lastValueFrom(
        query<{ n: number }>(db.read, 'SELECT n FROM entries WHERE text >= :from ORDER BY n', {
          from: 'a',
        }).pipe(
          tap({
            next: () => leased.push(db.read.state.leased),
            complete: () => leased.push(db.read.state.leased),
          }),
          map(({ n }) => n),
          toArray(),
        ),
      );
      expect(rows).toEqual([1, 2]);
      expect(leased).toEqual([1, 1, 0]);
      expect(
        await rowsOf(db.write, 'UPDATE entries SET text = text || text RETURNING text'),
      ).toEqual([{ text: 'aa' }, { text: 'bb' }]);
    });

    it('read no further than they are wanted, and cost no connection then', async () => {
      const db = sqlite.open({ readers: 1 });
      const endless =
        'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c';
      const first$ = query<{ n: number }>(db.read, endless).pipe(
        take(3),
        map(({ n }) => n),
        toArray(),
      );
      expect(db.read.stats.acquired).toBe(0);
      expect(await lastValueFrom(first$)).toEqual([1, 2, 3]);
      expect(await lastValueFrom(first$)).toEqual([1, 2, 3]);
      expect(db.read.stats).toMatchObject({ created: 1, resetFailed: 0, destroyed: 0 });
    });

    it('pass on errors, and the connection is lent again', async () => {
      const db = await withEntries({ readers: 1 });
      await expect(rowsOf(db.read, 'SELECT no_column')).rejects.toThrow('no such column');
      expect(await valueOf(db.read, 'SELECT 1')).toBe(1);
      expect(db.read.stats).toMatchObject({ created: 1, resetFailed: 0 });
    });
  });

  describe('one writer and many readers', () => {
    it('are as many connections as there may be, and readers do not wait for the writer', async () => {
      const db = await withEntries({ readers: 3 });
      const writer = await db.write.lease();
      writer.resource.exec('BEGIN IMMEDIATE; INSERT INTO entries (n) VALUES (1)');
      const readers = await Promise.all([1, 2, 3].map(() => db.read.lease()));
      for (const { resource } of readers) {
        expect(await valueOf(resource, 'SELECT COUNT(*) FROM entries')).toBe(0);
      }
      expect(db.read.tryAcquire()).toBeUndefined();
      const second = db.write.lease();
      expect(db.write.state).toMatchObject({ leased: 1, waiting: 1 });
      writer.resource.exec('COMMIT');
      await writer.release();
      await (await second).release();
      for (const lease of readers) await lease.release();
      expect(await valueOf(db.read, 'SELECT COUNT(*) FROM entries')).toBe(1);
      expect(db.write.stats).toMatchObject({ created: 1, destroyed: 0 });
    });

    it('are found in a registry, which closes them', async () => {
      const registry = createRegistry();
      const { Database, path } = sqlite;
      const shop = await registry.create('sqlite', 'shop', { path, Database });
      await lastValueFrom(query(shop.write, 'CREATE TABLE t (n INTEGER)'), done);
      const found = registry.get<Pool<SqliteDatabase>>('shop (read)');
      expect(await valueOf(found, 'SELECT count(*) FROM t')).toBe(0);
      await registry.closeAll();
      expect([shop.read, shop.write].map(({ state }) => state)).toMatchObject([
        { lifecycle: 'closed', size: 0 },
        { lifecycle: 'closed', size: 0 },
      ]);
    });

    it('write on the writer alone', async () => {
      const db = await withEntries();
      await expect(rowsOf(db.read, 'INSERT INTO entries VALUES (1, 2)')).rejects.toThrow(
        'readonly database',
      );
      await expect(
        lastValueFrom(transaction(db.read, database => insert(database, 1))),
      ).rejects.toThrow('readonly database');
    });

    it('have a write-ahead log, foreign keys and a busy timeout, unless told otherwise', async () => {
      const settings = async (db: SqlitePool) => [
        await valueOf(db.read, 'PRAGMA journal_mode'),
        await valueOf(db.write, 'PRAGMA foreign_keys'),
        await valueOf(db.read, 'PRAGMA busy_timeout'),
        await valueOf(db.write, 'PRAGMA query_only'),
      ];
      const other = { path: `${sqlite.path}-other`, wal: false, foreignKeys: false };
      expect(await settings(sqlite.open({ ...other, busyTimeoutMillis: 7 }))).toEqual([
        'delete',
        0,
        7,
        0,
      ]);
      expect(await settings(sqlite.open())).toEqual(['wal', 1, 5000, 0]);
    });

    it('close together', async () => {
      const db = await withEntries();
      await valueOf(db.read, 'SELECT 1');
      await db.close();
      expect([db.read.state.lifecycle, db.write.state.lifecycle]).toEqual(['closed', 'closed']);
      // The last connection that closes takes the log along.
      expect(existsSync(`${sqlite.path}-wal`)).toBe(false);
      await expect(valueOf(db.read, 'SELECT 1')).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    });

    it('report all that fails at the end as one', async () => {
      const db = await withEntries();
      const leases = [await db.read.lease(), await db.write.lease()];
      await expect(db.close({ drainTimeoutMillis: 10 })).rejects.toMatchObject({
        code: 'CLOSE_FAILED',
        abandoned: 2,
      });
      for (const lease of leases) expect(lease.released).toBe(true);
    });
  });

  describe('what a borrower leaves behind', () => {
    it('is gone: transaction, temporary tables, views and triggers, attached databases and settings', async () => {
      const db = await withEntries();
      const settings = ['foreign_keys', 'cache_size', 'synchronous', 'busy_timeout', 'query_only'];
      const seen = async (database: SqliteDatabase) =>
        Promise.all(settings.map(name => valueOf(database, `PRAGMA ${name}`)));
      const first = await db.write.lease();
      const database = first.resource;
      const before = await seen(database);
      database.exec('PRAGMA recursive_triggers = 1');
      database.exec('PRAGMA foreign_keys = 0; PRAGMA cache_size = -9; PRAGMA synchronous = 0');
      database.exec('PRAGMA busy_timeout = 1');
      database.exec('CREATE TEMP TABLE "a ""b" (x); CREATE INDEX temp.i ON "a ""b" (x)');
      database.exec('CREATE TEMP VIEW v AS SELECT * FROM "a ""b"');
      database.exec(
        'CREATE TEMP TRIGGER t AFTER INSERT ON entries BEGIN INSERT INTO "a ""b" VALUES (1); END',
      );
      database.exec("ATTACH ':memory:' AS other");
      database.exec('CREATE TABLE other.x (a)');
      database.exec('BEGIN; INSERT INTO entries (n) VALUES (1); PRAGMA query_only = 1');
      expect(await seen(database)).not.toEqual(before);
      await first.release();

      await using next = await db.write.lease();
      expect(next.resource).toBe(database);
      expect(await seen(database)).toEqual(before);
      expect(await valueOf(database, 'PRAGMA recursive_triggers')).toBe(0);
      expect(await rowsOf(database, 'SELECT * FROM sqlite_temp_master')).toEqual([]);
      expect((await rowsOf(database, 'PRAGMA database_list')).map(row => row)).toEqual([
        expect.objectContaining({ name: 'main' }),
        ...((await rowsOf<{ name: string }>(database, 'PRAGMA database_list')).filter(
          ({ name }) => name === 'temp',
        ) as unknown[]),
      ]);
      insert(database, 2);
      expect(committed()).toEqual([2]);
      expect(db.write.stats).toMatchObject({ created: 1, resetFailed: 0 });
    });

    it('costs the connection where a statement was read half-way, so that nobody reads what was', async () => {
      const db = await withEntries({ readers: 1 });
      for (const n of [1, 2, 3]) await lastValueFrom(transaction(db.write, d => insert(d, n)));
      const rows: unknown[] = [];
      await lastValueFrom(
        db.read.use(database => {
          const iterator = database.prepare('SELECT n FROM entries').iterate?.();
          rows.push(iterator?.next().value, iterator);
        }),
      );
      await lastValueFrom(transaction(db.write, database => insert(database, 4)));
      expect(await valueOf(db.read, 'SELECT COUNT(*) FROM entries')).toBe(4);
      const { created, resetFailed, destroyed, destroyFailed } = db.read.stats;
      // better-sqlite3 refuses to close what is being read; the garbage collector does it.
      expect([created, resetFailed, destroyed + destroyFailed]).toEqual([2, 1, 1]);
    });

    it('costs the connection where it cannot be taken back: functions, and how LIKE compares', async () => {
      const db = await withEntries({
        readers: 1,
        setUp: database => {
          definerOf(database).function('ours', () => 1);
        },
      });
      const changes: ((database: SqliteDatabase) => void)[] = [
        database => {
          definerOf(database).function('theirs', () => 2);
        },
        database => database.exec('PRAGMA case_sensitive_like = 1'),
      ];
      for (const change of changes) {
        const given = await db.read.lease();
        const before = given.resource;
        expect(await valueOf(before, "SELECT ours() + ('a' LIKE 'A')")).toBe(2);
        await given.release();
        const same = await db.read.lease();
        expect(same.resource).toBe(before);
        change(same.resource);
        await same.release();
        await using next = await db.read.lease();
        expect(next.resource === before).toBe(false); // one that is closed cannot be printed
        expect(await valueOf(next.resource, "SELECT ours() + ('a' LIKE 'A')")).toBe(2);
        expect(() => next.resource.prepare('SELECT theirs()')).toThrow('no such function');
      }
      expect(db.read.stats).toMatchObject({ created: 3, resetFailed: 2 });
    });

    it('is what setUp made of it, on every connection and after every lease', async () => {
      let times = 0;
      const db = sqlite.open({
        setUp: async database => {
          times += 1;
          await Promise.resolve();
          database.exec('PRAGMA cache_size = -77');
        },
      });
      for (let round = 0; round < 3; round += 1) {
        await lastValueFrom(
          db.write.use(async database => {
            expect(await valueOf(database, 'PRAGMA cache_size')).toBe(-77);
            database.exec('PRAGMA cache_size = -5');
          }),
        );
      }
      expect(times).toBe(1);
    });

    it('stays where reset says so, but never an open transaction', async () => {
      const db = await withEntries({ reset: () => undefined });
      await lastValueFrom(
        db.write.use(database => {
          database.exec('CREATE TEMP TABLE kept (x); BEGIN; INSERT INTO entries (n) VALUES (1)');
        }),
      );
      expect(await valueOf(db.write, 'SELECT COUNT(*) FROM kept')).toBe(0);
      expect(committed()).toEqual([]);
      await lastValueFrom(transaction(db.write, database => insert(database, 2)));
      expect(committed()).toEqual([2]);
    });
  });

  describe('transactions', () => {
    it('commit before they emit the value, and give the connection back before that', async () => {
      const db = await withEntries();
      const seen: unknown[] = [];
      await lastValueFrom(
        transaction(db.write, async database => {
          insert(database, 1);
          await Promise.resolve();
          expect(committed()).toEqual([]);
          return 'done';
        }).pipe(tap(value => seen.push(value, committed(), db.write.state.leased))),
      );
      expect(seen).toEqual(['done', [1], 0]);
      expect(await firstValueFrom(transaction(db.write, database => insert(database, 2)))).toBe(2);
      expect(committed()).toEqual([1, 2]);
    });

    it('are over when subscribe returns, where everything in them is synchronous', async () => {
      const db = await withEntries();
      const seen: unknown[] = [];
      transaction(db.write, database => insert(database, 1)).subscribe({
        next: value => seen.push(value),
        complete: () => seen.push(committed()),
      });
      expect(seen).toEqual([1, [1]]);
    });

    it('take streams, emit their values as they come, and run queries on their own connection', async () => {
      const db = await withEntries();
      const values = await lastValueFrom(
        transaction(db.write, database =>
          concat(
            range(1, 3).pipe(map(n => insert(database, n))),
            query<{ n: number }>(database, 'SELECT n FROM entries WHERE n > ?', [1]).pipe(
              map(({ n }) => n * 10),
            ),
          ),
        ).pipe(toArray()),
      );
      expect(values).toEqual([1, 2, 3, 20, 30]);
      expect(committed()).toEqual([1, 2, 3]);
      await lastValueFrom(
        transaction(db.write, async function* (database) {
          yield insert(database, 4);
          await Promise.resolve();
          yield insert(database, 5);
        }),
      );
      expect(committed()).toEqual([1, 2, 3, 4, 5]);
    });

    it('never mix, however many want to write at the same time', async () => {
      const db = await withEntries();
      await Promise.all(
        Array.from({ length: 100 }, (_, n) =>
          lastValueFrom(
            transaction(db.write, async database => {
              const before = await valueOf(database, 'SELECT COUNT(*) FROM entries');
              await new Promise(setImmediate);
              insert(database, n);
              expect(await valueOf(database, 'SELECT COUNT(*) FROM entries')).toBe(
                (before as number) + 1,
              );
              if (n % 4 === 0) throw new Error('no');
            }),
          ).catch((error: unknown) => {
            expect((error as Error).message).toBe('no');
          }),
        ),
      );
      expect(committed()).toHaveLength(75);
      expect(db.write.stats).toMatchObject({ created: 1, acquired: 101, resetFailed: 0 });
    });

    it('read one snapshot from the first row to the last', async () => {
      const db = await withEntries();
      const counts = await lastValueFrom(
        transaction(db.read, async database => {
          const before = await valueOf(database, 'SELECT COUNT(*) FROM entries');
          await lastValueFrom(transaction(db.write, writer => insert(writer, 1)));
          return [before, await valueOf(database, 'SELECT COUNT(*) FROM entries')];
        }),
      );
      expect(counts).toEqual([0, 0]);
      expect(await valueOf(db.read, 'SELECT COUNT(*) FROM entries')).toBe(1);
    });

    it('are rolled back by the time their error is heard', async () => {
      const db = await withEntries();
      const failure = new Error('no');
      const failing: ((database: SqliteDatabase) => unknown)[] = [
        database => {
          insert(database, 1);
          throw failure;
        },
        async database => {
          insert(database, 1);
          throw failure;
        },
        database =>
          concat(
            of(insert(database, 1)),
            throwError(() => failure),
          ),
      ];
      for (const project of failing) {
        const seen: unknown[] = [];
        const outcome = lastValueFrom(
          transaction(db.write, project).pipe(
            tap({ error: () => seen.push(committed(), db.write.state.idle) }),
          ),
        );
        await expect(outcome).rejects.toBe(failure);
        expect(seen).toEqual([[], 1]);
      }
      expect(db.write.stats.created).toBe(1);
    });

    it('do not pretend to have committed what SQLite has rolled back by itself', async () => {
      const db = await withEntries();
      const outcome = lastValueFrom(
        transaction(db.write, database => {
          insert(database, 1);
          try {
            database.exec('INSERT OR ROLLBACK INTO entries (n) VALUES (1)');
          } catch {
            // Left at that.
          }
        }),
      );
      await expect(outcome).rejects.toThrow('no transaction is active');
      expect(committed()).toEqual([]);
    });

    it('commit nothing on a connection that their project gave back by itself', async () => {
      const db = await withEntries();
      const outcome = lastValueFrom(
        transaction(db.write, async (database, lease) => {
          insert(database, 1);
          await lease.release();
        }),
      );
      await expect(outcome).rejects.toThrow('gave back what it had borrowed');
      expect(committed()).toEqual([]);
    });

    it.each(['destroy', 'release'] as const)(
      'are rolled back at once when their subscriber leaves, and the next borrower finds nothing of them (%s)',
      async onCancel => {
        const db = await withEntries({ onCancel });
        const leaving = transaction(db.write, database =>
          concat(
            defer(() => of(insert(database, 1))),
            defer(() => {
              database.exec('CREATE TEMP TABLE mine (x)');
              return NEVER;
            }),
          ),
        ).subscribe();
        expect(db.write.state.leased).toBe(1);
        leaving.unsubscribe();
        expect(committed()).toEqual([]);
        await using next = await db.write.lease();
        expect(await rowsOf(next.resource, 'SELECT * FROM sqlite_temp_master')).toEqual([]);
        next.resource.exec('BEGIN; ROLLBACK');
        expect(db.write.stats.created).toBe(onCancel === 'destroy' ? 2 : 1);
      },
    );

    it('meet a closed database where their project goes on by itself, and not the next borrower', async () => {
      const db = await withEntries();
      let goOn = (): void => undefined;
      const wentOn = new Promise<unknown>(resolve => {
        transaction(db.write, async database => {
          insert(database, 1);
          await new Promise<void>(waiting => {
            goOn = waiting;
          });
          try {
            resolve(insert(database, 2));
          } catch (error) {
            resolve(error);
          }
        })
          .subscribe()
          .unsubscribe();
      });
      await using next = await db.write.lease();
      next.resource.exec('BEGIN');
      goOn();
      expect(await wentOn).toBeInstanceOf(Error);
      next.resource.exec('COMMIT');
      expect(committed()).toEqual([]);
    });

    it('say by isConflict that another process writes', async () => {
      const db = await withEntries({ busyTimeoutMillis: 1 });
      await sqlite.outside(async database => {
        database.exec('BEGIN IMMEDIATE');
        const failure = await lastValueFrom(
          transaction(db.write, writer => insert(writer, 1)),
        ).catch((error: unknown) => error);
        expect(isConflict(failure)).toBe(true);
        database.exec('COMMIT');
      });
      expect(isConflict(new Error('other'))).toBe(false);
      expect(isConflict(undefined)).toBe(false);
      expect(isConflict({ code: 'SQLITE_BUSY_SNAPSHOT' })).toBe(true);
      await lastValueFrom(transaction(db.write, writer => insert(writer, 1)));
      const exclusive = transaction(db.write, writer => insert(writer, 2), { mode: 'exclusive' });
      expect(await lastValueFrom(exclusive)).toBe(2);
    });
  });

  describe('death', () => {
    it('is noticed at once when somebody closes a connection', async () => {
      const db = sqlite.open({ readers: 2 });
      let kept: SqliteDatabase | undefined;
      await lastValueFrom(db.read.use(database => void (kept = database)));
      expect(db.read.state.idle).toBe(1);
      kept?.close();
      expect(db.read.state.size).toBe(0);
      expect(await valueOf(db.read, 'SELECT 1')).toBe(1);
      await lastValueFrom(
        db.read.use(database => {
          database.close();
        }),
      );
      expect(await valueOf(db.read, 'SELECT 1')).toBe(1);
      expect(db.read.stats).toMatchObject({ created: 3, destroyFailed: 0 });
    });

    it('of the file is found before lending: what is written to a file that was replaced is lost', async () => {
      const db = await withEntries();
      await lastValueFrom(transaction(db.write, database => insert(database, 1)));
      sqlite.outside(database => database.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
      copyFileSync(sqlite.path, `${sqlite.path}.backup`);
      await lastValueFrom(transaction(db.write, database => insert(database, 2)));
      for (const end of ['', '-wal', '-shm']) {
        renameSync(`${sqlite.path}${end}`, `${sqlite.path}.old${end}`);
      }
      renameSync(`${sqlite.path}.backup`, sqlite.path);
      await lastValueFrom(transaction(db.write, database => insert(database, 3)));
      expect(committed()).toEqual([1, 3]);
      expect(db.write.stats).toMatchObject({ validateFailed: 1, created: 2 });
    });

    it('by age comes after 30 minutes by default', async () => {
      vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
      try {
        const db = sqlite.open({ idleTimeoutMillis: Infinity });
        await valueOf(db.write, 'SELECT 1');
        vi.advanceTimersByTime(30 * 60_000 - 1);
        expect(db.write.state.idle).toBe(1);
        vi.advanceTimersByTime(1);
        expect(db.write.state.idle).toBe(0);
      } finally {
        vi.useRealTimers();
      }
    });
  });

  describe('opening', () => {
    it('says so when the file is no database, or there is no such folder', async () => {
      writeFileSync(sqlite.path, 'this is no database, whatever its name says '.repeat(50));
      for (const options of [{}, { path: `${sqlite.path}/x/y.db` }, { wal: false, path: '/' }]) {
        const db = sqlite.open(options);
        const failure = await db.write.lease().catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(CreateError);
        expect((failure as CreateError).cause).toBeInstanceOf(Error);
        expect(db.write.state).toMatchObject({ size: 0, creating: 0 });
      }
    });

    it('fails where setUp does, and leaves nothing open', async () => {
      const opened: SqliteDatabase[] = [];
      const db = sqlite.open({
        setUp: database => {
          opened.push(database);
          throw new Error('mine');
        },
      });
      await expect(db.read.lease()).rejects.toThrow('mine');
      expect(() => opened[0]?.exec('SELECT 1')).toThrow('not open');
    });

    const isByHand = process.env['BETTER_SQLITE3'] !== undefined;
    it.skipIf(isByHand)('takes the driver by itself when no class is given', async () => {
      await using db = sqlitePool({ path: sqlite.path });
      expect(await valueOf(db.write, 'SELECT 1')).toBe(1);
      await lastValueFrom(range(0, 20).pipe(mergeMap(n => query(db.read, 'SELECT ? AS n', [n]))));
    });
  });
});

describe('options of sqlitePool', () => {
  it.each<[string, object, string]>([
    ['path', {}, 'but is undefined'],
    ['path', { path: '' }, 'path of a file'],
    ['path', { path: ':memory:' }, 'several connections'],
    ['readers', { path: 'x', readers: 0 }, 'but is 0'],
    ['max', { path: 'x', max: 3 }, 'readers'],
    ['min', { path: 'x', min: 1 }, 'readers'],
    ['wal', { path: 'x', wal: 'yes' }, 'true or false'],
    ['foreignKeys', { path: 'x', foreignKeys: 1 }, 'true or false'],
    ['busyTimeoutMillis', { path: 'x', busyTimeoutMillis: Infinity }, 'Infinity'],
    ['Database', { path: 'x', Database: 'node:sqlite' }, 'a class'],
    ['setUp', { path: 'x', setUp: 'PRAGMA x' }, 'a function'],
    ['create', { path: 'x', create: () => 1 }, 'brought by the adapter'],
    ['reeders', { path: 'x', reeders: 5 }, 'is not known'],
    ['options', null as unknown as object, 'must be an object'],
  ])('are refused where %s is senseless: %j', (option, options, words) => {
    const make = () => sqlitePool(options as SqlitePoolOptions);
    expect(make).toThrow(InvalidOptionsError);
    expect(make).toThrow(words);
    expect(make).toThrow(expect.objectContaining({ option }));
  });

  it('of a transaction are refused before anything is borrowed', async () => {
    const db = sqlitePool({ path: 'never-made.db' });
    const begin = (options: object, project: unknown = () => 1) =>
      expect(() => transaction(db.write, project as () => number, options)).toThrow(
        InvalidOptionsError,
      );
    begin({ mode: 'later' });
    begin({ modus: 'deferred' });
    begin({}, 'no function');
    await db.close();
    expect(existsSync('never-made.db')).toBe(false);
  });
});
