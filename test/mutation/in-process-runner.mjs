// A test runner for Stryker that loads the tests once and runs only those that reach a mutant, in this process.
// Starting vitest for each mutant takes seconds; the tests that matter for one take milliseconds.
import { readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { INSTRUMENTER_CONSTANTS } from '@stryker-mutator/api/core';
import { PluginKind, commonTokens, declareClassPlugin, tokens } from '@stryker-mutator/api/plugin';
import {
  DryRunStatus,
  TestStatus,
  determineHitLimitReached,
  toMutantRunResult,
} from '@stryker-mutator/api/test-runner';
import { transform } from 'esbuild';

const VITEST = new URL('./vitest-in-process.mjs', import.meta.url).href;
const TEST_LIMIT_MILLIS = 3000;
const LEAST_HIT_LIMIT = 20_000;
/** In the sandbox: a runner that is started anew after a time-out makes no first run. */
const TIMES = 'test-times.json';

class InProcessRunner {
  static inject = tokens(commonTokens.options);
  #testFiles;
  #leaveOut;
  #space;
  #vitest;
  #resetTime;
  #tests;
  #sorted;

  constructor(options) {
    this.#testFiles = options.inProcess.testFiles;
    this.#leaveOut = options.inProcess.leaveOut;
    this.#space = globalThis[INSTRUMENTER_CONSTANTS.NAMESPACE] ??= {};
  }

  capabilities() {
    return { reloadEnvironment: false };
  }

  async init() {
    // Mutants throw where nobody listens. A test that cares listens by itself.
    process.on('uncaughtException', () => undefined);
    process.on('unhandledRejection', () => undefined);
    await Promise.all(['src', 'test', 'test/overload'].flatMap(sources).map(compile));
  }

  async dryRun() {
    await this.#load();
    const results = [];
    for (const test of this.#tests) {
      this.#space.currentTestId = test.id;
      results.push(await this.#run(test));
      this.#space.currentTestId = undefined;
    }
    const times = Object.fromEntries(results.map(({ id, timeSpentMs }) => [id, timeSpentMs]));
    writeFileSync(TIMES, JSON.stringify(times));
    return {
      status: DryRunStatus.Complete,
      tests: results,
      mutantCoverage: this.#space.mutantCoverage,
    };
  }

  async mutantRun({ activeMutant, hitLimit, mutantActivation, testFilter }) {
    const space = this.#space;
    if (mutantActivation === 'static') space.activeMutant = activeMutant.id;
    await this.#load();
    // Stryker allows a hundred times the hits of the first run; a loop without end takes long to get there.
    const limit = hitLimit === undefined ? undefined : Math.max(LEAST_HIT_LIMIT, hitLimit / 50);
    space.hitLimit = limit;
    space.hitCount = 0;
    const wanted = testFilter === undefined ? undefined : new Set(testFilter);
    const results = [];
    for (const test of this.#quickestFirst()) {
      if (wanted !== undefined && !wanted.has(test.id)) continue;
      space.activeMutant = activeMutant.id;
      const result = await this.#run(test);
      space.activeMutant = undefined;
      results.push(result);
      if (result.status === TestStatus.Failed) break;
    }
    const reached = determineHitLimitReached(space.hitCount, limit);
    return toMutantRunResult(reached ?? { status: DryRunStatus.Complete, tests: results });
  }

  /** A mutant that dies usually dies by any of many tests. What they take is known from the first run. */
  #quickestFirst() {
    if (this.#sorted === undefined) {
      const times = JSON.parse(readFileSync(TIMES, 'utf8'));
      this.#sorted = this.#tests.toSorted((a, b) => times[a.id] - times[b.id]);
    }
    return this.#sorted;
  }

  async #load() {
    if (this.#vitest !== undefined) return;
    this.#vitest = await import(VITEST);
    this.#resetTime = await timeReset(this.#vitest.vi);
    for (const file of this.#testFiles.flatMap(matching)) {
      this.#vitest.startFile(file);
      await import(pathToFileURL(file.replace(/\.ts$/, '.js')).href);
    }
    this.#tests = this.#vitest.tests.filter(
      ({ id }) => !this.#leaveOut.some(part => id.includes(part)),
    );
  }

  async #run(test) {
    const { id, file } = test;
    const startedAt = performance.now();
    this.#resetTime();
    let failure;
    try {
      await this.#vitest.runTest(test, TEST_LIMIT_MILLIS);
    } catch (error) {
      failure = { error };
    }
    // With its file an incremental run knows which tests have changed since the last one.
    const common = {
      id,
      name: id,
      fileName: join(process.cwd(), file),
      timeSpentMs: Math.ceil(performance.now() - startedAt),
    };
    return failure === undefined
      ? { ...common, status: TestStatus.Success }
      : { ...common, status: TestStatus.Failed, failureMessage: messageOf(failure.error) };
  }
}

/** A test that failed half-way leaves its virtual time behind in RxJS. */
async function timeReset(vi) {
  const require = createRequire(import.meta.url);
  const rxjs = require('rxjs');
  const internal = join(require.resolve('rxjs'), '..', 'internal', 'scheduler');
  const providers = [
    'animationFrameProvider',
    'dateTimestampProvider',
    'immediateProvider',
    'intervalProvider',
    'performanceTimestampProvider',
    'timeoutProvider',
  ].map(name => require(join(internal, name))[name]);
  const config = { ...rxjs.config };
  return () => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    for (const provider of providers) provider.delegate = undefined;
    rxjs.asyncScheduler.actions = [];
    rxjs.asyncScheduler._active = false;
    Object.assign(rxjs.config, config);
  };
}

function messageOf(error) {
  try {
    return String(error?.message ?? error);
  } catch {
    return 'something that cannot be read';
  }
}

function sources(folder) {
  return readdirSync(folder, { recursive: folder === 'src' })
    .filter(name => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map(name => join(folder, name));
}

/** `test/mutation-*.test.ts`: one star in the name of the file is all that the list needs. */
function matching(pattern) {
  const [before, after] = pattern.slice('test/'.length).split('*');
  if (after === undefined) return [pattern];
  return readdirSync('test')
    .filter(name => name.startsWith(before) && name.endsWith(after))
    .sort()
    .map(name => `test/${name}`);
}

/** To a file beside it. Several workers do so at once, so each file appears whole. */
async function compile(file) {
  const { code } = await transform(readFileSync(file, 'utf8'), { loader: 'ts', target: 'es2022' });
  const target = file.replace(/\.ts$/, '.js');
  const draft = `${target}.${process.pid}`;
  writeFileSync(
    draft,
    code.replaceAll(/from (["'])vitest\1/g, () => `from ${JSON.stringify(VITEST)}`),
  );
  renameSync(draft, target);
}

export const strykerPlugins = [
  declareClassPlugin(PluginKind.TestRunner, 'in-process', InProcessRunner),
];

export const strykerValidationSchema = {
  properties: {
    inProcess: {
      type: 'object',
      required: ['testFiles', 'leaveOut'],
      properties: {
        testFiles: { type: 'array', items: { type: 'string' } },
        leaveOut: { type: 'array', items: { type: 'string' } },
      },
    },
  },
};
