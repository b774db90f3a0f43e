import { broughtByServices } from './brought.js';
import { MissingServerError } from './missing-server.js';

/** A Node that has what this one has not: `NEWER_NODE`, else the one that `npm run services` brings. */
export function newerNode(): string {
  const path = process.env['NEWER_NODE'] ?? broughtByServices('node24/bin/node');
  if (path !== undefined) return path;
  throw new MissingServerError(
    'Node 24',
    'run npm run services (Linux, x64), or set NEWER_NODE to the path of one',
  );
}
