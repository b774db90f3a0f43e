// Orders in a collection: what comes in is written by several workers, what goes out is read at the pace of a slow
// consumer, and a report is made while both go on.
import { collection, execute, mongodbPool } from 'rxpool/mongodb';
import {
  bufferCount,
  count,
  lastValueFrom,
  mergeMap,
  range,
  take,
  timer,
  toArray,
  map,
} from 'rxjs';

interface Order {
  readonly _id: number;
  readonly customer: string;
  readonly total: number;
}

const orders = collection<Order>('orders', { db: 'rxpool_example' });

const pool = mongodbPool({
  name: 'shop',
  url: process.env.MONGODB_URL ?? 'mongodb://127.0.0.1:27017/',
  max: 4,
});

await lastValueFrom(execute(pool, orders, 'deleteMany', {}));

// In: batches of 50, as many at once as there are clients.
const written$ = range(1, 500).pipe(
  map((id): Order => ({ _id: id, customer: `customer ${id % 5}`, total: id })),
  bufferCount(50),
  mergeMap(batch => execute(pool, orders, 'insertMany', batch)),
  map(({ insertedCount }) => insertedCount),
  toArray(),
);
const written = await lastValueFrom(written$);
console.log(`${written.length} batches written`); // prints: 10 batches written

// Out: two at a time. The next batch is fetched when the work on this one is done, so memory holds 20 orders.
const shipped = await lastValueFrom(
  execute(pool, orders, 'find', { total: { $lte: 40 } }, { batchSize: 20 })
    .each(order => timer(1).pipe(map(() => order._id)), 2)
    .pipe(count()),
);
console.log(`${shipped} orders shipped`); // prints: 40 orders shipped

// Unsubscribing closes the cursor on the server, and the client is lent on.
const first = await lastValueFrom(
  execute(pool, orders, 'find', {}, { sort: { _id: 1 }, batchSize: 5 }).pipe(take(3), toArray()),
);
console.log(`the first are ${first.map(({ _id }) => _id).join(', ')}`); // prints: the first are 1, 2, 3

// A loop does the same.
for await (const { customer } of execute(pool, orders, 'find', { _id: 7 })) {
  console.log(`order 7 is from ${customer}`); // prints: order 7 is from customer 2
}

const best$ = execute(pool, orders, 'aggregate', [
  { $group: { _id: '$customer', turnover: { $sum: '$total' } } },
  { $sort: { turnover: -1 } },
  { $limit: 1 },
]);
const { _id: best, turnover } = await lastValueFrom(best$);
console.log(`${best} has spent ${turnover}`); // prints: customer 0 has spent 25250

await lastValueFrom(execute(pool, orders, 'deleteMany', {}));
await pool.close();
console.log(`${pool.state.size} clients left`); // prints: 0 clients left
