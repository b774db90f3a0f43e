import { ReplaySubject } from 'rxjs';
import { dashboard } from '../../src/dashboard/index.js';
import { openDatabase, type Database } from './database.js';
import { run } from './run.js';
import { createView } from './view.js';
import { DemoError, readWishes, usage, type Wishes } from './wishes.js';

/** Under npm one Ctrl-C arrives twice, from the terminal and from npm; a later one wants out at once. */
const sameMillis = 1_000;

const starting = new AbortController();
const stop$ = new ReplaySubject<void>(1);
let isStarted = false;
let stoppedAt: number | undefined;

function stop(): void {
  const now = performance.now();
  if (stoppedAt === undefined) {
    stoppedAt = now;
    if (!isStarted) starting.abort(new DemoError('stopped before it began'));
    stop$.next();
  } else if (now - stoppedAt > sameMillis) {
    process.exit(130); // a server of ours is ended all the same
  }
}

async function main(wishes: Wishes): Promise<boolean> {
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.stdout.on('error', stop); // nobody reads on, as in `npm start | head`
  await using database: Database = await openDatabase(wishes, starting.signal);
  isStarted = true;
  const view = createView(process.stdout);
  const options = { controls: true, sampleStacks: 0.01 };
  await using board = await dashboard([database.pool], options);
  view.say(`Dashboard: ${board.url}`);
  return await run(database, view, wishes.seconds, stop$);
}

/** One line, whatever it is: a log of the server that did not start has many. */
function lineOf(error: unknown): string {
  const words = error instanceof Error ? error.message : String(error);
  return words.replace(/\s*\n\s*/g, ' ').slice(0, 500);
}

try {
  const wishes = readWishes(process.argv.slice(2));
  if (wishes.help) console.log(usage);
  else if (!(await main(wishes))) process.exitCode = 1;
} catch (error) {
  if (stoppedAt === undefined || isStarted) {
    console.error(`rxpool demo: ${lineOf(error)}`);
    process.exitCode = 1;
  }
}
