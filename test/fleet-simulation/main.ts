import { parseArgs } from 'node:util';
import { playFleet, type StoryReport } from './story.js';

const { values } = parseArgs({
  options: {
    processes: { type: 'string', default: '500' },
    seed: { type: 'string' },
    chaos: { type: 'string', default: '40' },
    short: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
  },
});

const processes = values.short ? 50 : Number(values.processes);
const chaosSeconds = values.short ? 20 : Number(values.chaos);
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed);
const again = `npm run simulate:fleet -- --processes ${processes} --chaos ${chaosSeconds} --seed ${seed}`;

console.log(`a fleet of ${processes} processes, seed ${seed}`);
const reports = [
  { title: 'more than one each', limit: Math.round(processes * 2.4), min: 1, turnMillis: 5_000 },
  { title: 'one for two', limit: Math.round(processes / 2), min: 0, turnMillis: 5_000 },
].map(story => {
  const startedAt = performance.now();
  console.log(`\n${story.title}: limit ${story.limit}`);
  const report = playFleet({
    ...story,
    seed,
    processes,
    chaosSeconds,
    progress: values.quiet ? () => undefined : console.log,
  });
  const verdict =
    report.violations.length === 0 ? 'kept all promises' : report.violations.join('; ');
  console.log(`${((performance.now() - startedAt) / 1_000).toFixed(1)} s of real time: ${verdict}`);
  return report;
});

const rows: [string, (report: StoryReport) => string][] = [
  ['limit', ({ limit }) => String(limit)],
  ['most connections within the bound', ({ peak }) => String(peak)],
  ['most with processes that stood still > TTL', ({ peakOfAll }) => String(peakOfAll)],
  ['Jain, quiet', ({ jainBefore }) => jainBefore.toFixed(4)],
  ['Jain, after all faults', ({ jainAfter }) => jainAfter.toFixed(4)],
  ['full again after 10 % crash', ({ refillAfterCrash }) => seconds(refillAfterCrash)],
  ['even again after their restart', ({ evenAfterRestart }) => seconds(evenAfterRestart)],
  [
    'full again after 20 % are cut off',
    ({ refillAfterPartition }) => seconds(refillAfterPartition),
  ],
  ['even again after they are back', ({ evenAfterPartition }) => seconds(evenAfterPartition)],
  ['even again after the chaos', ({ evenAfterChaos }) => seconds(evenAfterChaos)],
  [
    'longest wait in peace (bound)',
    ({ longestWait, waitBound }) => `${seconds(longestWait)} (${seconds(waitBound)})`,
  ],
  ['leases', ({ served }) => String(served)],
  ['reports to the budget', ({ reports: count }) => String(count)],
  ['virtual time', ({ virtualMillis }) => seconds(virtualMillis)],
  [
    'faults',
    ({ faults }) =>
      Object.values(faults)
        .reduce((sum, each) => sum + each, 0)
        .toString(),
  ],
];
console.log(`\n${''.padEnd(44)}${reports.map(({ title }) => title.padStart(20)).join('')}`);
for (const [name, value] of rows) {
  console.log(name.padEnd(44) + reports.map(report => value(report).padStart(20)).join(''));
}
for (const { title, faults } of reports) {
  const list = Object.entries(faults).map(([name, count]) => `${count} ${name}`);
  console.log(`${title}: ${list.join(', ')}`);
}

const violations = reports.flatMap(({ title, violations: each }) =>
  each.map(violation => `${title}: ${violation}`),
);
for (const violation of violations) console.error(`VIOLATION ${violation}`);
console.log(violations.length === 0 ? '\nall promises kept' : `\nagain: ${again}`);
process.exitCode = violations.length === 0 ? 0 : 1;

function seconds(millis: number): string {
  return `${(millis / 1_000).toFixed(1)} s`;
}
