import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MissingServerError } from './missing-server.js';

/** A Node that has what this one has not: `NEWER_NODE`, else the one that `npm run services` brings. */
export function newerNode(): string {
  const given = process.env['NEWER_NODE'];
  if (given !== undefined) return given;
  // Looked for upwards, because this file may run compiled, from another folder.
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules/.cache/rxpool-services/node_modules/node24/bin/node');
    if (existsSync(path)) return path;
    if (folder === dirname(folder)) {
      throw new MissingServerError(
        'Node 24',
        'run npm run services (Linux, x64), or set NEWER_NODE to the path of one',
      );
    }
  }
}
