import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where `npm run services` has put a package, or a file of one; undefined where it has not. */
export function broughtByServices(path: string): string | undefined {
  // Looked for upwards, because this file may run compiled, from another folder.
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules/.cache/rxpool-services/node_modules', path);
    if (existsSync(found)) return found;
    if (folder === dirname(folder)) return undefined;
  }
}
