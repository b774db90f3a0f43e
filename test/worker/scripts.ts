import { build } from 'esbuild';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Scripts of this folder, ready to run: not every Node takes TypeScript, least of all in a worker. */
export interface Scripts {
  readonly folder: string;
  url(name: string): URL;
  remove(): void;
}

export async function bundle(
  platform: 'node' | 'browser',
  names: readonly string[],
): Promise<Scripts> {
  const folder = mkdtempSync(join(tmpdir(), 'rxpool-worker-'));
  await build({
    entryPoints: names.map(name => join(import.meta.dirname, `${name}.ts`)),
    outdir: folder,
    bundle: true,
    format: 'esm',
    platform,
    target: 'es2022',
    logLevel: 'error',
  });
  return {
    folder,
    url: name => pathToFileURL(join(folder, `${name}.js`)),
    remove: () => rmSync(folder, { recursive: true }),
  };
}
