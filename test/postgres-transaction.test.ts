import { Client } from 'pg';
import {
  concat,
  defer,
  EMPTY,
  filter,
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
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { InvalidOptionsError } from '../src/errors.js';
import type { Lease, Pool, PoolState } from '../src/index.js';
import {
  isConflict,
  query,
  transaction,
  TransactionRolledBackError,
} from '../src/postgres/index.js';
import { PostgresFixture } from './postgres-fixture.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const postgres = new PostgresFixture();

beforeAll(() => postgres.start());
afterAll(() => postgres.stop());
beforeEach(() =>
  postgres.query(
    'DROP TABLE IF EXISTS entries; CREATE TABLE entries (n int PRIMARY KEY); ALTER TABLE entries OWNER TO rxpool',
  ),
);
afterEach(() => postgres.closePools());

/** What is committed, as somebody else sees it. */
async function committed(): Promise<unknown[]> {
  return (await postgres.query('SELECT n FROM entries ORDER BY n')).map(({ n }) => n);
}

const insert = (client: Client, n: number) => client.query('INSERT INTO entries VALUES ($1)', [n]);

const isAtRest = ({ leased, resetting, destroying }: PoolState): boolean =>
  leased + resetting + destroying === 0;

const leasedOf = (pool: Pool<Client>): number => pool.state.leased;

/** Borrows the connection after a transaction has ended somehow, and finds nothing of it. */
async function demandClean(pool: Pool<Client>): Promise<void> {
  await using lease = await pool.lease();
  const client = lease.resource;
  expect(client.getTransactionStatus()).toBe('I');
  const { rows } = await client.query<{ level: string; held: string }>(
    "SELECT current_setting('transaction_isolation') AS level, count(*) AS held FROM pg_locks " +
      "WHERE pid = pg_backend_pid() AND locktype IN ('advisory', 'transactionid')",
  );
  expect(rows).toEqual([{ level: 'read committed', held: '0' }]);
}

describe('a transaction that succeeds', () => {
  it('commits before it emits the value of a promise, and gives the connection back before that', async () => {
    const pool = postgres.open({ max: 1 });
    const seen: unknown[] = [];
    await lastValueFrom(
      transaction(pool, async client => {
        await insert(client, 1);
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

  it('survives firstValueFrom where the project gives one value', async () => {
    const pool = postgres.open({ max: 1, onCancel: 'destroy' });
    expect(
      await firstValueFrom(transaction(pool, client => insert(client, 1).then(() => 'kept'))),
    ).toBe('kept');
    expect(await committed()).toEqual([1]);
    expect(pool.stats.destroyed).toBe(0);
    expect(await lastValueFrom(transaction(pool, () => [1, 2]))).toEqual([1, 2]);
  });

  it('emits the values of an Observable as they come and completes after the commit', async () => {
    const pool = postgres.open({ max: 1 });
    const seen: unknown[] = [];
    const committed$ = transaction(pool, client =>
      range(1, 3).pipe(mergeMap(n => insert(client, n).then(() => n), 1)),
    );
    await lastValueFrom(
      concat(
        committed$.pipe(tap(n => seen.push([n, leasedOf(pool)]))),
        defer(committed).pipe(tap(rows => seen.push(rows))),
      ),
    );
    expect(seen).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [1, 2, 3],
    ]);
  });

  it('commits after the last value of an async iterable', async () => {
    const pool = postgres.open({ max: 1 });
    const values = await lastValueFrom(
      transaction(pool, async function* (client) {
        for (const n of [1, 2]) {
          await insert(client, n);
          yield n;
        }
      }).pipe(toArray()),
    );
    expect(values).toEqual([1, 2]);
    expect(await committed()).toEqual([1, 2]);
  });

  it('is one for each subscription, and none before', async () => {
    const pool = postgres.open({ max: 2 });
    let n = 0;
    const adding$ = transaction(pool, client => insert(client, (n += 1)));
    expect(pool.stats.acquired).toBe(0);
    await lastValueFrom(forkJoin([adding$, adding$]));
    expect(await committed()).toEqual([1, 2]);
  });

  it('runs statements of query() on its own connection', async () => {
    const pool = postgres.open({ max: 1 });
    const [rows] = await lastValueFrom(
      transaction(pool, client =>
        concat(
          query(client, 'INSERT INTO entries SELECT generate_series(1, 3)'),
          query<{ n: number }>(client, 'SELECT n FROM entries WHERE n > $1 ORDER BY n', [1]),
        ).pipe(
          map(({ n }) => n),
          toArray(),
          map(found => [found]),
        ),
      ),
    );
    expect(rows).toEqual([2, 3]);
    expect(await committed()).toEqual([1, 2, 3]);
  });

  it('has the isolation level that was asked for, and the next one has not', async () => {
    const pool = postgres.open({ max: 1 });
    const settings = (client: Client) =>
      client
        .query<Record<string, string>>(
          "SELECT current_setting('transaction_isolation') AS level, " +
            "current_setting('transaction_read_only') AS read_only, " +
            "current_setting('transaction_deferrable') AS deferrable",
        )
        .then(({ rows }) => rows[0]);
    for (const isolationLevel of ['read uncommitted', 'repeatable read', 'serializable'] as const) {
      expect(await lastValueFrom(transaction(pool, settings, { isolationLevel }))).toEqual({
        level: isolationLevel,
        read_only: 'off',
        deferrable: 'off',
      });
    }
    const strict = { isolationLevel: 'serializable', readOnly: true, deferrable: true } as const;
    expect(await lastValueFrom(transaction(pool, settings, strict))).toEqual({
      level: 'serializable',
      read_only: 'on',
      deferrable: 'on',
    });
    expect(await lastValueFrom(transaction(pool, settings))).toEqual({
      level: 'read committed',
      read_only: 'off',
      deferrable: 'off',
    });
  });
});

describe('a transaction that fails', () => {
  it('is rolled back by the time its error is heard, and its connection is lent on clean', async () => {
    const pool = postgres.open({ max: 1 });
    const failure = new Error('no');
    const failing: [string, (client: Client) => unknown][] = [
      ['rejects', client => insert(client, 1).then(() => Promise.reject(failure))],
      [
        'throws',
        client => {
          void insert(client, 1);
          throw failure;
        },
      ],
      [
        'errors',
        client =>
          concat(
            insert(client, 1),
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

  it('cancels what its project left running instead of waiting for it', async () => {
    const pool = postgres.open({ max: 1 });
    const outcome = lastValueFrom(
      transaction(pool, client => {
        client.query('SELECT pg_sleep(60)').catch(() => undefined);
        return Promise.reject(new Error('enough'));
      }),
    );
    await expect(outcome).rejects.toThrow('enough');
    await demandClean(pool);
  });

  it('passes on what keeps the commit from working', async () => {
    const pool = postgres.open({ max: 1 });
    await postgres.query(
      'ALTER TABLE entries ADD CONSTRAINT later UNIQUE (n) DEFERRABLE INITIALLY DEFERRED; ' +
        'ALTER TABLE entries DROP CONSTRAINT entries_pkey',
    );
    const outcome = lastValueFrom(
      transaction(pool, client => client.query('INSERT INTO entries VALUES (1), (1)')),
    );
    await expect(outcome).rejects.toMatchObject({ code: '23505' });
    expect(await committed()).toEqual([]);
    await demandClean(pool);
  });

  it('does not pretend to have committed when the error of a statement was swallowed', async () => {
    const pool = postgres.open({ max: 1 });
    const outcome = lastValueFrom(
      transaction(pool, async client => {
        await insert(client, 1);
        await client.query('SELECT 1 / 0').catch(() => undefined);
      }),
    );
    await expect(outcome).rejects.toBeInstanceOf(TransactionRolledBackError);
    await expect(outcome).rejects.toMatchObject({ code: 'TRANSACTION_ROLLED_BACK' });
    expect(await committed()).toEqual([]);
  });

  it('commits nothing on a connection that its project gave back by itself', async () => {
    const pool = postgres.open({ max: 1 });
    const outcome = lastValueFrom(
      transaction(pool, async (client, lease) => {
        await insert(client, 1);
        await lease.release();
      }),
    );
    await expect(outcome).rejects.toThrow('gave back what it had borrowed');
    expect(await committed()).toEqual([]);
  });

  it('reports the loss of its connection, and the pool makes another one', async () => {
    const pool = postgres.open({ max: 1 });
    const outcome = lastValueFrom(
      transaction(pool, async client => {
        await insert(client, 1);
        await postgres.server.terminateBackends();
        await insert(client, 2);
      }),
    );
    await expect(outcome).rejects.toThrow();
    expect(await committed()).toEqual([]);
    await demandClean(pool);
    expect(pool.stats.created).toBe(2);
  });

  it('fails before anything is begun when there is no connection to be had', async () => {
    const pool = postgres.open({ max: 1 });
    await using _lease = await pool.lease();
    const outcome = lastValueFrom(transaction(pool, () => EMPTY, { timeoutMillis: 20 }));
    await expect(outcome).rejects.toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
  });

  it('says by isConflict that the same may succeed next time, so that retry can be composed', async () => {
    const pool = postgres.open({ max: 2 });
    await postgres.query('INSERT INTO entries VALUES (0)');
    let attempts = 0;
    const bothHaveRead = new Subject<void>();
    // Each reads what the other one writes: no order of the two explains that, so one has to give way.
    const increment$ = transaction(
      pool,
      async client => {
        attempts += 1;
        const { rows } = await client.query<{ n: number }>('SELECT max(n) AS n FROM entries');
        if (attempts === 2) bothHaveRead.complete();
        else if (attempts < 2) await lastValueFrom(bothHaveRead, { defaultValue: null });
        await insert(client, rows[0]!.n + 1);
      },
      { isolationLevel: 'serializable' },
    ).pipe(
      retry({
        count: 5,
        delay: (error: unknown) =>
          isConflict(error) || (error as { code?: string }).code === '23505'
            ? of(true)
            : throwError(() => error),
      }),
    );
    await lastValueFrom(forkJoin([increment$, increment$]));
    expect(await committed()).toEqual([0, 1, 2]);
    expect(attempts).toBe(3);
    expect(isConflict({ code: '40001' })).toBe(true);
    expect(isConflict({ code: '40P01' })).toBe(true);
    expect(isConflict({ code: '23505' })).toBe(false);
    expect(isConflict(undefined)).toBe(false);
  });
});

describe('a transaction whose subscriber leaves', () => {
  it('is rolled back, and its connection is clean for the next borrower', async () => {
    const pool = postgres.open({ max: 1 });
    const inserted = new Subject<unknown>();
    const pid = new Subject<unknown>();
    const pids: unknown[] = [];
    pid.subscribe(value => pids.push(value));
    const leaving = transaction(
      pool,
      client =>
        concat(
          insert(client, 1),
          defer(() => client.query('SELECT pg_advisory_lock(7)')),
          defer(() => {
            pid.next((client as unknown as { processID: number }).processID);
            inserted.next(true);
            return NEVER;
          }),
        ),
      { isolationLevel: 'serializable' },
    );
    const open = firstValueFrom(inserted);
    const subscription = leaving.subscribe();
    await open;
    subscription.unsubscribe();
    await demandClean(pool);
    expect(await committed()).toEqual([]);
    await using lease = await pool.lease();
    expect((lease.resource as unknown as { processID: number }).processID).toBe(pids[0]);
    expect(pool.stats.created).toBe(1);
  });

  it('is rolled back wherever it stands: at BEGIN, in a statement that sleeps, in one that waits for a lock', async () => {
    const pool = postgres.open({ max: 2 });
    await postgres.query('INSERT INTO entries VALUES (0)');
    const atBegin = transaction(pool, () => NEVER).subscribe();
    atBegin.unsubscribe();

    const sleeping = transaction(pool, client => client.query('SELECT pg_sleep(60)')).subscribe();
    await postgres.untilBackends(rows =>
      rows.some(({ query: text, state }) => text.includes('pg_sleep') && state === 'active'),
    );
    sleeping.unsubscribe();

    await using holder = await pool.lease();
    await holder.resource.query('BEGIN; UPDATE entries SET n = 10');
    const waiting = transaction(pool, client =>
      client.query('UPDATE entries SET n = 20'),
    ).subscribe();
    await postgres.untilBackends(rows => rows.some(({ wait }) => wait === 'Lock'));
    waiting.unsubscribe();
    await demandClean(pool);
    await holder.resource.query('COMMIT');
    expect(await committed()).toEqual([10]);
    expect(pool.stats).toMatchObject({ resetFailed: 0, destroyed: 0 });
  });

  it('is rolled back when its lease is revoked, or its pool closed by force', async () => {
    const pool = postgres.open({ max: 1, maxLeaseMillis: 100 });
    const outcome = lastValueFrom(transaction(pool, client => concat(insert(client, 1), NEVER)));
    await expect(outcome).rejects.toMatchObject({ code: 'LEASE_REVOKED' });

    const other = postgres.open({ max: 1 });
    const begun = new Subject<unknown>();
    const first = firstValueFrom(begun);
    const closed = lastValueFrom(
      transaction(other, client =>
        concat(
          insert(client, 2).then(() => begun.next(true)),
          NEVER,
        ),
      ),
    );
    const told = expect(closed).rejects.toMatchObject({ code: 'LEASE_REVOKED' });
    await first;
    await other.close({ force: true }).catch(() => undefined);
    await told;
    expect(await committed()).toEqual([]);
  });

  it('leaves nothing behind in a storm of commits, failures and departures', async () => {
    const pool = postgres.open({ max: 5 });
    const kept: number[] = [];
    const departures: Promise<unknown>[] = [];
    for (let n = 0; n < 300; n += 1) {
      const work$ = transaction(pool, client =>
        insert(client, n).then(() => {
          if (n % 3 === 1) throw new Error('no');
        }),
      );
      departures.push(
        new Promise<void>(resolve => {
          const subscription = work$.subscribe({
            complete: () => {
              kept.push(n);
              resolve();
            },
            error: () => resolve(),
          });
          if (n % 3 === 2) {
            // At whatever it is by then: some still wait, some insert, some commit.
            const leave$ = pool.state$.pipe(filter(() => pool.stats.acquired >= n));
            firstValueFrom(leave$, { defaultValue: null }).then(() => {
              subscription.unsubscribe();
              resolve();
            }, resolve);
          }
        }),
      );
    }
    await Promise.all(departures);
    await firstValueFrom(pool.state$.pipe(filter(isAtRest)));
    const rows = (await committed()) as number[];
    // Whoever heard of a completion finds its row; nobody who failed left one; who left may have been committing.
    expect(kept.filter(n => !rows.includes(n))).toEqual([]);
    expect(rows.filter(n => n % 3 === 1)).toEqual([]);
    expect(kept.filter(n => n % 3 === 0)).toHaveLength(100);
    expect(
      await postgres.query("SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in%'"),
    ).toEqual([]);
    expect(pool.stats.resetFailed).toBe(0);
  });
});

describe('options', () => {
  it('are checked when the transaction is described', () => {
    const pool = postgres.open();
    const refused = (run: () => unknown, option: string): void => {
      expect(run).toThrow(InvalidOptionsError);
      expect(run).toThrow(`"${option}"`);
    };
    refused(() => transaction(pool, 1 as never), 'project');
    refused(
      () => transaction(pool, () => 1, { isolationLevel: 'snapshot' as never }),
      'isolationLevel',
    );
    refused(() => transaction(pool, () => 1, { readOnly: 'yes' as never }), 'readOnly');
    refused(() => transaction(pool, () => 1, { deferrable: 1 as never }), 'deferrable');
    refused(() => transaction(pool, () => 1, { prioritty: 1 } as never), 'prioritty');
    expect(pool.stats.acquired).toBe(0);
  });

  it('reach the acquire', async () => {
    const pool = postgres.open({ max: 1 });
    const labels: unknown[] = [];
    pool.stats$.subscribe(event => {
      if (event.type === 'acquired') labels.push(event.label);
    });
    await lastValueFrom(transaction(pool, () => 1, { label: 'booking' }));
    expect(labels).toEqual(['booking']);
  });

  it('give the project its lease as well', async () => {
    const pool = postgres.open({ max: 1 });
    const uses = await lastValueFrom(
      transaction(pool, (_client, lease: Lease<Client>) => lease.info.uses),
    );
    expect(uses).toBe(1);
  });
});
