// What test files import as `vitest` when they run many times in one process: its own expect and mocks, with a
// collector of tests that can be run again and again, which vitest's runner cannot.

// Vitest asks for the worker that it runs in.
globalThis.__vitest_worker__ ??= {
  config: { fakeTimers: {}, testTimeout: 5000, hookTimeout: 5000, expect: {}, root: process.cwd() },
  ctx: {},
  environment: { name: 'node' },
  evaluatedModules: new Map(),
  moduleExecutionInfo: new Map(),
  rpc: {},
};
const real = await import('vitest');

export const { expect, vi } = real;

/** Every test of the files imported so far, in the order of the files. */
export const tests = [];
let path = [];
let file = '';
let hooks = { beforeEach: [], afterEach: [] };
/** What the running test wants done at its end. */
let finishers = [];

export function startFile(name) {
  file = name;
  path = [];
  hooks = { beforeEach: [], afterEach: [] };
}

export function describe(name, ...rest) {
  const outer = { path, hooks };
  path = [...path, name];
  hooks = { beforeEach: [...hooks.beforeEach], afterEach: [...hooks.afterEach] };
  rest.find(argument => typeof argument === 'function')();
  ({ path, hooks } = outer);
}

export function it(name, ...rest) {
  const id = `${file}#${[...path, name].join(' > ')}`;
  const sameName = tests.filter(test => test.id === id || test.id.startsWith(`${id} (`)).length;
  tests.push({
    id: sameName === 0 ? id : `${id} (${sameName + 1})`,
    file,
    hooks,
    work: rest.find(argument => typeof argument === 'function'),
  });
}

function eachOf(declare) {
  return rows =>
    (name, ...rest) => {
      const work = rest.find(argument => typeof argument === 'function');
      rows.forEach((row, index) => {
        const values = Array.isArray(row) ? row : [row];
        declare(`${name} [${index}]`, () => work(...values));
      });
    };
}

describe.each = eachOf(describe);
it.each = eachOf(it);
export const test = it;

export function beforeEach(work) {
  hooks.beforeEach.push(work);
}

export function afterEach(work) {
  hooks.afterEach.unshift(work);
}

export function onTestFinished(work) {
  finishers.unshift(work);
}

/** Runs one test with what belongs to it. Throws what it fails with. */
export async function runTest(test, limitMillis) {
  finishers = [];
  let timer;
  const limit = new Promise((_, reject) => {
    timer = realSetTimeout(() => reject(new Error('the test took too long')), limitMillis);
  });
  let failure;
  try {
    for (const hook of test.hooks.beforeEach) await hook();
    const outcome = test.work({});
    if (outcome !== undefined) await Promise.race([outcome, limit]);
  } catch (error) {
    failure = { error };
  }
  realClearTimeout(timer);
  for (const work of [...finishers, ...test.hooks.afterEach]) {
    try {
      const outcome = work();
      if (outcome !== undefined) await Promise.race([outcome, pause(limitMillis)]);
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure !== undefined) throw failure.error;
}

const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis;

function pause(millis) {
  return new Promise(resolve => realSetTimeout(resolve, millis).unref());
}
