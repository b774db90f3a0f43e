// npm run bench:guard [-- --proof] [--build <folder, instead of dist>]
//
// Fails when the engine has become a good deal slower, measured against bare RxJS in the same run. The limits leave room
// for a noisy machine: about twice what is usual. `--proof` shows that every one of them can fail.
import { renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compete, freezeBuild } from './arena.mjs';
import { grid } from './report.mjs';

const settings = { quick: true, warmupMillis: 300, sampleMillis: 60, samples: 3 };
const rounds = 3;

const deepQueue = { scenario: 'deep-queue', size: 20_000 };
const bare = { scenario: 'idle', entry: 'floor/Observable' };
const queued = { scenario: 'contended', entry: 'floor/Observable with a queue' };
const queuedDeep = { ...deepQueue, entry: 'floor/Observable with a queue' };
const published = { scenario: 'idle', entry: 'floor/Observable and two BehaviorSubject.next' };
const watched = { scenario: 'listeners', entry: 'rxpool/acquire, unsubscribe', listeners: 1 };
const deep = { ...deepQueue, entry: 'rxpool/acquire' };

/** `most`: times the floor, or bytes where there is none. */
const limits = [
  { scenario: 'idle', entry: 'rxpool/acquire, unsubscribe', floor: bare, most: 4.5 },
  { scenario: 'idle', entry: 'rxpool/acquire, release', floor: bare, most: 5 },
  { scenario: 'idle', entry: 'rxpool/use', floor: bare, most: 7 },
  { scenario: 'idle', entry: 'rxpool/lease', floor: bare, most: 7 },
  { scenario: 'idle', entry: 'rxpool/tryAcquire', floor: published, most: 2.5 },
  { scenario: 'contended', entry: 'rxpool/acquire', floor: queued, most: 4 },
  { scenario: 'sizes', entry: 'rxpool/acquire', max: 1_000, floor: bare, most: 10 },
  { scenario: 'churn', entry: 'rxpool/acquire', floor: bare, most: 50 },
  { ...watched, kind: 'event', floor: bare, most: 9 },
  { ...watched, kind: 'state', floor: bare, most: 9 },
  { ...deep, floor: queuedDeep, most: 5 },
  { ...deep, metric: 'bytes', most: 320 },
];

const { values: given } = parseArgs({
  options: { proof: { type: 'boolean', default: false }, build: { type: 'string' } },
});
const build = freezeBuild(given.build);
if (given.proof) spoil(build);

let broken = await check(limits);
if (broken.length > 0 && !given.proof) {
  process.stdout.write('\nOnce more, in case it was the machine:\n\n');
  broken = await check(broken);
}

if (given.proof) {
  const blind = limits.filter(limit => !broken.includes(limit));
  for (const limit of blind) process.stdout.write(`Not noticed: ${nameOf(limit)}\n`);
  process.stdout.write(
    blind.length === 0
      ? 'The guard notices an engine that is too slow and too fat, in every line.\n'
      : 'The guard is blind in places.\n',
  );
  process.exitCode = blind.length === 0 ? 0 : 1;
} else if (broken.length > 0) {
  process.stdout.write(
    'Slower than it may be, twice in a row: see above. If it has to be, say why where the limit is raised, in test/bench/guard.mjs.\n',
  );
  process.exitCode = 1;
} else {
  process.stdout.write('Within all limits.\n');
}

/** Resolves to the limits that are broken. */
async function check(wanted) {
  const contestants = new Map();
  for (const limit of wanted) {
    for (const side of [limit, limit.floor]) if (side) contestants.set(nameOf(side), side);
  }
  const jobs = [...contestants].map(([name, { scenario, entry, size, max, kind, listeners }]) => {
    const extra = { size, max, kind, listeners };
    return {
      entry: name,
      job: { scenario, entry, settings: { ...settings, ...extra } },
      entryFile: build,
    };
  });
  const outcomes = await compete(jobs, {
    rounds,
    limitMillis: 60_000,
    report(round, entry, { failed, errors = '' }) {
      process.stderr.write(`round ${round} of ${rounds}: ${entry}${failed ? `: ${failed}` : ''}\n`);
      process.stderr.write(errors);
    },
  });
  const figure = (side, metric) => {
    const { figures, failed } = outcomes.get(nameOf(side));
    if (failed) throw new Error(`${nameOf(side)}: ${failed}`);
    return figures[metric].value;
  };
  const verdicts = wanted.map(limit => {
    const { metric = 'nanos', floor, most } = limit;
    const value = figure(limit, metric) / (floor ? figure(floor, metric) : 1);
    return { limit, value, most, isBroken: value > most };
  });
  const rows = verdicts.map(({ limit, value, most, isBroken }) => [
    nameOf(limit),
    limit.floor ? `times ${limit.floor.entry}` : 'bytes per waiter',
    value.toFixed(1),
    String(most),
    isBroken ? 'TOO MUCH' : '',
  ]);
  process.stdout.write(
    `${grid([['what', 'measured in', 'measured', 'limit', ''], ...rows], 2).join('\n')}\n\n`,
  );
  return verdicts.filter(({ isBroken }) => isBroken).map(({ limit }) => limit);
}

function nameOf({ scenario, entry, kind, max, size }) {
  return [scenario, entry, kind, max, size].filter(part => part !== undefined).join(', ');
}

/** Makes a build whose requests are slow and leave something behind each. */
function spoil(entryFile) {
  const index = fileURLToPath(entryFile);
  renameSync(index, index.replace(/index\.js$/, 'sound.js'));
  writeFileSync(
    index,
    `
import { createPool as createSoundPool } from './sound.js';
export * from './sound.js';
const ballast = [];
function waste() {
  let sum = 0;
  for (let index = 0; index < 2_500; index += 1) sum += Math.sqrt(index);
  ballast.push([sum, ...new Array(100)]);
  if (ballast.length > 100_000) ballast.length = 0;
}
export function createPool(options) {
  const pool = createSoundPool(options);
  for (const name of ['acquire', 'use', 'lease', 'tryAcquire']) {
    const sound = pool[name];
    pool[name] = (...given) => {
      waste();
      return sound.apply(pool, given);
    };
  }
  return pool;
}
`,
  );
}
