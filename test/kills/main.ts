import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { MissingServerError } from '../services/missing-server.js';
import { newerNode } from '../services/newer-node.js';
import type { KillTrial } from './contestant.js';
import { sentences, table } from './report.js';
import { type KillReport, type Progress, runTrial } from './run.js';

const usage = `Borrows from each back end's pool while its connections are killed, and compares the books with the server's.
  --only NAME    this back end alone; may be given several times
  --borrows N    borrowings for each (10000); fewer for browsers, which take their time
Ctrl-C ends it early, with a verdict on what there was. The table is written to reports/kills/table.md too.
Exit code 1 when anything is lost, hangs or is counted wrong; in CI also when a server is missing.`;

/** Under npm one Ctrl-C arrives twice, from the terminal and from npm; a later one wants out at once. */
const sameMillis = 1_000;
/** Between two lines where no terminal can show a line that lives. */
const quietMillis = 10_000;
const liveMillis = 100;

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    borrows: { type: 'string', default: '10000' },
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

function wantedBorrows(): number {
  const borrows = Number(values.borrows);
  if (Number.isSafeInteger(borrows) && borrows > 0) return borrows;
  throw new RangeError(`--borrows must be a whole number above 0\n${usage}`);
}

/** The trials of the files beside this one, by name. */
async function trials(): Promise<KillTrial[]> {
  const names = readdirSync(import.meta.dirname)
    .filter(file => file.endsWith('.js') && file !== basename(import.meta.filename))
    .map(file => file.slice(0, -'.js'.length))
    .sort();
  const strange = values.only.filter(name => !names.includes(name));
  if (strange.length > 0)
    throw new RangeError(`--only: there is no ${strange.join(', ')}\n${usage}`);
  const found: KillTrial[] = [];
  for (const name of values.only.length > 0 ? values.only : names) {
    const { trial } = (await import(`./${name}.js`)) as { trial?: KillTrial };
    if (trial !== undefined) found.push(trial);
  }
  return found;
}

let shownAt = -Infinity;

function show(borrows: number, progress: Progress): void {
  const now = performance.now();
  if (now - shownAt < (process.stdout.isTTY ? liveMillis : quietMillis)) return;
  shownAt = now;
  const line =
    `${progress.trial}: ${progress.borrows} of ${borrows} borrows · ` +
    `${progress.kills} kills · ${progress.failed} failed`;
  if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${line}`);
  else console.log(line);
}

async function main(): Promise<boolean> {
  const borrows = wantedBorrows();
  const all = await trials();
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const { signal } = interrupted;
  const reports: KillReport[] = [];
  let missing = 0;
  for (const trial of all) {
    if (signal.aborted) break;
    const wanted = Math.ceil(borrows / (trial.costs ?? 1));
    try {
      const report = await runTrial(trial, {
        borrows: wanted,
        signal,
        onProgress: progress => {
          show(wanted, progress);
        },
      });
      reports.push(report);
      if (process.stdout.isTTY) process.stdout.write('\r\u001b[K');
      for (const line of sentences(report)) console.log(line);
    } catch (error) {
      if (!(error instanceof MissingServerError)) throw error;
      missing += 1;
      console.log(`${trial.name}: left out: ${error.message}`);
    }
  }
  const text = table(reports);
  mkdirSync('reports/kills', { recursive: true });
  writeFileSync('reports/kills/table.md', `${text}\n`);
  console.log(`\n${text}${signal.aborted ? '\n\nended early' : ''}`);
  const isWhole = missing === 0 || process.env['CI'] === undefined;
  return isWhole && reports.every(({ violations }) => violations.length === 0);
}

/** SQLite is in newer Nodes only, and all other back ends run on those too. */
function nodeWithAll(): string | undefined {
  if (process.getBuiltinModule('node:sqlite') !== undefined) return undefined;
  try {
    return newerNode();
  } catch (error) {
    if (error instanceof MissingServerError) return undefined;
    throw error;
  }
}

/** The same in another Node. A signal reaches both; the other one decides how it ends. */
function runIn(node: string): Promise<number> {
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => undefined);
  return new Promise((resolve, reject) => {
    spawn(node, process.argv.slice(1), { stdio: 'inherit' })
      .on('error', reject)
      .on('exit', code => {
        resolve(code ?? 1);
      });
  });
}

const otherNode = nodeWithAll();
if (values.help) console.log(usage);
else if (otherNode !== undefined) process.exit(await runIn(otherNode));
// Not left to itself: what hangs would keep the process alive.
else process.exit((await main()) ? 0 : 1);
