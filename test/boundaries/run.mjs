// Checks the import rules of .dependency-cruiser.mjs.
//   node test/boundaries/run.mjs           src must keep every rule
//   node test/boundaries/run.mjs --proof   a tree that keeps every rule passes, and of a tree that
//                                          breaks every rule each break is reported
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import rules, { isInNoLayer, layers, layersHoldForTypes } from '../../.dependency-cruiser.mjs';

const root = resolve(import.meta.dirname, '../..');
const fixture = resolve(import.meta.dirname, 'fixture'); // made by `--proof`, and removed again

/** Without a TypeScript it can use, dependency-cruiser sees no module and reports success. */
const fewestModules = 5;

function cruise(cwd) {
  // With `--output-type json` the exit code says nothing about violations: the report decides.
  const json = execFileSync(
    process.execPath,
    [
      `${root}/node_modules/dependency-cruiser/bin/dependency-cruise.mjs`,
      ...['src', '--config', `${root}/.dependency-cruiser.mjs`, '--output-type', 'json'],
    ],
    { cwd, encoding: 'utf8', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const { modules, summary } = JSON.parse(json);
  const ours = modules.map(module => module.source).filter(name => name.startsWith('src/'));
  const packageOnly = path => path.replace(/^.*node_modules\/((?:@[^/]+\/)?[^/]+).*$/, '$1');
  const found = summary.violations.map(
    ({ rule, from, to }) => `${rule.name}: ${from} -> ${packageOnly(to)}`,
  );
  const forgotten = ours.filter(isInNoLayer).map(name => `in-a-layer: ${name} is in none`);
  return { count: ours.length, violations: [...found, ...forgotten] };
}

function check() {
  const { count, violations } = cruise(root);
  for (const violation of violations) console.error(violation);
  if (count < fewestModules) {
    console.error(`only ${count} modules seen where ${fewestModules} or more were expected`);
    return false;
  }
  console.log(`${count} modules, ${violations.length} violations`);
  return violations.length === 0;
}

/** `tree`: what each file imports, by its name without `.ts`; with `/` in front, a file of the tree. */
function cruiseTree(tree, keyword = 'import') {
  rmSync(fixture, { recursive: true, force: true });
  try {
    for (const [file, imports] of Object.entries(tree)) {
      const up = '../'.repeat(file.split('/').length - 1) || './';
      const lines = imports.map(to => `${keyword} '${to.replace(/^\/(.*)/, `${up}$1.js`)}';\n`);
      mkdirSync(dirname(`${fixture}/${file}`), { recursive: true });
      writeFileSync(`${fixture}/${file}.ts`, `${lines.join('')}export {};\n`);
    }
    return cruise(fixture);
  } finally {
    rmSync(fixture, { recursive: true, force: true });
  }
}

function prove() {
  const files = layers.flatMap((names, level) => names.map(name => ({ name, level })));
  const tree = importsOf =>
    Object.fromEntries(files.map(file => [`src/${file.name}`, importsOf(file)]));
  const bottom = files[0].name;

  const good = cruiseTree({
    ...tree(({ level }) => [
      'rxjs',
      ...files.filter(other => other.level < level).map(other => `/src/${other.name}`),
    ]),
    'src/index': files.map(({ name }) => `/src/${name}`),
    'src/postgres/index': ['/src/index', '/src/postgres/own', 'rxjs', 'pg', 'node:fs'],
    'src/postgres/own': ['/src/index', '/src/shared/own'],
    'src/shared/own': ['rxjs', '/src/index'],
    'src/metrics/index': ['/src/index'],
    'src/dashboard/index': ['/src/index', '/src/metrics/index'],
    'src/registry/index': ['/src/index', '/src/postgres/index'],
  });

  const notBelow = ({ name, level }) => [
    ...files.filter(other => other.level >= level && other.name !== name),
    { name: 'forgotten' },
  ];
  const badTree = {
    ...tree(file => notBelow(file).map(other => `/src/${other.name}`)),
    [`src/${bottom}`]: [
      ...notBelow(files[0]).map(other => `/src/${other.name}`),
      ...['node:fs', 'rxjs/operators', 'pg', '/src/index', '/src/postgres/index'],
    ],
    'src/index': [`/src/${bottom}`],
    'src/forgotten': [],
    'src/postgres/index': [`/src/${bottom}`, '/src/testing/index', '/test/helper', 'vitest'],
    'src/postgres/lost': ['/src/postgres/nowhere'],
    'src/testing/index': ['/src/metrics/index'],
    'src/metrics/index': [],
    'src/metrics/own': [],
    'src/dashboard/index': ['/src/metrics/own', '/src/testing/index'],
    'src/registry/index': ['/src/metrics/index'],
    'src/shared/own': ['/src/metrics/index', 'node:fs'],
    'test/helper': [],
  };
  const bad = cruiseTree(badTree, layersHoldForTypes ? 'import type {} from' : 'import');
  const expected = [
    ...files.flatMap(file =>
      notBelow(file).map(
        other => `layer-${file.level}: src/${file.name}.ts -> src/${other.name}.ts`,
      ),
    ),
    ...['fs', 'rxjs', 'pg', 'src/postgres/index.ts'].map(
      to => `core-imports-rxjs-alone: src/${bottom}.ts -> ${to}`,
    ),
    `index-is-for-outsiders: src/${bottom}.ts -> src/index.ts`,
    `no-circular: src/index.ts -> src/${bottom}.ts`,
    'in-a-layer: src/forgotten.ts is in none',
    `sub-path-through-index: src/postgres/index.ts -> src/${bottom}.ts`,
    'sub-path-through-index: src/postgres/index.ts -> src/testing/index.ts',
    'sub-path-through-index: src/testing/index.ts -> src/metrics/index.ts',
    'dashboard-through-metrics: src/dashboard/index.ts -> src/metrics/own.ts',
    'dashboard-through-metrics: src/dashboard/index.ts -> src/testing/index.ts',
    'registry-loads-back-ends: src/registry/index.ts -> src/metrics/index.ts',
    'shared-knows-no-sub-path: src/shared/own.ts -> src/metrics/index.ts',
    'shared-knows-no-sub-path: src/shared/own.ts -> fs',
    'src-stays-in-src: src/postgres/index.ts -> test/helper.ts',
    'no-unlisted-package: src/postgres/index.ts -> vitest',
    'resolvable: src/postgres/lost.ts -> ../../src/postgres/nowhere.js',
  ];

  const missed = expected.filter(violation => !bad.violations.includes(violation));
  const untried = rules.forbidden.filter(
    ({ name }) => !expected.some(violation => violation.startsWith(`${name}: `)),
  );
  for (const violation of good.violations) console.error(`allowed, yet reported: ${violation}`);
  for (const violation of missed) console.error(`forbidden, yet not reported: ${violation}`);
  for (const { name } of untried) console.error(`no proof that this rule can fail: ${name}`);
  console.log(
    `${expected.length - missed.length} of ${expected.length} forbidden imports reported, ` +
      `${good.violations.length} of the allowed ones`,
  );
  return good.violations.length + missed.length + untried.length === 0;
}

process.exitCode = (process.argv.includes('--proof') ? prove() : check()) ? 0 : 1;
