// Two services share one limit of six connections, kept by Redis: floors first, then a fair share for each. Here both are
// in one program; as processes of their own they would do the same. Reads REDIS_URL and DATABASE_URL.
import { redisPermits } from 'rxpool/budget';
import { postgresPool } from 'rxpool/postgres';
import { createClient } from 'redis';
import {
  filter,
  firstValueFrom,
  lastValueFrom,
  merge,
  mergeMap,
  range,
  takeUntil,
  timer,
} from 'rxjs';

const limit = 6;
const client = createClient({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' });
client.on('error', error => console.error(error));
await client.connect();
const subscriber = client.duplicate();
subscriber.on('error', error => console.error(error));
await subscriber.connect();

function service(name: string, min: number) {
  const permits = redisPermits(client, {
    key: 'example-budget',
    limit,
    subscriber,
    takeBackAfterMillis: 200,
  });
  const pool = postgresPool({
    connection: process.env.DATABASE_URL ?? {},
    name,
    min,
    max: 6,
    permits,
    reset: () => undefined,
  });
  return { name, permits, pool };
}

type Service = ReturnType<typeof service>;

/** So many queries at once, each of which takes its time. */
const queries = ({ pool }: Service, count: number) =>
  range(count).pipe(mergeMap(() => pool.use(db => db.query('SELECT pg_sleep(0.02)'))));

const shop = service('shop', 0);
const reports = service('reports', 2);

// The reports have their floor as soon as they start; a rush of orders may have the rest.
await reports.pool.prefill(2);
await lastValueFrom(queries(shop, 40));
// prints: a rush in the shop: shop 4, reports 2
console.log(
  `a rush in the shop: shop ${shop.permits.state.held}, reports ${reports.permits.state.held}`,
);

// Now both are busy, and each is entitled to half.
const isEven = () => shop.permits.state.held === 3 && reports.permits.state.held === 3;
const even$ = merge(shop.permits.state$, reports.permits.state$).pipe(filter(isEven));
const busy = merge(queries(shop, 10_000), queries(reports, 10_000)).subscribe();
await firstValueFrom(even$.pipe(takeUntil(timer(8_000))), { defaultValue: undefined });
// prints: both busy: shop 3, reports 3
console.log(`both busy: shop ${shop.permits.state.held}, reports ${reports.permits.state.held}`);
busy.unsubscribe();

for (const { pool, permits } of [shop, reports]) {
  await pool.close();
  await permits.dispose();
}
const left = await client.hLen('{example-budget}:members');
// prints: members left in the books: 0
console.log(`members left in the books: ${left}`);
await subscriber.close();
await client.close();
