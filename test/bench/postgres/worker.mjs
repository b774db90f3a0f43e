// One contestant, one number of callers, one process: `node worker.mjs <job as JSON>`. Prints its figures as JSON.
import { performance } from 'node:perf_hooks';
import { contestants } from './contestants.mjs';
import { queries } from './mix.mjs';

const { entry, settings } = JSON.parse(process.argv[2]);
const { url, callers, warmupMillis, runMillis } = settings;

const run = await contestants[entry](url);
const next = queries();
await load(warmupMillis);
const waits = await load(runMillis);

const all = waits.flat().sort((a, b) => a - b);
const percentile = share => all[Math.min(all.length - 1, Math.floor(all.length * share))];
const means = waits.map(list => list.reduce((sum, wait) => sum + wait, 0) / list.length);
const figures = {
  throughput: all.length / (runMillis / 1_000),
  p50: percentile(0.5),
  p99: percentile(0.99),
  p999: percentile(0.999),
  spread: Math.max(...means) / Math.min(...means),
};
process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0));

/** Every caller asks again as soon as it is answered; gives each one's waits in milliseconds. */
async function load(millis) {
  const end = performance.now() + millis;
  return Promise.all(
    Array.from({ length: callers }, async () => {
      const own = [];
      for (let start = performance.now(); start < end; ) {
        const query = next();
        const rows = await run(query);
        if (rows !== query.rows) throw new Error(`${query.name}: ${rows} rows`);
        const answered = performance.now();
        own.push(answered - start);
        start = answered;
      }
      return own;
    }),
  );
}
