import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { giveToAccount } from './services/account.js';

let guard: ChildProcess | undefined;

/** Before all files: a folder in which their servers may leave something for one another. */
export function setup(): void {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'rxpool-test-'));
  giveToAccount(folder);
  process.env['RXPOOL_TEST_FOLDER'] = folder; // every process of the run inherits it
  // Reads until this process has ended, in whatever way.
  guard = spawn('/bin/sh', ['-c', 'read -r _; rm -rf "$1"', 'rxpool-test-guard', folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
}

export async function teardown(): Promise<void> {
  guard?.ref();
  guard?.stdin?.end();
  if (guard?.exitCode === null) await once(guard, 'exit');
}
