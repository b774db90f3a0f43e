import {
  catchError,
  concat,
  exhaustMap,
  from,
  interval,
  of,
  share,
  takeUntil,
  timer,
  withLatestFrom,
  type Observable,
  type Subject,
} from 'rxjs';
import type { PoolStats } from '../../src/index.js';
import { reasonOf, type Database, type ServerCount } from './database.js';
import { load, type Done } from './load.js';
import { measure } from './measure.js';
import { whole, type View } from './view.js';

const serverEveryMillis = 250;
const drainTimeoutMillis = 10_000;

/** What a run came to. */
interface Result {
  readonly seconds: number;
  readonly queries: number;
  readonly tally: Readonly<Record<Done['kind'], number>>;
}

/** Works and shows it until `stop$` emits or the time is up, then drains. Resolves to whether nothing was left behind. */
export async function run(
  database: Database,
  view: View,
  seconds: number,
  stop$: Subject<void>,
): Promise<boolean> {
  if (seconds !== Infinity) {
    timer(seconds * 1_000)
      .pipe(takeUntil(stop$))
      .subscribe(() => {
        stop$.next();
      });
  }
  const result = await workAndWatch(database, view, seconds, stop$);
  view.say('Draining …');
  const { pool } = database;
  await pool.close({ drainTimeoutMillis });
  const left = await tidyUp(database);
  for (const line of summary(result, pool.stats, left)) view.say(line);
  return left === 0;
}

/** Drops the table and asks the server what it still counts; why it cannot say where it is gone. */
async function tidyUp(database: Database): Promise<number | string> {
  try {
    await database.dropTable();
    return (await database.count()).connections;
  } catch (error) {
    return reasonOf(error);
  }
}

async function workAndWatch(
  database: Database,
  view: View,
  seconds: number,
  stop$: Observable<void>,
): Promise<Result> {
  const { pool, title } = database;
  const tally = { lookup: 0, report: 0, transfer: 0, slow: 0, cancelled: 0, failed: 0 };
  let queries = 0;
  let lastError: unknown;
  const startedAt = performance.now();
  const elapsed = (): number => performance.now() - startedAt;

  const tick$ = interval(view.everyMillis).pipe(share());
  const measured$ = measure(pool.stats$, tick$);
  const watching = tick$
    .pipe(withLatestFrom(pool.state$, serverCount(database), measured$))
    .subscribe(([, state, server, measured]) => {
      const elapsedMillis = elapsed();
      view.show({ title, elapsedMillis, seconds, state, server, measured, tally, lastError });
    });
  await load(pool, stop$).forEach(done => {
    tally[done.kind] += 1;
    queries += done.queries;
    if (done.kind === 'failed') lastError = done.error;
  });
  watching.unsubscribe();
  view.end();
  return { seconds: elapsed() / 1_000, queries, tally };
}

/** What the server counts, again and again; undefined while it does not answer. */
function serverCount(database: Database): Observable<ServerCount | undefined> {
  const unanswered: ServerCount | undefined = undefined;
  const counts$ = timer(0, serverEveryMillis).pipe(
    exhaustMap(() => from(database.count()).pipe(catchError(() => of(unanswered)))),
  );
  return concat(of(unanswered), counts$);
}

function summary(
  { seconds, queries, tally }: Result,
  stats: PoolStats,
  left: number | string,
): string[] {
  const { wait, created, destroyed, peakLeased, peakWaiting, acquired } = stats;
  return [
    `${whole(queries)} queries in ${whole(acquired)} leases within ${seconds.toFixed(1)} s; ` +
      `${whole(tally.cancelled)} cancelled on purpose, ${whole(tally.failed)} failed.`,
    `Pool: ${created} connections made, ${destroyed} ended; at most ${peakLeased} leased and ` +
      `${peakWaiting} waiting; wait ${wait.meanMillis.toFixed(1)} ms on average, ${wait.maxMillis} ms at most.`,
    typeof left === 'string'
      ? `Server: gone (${left}).`
      : `Server: ${left === 0 ? 'no' : left} connections left.`,
  ];
}
