import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { MissingServerError } from './services/missing-server.js';
import { newerNode } from './services/newer-node.js';
import { Database } from './sqlite-fixture.js';

const root = resolve(import.meta.dirname, '..');
const run = promisify(execFile);

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
    const folder = mkdtempSync(join(tmpdir(), 'sqlite-run-'));
    try {
      const report = join(folder, 'report.json');
      const vitest = join(root, 'node_modules/vitest/vitest.mjs');
      const reporters = ['--reporter=json', `--outputFile=${report}`];
      await run(
        node as string,
        [
          '--disable-warning=ExperimentalWarning',
          vitest,
          'run',
          'test/sqlite.test.ts',
          ...reporters,
        ],
        { cwd: root },
      );
      const outcome = JSON.parse(readFileSync(report, 'utf8')) as Record<string, number>;
      expect(outcome).toMatchObject({ numFailedTests: 0, numPendingTests: 0 });
      expect(outcome['numPassedTests']).toBeGreaterThan(30);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
