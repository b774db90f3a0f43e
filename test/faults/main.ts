import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startPostgres } from '../services/postgres.js';
import { faults } from './faults.js';
import { sentence, table } from './report.js';
import { runTrial, serverConnections, type TrialReport } from './trial.js';

const usage = `Lets things go wrong between a pool under load and a real PostgreSQL, and measures the recovery.
  --rounds N   trials of each fault (3)
The table is written to reports/faults/table.md too. Exit code 1 when anything is lost or hangs.`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<boolean> {
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new RangeError(`--rounds must be a whole number above 0\n${usage}`);
  }
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  const { signal } = interrupted;
  const reports: TrialReport[] = [];
  let failures = 0;
  await using server = await startPostgres({ maxConnections: serverConnections });
  for (let round = 1; round <= rounds; round += 1) {
    for (const fault of faults) {
      if (signal.aborted) break;
      try {
        const report = await runTrial(server, fault);
        reports.push(report);
        console.log(sentence(report));
      } catch (error) {
        failures += 1;
        console.error(`${fault.name}: FAILED`, error);
      }
    }
  }
  const text = table(reports);
  mkdirSync('reports/faults', { recursive: true });
  writeFileSync('reports/faults/table.md', `${text}\n`);
  console.log(`\n${text}\n\n${reports.length} trials passed, ${failures} failed`);
  return failures === 0;
}

if (values.help) console.log(usage);
else process.exitCode = (await main()) ? 0 : 1;
