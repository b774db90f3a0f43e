// npm run bench -- [--quick] [--only <scenario>]… [--variant <name>]… [--contestant <part of its name>]…
//   [--rounds <number>] [--build <folder, instead of dist>] [--baseline <folder of another build>]
import { parseArgs } from 'node:util';
import { compete, freezeBuild } from './arena.mjs';
import { Results } from './goals.mjs';
import { defeatTable, goalTable, machine, plain, table, writeSection } from './report.mjs';

const names = [
  ...['idle', 'contended', 'deep-queue', 'mass-cancel', 'mass-timeout', 'churn', 'sizes', 'pools'],
  ...['listeners', 'cold-start', 'memory', 'timers', 'threads'],
];

const list = { type: 'string', multiple: true, default: [] };
const { values: given } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: list,
    variant: list,
    contestant: list,
    rounds: { type: 'string' },
    build: { type: 'string' },
    baseline: { type: 'string' },
  },
});
const wanted = given.only.flatMap(part => part.split(/,\s*/));
const unknown = wanted.find(name => !names.includes(name));
if (unknown !== undefined) {
  process.stderr.write(`No scenario "${unknown}". There are: ${names.join(', ')}.\n`);
  process.exit(2);
}

// Long enough for the compiler to be done with everybody: larger code takes it up to a second and a half.
const settings = given.quick
  ? { quick: true, warmupMillis: 300, sampleMillis: 60, samples: 3 }
  : { quick: false, warmupMillis: 2_000, sampleMillis: 100, samples: 5 };
const rounds = Number(given.rounds ?? (given.quick ? 3 : 5));
const limitMillis = given.quick ? 15_000 : 45_000;

const build = freezeBuild(given.build);
const baseline = given.baseline && freezeBuild(given.baseline);
const started = Date.now();
const isWhole = [given.only, given.variant, given.contestant].every(wish => wish.length === 0);

const scenarios = new Map();
const results = new Map();
for (const name of wanted.length > 0 ? wanted : names) {
  const scenario = await import(`./scenarios/${name}.mjs`);
  scenarios.set(name, scenario);
  results.set(name, new Map());
  const tooSlow = new Map();
  for (const [variant, extra] of Object.entries(scenario.variants ?? { '': {} })) {
    const isWanted = given.variant.length > 0 ? given.variant.includes(variant) : !extra.heavy;
    if (!isWanted && (given.quick || given.variant.length > 0)) continue;
    const jobs = contestants(name, scenario, extra);
    const able = jobs.filter(({ entry }) => !tooSlow.has(entry));
    const outcomes = await compete(able, {
      rounds: extra.heavy ? Math.ceil(rounds / 2) : rounds,
      limitMillis,
      report: progress([name, variant].filter(Boolean).join(' '), scenario.units),
    });
    // Who can't do it in time is not asked for more of it.
    for (const [entry, { failed }] of outcomes) if (failed) tooSlow.set(entry, failed);
    for (const { entry } of jobs) {
      if (!outcomes.has(entry)) outcomes.set(entry, { failed: `${tooSlow.get(entry)} for less` });
    }
    results.get(name).set(variant, outcomes);
  }
  process.stdout.write(`\n${table(scenario, results.get(name))}\n\n`);
}

const all = new Results(results);
const goals = goalTable(all);
if (goals.length > 0) process.stdout.write(`${goals.join('\n')}\n`);
if (isWhole && !given.quick) {
  writeSection('pools', page());
  process.stdout.write('\nWritten to docs/benchmarks.md\n');
} else {
  process.stdout.write('\nA part of it, or a quick one: docs/benchmarks.md stays as it is.\n');
}

function contestants(name, scenario, extra) {
  const takesPart = scenario.takesPart ?? (() => true);
  return scenario.entries
    .filter(entry => given.contestant.every(part => entry.includes(part)))
    .filter(entry => takesPart(entry, extra))
    .flatMap(entry => {
      const job = { scenario: name, entry, settings: { ...settings, ...extra } };
      const ours = { entry, job, entryFile: build };
      return baseline && entry.startsWith('rxpool/')
        ? [ours, { entry: entry.replace('rxpool', 'baseline'), job, entryFile: baseline }]
        : [ours];
    });
}

function progress(what, units) {
  return (round, entry, figures) => {
    const told =
      figures.failed ??
      Object.entries(figures)
        .map(([metric, value]) => `${plain(value)} ${units[metric]}`)
        .join(', ');
    process.stderr.write(`${what}, round ${round}: ${entry}: ${told}\n`);
    if (figures.errors) process.stderr.write(figures.errors);
  };
}

function page() {
  const { version, text } = machine();
  const peers = ['generic-pool', 'tarn', 'lightning-pool', 'pg-pool', 'effect', 'piscina', 'rxjs'];
  const minutes = Math.round((Date.now() - started) / 60_000);
  return [
    `Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}, in ${minutes} minutes, on ${text}.`,
    '',
    `Contestants: ${peers.map(name => `${name} ${version(name)}`).join(', ')}.`,
    '',
    '- Compare rows, not absolutes: every machine has figures of its own.',
    `- One process per contestant; all of them in turn, ${rounds} round${rounds === 1 ? '' : 's'}, then the median. Every process warms up, and its figure is the median of several samples.`,
    '- Figures in ns are the processor time of the main thread (the collector’s pauses included), so that a busy machine costs nobody anything.',
    '- Ours is at its defaults, deadlines and idle time-out included. The others have what they can do without switched off, and are called in the form that is fastest for them.',
    '- pg-pool has clients that do nothing. The “floor” is bare RxJS: an Observable around an array’s pop and push, subscribed and unsubscribed; or a queue of such in an array. An idle hit that is made of an Observable can hardly be faster; a queue can, as ours is a linked list.',
    '- Everybody’s grants are counted; a wrong count ends the run.',
    '',
    '## Goals',
    '',
    ...goals,
    '',
    '## Where a peer beats us',
    '',
    ...defeatTable(scenarios, all),
    '',
    '## Scenarios',
    '',
    ...[...scenarios].flatMap(([name, scenario]) => [table(scenario, results.get(name)), '']),
  ];
}
