// A job queue on Redis: producers push, workers take with BLPOP, a counter is kept by an optimistic transaction, and a
// channel tells who wants to know. Reads REDIS_URL.
import { command, isConflict, redisPool, subscribe, transaction } from 'rxpool/redis';
import { createClient } from 'redis';
import {
  lastValueFrom,
  merge,
  mergeMap,
  range,
  repeat,
  retry,
  take,
  tap,
  throwError,
  timer,
  toArray,
  type Subscription,
} from 'rxjs';

const url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';
const pool = redisPool({ name: 'jobs', client: () => createClient({ url }), max: 6 });

const clear$ = command(pool, ['DEL', 'example:jobs', 'example:done']);
await lastValueFrom(clear$);

// Counts a job as done, together with its name, unless somebody else has counted meanwhile: then once more.
const done = (job: string) =>
  transaction(
    pool,
    async client => {
      const count = Number(await client.hGet('example:done', 'count')) + 1;
      return [['HSET', 'example:done', 'count', count, job, 'done']];
    },
    { watch: 'example:done' },
  ).pipe(
    retry({ delay: error => (isConflict(error) ? timer(5) : throwError(() => error)) }),
    mergeMap(() => command(pool, ['PUBLISH', 'example:news', job])),
  );

// Two workers, each with a connection that waits for the next job. Unsubscribing ends those connections.
const worker$ = command<[string, string]>(pool, ['BLPOP', 'example:jobs', 0]).pipe(
  mergeMap(([, job]) => done(job)),
  repeat(),
);

const produce$ = range(1, 10).pipe(
  mergeMap(number => command(pool, ['RPUSH', 'example:jobs', `job ${number}`])),
);

let running: Subscription | undefined;
const news$ = subscribe(pool, 'example:news', {
  // Who listens before anything happens misses nothing.
  onListening: () => {
    running = merge(worker$, worker$, produce$).subscribe();
  },
});

const heard = await lastValueFrom(
  news$.pipe(
    take(10),
    tap(({ message }) => console.log(`done: ${message}`)),
    toArray(),
  ),
);
running?.unsubscribe();

const count = await lastValueFrom(pool.use(client => client.hGet('example:done', 'count')));
console.log(`${heard.length} heard of, ${count} counted`); // prints: 10 heard of, 10 counted
await lastValueFrom(clear$);
await pool.close();
console.log(`${pool.state.size} connections left`); // prints: 0 connections left
