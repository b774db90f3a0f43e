import { Client } from 'pg';
import {
  concat,
  defer,
  delay,
  filter,
  firstValueFrom,
  from,
  ignoreElements,
  lastValueFrom,
  map,
  of,
  Subject,
  take,
  tap,
  toArray,
} from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { InvalidOptionsError } from '../src/errors.js';
import type { Pool, PoolState } from '../src/index.js';
import { query, stream, transaction } from '../src/postgres/index.js';
import { collectGarbage, heapBytes } from './garbage.js';
import { PostgresFixture } from './postgres-fixture.js';
import { patience } from './patience.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const postgres = new PostgresFixture();

beforeAll(async () => {
  await postgres.start();
  await postgres.query(
    'CREATE SEQUENCE produced; GRANT ALL ON produced TO rxpool; ' +
      'CREATE TABLE numbers AS SELECT generate_series(1, 1000) AS n; GRANT ALL ON numbers TO rxpool',
  );
});
afterAll(() => postgres.stop());
afterEach(() => postgres.closePools());

const numbers = 'SELECT n FROM generate_series(1, $1::int) AS n';

/** Each row counts on the server that it was produced; without end, as far as anybody can tell. */
const counted = "SELECT nextval('produced') FROM (SELECT generate_series(1, 100000000)) AS endless";

async function producedSince(run: () => Promise<unknown>): Promise<number> {
  await postgres.query("SELECT setval('produced', 1, false)");
  await run();
  const [row] = await postgres.query('SELECT last_value, is_called FROM produced');
  return row?.['is_called'] === true ? Number(row['last_value']) : 0;
}

function atRest(pool: Pool<Client>): Promise<PoolState> {
  return firstValueFrom(
    pool.state$.pipe(filter(({ leased, resetting }) => leased + resetting === 0)),
  );
}

/** FETCH statements that the client sent. */
function spyOnFetches(pool: Pool<Client>): Promise<string[]> {
  const sent: string[] = [];
  return lastValueFrom(
    pool.use(client => {
      const send = client.query.bind(client) as (...given: unknown[]) => unknown;
      client.query = ((...given: unknown[]) => {
        if (typeof given[0] === 'string' && given[0].startsWith('FETCH')) sent.push(given[0]);
        return send(...given);
      }) as Client['query'];
      return { sent };
    }),
  ).then(({ sent: statements }) => statements);
}

describe('a stream of rows', () => {
  it('emits every row once and in order, whatever the batches come to', async () => {
    const pool = postgres.open({ max: 1 });
    for (const [rows, batchSize] of [
      [0, 10],
      [1, 10],
      [9, 10],
      [10, 10],
      [11, 10],
      [25, 1],
      [250, undefined],
    ] as const) {
      const found = await lastValueFrom(
        stream<{ n: number }>(pool, numbers, [rows], { batchSize }).pipe(
          map(({ n }) => n),
          toArray(),
        ),
      );
      expect(found, `${rows} by ${String(batchSize)}`).toEqual(
        Array.from({ length: rows }, (_, index) => index + 1),
      );
    }
    expect(pool.state).toMatchObject({ leased: 0 });
    await atRest(pool);
    expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0 });
  });

  it('is cold: each subscription reads anew, on a connection of its own', async () => {
    const pool = postgres.open({ max: 2 });
    const rows$ = stream(pool, numbers, [3]);
    expect(pool.stats.acquired).toBe(0);
    // Both connections are there, so that neither stream can be over before the other begins.
    await pool.prefill();
    const both = await Promise.all([
      lastValueFrom(rows$.pipe(toArray())),
      lastValueFrom(rows$.pipe(toArray())),
    ]);
    expect(both[0]).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(both[1]).toEqual(both[0]);
    expect(pool.stats.peakLeased).toBe(2);
  });

  it('reads one snapshot from the first row to the last', async () => {
    const pool = postgres.open({ max: 2 });
    const seen = await lastValueFrom(
      stream(pool, 'SELECT n FROM numbers', [], { batchSize: 100 })
        .each(row =>
          lastValueFrom(query(pool, 'DELETE FROM numbers WHERE n % 2 = 0'), {
            defaultValue: null,
          }).then(() => row),
        )
        .pipe(take(300), toArray()),
    );
    expect(seen).toHaveLength(300);
    expect(seen.slice(200, 204)).toEqual([{ n: 201 }, { n: 202 }, { n: 203 }, { n: 204 }]);
  });

  it('passes on the error of the statement and of a row in the middle', async () => {
    const pool = postgres.open({ max: 1 });
    await expect(lastValueFrom(stream(pool, 'SELECT * FROM nowhere'))).rejects.toMatchObject({
      code: '42P01',
    });
    const rows: unknown[] = [];
    const broken$ = stream(pool, 'SELECT 1 / (25 - n) FROM generate_series(1, 100) n', [], {
      batchSize: 10,
    }).pipe(tap(row => rows.push(row)));
    await expect(lastValueFrom(broken$)).rejects.toMatchObject({ code: '22012' });
    expect(rows).toHaveLength(20);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
    expect(pool.stats.created).toBe(1);
  });

  it('commits what its statement did', async () => {
    const pool = postgres.open({ max: 1 });
    await postgres.query(
      'CREATE TABLE written (n int); GRANT ALL ON written TO rxpool; ' +
        'CREATE FUNCTION write(n int) RETURNS int LANGUAGE sql AS $$ INSERT INTO written VALUES (n) RETURNING n $$',
    );
    await lastValueFrom(stream(pool, 'SELECT write(n) FROM generate_series(1, 3) n'));
    expect(await postgres.query('SELECT count(*)::int AS n FROM written')).toEqual([{ n: 3 }]);
  });
});

describe('back pressure', () => {
  it('has the server produce no row of a batch that nobody has come to', async () => {
    const pool = postgres.open({ max: 1 });
    const produced = await producedSince(() =>
      lastValueFrom(stream(pool, counted, [], { batchSize: 50 }).pipe(take(101))),
    );
    expect(produced).toBe(150);
    await atRest(pool);
    expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0 });
  });

  it('waits with each() for the work on a batch before it fetches the next one', async () => {
    const pool = postgres.open({ max: 1 });
    const gates: Subject<void>[] = [];
    const fetches = await spyOnFetches(pool);
    const done: unknown[] = [];
    const finished = lastValueFrom(
      stream<{ n: number }>(pool, numbers, [5], { batchSize: 2 })
        .each(({ n }) => {
          const gate = new Subject<void>();
          gates.push(gate);
          return gate.pipe(
            map(() => n),
            take(1),
          );
        }, 2)
        .pipe(tap(n => done.push(n))),
    );
    const working = (count: number) =>
      vi.waitFor(() => expect(gates).toHaveLength(count), patience);
    await working(2);
    expect(fetches).toHaveLength(1);
    gates[1]!.next();
    // A round trip on which a second batch could have come along.
    await postgres.query('SELECT 1');
    expect(fetches).toHaveLength(1);
    gates[0]!.next();
    await working(4);
    expect(fetches).toHaveLength(2);
    gates[2]!.next();
    gates[3]!.next();
    await working(5);
    gates[4]!.next();
    await finished;
    expect(done).toEqual([2, 1, 3, 4, 5]);
    expect(fetches).toHaveLength(3);
  });

  it('never has more work under way than each() was told', async () => {
    const pool = postgres.open({ max: 1 });
    let running = 0;
    let most = 0;
    const work$ = (concurrency?: number) =>
      stream(pool, numbers, [30], { batchSize: 10 }).each(
        row =>
          defer(() => {
            running += 1;
            most = Math.max(most, running);
            return of(row).pipe(
              delay(0),
              tap(() => (running -= 1)),
            );
          }),
        concurrency,
      );
    expect(await lastValueFrom(work$().pipe(toArray()))).toHaveLength(30);
    expect(most).toBe(1);
    most = 0;
    expect(await lastValueFrom(work$(4).pipe(toArray()))).toHaveLength(30);
    expect(most).toBe(4);
  });

  it('is in for await: a row at a time, and the server produces no more than a batch ahead', async () => {
    const pool = postgres.open({ max: 1 });
    const produced = await producedSince(async () => {
      const rows: unknown[] = [];
      for await (const row of stream(pool, counted, [], { batchSize: 20 })) {
        rows.push(row);
        if (rows.length === 30) break;
      }
      expect(rows).toHaveLength(30);
    });
    expect(produced).toBe(40);
    await atRest(pool);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
  });

  it('lets for await end with the rows, and fail with the statement or the loop', async () => {
    const pool = postgres.open({ max: 1 });
    const seen: number[] = [];
    for await (const { n } of stream<{ n: number }>(pool, numbers, [7], { batchSize: 3 })) {
      seen.push(n);
      await Promise.resolve();
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
    const failing = async (text: string) => {
      for await (const row of stream(pool, text))
        throw new Error(`the loop at ${JSON.stringify(row)}`);
    };
    await expect(failing('SELECT 1')).rejects.toThrow('the loop');
    await expect(failing('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' });
    await atRest(pool);
    expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0, peakLeased: 1 });
  });

  it('keeps memory flat over a result that is bigger than a heap would like', async () => {
    const pool = postgres.open({ max: 1 });
    let most = 0;
    let rows = 0;
    collectGarbage();
    const before = heapBytes();
    // 200 MB of text, a hundred rows of it at a time.
    await lastValueFrom(
      stream(pool, "SELECT repeat('x', 10000) AS text FROM generate_series(1, 20000)").pipe(
        tap(() => {
          rows += 1;
          if (rows % 2_000 !== 0) return;
          // When garbage is collected is the machine's affair: what counts is what is held.
          collectGarbage();
          most = Math.max(most, heapBytes() - before);
        }),
      ),
    );
    expect(rows).toBe(20_000);
    expect(most).toBeLessThan(10 * 2 ** 20);
  });
});

describe('leaving early', () => {
  it('cancels a fetch that is under way and gives the connection back clean', async () => {
    const pool = postgres.open({ max: 1 });
    const sleeping = stream(pool, 'SELECT pg_sleep(60) FROM generate_series(1, 10)').subscribe();
    await postgres.untilBackends(rows =>
      rows.some(({ query: text, state }) => text.startsWith('FETCH') && state === 'active'),
    );
    sleeping.unsubscribe();
    await using lease = await pool.lease();
    expect(lease.resource.getTransactionStatus()).toBe('I');
    const { rows } = await lease.resource.query('SELECT name FROM pg_cursors WHERE name <> $1', [
      '',
    ]);
    expect(rows).toEqual([]);
    expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0 });
  });
});

describe('on a connection', () => {
  it('reads in the transaction that is open there, and closes its cursor, left early or not', async () => {
    const pool = postgres.open({ max: 1 });
    const found = await lastValueFrom(
      transaction(pool, client => {
        const mine$ = stream<{ n: number }>(client, 'SELECT n FROM mine', undefined, {
          batchSize: 2,
        }).pipe(map(({ n }) => n));
        return concat(
          from(client.query('CREATE TEMP TABLE mine AS SELECT generate_series(1, 5) AS n')).pipe(
            ignoreElements(),
          ),
          mine$,
          mine$.pipe(take(1)),
          query<{ name: string }>(client, 'SELECT name FROM pg_cursors').pipe(
            map(({ name }) => name),
          ),
        );
      }).pipe(toArray()),
    );
    expect(found).toEqual([1, 2, 3, 4, 5, 1]);
  });

  it('leaves a failed transaction to whoever began it', async () => {
    const pool = postgres.open({ max: 1 });
    const failing = lastValueFrom(
      transaction(pool, client =>
        stream(client, 'SELECT 1 / (2 - n) FROM generate_series(1, 5) n'),
      ),
    );
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    expect(await lastValueFrom(query(pool, 'SELECT 1 AS one'))).toEqual({ one: 1 });
  });
});

it('refuses options that make no sense', () => {
  const pool = postgres.open();
  for (const batchSize of [0, -1, 1.5, Infinity, '10' as never]) {
    expect(() => stream(pool, numbers, [], { batchSize })).toThrow(InvalidOptionsError);
  }
  expect(() => stream(pool, numbers).each(1 as never)).toThrow('"project"');
  expect(() => stream(pool, numbers).each(row => of(row), 0)).toThrow('"concurrency"');
});
