import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ESLint, type Linter } from 'eslint';
import { parser } from 'typescript-eslint';
import { beforeAll, expect, it } from 'vitest';
import rxpool from '../src/eslint/index.js';

/** The settings that docs/traps.md gives for ESLint, tried on the page's own right and wrong code. */
const root = resolve(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/traps.md'), 'utf8');
const folder = join(root, 'reports/traps-lint');

const blocks = [...page.matchAll(/^```ts(?: run)?\n(.*?)^```/gms)].map(match => match[1] ?? '');

let eslint: ESLint;

beforeAll(() => {
  const settings = /```js\n(\/\/ eslint\.config\.js\n.*?)```/s.exec(page)?.[1];
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'eslint.config.mjs'),
    `import { parser } from 'typescript-eslint';\n${settings?.replace('export default [', 'export default [{ languageOptions: { parser } },')}`,
  );
  eslint = new ESLint({ cwd: folder, overrideConfigFile: join(folder, 'eslint.config.mjs') });
});

/** The first line of each finding, in the code as it stands. */
async function foundIn(code: string, linter: ESLint = eslint): Promise<string[]> {
  const [result] = await linter.lintText(code, { filePath: join(folder, 'page.ts') });
  const lines = code.split('\n');
  return (result?.messages ?? []).map(({ line, message, fatal }) =>
    fatal === true ? message : (lines[line - 1] ?? '').trim(),
  );
}

it("the page's lint rules find the wrong code of its first traps, and nothing else", async () => {
  const found = (await Promise.all(blocks.map(code => foundIn(code)))).flat();

  expect(blocks.length).toBeGreaterThan(10);
  expect(found).toEqual([
    'const over = await firstValueFrom(pool.acquire()); // wrong',
    'take(1),',
    'const wrong$ = pool.acquire().pipe(shareReplay(1));',
  ]);
});

it("the page's lint rules see a pool that is a member, and options of a request", async () => {
  const found = await foundIn("void lastValueFrom(this.pools.db.acquire({ label: 'report' }));");

  expect(found).toHaveLength(1);
});

it("the page's settings for our own rule find the same", async () => {
  const shown = /^import rxpool from 'rxpool\/eslint';\n\nexport default (\[.*?\]);$/ms.exec(
    page,
  )?.[1];
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- it is the page's code that is tried here
  const evaluate = new Function('rxpool', `return ${shown}`) as (plugin: object) => Linter.Config[];
  const own = new ESLint({
    cwd: folder,
    overrideConfigFile: true,
    overrideConfig: [{ files: ['**/*.ts'], languageOptions: { parser } }, ...evaluate(rxpool)],
  });
  const found = (await Promise.all(blocks.map(code => foundIn(code, own)))).flat();

  expect(found).toEqual([
    'const over = await firstValueFrom(pool.acquire()); // wrong',
    'take(1),',
    'const wrong$ = pool.acquire().pipe(shareReplay(1));',
  ]);
});
