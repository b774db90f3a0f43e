import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Some tests ask real servers and processes, on machines of two cores: in CI one that fails has a second try.
    retry: process.env['CI'] === undefined ? 0 : 1,
    include: ['test/**/*.test.ts'],
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
