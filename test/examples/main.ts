import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MissingServerError } from '../services/missing-server.js';
import { newerNode } from '../services/newer-node.js';
import { type Example, examplesIn } from './example.js';
import { Needs } from './needs.js';
import { faults, run } from './run.js';

const usage = `Runs every program of docs/examples in a process of its own, with the servers that its text asks for:
process.env.DATABASE_URL, REDIS_URL, MYSQL_URL, MONGODB_URL, CHROMIUM.
  --only NAME    this one alone; may be given several times
Exit code 1 when one fails, writes to stderr, does not end in time, or does not print what its \`// prints: …\` say;
in CI also when a server is missing.`;

const limitMillis = 60_000;
const sources = 'docs/examples';
const compiled = 'reports/examples/docs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', default: false },
  },
});

function wanted(): Example[] {
  const all = examplesIn(sources);
  const strange = values.only.filter(name => !all.some(example => example.name === name));
  if (strange.length > 0) throw new RangeError(`--only: no ${strange.join(', ')}\n${usage}`);
  return values.only.length === 0 ? all : all.filter(({ name }) => values.only.includes(name));
}

async function isGood(example: Example, needs: Needs): Promise<boolean> {
  let environment: Record<string, string>;
  let node = process.execPath;
  try {
    if (example.wantsNewerNode) node = newerNode();
    environment = await needs.environment(example.variables);
  } catch (error) {
    if (!(error instanceof MissingServerError)) throw error;
    console.log(`${example.name}: left out: ${error.message}`);
    return process.env['CI'] === undefined;
  }
  const file = join(compiled, `${example.name}.js`);
  const outcome = await run(node, file, environment, limitMillis);
  const found = faults(example, outcome, limitMillis);
  console.log(`${example.name}: ${found.length === 0 ? 'ok' : 'FAILED'}, ${outcome.tookMillis} ms`);
  for (const fault of found) console.log(`  ${fault.replaceAll('\n', '\n  ')}`);
  return found.length === 0;
}

async function main(): Promise<boolean> {
  await using needs = new Needs();
  let good = 0;
  const examples = wanted();
  for (const example of examples) if (await isGood(example, needs)) good += 1;
  console.log(`${good} of ${examples.length} examples good or left out`);
  return good === examples.length && good > 0;
}

if (values.help) console.log(usage);
else process.exitCode = (await main()) ? 0 : 1;
