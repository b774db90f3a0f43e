// npm run mutants [-- name…]: puts each bug of the list into a copy of the sources and lets the simulation and the
// tests of its case look for it. Ends with a table, and with an error where a mutant lives.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutants } from './list.mjs';

const seeds = 200;
const patienceSeconds = 5;
/** A test run takes seconds; a mutant may make it go on for ever. */
const testLimitMillis = 90_000;

const furniture = [
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
  'stryker.config.json', // vitest's configuration reads it
  'src',
  'test',
];

const root = fileURLToPath(new URL('../..', import.meta.url));
const rooms = join(root, 'reports/mutants');
const binaries = join(root, 'node_modules/.bin');
const wanted = process.argv.slice(2);
const chosen = mutants.filter(
  ({ name }) => wanted.length === 0 || wanted.some(part => name.includes(part)),
);

rmSync(rooms, { recursive: true, force: true });
// All mutants are made from one copy: somebody may be at work on the sources.
const sound = furnish(root, 'sound');
const problems = checkEdits();
if (problems.length > 0) {
  console.error(`These edits have lost their place in the sources:\n${problems.join('\n')}`);
  process.exit(2);
}
const baseline = await simulate(sound);
if (baseline !== undefined) {
  console.error(`The pool without any mutant fails already: ${baseline}`);
  process.exit(2);
}
const all = { id: '', tests: [...new Set(chosen.flatMap(({ tests }) => tests))] };
const mistaken = await test(sound, all, 10 * testLimitMillis);
if (mistaken !== undefined) {
  console.error(`The tests kill the pool without any mutant: ${mistaken}`);
  process.exit(2);
}
for (const left of ['reports', 'vitest.json']) {
  rmSync(join(sound, left), { recursive: true, force: true });
}

const rows = [];
for (const [index, mutant] of chosen.entries()) {
  const room = prepare(String(index), mutant.edits);
  const found = await simulate(room);
  const killer = await test(room, mutant);
  rows.push({ mutant: mutant.name, found: found ?? 'NOT FOUND', killer: killer ?? 'SURVIVES' });
  const { found: seed, killer: by } = rows.at(-1);
  console.log(
    `${index + 1} of ${chosen.length}: ${mutant.name}\n    simulation: ${seed}\n    ${mutant.id}: ${by}`,
  );
  rmSync(room, { recursive: true, force: true });
}

console.log('\n| mutant | found by the simulation | killed by |\n|---|---|---|');
for (const { mutant, found, killer } of rows) console.log(`| ${mutant} | ${found} | ${killer} |`);
const unseen = rows.filter(({ found }) => found === 'NOT FOUND').length;
const living = rows.filter(({ killer }) => killer === 'SURVIVES').length;
console.log(
  `\n${rows.length} mutants, ${unseen} not found within ${seeds} seeds, ${living} survive their tests`,
);
process.exitCode = unseen + living > 0 ? 1 : 0;

/** Which edits do not fit the sources, in words. */
function checkEdits() {
  return mutants.flatMap(({ name, edits }) => {
    const sources = new Map();
    return edits.flatMap(edit => {
      try {
        const source =
          sources.get(edit.file) ?? readFileSync(join(sound, 'src/internal', edit.file), 'utf8');
        sources.set(edit.file, apply(source, edit));
        return [];
      } catch (error) {
        return [`  ${name}: ${error.message}`];
      }
    });
  });
}

/** @param {string} source */
function apply(source, { file, after, from, to }) {
  const begin = after === undefined ? 0 : only(source, after, file);
  const end = after === undefined ? source.length : source.indexOf('\n  }\n', begin);
  const body = source.slice(begin, end);
  const place = only(body, from, after === undefined ? file : `${file}, ${after.trim()}`);
  return `${source.slice(0, begin)}${body.slice(0, place)}${to}${body.slice(place + from.length)}${source.slice(end)}`;
}

function only(text, part, where) {
  const place = text.indexOf(part);
  if (place < 0) throw new Error(`"${part}" is not in ${where}`);
  if (text.indexOf(part, place + 1) >= 0)
    throw new Error(`"${part}" is more than once in ${where}`);
  return place;
}

/** A copy of the sources and their tests. */
function furnish(from, name) {
  const room = join(rooms, name);
  mkdirSync(room, { recursive: true });
  for (const item of furniture) {
    cpSync(join(from, item), join(room, item), { recursive: true });
  }
  return room;
}

/** A copy with the edits made. */
function prepare(name, edits) {
  const room = furnish(sound, name);
  for (const edit of edits) {
    const path = join(room, 'src/internal', edit.file);
    writeFileSync(path, apply(readFileSync(path, 'utf8'), edit));
  }
  return room;
}

/** The seed at which the simulation fails and how, or undefined. */
async function simulate(room) {
  // A mutant need not be type-correct: what is emitted all the same is what counts.
  await run(join(binaries, 'tsc'), ['-p', 'test/simulation/tsconfig.json'], room);
  const main = join(room, 'reports/simulation/test/simulation/main.js');
  const given = ['--seeds', String(seeds), '--quick', '--patience', String(patienceSeconds)];
  const { code, output } = await run(process.execPath, [main, ...given], room);
  const failure = /^seed (\d+), life \d+: (.*)$/m.exec(output);
  if (failure !== null) return `seed ${failure[1]}: ${shorten(failure[2])}`;
  return code === 0 ? undefined : shorten(output.trim().split('\n').at(-1) ?? 'it breaks');
}

/** The test of the mutant's case that fails, or undefined. The id is a pattern, as `-t` of vitest takes it. */
async function test(room, { id, tests }, limitMillis = testLimitMillis) {
  const files = tests.map(name => `test/${name}.test.ts`);
  const report = join(room, 'vitest.json');
  const given = [
    'run',
    '--root',
    room,
    ...files,
    ...(id === '' ? [] : ['-t', id]),
    '--reporter=json',
    `--outputFile=${report}`,
  ];
  const { code } = await run(join(binaries, 'vitest'), given, room, limitMillis);
  if (code === 0) return undefined;
  if (!existsSync(report)) return `${files.join(', ')}: it hangs`;
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const failed = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ title }) => `${relative(room, name)}: ${shorten(title)}`),
  );
  return failed[0] === undefined ? `${files.join(', ')}: it breaks` : more(failed);
}

function more(failed) {
  return failed.length === 1 ? failed[0] : `${failed[0]} (and ${failed.length - 1} more)`;
}

function shorten(text) {
  return text.replaceAll('|', '/').slice(0, 90);
}

function run(command, given, directory, limitMillis = 300_000) {
  return new Promise(resolve => {
    // A group of its own: what vitest has forked hangs in a mutant's loop, and would outlive the one that is ended.
    const child = spawn(command, given, {
      cwd: directory,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch (error) {
        if (error.code !== 'ESRCH') throw error; // they are gone already
      }
    };
    const interrupted = () => {
      end();
      process.exit(130);
    };
    process.once('SIGINT', interrupted);
    process.once('SIGTERM', interrupted);
    let output = '';
    const limit = setTimeout(end, limitMillis);
    const hear = chunk => {
      output += chunk;
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('close', code => {
      clearTimeout(limit);
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', interrupted);
      end();
      resolve({ code: code ?? 1, output });
    });
  });
}
