// npm run bench:postgres -- [--quick] [--callers <number>]… [--contestant <part of its name>]… [--rounds <number>]
//   [--build <folder, instead of dist>]
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compete, freezeBuild } from './arena.mjs';
import { contestants } from './postgres/contestants.mjs';
import { setUp } from './postgres/mix.mjs';
import { machine, plain, postgresGoalTable, table, writeSection } from './report.mjs';

const list = { type: 'string', multiple: true, default: [] };
const { values: given } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    callers: list,
    contestant: list,
    rounds: { type: 'string' },
    build: { type: 'string' },
  },
});
const rounds = Number(given.rounds ?? (given.quick ? 2 : 5));
const millis = given.quick
  ? { warmupMillis: 500, runMillis: 1_000 }
  : { warmupMillis: 1_500, runMillis: 4_000 };
const numbers = given.callers.length > 0 ? given.callers.map(Number) : [1, 8, 64, 512];
const isWhole = !given.quick && given.callers.length === 0 && given.contestant.length === 0;

const scenario = {
  title: 'PostgreSQL: one query mix, 10 connections',
  reference: 'rxpool/postgres',
  units: {
    throughput: 'queries/s',
    p50: 'p50, ms',
    p99: 'p99, ms',
    p999: 'p99.9, ms',
    spread: 'slowest caller / fastest',
  },
};

const build = freezeBuild(given.build);
const { startPostgres } = await import(
  '../../node_modules/.cache/rxpool-bench/test/services/postgres.js'
);
const postgres = await startPostgres({ maxConnections: 20 });
const [{ server }] = await postgres.query(`SELECT current_setting('server_version') AS server`);
await postgres.query(setUp);
await postgres.query('VACUUM ANALYZE person'); // not in a transaction

const worker = fileURLToPath(new URL('postgres/worker.mjs', import.meta.url));
const results = new Map();
for (const callers of numbers) {
  const variant = callers === 1 ? '1 caller' : `${callers} callers`;
  const jobs = Object.keys(contestants)
    .filter(entry => given.contestant.every(part => entry.includes(part)))
    .map(entry => ({
      entry,
      job: { entry, settings: { ...millis, callers, url: postgres.url } },
      entryFile: build,
      worker,
    }));
  const outcomes = await compete(jobs, {
    rounds,
    limitMillis: 60_000,
    report(round, entry, figures) {
      const told =
        figures.failed ??
        Object.entries(figures)
          .map(([metric, value]) => `${plain(value)} ${scenario.units[metric]}`)
          .join(', ');
      process.stderr.write(`${variant}, round ${round}: ${entry}: ${told}\n`);
      if (figures.errors) process.stderr.write(figures.errors);
    },
  });
  results.set(variant, outcomes);
}
await postgres.stop();

const tables = [...results].map(([variant, outcomes]) =>
  table({ ...scenario, title: `PostgreSQL, ${variant}` }, new Map([['', outcomes]])),
);
const goals = postgresGoalTable(results);
process.stdout.write(`\n${[...tables, goals.join('\n')].join('\n\n')}\n`);

if (isWhole) {
  const { version, text } = machine();
  const names = ['pg', 'pg-pool', 'postgres'].map(name => `${name} ${version(name)}`).join(', ');
  writeSection('postgres', [
    '## End to end on PostgreSQL',
    '',
    `Written by \`npm run bench:postgres\` on ${new Date().toISOString().slice(0, 10)}, on ${text}; PostgreSQL ${server} on the same machine; ${names}.`,
    '',
    '- Every caller asks again as soon as it is answered: 78 % one row by its key, 15 % fifty rows, 5 % an update, 2 % a report over the whole table. 10 connections.',
    '- “rxpool/postgres” and pg-pool send the text each time; “named” and postgres.js prepare it once, postgres.js also sends several queries ahead on one connection (“unprepared”: neither).',
    '- Nobody but “rxpool/postgres, defaults” cleans the session between two borrowers, which is one more round trip.',
    `- Wall-clock time, median of ${rounds} rounds, one process per contestant in turn. The last column is how fair it is: the mean wait of the unluckiest caller through that of the luckiest.`,
    '',
    ...goals,
    '',
    ...tables.flatMap(text => [text, '']),
  ]);
  process.stdout.write('\nWritten to docs/benchmarks.md\n');
}
