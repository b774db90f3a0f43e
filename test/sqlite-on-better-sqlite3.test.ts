import { describe, expect, it } from 'vitest';
import { broughtByServices } from './services/brought.js';
import { runSqliteTests } from './sqlite-run.js';

const driver = broughtByServices('better-sqlite3');
const isCi = process.env['CI'] !== undefined;

if (driver === undefined && !isCi) {
  console.log('better-sqlite3: skipped: it is not installed here. To get it: run npm run services');
}

describe.skipIf(driver === undefined && !isCi)('with better-sqlite3', () => {
  it('every test of rxpool/sqlite passes, but how the driver is found', {
    timeout: 60_000,
  }, async () => {
    expect(driver, 'better-sqlite3 has to be there').toBeDefined();
    const outcome = await runSqliteTests(process.execPath, { BETTER_SQLITE3: driver as string });
    expect(outcome).toMatchObject({ numFailedTests: 0, numPendingTests: 1 });
    expect(outcome.numPassedTests).toBeGreaterThan(30);
  });
});
