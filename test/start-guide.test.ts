import { execFile } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

/**
 * "Start here", word by word, in an empty folder with the package as users get it: every file that the page tells
 * to save is saved, and has to print what the page says.
 */
const root = resolve(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/start.md'), 'utf8');
const run = promisify(execFile);
const tsc = join(root, 'node_modules/.bin/tsc');

let folder = '';

/** What the compiler complains of: nothing, it is hoped. */
const compile = (args: readonly string[], cwd: string): Promise<string> =>
  run(tsc, [...args], { cwd }).then(
    () => '',
    (error: unknown) => (error as { stdout: string }).stdout,
  );

/** The code that the page saves under this name, and what it prints. */
function told(name: string): { readonly code: string; readonly prints: string } {
  const from = page.indexOf(`\`${name}\``);
  const [, code = '', prints = ''] =
    /```(?:js|ts)\n(.*?)```.*?```text\n(.*?)```/s.exec(page.slice(from)) ?? [];
  expect(from, `the page names ${name}`).toBeGreaterThan(0);
  return { code, prints };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'start-here-'));
  const packed = join(folder, 'node_modules/rxpool');
  expect(await compile(['-p', 'tsconfig.build.json', '--outDir', join(packed, 'dist')], root)).toBe(
    '',
  );
  cpSync(join(root, 'package.json'), join(packed, 'package.json'));
  for (const name of ['rxjs', 'tslib']) {
    const target = join(folder, 'node_modules', name);
    mkdirSync(dirname(target), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), target);
  }
  writeFileSync(join(folder, 'package.json'), '{}'); // what `npm init -y` makes has no "type" of its own
}, 120_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

it.each(['first.mjs', 'first.cjs'])(
  '%s runs in an empty folder',
  { timeout: 30_000 },
  async name => {
    const { code, prints } = told(name);
    writeFileSync(join(folder, name), code);
    const { stdout, stderr } = await run(process.execPath, [name], { cwd: folder });

    expect(stdout).toBe(prints);
    expect(stderr).toBe('');
  },
);

it('first.mts compiles and runs in an empty folder', { timeout: 240_000 }, async () => {
  const { code, prints } = told('first.mts');
  const command = /`npx (tsc .*?)`/.exec(page)?.[1];
  expect(command).toMatch(/^tsc .* first\.mts$/);
  writeFileSync(join(folder, 'first.mts'), code);
  expect(await compile((command as string).split(' ').slice(1), folder)).toBe('');
  const { stdout } = await run(process.execPath, ['first.mjs'], { cwd: folder });

  expect(stdout).toBe(prints);
});
