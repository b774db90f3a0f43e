import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { MissingServerError } from '../services/missing-server.js';
import { runFleet } from './run.js';
import { rows, verdictOf } from './verdict.js';

const usage = `Eight processes of four threads share one Redis budget and hammer one PostgreSQL while processes are killed.
  --seconds N      how long each part is measured (30)
  --processes N    how many there are at once, of four threads each (8)
  --limit N        permits in all (48)
  --ttl N          time to live of a permit, in ms (5000)
  --kill-every N   between two kills, in ms, half more or less (8000)
  --work N         how long a borrower lets the server wait, in ms (200)
  --look-every N   between two counts of the server's connections, in ms (2); a count costs the server 1 ms or so
  --seed N         of who is killed when (1)
The table is written to reports/fleet/table.md too. Exit code 1 when the limit was passed, a permit of the dead came
back late, something is left at the end, or the fleet did less than 90 % of what one pool does with as many permits as
were not locked up with the dead.`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    processes: { type: 'string', default: '8' },
    limit: { type: 'string', default: '48' },
    ttl: { type: 'string', default: '5000' },
    'kill-every': { type: 'string', default: '8000' },
    work: { type: 'string', default: '200' },
    'look-every': { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
});

function numberOf(name: Exclude<keyof typeof values, 'help'>): number {
  const number = Number(values[name]);
  if (number > 0 && number < Infinity) return number;
  throw new Error(`--${name} must be a positive number`);
}

const interrupted = new AbortController();
process.once('SIGINT', () => {
  interrupted.abort();
});

async function main(): Promise<number> {
  if (values.help) {
    console.log(usage);
    return 0;
  }
  try {
    const report = await runFleet({
      seconds: numberOf('seconds'),
      processes: numberOf('processes'),
      limit: numberOf('limit'),
      ttlMillis: numberOf('ttl'),
      killEveryMillis: numberOf('kill-every'),
      workMillis: numberOf('work'),
      lookEveryMillis: numberOf('look-every'),
      seed: numberOf('seed'),
      signal: interrupted.signal,
      say: line => {
        console.log(`${(performance.now() / 1_000).toFixed(1)} s  ${line}`);
      },
    });
    const table = rows(report);
    console.log(`\n${table}\n`);
    mkdirSync('reports/fleet', { recursive: true });
    writeFileSync('reports/fleet/table.md', `${table}\n`);
    const faults = verdictOf(report);
    for (const fault of faults) console.error(`FAULT: ${fault}`);
    if (faults.length === 0) console.log('everything held');
    return faults.length === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof MissingServerError)) throw error;
    console.error(`no run: ${error.message}`);
    return process.env['CI'] === undefined ? 0 : 1;
  }
}

process.exitCode = await main();
