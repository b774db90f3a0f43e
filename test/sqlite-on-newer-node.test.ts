import { describe, expect, it } from 'vitest';
import { MissingServerError } from './services/missing-server.js';
import { newerNode } from './services/newer-node.js';
import { Database } from './sqlite-fixture.js';
import { runSqliteTests } from './sqlite-run.js';

function nodeWithSqlite(): string | undefined {
  try {
    return newerNode();
  } catch (error) {
    if (!(error instanceof MissingServerError) || process.env['CI'] !== undefined) throw error;
    console.log(`SQLite: skipped: ${error.message}`);
    return undefined;
  }
}

/** Where this Node has node:sqlite itself, the tests have run already. */
const node = Database === undefined ? nodeWithSqlite() : undefined;

describe.skipIf(node === undefined)('on a Node that has node:sqlite', () => {
  it('every test of rxpool/sqlite passes, and none is skipped', { timeout: 240_000 }, async () => {
    const outcome = await runSqliteTests(node as string);
    expect(outcome).toMatchObject({ numFailedTests: 0, numPendingTests: 0 });
    expect(outcome.numPassedTests).toBeGreaterThan(30);
  });
});
