// A big result row by row, at the pace of the one who reads it: a cursor on the server, a hundred rows in memory.
import { postgresPool, query, stream } from 'rxpool/postgres';
import { bufferCount, firstValueFrom, lastValueFrom, map, reduce, take, timer } from 'rxjs';

interface Order {
  readonly id: number;
  readonly cents: number;
}

const pool = postgresPool({
  name: 'shop',
  connection: process.env.DATABASE_URL ?? 'postgres://localhost/shop',
  max: 4,
});

// 100,000 orders that no table has to hold.
const orders = 'SELECT id, id % 1000 AS cents FROM generate_series(1, $1::int) AS id';

// 1. A consumer that needs time for each row. A batch is fetched when the work on the one before is done.
const archived$ = stream<Order>(pool, orders, [500]).each(({ id }) => archive(id), 10);
console.log(await lastValueFrom(archived$.pipe(reduce(count => count + 1, 0)))); // prints: 500

// 2. The same as a loop. Leaving it closes the cursor and gives the connection back.
let cents = 0;
for await (const order of stream<Order>(pool, orders, [100_000])) {
  cents += order.cents;
  if (order.id === 2_000) break;
}
console.log(`${cents} cents, ${pool.state.leased} leased`); // prints: 999000 cents, 0 leased

// 3. Whoever wants few of many: `take` cancels the statement on the server.
const many = 'SELECT generate_series(1, 100000000) AS id';
const firstTen$ = query<Order>(pool, many).pipe(
  take(10),
  map(({ id }) => id),
  bufferCount(10),
);
console.log((await firstValueFrom(firstTen$)).join(' ')); // prints: 1 2 3 4 5 6 7 8 9 10

// 4. Several readers share the pool: each has its connection only while it reads.
const sums = [10, 100, 1_000, 10_000, 100_000].map(count =>
  lastValueFrom(stream<Order>(pool, orders, [count]).pipe(reduce(sum => sum + 1, 0))),
);
console.log((await Promise.all(sums)).join(' ')); // prints: 10 100 1000 10000 100000
console.log(`${pool.state.leased} leased`); // prints: 0 leased

await pool.close();

/** Stands in for a slow store. */
function archive(id: number) {
  return timer(1).pipe(map(() => id));
}
