// A client of an API that answers ten requests in a tenth of a second and refuses more. The pool keeps the pace: two
// connections, each of which rests after a request before it is lent again. Nobody counts, nobody sleeps.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { httpPool, HttpStatusError, request } from 'rxpool/http';
import {
  catchError,
  lastValueFrom,
  map,
  mergeMap,
  of,
  range,
  retry,
  throwError,
  timeout,
  timer,
  toArray,
  type Observable,
} from 'rxjs';

// The API, which would be somebody else's.
let asked: number[] = [];
const api = createServer((message, response) => {
  const now = performance.now();
  asked = asked.filter(at => now - at < 100);
  if (asked.length >= 10) {
    response.writeHead(429, { 'retry-after': '1' }).end('slow down');
    return;
  }
  asked.push(now);
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ path: message.url }));
});
api.listen(0, '127.0.0.1');
await once(api, 'listening');
const origin = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;

// As fast as they can, ten connections run into the limit. A refusal is a value: 429 is an answer like any other.
const hasty = httpPool({ name: 'hasty', origin, max: 10 });
const statuses = await lastValueFrom(
  range(0, 50).pipe(
    mergeMap(n => request(hasty, { path: `/orders/${n}` })),
    map(({ statusCode }) => statusCode),
    toArray(),
  ),
);
console.log(statuses.includes(429) ? 'too fast' : 'fast enough'); // prints: too fast
await hasty.close();

// Two connections that rest for 40 ms: five requests in 100 ms at most, however many ask. `reset` may wait, because
// nobody waits for it but the next borrower.
const paced = httpPool({ name: 'paced', origin, max: 2, reset: () => timer(40) });

interface Order {
  readonly path: string;
}

/** Waits as long as the API says when it refuses all the same, gives up after two seconds, and takes 404 for nothing. */
function order(n: number): Observable<Order | undefined> {
  return request(paced, { path: `/orders/${n}`, errorOnStatus: true }).pipe(
    mergeMap(response => response.json<Order>()),
    timeout({ each: 2_000 }),
    retry({
      count: 3,
      delay: (error: unknown) => {
        const { statusCode, headers } = error instanceof HttpStatusError ? error : {};
        if (statusCode !== 429) return throwError(() => error);
        return timer(Number(headers?.['retry-after'] ?? 1) * 1_000);
      },
    }),
    catchError((error: unknown) =>
      error instanceof HttpStatusError && error.statusCode === 404
        ? of(undefined)
        : throwError(() => error),
    ),
  );
}

await lastValueFrom(timer(100)); // the API has forgotten the hasty ones
const orders = await lastValueFrom(range(0, 30).pipe(mergeMap(order), toArray()));
console.log(`${orders.length} orders, the last is ${orders.at(-1)?.path}`);
// prints: 30 orders, the last is /orders/29
console.log(`${paced.stats.acquired} requests for them`); // prints: 30 requests for them

await paced.close();
api.close();
