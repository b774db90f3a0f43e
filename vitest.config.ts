import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import stryker from './stryker.config.json' with { type: 'json' };

/**
 * Files that neither touch the world nor leave anything behind: one process runs many of them, one after another, so
 * that the engine is loaded once. What a mutation run loads together belongs here too. All others, those that nobody
 * named included, have a process each.
 */
const virtual = [
  ...stryker.inProcess.testFiles,
  'test/adaptive-max.test.ts',
  'test/budget-allocation.test.ts',
  'test/cases-index.test.ts',
  'test/circuit-breaker.test.ts',
  'test/fair-queue.test.ts',
  'test/gate-matrix.test.ts',
  'test/hand-off.test.ts',
  'test/keyed.test.ts',
  'test/metrics.test.ts',
  'test/model.test.ts',
  'test/nesting.test.ts',
  'test/opentelemetry.test.ts',
  'test/outage-recovery.test.ts',
  'test/overload.test.ts',
  'test/permits.test.ts',
  'test/prometheus.test.ts',
  'test/registry.test.ts',
  'test/renewal.test.ts',
  'test/revocation.test.ts',
  'test/simulation-stories.test.ts',
  'test/testing-guide*.test.ts',
  'test/testing-kit-*.test.ts',
];

export default defineConfig({
  test: {
    // Some tests ask real servers and processes, on machines of two cores: in CI one that fails is tried again, once the
    // moment is over that may have been to blame. Which ones had luck is told at the end.
    retry: process.env['CI'] === undefined ? 0 : { count: 2, delay: 1_000 },
    reporters: ['default', './test/second-tries.ts'],
    // Time enough for a busy machine; a test that hangs is found out all the same.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    // Who waits for a server leaves the core to somebody else.
    maxWorkers: Math.max(2, availableParallelism()),
    projects: [
      {
        extends: true,
        test: {
          name: 'virtual',
          include: virtual,
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'real',
          include: ['test/**/*.test.ts'],
          exclude: virtual,
          globalSetup: ['./test/run-folder.ts'],
        },
      },
    ],
    setupFiles: ['./test/setup.ts'],
    pool: 'forks',
    typecheck: { enabled: false },
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text', 'html', 'json-summary'],
    },
  },
});
