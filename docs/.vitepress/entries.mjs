import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

const { exports } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
);

/** What users import: the core and the sub-paths, each with its source and its page in the reference. */
export const entries = Object.entries(exports)
  .filter(([, target]) => target.types !== undefined)
  .map(([subPath, { types }]) => ({
    import: subPath.replace('.', 'rxpool'),
    source: types.replace('./dist/', '../../src/').replace('.d.ts', '.ts'),
    page: subPath === '.' ? 'rxpool' : basename(subPath),
  }));
