import { Client, type ClientConfig } from 'pg';
import {
  defer,
  filter,
  finalize,
  firstValueFrom,
  lastValueFrom,
  merge,
  mergeMap,
  range,
  repeat,
  retry,
  Subject,
  take,
  takeUntil,
  tap,
  toArray,
} from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { CreateError, HookTimeoutError, InvalidOptionsError } from '../src/errors.js';
import type { Pool, PoolEvent, PoolState } from '../src/index.js';
import {
  postgresPool,
  query,
  type PostgresConnection,
  type PostgresPoolOptions,
} from '../src/postgres/index.js';
import { assertInvariants } from '../src/testing/index.js';
import { startPostgres, type PostgresServer } from './services/postgres.js';
import { startTcpProxy } from './services/tcp-proxy.js';
import { patience } from './patience.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 }); // some start a server of their own

let server: PostgresServer;
let pools: { pool: Pool<Client>; events: PoolEvent<Client>[] }[] = [];

beforeAll(async () => {
  server = await startPostgres();
});

afterAll(async () => {
  await server.stop();
});

afterEach(async () => {
  const open = pools;
  pools = [];
  for (const { pool, events } of open) {
    await pool.close({ force: true }).catch(() => undefined);
    assertInvariants(pool, { events });
  }
});

/** A pool on the server of this file that is closed and checked after the test. */
function openPool(options: Partial<PostgresPoolOptions<Client>> = {}) {
  const pool = postgresPool({ connection: server.url, Client, lifetimeJitter: 0, ...options });
  const events: PoolEvent<Client>[] = [];
  pool.stats$.subscribe(event => events.push(event));
  pools.push({ pool, events });
  return { pool, events };
}

/** The state at which the pool has become what the test waits for. */
function stateOf<T>(pool: Pool<T>, wanted: (state: PoolState) => boolean): Promise<PoolState> {
  return firstValueFrom(pool.state$.pipe(filter(wanted)));
}

const isAtRest = ({ leased, resetting, validating, destroying }: PoolState): boolean =>
  leased + resetting + validating + destroying === 0;

/** The connections of pools, as the server sees them. */
async function backends(on = server): Promise<{ pid: number; state: string; query: string }[]> {
  const rows = await on.query(
    "SELECT pid, state, query FROM pg_stat_activity WHERE usename = 'rxpool' ORDER BY pid",
  );
  return rows as { pid: number; state: string; query: string }[];
}

/** Asks the server again and again, each time a round trip. */
async function untilServer(wanted: (rows: Awaited<ReturnType<typeof backends>>) => boolean) {
  for (;;) {
    const rows = await backends();
    if (wanted(rows)) return rows;
  }
}

/** A second, and on a busy machine as much longer as it shows itself to be by a connection outside of any pool. */
async function aboutASecond(on = server): Promise<number> {
  const startedAt = performance.now();
  await on.query('SELECT 1');
  return 1_000 + 30 * (performance.now() - startedAt);
}

async function valueOf(client: Client, text: string): Promise<unknown> {
  const { rows } = await client.query<Record<string, unknown>>(text);
  return Object.values(rows[0] ?? {})[0];
}

const pidOf = (client: Client): Promise<unknown> => valueOf(client, 'SELECT pg_backend_pid()');

/** Borrows once, so that the one connection of the pool is there, known, and idle again. */
async function firstPid(pool: Pool<Client>): Promise<unknown> {
  const pid = await lastValueFrom(pool.use(pidOf));
  await stateOf(pool, ({ resetting }) => resetting === 0);
  return pid;
}

/** Has a statement under way, so early that not even the server knows of it, and leaves. */
function startAndLeave(pool: Pool<Client>): void {
  const sleeping = query(pool, 'SELECT pg_sleep(60)').subscribe();
  expect(pool.state.leased).toBeGreaterThan(0);
  sleeping.unsubscribe();
  expect(pool.state.resetting).toBe(1);
}

const sleeps = ({ query: text, state }: { query: string; state: string }): boolean =>
  text.includes('pg_sleep') && state === 'active';

describe('lending', () => {
  it('lends real connections, as many as the server counts, and leaves none behind', async () => {
    const { pool } = openPool({ max: 4 });
    const gate = new Subject<void>();
    const pids = new Set<unknown>();
    const holding = lastValueFrom(
      range(0, 10).pipe(
        mergeMap(() =>
          pool.use(async client => {
            pids.add(await pidOf(client));
            if (pids.size < 4) await firstValueFrom(gate);
            else gate.complete();
          }),
        ),
      ),
    ).catch(() => undefined);
    await stateOf(pool, ({ leased }) => leased === 4);
    expect(await backends()).toHaveLength(pool.state.size);
    await holding;
    await stateOf(pool, isAtRest);
    expect((await backends()).map(({ pid }) => pid)).toEqual([...pids].sort());
    expect(pool.state).toMatchObject({ size: 4, idle: 4 });
    await pool.close();
    expect(await backends()).toEqual([]);
  });

  it('emits the rows of a query and gives the connection back before it completes', async () => {
    const { pool } = openPool({ max: 1, reset: () => undefined });
    let leasedAtEnd: number | undefined;
    const rows = await lastValueFrom(
      query<{ n: number }>(pool, 'SELECT n FROM generate_series(1, $1::int) n', [3]).pipe(
        toArray(),
        finalize(() => (leasedAtEnd = pool.state.leased)),
      ),
    );
    expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(leasedAtEnd).toBe(0);
    expect(pool.state.idle).toBe(1);
  });

  it('runs a query once for each subscription, and not before', async () => {
    const { pool } = openPool();
    await server.query('CREATE SEQUENCE IF NOT EXISTS runs; GRANT ALL ON runs TO rxpool');
    const next$ = query<{ nextval: string }>(pool, "SELECT nextval('runs')");
    await stateOf(pool, isAtRest);
    expect(pool.stats.acquired).toBe(0);
    expect(await lastValueFrom(next$)).toEqual({ nextval: '1' });
    expect(await lastValueFrom(next$)).toEqual({ nextval: '2' });
  });

  it('passes the error of a statement on and lends the connection again', async () => {
    const { pool } = openPool({ max: 1 });
    const pid = await firstPid(pool);
    await expect(lastValueFrom(query(pool, 'SELECT 1 / 0'))).rejects.toMatchObject({
      code: '22012',
    });
    await expect(lastValueFrom(query(pool, 'SELECT $1::int', ['x']))).rejects.toMatchObject({
      code: '22P02',
    });
    expect(await firstPid(pool)).toBe(pid);
    expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0 });
  });

  it('honours the query_timeout of the connection and cancels what was too slow', async () => {
    const connection = { connectionString: server.url, query_timeout: 50 };
    const { pool } = openPool({ connection, max: 1 });
    await expect(lastValueFrom(query(pool, 'SELECT pg_sleep(60)'))).rejects.toThrow(
      'Query read timeout',
    );
    await stateOf(pool, isAtRest);
    expect((await backends()).filter(sleeps)).toEqual([]);
  });
});

describe('what a borrower leaves behind', () => {
  it('rolls back a transaction that was left open', async () => {
    const { pool } = openPool({ max: 1 });
    await lastValueFrom(query(pool, 'CREATE TABLE left_open (n int)'), { defaultValue: null });
    const pid = await firstPid(pool);
    await lastValueFrom(
      pool.use(async client => {
        await client.query('BEGIN');
        await client.query('INSERT INTO left_open VALUES (1)');
      }),
    );
    const lease = await pool.lease();
    expect(lease.resource.getTransactionStatus()).toBe('I');
    expect(await valueOf(lease.resource, 'SELECT count(*) FROM left_open')).toBe('0');
    expect(await pidOf(lease.resource)).toBe(pid);
    await lease.release();
  });

  it('rolls back a failed transaction, although the error came before the server was ready', async () => {
    const { pool } = openPool({ max: 1 });
    const pid = await firstPid(pool);
    for (let round = 0; round < 50; round += 1) {
      await expect(
        lastValueFrom(
          pool.use(async client => {
            await client.query('BEGIN');
            await client.query('SELECT * FROM there_is_no_such_table');
          }),
        ),
      ).rejects.toMatchObject({ code: '42P01' });
    }
    expect(await firstPid(pool)).toBe(pid);
    expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0, destroyed: 0 });
  });

  it('forgets settings, locks, listens, cursors, roles and temporary tables', async () => {
    const { pool } = openPool({ max: 1 });
    await server.query('CREATE ROLE other; GRANT other TO rxpool');
    const pid = await firstPid(pool);
    await lastValueFrom(
      pool.use(async client => {
        await client.query(
          "SET application_name = 'left'; SELECT set_config('a.b', 'left', false)",
        );
        await client.query('SELECT pg_advisory_lock(7)');
        await client.query('LISTEN left_channel');
        await client.query('CREATE TEMP TABLE left_table (n int)');
        await client.query('PREPARE left_statement AS SELECT 1');
        await client.query('DECLARE left_cursor CURSOR WITH HOLD FOR SELECT 1');
        await client.query('SET ROLE other');
      }),
    );
    const lease = await pool.lease();
    const next = lease.resource;
    expect(await pidOf(next)).toBe(pid);
    expect(await valueOf(next, 'SELECT current_user')).toBe('rxpool');
    expect(await valueOf(next, 'SHOW application_name')).toBe('');
    expect(await valueOf(next, "SELECT current_setting('a.b', true)")).toBeFalsy();
    expect(await valueOf(next, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).toBe(
      '0',
    );
    expect(await valueOf(next, 'SELECT count(*) FROM pg_listening_channels()')).toBe('0');
    expect(await valueOf(next, "SELECT to_regclass('left_table')")).toBeNull();
    expect(await valueOf(next, 'SELECT count(*) FROM pg_prepared_statements')).toBe('0');
    expect(await valueOf(next, 'SELECT count(*) FROM pg_cursors WHERE is_holdable')).toBe('0');
    await lease.release();
  });

  it('keeps the named statements that the driver remembers, and forgets the rest all the same', async () => {
    const { pool } = openPool({ max: 1 });
    const named = { name: 'plus', text: 'SELECT $1::int + 1 AS sum', values: [1] };
    for (let round = 0; round < 3; round += 1) {
      await lastValueFrom(
        pool.use(async client => {
          expect(await valueOf(client, 'SHOW application_name')).toBe('');
          expect((await client.query(named)).rows).toEqual([{ sum: 2 }]);
          await client.query("SET application_name = 'left'");
          await client.query('SELECT pg_advisory_lock(8)');
        }),
      );
    }
    await stateOf(pool, isAtRest);
    expect(await server.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'")).toEqual([]);
    expect(pool.stats.created).toBe(1);
  });

  it('forgets statements that were prepared in SQL beside those that the driver remembers', async () => {
    const { pool } = openPool({ max: 1 });
    const named = { name: 'one', text: 'SELECT 1 AS one' };
    const pid = await firstPid(pool);
    await lastValueFrom(
      pool.use(async client => {
        await client.query(named);
        await client.query('PREPARE "left ""quoted""" AS SELECT 2; PREPARE left_too AS SELECT 3');
      }),
    );
    const lease = await pool.lease();
    expect(await pidOf(lease.resource)).toBe(pid);
    const { rows } = await lease.resource.query('SELECT name FROM pg_prepared_statements');
    expect(rows).toEqual([{ name: 'one' }]);
    await lease.release();
  });

  it('prepares again what a borrower has deallocated behind the back of the driver', async () => {
    const { pool } = openPool({ max: 1 });
    const pid = await firstPid(pool);
    const named = { name: 'one', text: 'SELECT 1 AS one' };
    await lastValueFrom(pool.use(client => client.query(named)));
    await lastValueFrom(pool.use(client => client.query('DEALLOCATE ALL')));
    const { rows } = await lastValueFrom(pool.use(client => client.query(named)));
    expect(rows).toEqual([{ one: 1 }]);
    expect(await firstPid(pool)).toBe(pid);
  });

  it('removes the listeners that a borrower added, and brings back those that it removed', async () => {
    const { pool } = openPool({ max: 1 });
    const heard: string[] = [];
    const events = ['error', 'end', 'notice', 'notification'];
    const counts = (client: Client) => events.map(event => client.listenerCount(event));
    const before = await lastValueFrom(pool.use(client => counts(client)));
    const pid = await firstPid(pool);
    await lastValueFrom(
      pool.use(async client => {
        client.on('notice', ({ message }) => heard.push(message ?? ''));
        client.once('notification', () => undefined);
        client.removeAllListeners('error');
        await client.query("DO $$ BEGIN RAISE NOTICE 'mine'; END $$");
      }),
    );
    await lastValueFrom(
      pool.use(async client => {
        expect(counts(client)).toEqual(before);
        await client.query("DO $$ BEGIN RAISE NOTICE 'of the next one'; END $$");
      }),
    );
    expect(heard).toEqual(['mine']);
    expect(await firstPid(pool)).toBe(pid);
  });

  it('keeps the settings that belong to the connection', async () => {
    const connection = { connectionString: server.url, options: '-c search_path=shop' };
    const { pool } = openPool({ connection, max: 1 });
    await lastValueFrom(query(pool, 'SET search_path = elsewhere'), { defaultValue: null });
    expect(await lastValueFrom(query(pool, 'SHOW search_path'))).toEqual({ search_path: 'shop' });
  });

  it('leaves the session alone where reset says so, at no cost, but never an open transaction', async () => {
    const { pool } = openPool({ max: 1, reset: () => undefined });
    const lease = await pool.lease();
    await lease.resource.query("SET application_name = 'kept'");
    void lease.release();
    expect(pool.state).toMatchObject({ idle: 1, resetting: 0 });
    await lastValueFrom(
      pool.use(async client => {
        expect(await valueOf(client, 'SHOW application_name')).toBe('kept');
        await client.query('BEGIN');
      }),
    );
    const next = await pool.lease();
    expect(next.resource.getTransactionStatus()).toBe('I');
    await next.release();
  });

  it('destroys the connection when the session cannot be reset', async () => {
    const { pool, events } = openPool({
      max: 1,
      reset: client => client.query('SELECT 1 / 0'),
    });
    await firstPid(pool);
    await stateOf(pool, ({ size }) => size === 0);
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'destroyed', reason: 'resetFailed' }),
    );
    expect(await backends()).toEqual([]);
  });
});

describe('a query that nobody waits for any more', () => {
  it('is cancelled on the server, and the connection is lent again', async () => {
    const { pool } = openPool({ max: 1 });
    const pid = await firstPid(pool);
    const sleeping = query(pool, 'SELECT pg_sleep(60)').subscribe();
    await untilServer(rows => rows.some(sleeps));
    sleeping.unsubscribe();
    expect(pool.state).toMatchObject({ resetting: 1, idle: 0 });
    expect(await firstPid(pool)).toBe(pid);
    expect((await backends()).filter(sleeps)).toEqual([]);
  });

  it('is cancelled on a server that has no connection left for anybody', async () => {
    await using small = await startPostgres({ maxConnections: 2 });
    const { pool } = openPool({ connection: small.url, max: 2 });
    const other = await pool.lease();
    const pid = await firstPid(pool);
    startAndLeave(pool);
    expect(await firstPid(pool)).toBe(pid);
    await other.release();
    await pool.close();
  });

  it('is cancelled even if the cancel would come before it', async () => {
    const { pool } = openPool({ max: 1 });
    const pid = await firstPid(pool);
    for (let round = 0; round < 20; round += 1) {
      startAndLeave(pool);
      expect(await firstPid(pool)).toBe(pid);
    }
    expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0 });
  });

  it('never has its cancel reach the next borrower', async () => {
    const { pool } = openPool({ max: 2 });
    for (let round = 0; round < 200; round += 1) {
      const left$ = query(pool, 'SELECT n FROM generate_series(1, 2000) n').pipe(take(1));
      const [, next] = await Promise.all([
        lastValueFrom(left$),
        lastValueFrom(query(pool, 'SELECT pg_sleep(0.001), 1 AS one')),
      ]);
      expect(next).toMatchObject({ one: 1 });
    }
    expect(pool.stats.resetFailed).toBe(0);
  });

  it('ends early on the server too, when a few rows of many are enough', async () => {
    const { pool } = openPool({ max: 1 });
    const rows = await lastValueFrom(
      query(pool, 'SELECT generate_series(1, 1000000000) AS n').pipe(take(2), toArray()),
    );
    expect(rows).toHaveLength(2);
    await stateOf(pool, isAtRest);
    expect(await backends()).toMatchObject([{ state: 'idle' }]);
  });

  it('is cancelled together with what was queued behind it on the same connection', async () => {
    const { pool } = openPool({ max: 1 });
    const pid = await firstPid(pool);
    const work = pool
      .use(client => {
        const statements = ['BEGIN', 'SELECT pg_sleep(60)', 'SELECT pg_sleep(61)'];
        return Promise.allSettled(statements.map(text => client.query(text)));
      })
      .subscribe();
    await untilServer(rows => rows.some(sleeps));
    work.unsubscribe();
    expect(await firstPid(pool)).toBe(pid);
  });

  it('is ended on the server before its connection is destroyed, where that is asked for', async () => {
    const { pool } = openPool({ max: 1, onCancel: 'destroy' });
    const sleeping = query(pool, 'SELECT pg_sleep(60)').subscribe();
    await untilServer(rows => rows.some(sleeps));
    sleeping.unsubscribe();
    await stateOf(pool, ({ size }) => size === 0);
    expect(await backends()).toEqual([]);
  });

  it('is ended on the server when the pool takes its lease back', async () => {
    const { pool } = openPool({ max: 1, maxLeaseMillis: 100 });
    await expect(lastValueFrom(query(pool, 'SELECT pg_sleep(60)'))).rejects.toMatchObject({
      code: 'LEASE_REVOKED',
    });
    await stateOf(pool, ({ size }) => size === 0);
    expect(await backends()).toEqual([]);
  });

  it('does not outlive a forced close', async () => {
    const { pool } = openPool({ max: 3 });
    const errors: unknown[] = [];
    for (let index = 0; index < 3; index += 1) {
      query(pool, 'SELECT pg_sleep(60)').subscribe({
        error: (error: unknown) => errors.push(error),
      });
    }
    await untilServer(rows => rows.filter(sleeps).length === 3);
    await pool.close({ force: true });
    expect(errors).toHaveLength(3);
    expect(await backends()).toEqual([]);
  });
});

describe('connections that break', () => {
  it('leave the pool at once when the server ends them, with nobody listening', async () => {
    const pool = postgresPool({ connection: server.url, max: 3 });
    await pool.prefill();
    const gone = stateOf(pool, ({ size }) => size === 0);
    expect(await server.terminateBackends()).toBe(3);
    await gone;
    expect(await lastValueFrom(query(pool, 'SELECT 1 AS one'))).toEqual({ one: 1 });
    await pool.close();
    expect(pool.stats).toMatchObject({ created: 4, destroyed: 4, destroyFailed: 0 });
  });

  it('tell why in the events', async () => {
    const { pool, events } = openPool({ max: 1 });
    await pool.prefill();
    const gone = stateOf(pool, ({ size }) => size === 0);
    await server.terminateBackends();
    await gone;
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'resourceError',
        error: expect.objectContaining({ code: '57P01' }),
      }),
    );
    expect(events.at(-1)).toMatchObject({ type: 'destroyed', reason: 'broken' });
  });

  it('are replaced within a second after every back end was killed under load, never above max', async () => {
    const max = 8;
    // The server refuses whoever would be one too many, so it counts at every instant.
    await server.query(`ALTER ROLE rxpool CONNECTION LIMIT ${max}`);
    const { pool, events } = openPool({ max });
    const stop = new Subject<void>();
    const failures: unknown[] = [];
    let served = 0;
    const select$ = query(pool, 'SELECT count(*) FROM generate_series(1, 300)');
    const transaction$ = pool.use(async client => {
      await client.query('BEGIN');
      await client.query('SELECT pg_sleep(0.002)');
      await client.query('COMMIT');
    });
    const worker$ = (work$: typeof select$ | typeof transaction$) =>
      defer(() => work$ as typeof select$).pipe(
        repeat(),
        retry({
          delay: error => {
            failures.push(error);
            return [0];
          },
        }),
      );
    const load = lastValueFrom(
      merge(...Array.from({ length: 24 }, (_, n) => worker$(n % 2 ? select$ : transaction$))).pipe(
        takeUntil(stop),
      ),
      { defaultValue: null },
    );
    pool.stats$.pipe(filter(({ type }) => type === 'released')).subscribe(() => (served += 1));
    try {
      for (let round = 0; round < 5; round += 1) {
        await stateOf(pool, ({ leased }) => leased === max);
        const before = (await backends()).map(({ pid }) => pid);
        expect(before.length).toBeLessThanOrEqual(max);
        const servedBefore = served;
        const killedAt = performance.now();
        // All at once: `terminateBackends` waits for each in turn.
        await server.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid', [before]);
        await stateOf(pool, ({ leased }) => leased === max);
        const whole = await untilServer(
          rows => rows.length === max && rows.every(({ pid }) => !before.includes(pid)),
        );
        expect(whole).toHaveLength(max);
        await firstValueFrom(pool.stats$.pipe(filter(() => served > servedBefore + 2 * max)));
        const tookMillis = performance.now() - killedAt;
        expect(tookMillis).toBeLessThan(await aboutASecond());
      }
    } finally {
      stop.next();
      await load;
      await server.query('ALTER ROLE rxpool CONNECTION LIMIT -1');
    }
    await stateOf(pool, isAtRest);
    expect(pool.state).toMatchObject({ size: max, idle: max, creating: 0 });
    expect(await backends()).toHaveLength(max);
    expect(events.filter(({ type }) => type === 'createFailed')).toEqual([]);
    // Those who held a killed connection heard of it; nobody else did.
    expect(failures.length).toBeGreaterThan(0);
    for (const failure of failures) expect(String(failure)).toMatch(/terminat|not queryable/);
  });

  it('are replaced within a second after a crash of the server, once it accepts again', async () => {
    await using crashing = await startPostgres();
    await crashing.query('CHECKPOINT'); // nothing is durable before it
    const { pool } = openPool({ connection: crashing.url, max: 4 });
    const stop = new Subject<void>();
    let failed = 0;
    const worker$ = query(pool, 'SELECT pg_sleep(0.001)').pipe(
      repeat(),
      tap({ error: () => (failed += 1) }),
      retry({ delay: 20 }),
    );
    const workers$ = merge(...Array.from({ length: 8 }, () => worker$));
    const load = lastValueFrom(workers$.pipe(takeUntil(stop)), { defaultValue: null });
    await stateOf(pool, ({ leased }) => leased === 4);
    await crashing.kill();
    await stateOf(pool, ({ size }) => size === 0);
    await crashing.restart();
    const acceptsAt = performance.now();
    await stateOf(pool, ({ leased }) => leased === 4);
    const tookMillis = performance.now() - acceptsAt;
    expect(tookMillis).toBeLessThan(await aboutASecond(crashing));
    expect(await backends(crashing)).toHaveLength(4);
    expect(failed).toBeGreaterThan(0);
    stop.next();
    await load;
    await pool.close();
    expect(await backends(crashing)).toEqual([]);
  });

  it('are found out by the check before they are lent, when the network has swallowed them', async () => {
    await using proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
    const { pool, events } = openPool({
      connection: proxy.url(server.url),
      max: 1,
      validateAfterIdleMillis: 0,
      validateTimeoutMillis: 100,
    });
    const pid = await firstPid(pool);
    await stateOf(pool, isAtRest);
    proxy.halfOpen();
    expect(await firstPid(pool)).not.toBe(pid);
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'destroying', reason: 'invalid' }),
    );
    expect(pool.stats).toMatchObject({ validateFailed: 1, destroyFailed: 0 });
  });

  it('are cut when they do not say goodbye, so that close ends well before the limit of a destroy', async () => {
    await using proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
    const { pool } = openPool({ connection: proxy.url(server.url), max: 2 });
    await pool.prefill();
    proxy.blackHole(true);
    await pool.close();
    expect(proxy.connections).toBe(0);
    expect(pool.stats).toMatchObject({ destroyed: 2, destroyFailed: 0 });
  });

  it('are refused for a lease, but not forgotten, when a reset is interrupted by the end', async () => {
    const { pool } = openPool({ max: 1 });
    const sleeping = query(pool, 'SELECT pg_sleep(60)').subscribe();
    await untilServer(rows => rows.some(sleeps));
    sleeping.unsubscribe();
    void server.terminateBackends();
    expect(await lastValueFrom(query(pool, 'SELECT 1 AS one'))).toEqual({ one: 1 });
    await stateOf(pool, isAtRest);
    // The end may have met the new connection, too: no slot is lost either way.
    const { created, destroyed, destroyFailed } = pool.stats;
    expect(created - destroyed - destroyFailed).toBe(pool.state.size);
  });
});

describe('connecting', () => {
  it('gives up an attempt that takes too long and leaves no socket behind', async () => {
    await using proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
    proxy.blackHole(true);
    const { pool } = openPool({ connection: proxy.url(server.url), createTimeoutMillis: 100 });
    const failure = await pool.lease().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CreateError);
    expect((failure as CreateError).cause).toBeInstanceOf(HookTimeoutError);
    await vi.waitUntil(() => proxy.connections === 0, patience);
    await pool.close();
    expect(pool.stats).toMatchObject({ created: 0, createFailed: 1 });
  });

  it('gives up what is being connected when the pool closes', async () => {
    await using proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
    proxy.blackHole(true);
    const { pool } = openPool({ connection: proxy.url(server.url) });
    const refused = expect(pool.lease()).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    await vi.waitUntil(() => proxy.connections === 1, patience);
    await pool.close({ force: true });
    await refused;
    await vi.waitUntil(() => proxy.connections === 0, patience);
  });

  it('says that the password is wrong', async () => {
    const [{ hba_file: file } = {}] = await server.query('SHOW hba_file');
    await server.query("CREATE ROLE locked LOGIN PASSWORD 'right'");
    const rules = [
      'host all locked 127.0.0.1/32 scram-sha-256',
      'host all all    127.0.0.1/32 trust',
    ];
    await server.query(`COPY (SELECT unnest(ARRAY['${rules.join("', '")}'])) TO '${String(file)}'`);
    const loadedAt = async () => (await server.query('SELECT pg_conf_load_time()::text'))[0];
    const before = await loadedAt();
    await server.query('SELECT pg_reload_conf()');
    while (JSON.stringify(await loadedAt()) === JSON.stringify(before));
    const at = (password: string) => ({
      ...{ host: '127.0.0.1', port: server.port, database: 'postgres' },
      ...{ user: 'locked', password },
    });

    const { pool: refused } = openPool({ connection: at('wrong') });
    const failure = await refused.lease().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CreateError);
    expect(failure).toMatchObject({
      message: expect.stringContaining('password authentication failed for user "locked"'),
      cause: expect.objectContaining({ code: '28P01' }),
    });
    expect(refused.state).toMatchObject({ size: 0, creating: 0 });

    const { pool: accepted } = openPool({ connection: at('right'), max: 1 });
    const pid = await firstPid(accepted);
    startAndLeave(accepted);
    expect(await firstPid(accepted)).toBe(pid);
  });

  it.each([
    ['a port where nobody listens', 'postgres://rxpool@127.0.0.1:1/postgres', 'ECONNREFUSED'],
    ['a host that does not exist', 'postgres://rxpool@host.invalid/postgres', 'host.invalid'],
  ])('says so for %s', async (_, connection, words) => {
    const { pool } = openPool({ connection });
    await expect(pool.lease()).rejects.toMatchObject({
      code: 'CREATE_FAILED',
      message: expect.stringContaining(words),
    });
    expect(pool.state.size).toBe(0);
  });

  it('says so for a database that does not exist', async () => {
    const { pool } = openPool({ connection: server.url.replace(/postgres$/, 'nowhere') });
    await expect(pool.lease()).rejects.toThrow('database "nowhere" does not exist');
  });

  it('loads the driver by itself when no class is given', async () => {
    await using pool = postgresPool({ connection: server.url });
    await using lease = await pool.lease();
    expect(lease.resource).toBeInstanceOf(Client);
  });

  it('retires a connection after 30 minutes by default, and nobody notices', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
    try {
      const { pool, events } = openPool({ idleTimeoutMillis: Infinity, max: 1 });
      const pid = await firstPid(pool);
      await stateOf(pool, isAtRest);
      vi.advanceTimersByTime(30 * 60_000 - 1_000);
      expect(pool.state.idle).toBe(1);
      vi.advanceTimersByTime(1_000);
      await stateOf(pool, ({ size }) => size === 0);
      expect(events).toContainEqual(
        expect.objectContaining({ type: 'destroyed', reason: 'lifetime' }),
      );
      expect(await firstPid(pool)).not.toBe(pid);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('options', () => {
  it.each<[string, object, string]>([
    ['connection', {}, 'but is undefined'],
    ['connection', { connection: 'localhost' }, 'postgres:// URL, but is "localhost"'],
    ['connection', { connection: 5432 }, 'but is 5432'],
    ['connection', { connection: { connectionString: 'db' } }, 'URL, but is "db"'],
    ['connection', { connection: 'http://me:secret@host/db' }, 'but is "http://…@host/db"'],
    ['Client', { connection: {}, Client: 'pg' }, 'but is "pg"'],
    ['create', { connection: {}, create: () => 1 }, 'brought by the adapter'],
    ['max', { connection: {}, max: 0 }, 'but is 0'],
    ['maxx', { connection: {}, maxx: 5 }, 'did you mean "max"'],
    ['options', null as unknown as object, 'must be an object'],
  ])('refuses a senseless %s: %j', (option, options, words) => {
    const make = () => postgresPool(options as PostgresPoolOptions);
    expect(make).toThrow(InvalidOptionsError);
    expect(make).toThrow(words);
    expect(make).toThrow(expect.objectContaining({ option }));
  });

  it('takes every configuration that the driver takes', async () => {
    const config: ClientConfig = { connectionString: server.url, application_name: 'mine' };
    const connection: PostgresConnection = config;
    const { pool } = openPool({ connection });
    expect(await lastValueFrom(query(pool, 'SHOW application_name'))).toEqual({
      application_name: 'mine',
    });
  });

  it('lends the resources of the class that was passed', async () => {
    class Counting extends Client {
      queries = 0;
      count(): number {
        return (this.queries += 1);
      }
    }
    await using pool = postgresPool({ connection: server.url, Client: Counting });
    expect(await lastValueFrom(pool.use(client => client.count()))).toBe(1);
  });
});
