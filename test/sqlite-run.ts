import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const root = resolve(import.meta.dirname, '..');
const run = promisify(execFile);

/** How many tests of `sqlite.test.ts` passed, failed and were skipped. */
export interface SqliteRun {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

/** Runs `sqlite.test.ts` on another Node, or with another driver. */
export async function runSqliteTests(
  node: string,
  environment: Record<string, string> = {},
): Promise<SqliteRun> {
  const folder = mkdtempSync(join(tmpdir(), 'sqlite-run-'));
  try {
    const report = join(folder, 'report.json');
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const reporters = ['--reporter=json', `--outputFile=${report}`];
    const options = ['--disable-warning=ExperimentalWarning'];
    await run(node, [...options, vitest, 'run', 'test/sqlite.test.ts', ...reporters], {
      cwd: root,
      env: { ...process.env, ...environment },
    });
    return JSON.parse(readFileSync(report, 'utf8')) as SqliteRun;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
