import { parseArgs } from 'node:util';
import { type Leak, leaks, type Load } from './load.js';
import { MachineLoad } from './machine-load.js';
import { type Progress, soak } from './soak.js';
import { megabytes } from './verdict.js';

const usage = `Loads pools for a long time and watches heap, handles and timers.
  --minutes N    how long (10); parts of a minute are fine
  --postgres     a pool on a PostgreSQL of its own as well
  --leak KIND    injects a leak, to see it found: ${leaks.join(', ')}
Ctrl-C ends it early, with a verdict on what there was. Exit code 1 when something leaks or fails.`;

/** Under npm one Ctrl-C arrives twice, from the terminal and from npm; a later one wants out at once. */
const sameMillis = 1_000;
const roundMillis = 1_000;
/** Between two lines where no terminal can show a line that lives. */
const quietMillis = 10_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    leak: { type: 'string' },
    postgres: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const interrupted = new AbortController();
let interruptedAt: number | undefined;

function interrupt(): void {
  const now = performance.now();
  if (interruptedAt !== undefined && now - interruptedAt > sameMillis) process.exit(130);
  interruptedAt ??= now;
  interrupted.abort();
}

function wantedMillis(): number {
  const minutes = Number(values.minutes);
  if (minutes > 0 && minutes < Infinity) return minutes * 60_000;
  throw new RangeError(`--minutes must be a number above 0\n${usage}`);
}

function wantedLeak(): Leak | undefined {
  const leak = leaks.find(kind => kind === values.leak);
  if (leak === undefined && values.leak !== undefined) {
    throw new RangeError(`--leak must be one of ${leaks.join(', ')}\n${usage}`);
  }
  return leak;
}

function clockOf(millis: number): string {
  const seconds = Math.floor(millis / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

let shownAt = -Infinity;

function show({ sample, operations, growthBytes, failures }: Progress, millis: number): void {
  const growth = growthBytes === undefined ? 'warming up' : megabytes(growthBytes);
  const line =
    `${clockOf(sample.atMillis)} of ${clockOf(millis)} · ${operations} operations · ` +
    `heap ${(sample.heapBytes / 1_000_000).toFixed(2)} MB, ${growth} · ` +
    `handles ${sample.handles} · timers ${sample.timers} · failures ${failures}`;
  if (process.stdout.isTTY) {
    process.stdout.write(`\r\u001b[K${line}`);
  } else if (sample.atMillis - shownAt >= quietMillis) {
    shownAt = sample.atMillis;
    console.log(line);
  }
}

async function loadsFor(leak: Leak | undefined): Promise<Load[]> {
  const machines = new MachineLoad(leak);
  if (!values.postgres) return [machines];
  const { PostgresLoad } = await import('./postgres-load.js');
  return [machines, await PostgresLoad.start(interrupted.signal)];
}

async function main(): Promise<boolean> {
  const millis = wantedMillis();
  const leak = wantedLeak();
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const { signal } = interrupted;
  const report = await soak({
    loads: await loadsFor(leak),
    millis,
    roundMillis,
    signal,
    onProgress: progress => {
      show(progress, millis);
    },
  });
  if (process.stdout.isTTY) process.stdout.write('\n');
  const early = signal.aborted ? ', ended early' : '';
  console.log(`${report.operations} operations in ${clockOf(report.tookMillis)}${early}`);
  for (const line of report.lines) console.log(line);
  console.log(report.passed ? 'passed' : 'FAILED');
  return report.passed;
}

if (values.help) console.log(usage);
// Not left to itself: what has leaked would keep the process alive.
else process.exit((await main()) ? 0 : 1);
