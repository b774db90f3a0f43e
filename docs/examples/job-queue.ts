// A job queue in a table: `FOR UPDATE SKIP LOCKED` gives each worker a job that nobody else has, for as long as its
// transaction lasts. A worker that dies, or is told to stop, leaves its job as it was.
import { postgresPool, query, transaction, type PostgresClient } from 'rxpool/postgres';
import { withLease } from 'rxpool';
import {
  concatMap,
  EMPTY,
  filter,
  firstValueFrom,
  from,
  ignoreElements,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  of,
  range,
  repeat,
  takeWhile,
  timer,
  toArray,
  type Observable,
} from 'rxjs';

interface Job {
  readonly id: number;
  readonly kind: string;
}

const pool = postgresPool({
  name: 'jobs',
  connection: process.env.DATABASE_URL ?? 'postgres://localhost/jobs',
  max: 5,
  acquireTimeoutMillis: 5_000,
});

await run('DROP TABLE IF EXISTS example_jobs');
await run('CREATE TABLE example_jobs (id serial PRIMARY KEY, kind text NOT NULL, done_by text)');

// Producers. `withLease` borrows a connection for each value, three at once, and keeps the queue where no deadline runs.
const kinds = ['mail', 'report', 'invoice'];
const added$ = range(0, 60).pipe(
  withLease(
    pool,
    (client, index) =>
      client.query('INSERT INTO example_jobs (kind) VALUES ($1)', [kinds[index % kinds.length]]),
    { concurrency: 3, label: 'producer' },
  ),
);
await lastValueFrom(added$);

// Workers. Each takes one job after another until there is none; a transaction holds the job's lock.
const worked = await lastValueFrom(
  merge(...['ada', 'ben', 'cleo', 'dan'].map(worker)).pipe(toArray()),
);
console.log(`${worked.length} jobs done`); // prints: 60 jobs done
console.log(`${new Set(worked).size} different ones`); // prints: 60 different ones

// A worker that is stopped in the middle: its transaction is rolled back, and the job is free for the next.
await run("INSERT INTO example_jobs (kind) VALUES ('endless')");
const stopped = transaction(pool, client =>
  claim(client, 'eve').pipe(mergeMap(() => EMPTY.pipe(repeat({ delay: 1_000 })))),
).subscribe();
await lastValueFrom(timer(100));
stopped.unsubscribe();
await firstValueFrom(pool.state$.pipe(filter(({ idle, size }) => idle === size))); // the rollback is done
await lastValueFrom(transaction(pool, client => claim(client, 'fay'))).then(job => {
  console.log(`${job?.kind} is somebody else's now`); // prints: endless is somebody else's now
});

await run('DROP TABLE example_jobs');
await pool.close();
console.log(`${pool.state.size} connections left`); // prints: 0 connections left

/** Emits the id of each job that it has done. */
function worker(name: string): Observable<number> {
  return transaction(pool, client => claim(client, name)).pipe(
    repeat(),
    takeWhile(job => job !== undefined),
    map(job => job.id),
  );
}

/** One free job, marked as done when the transaction commits; undefined when there is none. */
function claim(client: PostgresClient, worker: string): Observable<Job | undefined> {
  const free = 'SELECT id, kind FROM example_jobs WHERE done_by IS NULL';
  return query<Job>(client, `${free} ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1`).pipe(
    toArray(),
    concatMap(([job]) =>
      job === undefined
        ? of(undefined)
        : from(
            client.query('UPDATE example_jobs SET done_by = $1 WHERE id = $2', [worker, job.id]),
          ).pipe(map(() => job)),
    ),
  );
}

function run(text: string): Promise<unknown> {
  return lastValueFrom(query(pool, text).pipe(ignoreElements()), { defaultValue: undefined });
}
