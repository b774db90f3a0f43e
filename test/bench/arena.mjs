// Runs contestants in processes of their own, in turn: what one leaves behind, machine code for its call sites or
// garbage, can't reach another, and a busy minute of the machine hits all of them.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { median } from './measure.mjs';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const contestantWorker = fileURLToPath(new URL('worker.mjs', import.meta.url));

let child;
let interrupted = false;
let builds = 0;
const cleanups = [];

function cleanUp() {
  for (const clean of cleanups.splice(0)) clean();
}

process.on('exit', cleanUp);
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    child?.kill('SIGKILL');
    process.stderr.write('\nInterrupted: nothing is written.\n');
    process.exit(code);
  });
}

/** Copies a build, so that the next build doesn't change what is measured half-way. Gives its entry. */
export function freezeBuild(built = join(root, 'dist')) {
  if (!existsSync(join(built, 'index.js'))) {
    throw new Error(`No build in ${built}: run \`npm run build\` first.`);
  }
  if (newest(join(root, 'src')) > newest(built)) {
    process.stderr.write(`Note: src is newer than ${built}; measured is what was built.\n`);
  }
  builds += 1;
  // Within the project, so that it finds its packages.
  const copy = join(root, 'reports', `bench-${process.pid}-${builds}`);
  cleanups.push(() => rmSync(copy, { recursive: true, force: true }));
  mkdirSync(copy, { recursive: true });
  cpSync(built, copy, { recursive: true });
  return pathToFileURL(join(copy, 'index.js')).href;
}

function newest(folder) {
  const times = readdirSync(folder, { recursive: true }).map(
    name => statSync(join(folder, name)).mtimeMs,
  );
  return Math.max(...times);
}

/** One process; resolves to its figures, or to `{ failed }` with the reason. */
export function run({ job, entryFile, worker = contestantWorker }, limitMillis) {
  return new Promise(resolve => {
    const flags = ['--expose-gc', '--max-old-space-size=8192', '--no-warnings'];
    const started = spawn(process.execPath, [...flags, worker, JSON.stringify(job)], {
      cwd: root,
      env: { ...process.env, RXPOOL_ENTRY: entryFile },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    let output = '';
    let errors = '';
    let late = false;
    started.stdout.on('data', data => {
      output += data;
    });
    started.stderr.on('data', data => {
      errors += data;
    });
    const limit = setTimeout(() => {
      late = true;
      started.kill('SIGKILL');
    }, limitMillis);
    started.once('close', code => {
      clearTimeout(limit);
      child = undefined;
      if (late) resolve({ failed: `over ${limitMillis / 1000} s` });
      else if (code === 0) resolve(JSON.parse(output));
      else
        resolve({ failed: errors.match(/\w*Error: [^'\n]*/)?.[0] ?? `exit code ${code}`, errors });
    });
  });
}

/**
 * Every entry once per round, round after round. Resolves to a Map from entry to
 * `{ figures: { metric: { value, low, high } } }` or `{ failed }`.
 */
export async function compete(jobs, { rounds, limitMillis, report }) {
  const samples = new Map(jobs.map(({ entry }) => [entry, []]));
  const failures = new Map();
  for (let round = 1; round <= rounds; round += 1) {
    for (const contestant of jobs) {
      const { entry } = contestant;
      if (failures.has(entry)) continue;
      const figures = await run(contestant, limitMillis);
      if (figures.failed === undefined) samples.get(entry).push(figures);
      else failures.set(entry, figures);
      report(round, entry, figures);
    }
  }
  return new Map(
    jobs.map(({ entry }) => [
      entry,
      failures.has(entry) ? failures.get(entry) : { figures: summary(samples.get(entry)) },
    ]),
  );
}

function summary(rounds) {
  return Object.fromEntries(
    Object.keys(rounds[0]).map(metric => {
      const values = rounds.map(figures => figures[metric]);
      return [
        metric,
        { value: median(values), low: Math.min(...values), high: Math.max(...values) },
      ];
    }),
  );
}
