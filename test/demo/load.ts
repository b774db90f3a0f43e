import {
  catchError,
  concat,
  defer,
  ignoreElements,
  map,
  merge,
  of,
  repeat,
  takeUntil,
  timer,
  type Observable,
} from 'rxjs';
import type { Pool } from '../../src/index.js';
import { query, type PostgresClient } from '../../src/postgres/index.js';
import { accountCount, accounts } from './database.js';

export type Kind = 'lookup' | 'report' | 'transfer' | 'slow' | 'cancelled';

/** A piece of work that has ended. */
export type Done =
  | { readonly kind: Kind; readonly queries: number }
  | { readonly kind: 'failed'; readonly queries: 0; readonly error: unknown };

interface Work {
  readonly kind: Kind;
  readonly percent: number;
  readonly queries: number;
  run(pool: Pool<PostgresClient>): Observable<unknown>;
}

const workerCount = 20;
const thinkMillis = 8;
const afterFailureMillis = 250;

const works: readonly Work[] = [
  {
    kind: 'lookup',
    percent: 70,
    queries: 1,
    run: pool =>
      query(pool, `SELECT owner, cents FROM ${accounts} WHERE id = $1`, [anyAccount()], {
        label: 'lookup',
      }),
  },
  {
    kind: 'report',
    percent: 15,
    queries: 1,
    run: pool =>
      query(
        pool,
        `SELECT city, count(*), sum(cents), percentile_cont(0.5) WITHIN GROUP (ORDER BY cents)
         FROM ${accounts} GROUP BY city ORDER BY city`,
        [],
        { label: 'report' },
      ),
  },
  {
    kind: 'transfer',
    percent: 12,
    queries: 4,
    run: pool => pool.use(transfer, { label: 'transfer' }),
  },
  {
    kind: 'slow',
    percent: 2,
    queries: 1,
    run: pool => query(pool, 'SELECT pg_sleep($1)', [between(0.1, 0.3)], { label: 'slow' }),
  },
  {
    kind: 'cancelled',
    percent: 1,
    queries: 1,
    run: pool =>
      query(pool, 'SELECT pg_sleep(60)', [], { label: 'cancelled' }).pipe(
        takeUntil(timer(between(50, 200))),
      ),
  },
];

/** A steady mix of work by twenty workers; when `stop$` emits, each finishes what it is at. */
export function load(pool: Pool<PostgresClient>, stop$: Observable<unknown>): Observable<Done> {
  const worker$ = defer(() => doOne(pool)).pipe(
    repeat({ delay: () => timer(between(0, thinkMillis)).pipe(takeUntil(stop$)) }),
  );
  return merge(...Array.from({ length: workerCount }, () => worker$));
}

function doOne(pool: Pool<PostgresClient>): Observable<Done> {
  const { kind, queries, run } = anyWork();
  return concat(run(pool).pipe(ignoreElements()), of({ kind, queries })).pipe(
    // A server that is gone must not be asked as fast as it can refuse.
    catchError((error: unknown) =>
      timer(afterFailureMillis).pipe(map(() => ({ kind: 'failed', queries: 0, error }) as const)),
    ),
  );
}

async function transfer(client: PostgresClient): Promise<void> {
  // Always in the order of their ids: two transfers that cross cannot lock each other out.
  const [first, second] = [anyAccount(), anyAccount()].sort((a, b) => a - b);
  const add = `UPDATE ${accounts} SET cents = cents + $2 WHERE id = $1`;
  await client.query('BEGIN');
  await client.query(add, [first, -100]);
  await client.query(add, [second, 100]);
  await client.query('COMMIT');
}

function anyWork(): Work {
  let place = Math.random() * 100;
  const chosen = works.find(({ percent }) => (place -= percent) < 0);
  return chosen ?? (works[0] as Work);
}

function anyAccount(): number {
  return Math.floor(between(1, accountCount + 1));
}

function between(least: number, most: number): number {
  return least + Math.random() * (most - least);
}
