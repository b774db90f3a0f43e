import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compileCommand, fileOf } from './start/guide.mjs';

/**
 * The files that "Start here" tells to save, in a folder with the package as users get it: each has to print what the
 * page says. `npm run start-guide` does the rest of the page, with the packed tarball, on other Nodes and in a browser.
 */
const root = resolve(import.meta.dirname, '..');
const run = promisify(execFile);
const tsc = join(root, 'node_modules/.bin/tsc');

let folder = '';

/** What the compiler complains of: nothing, it is hoped. */
const compile = (args: readonly string[], cwd: string): Promise<string> =>
  run(tsc, [...args], { cwd }).then(
    () => '',
    (error: unknown) => (error as { stdout: string }).stdout,
  );

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
  writeFileSync(join(folder, 'package.json'), '{}'); // what `npm init -y` makes has no "type" but CommonJS
}, 120_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

it.each(['first.mjs', 'first.cjs'])('%s runs', { timeout: 30_000 }, async name => {
  const { code, prints } = fileOf(name);
  writeFileSync(join(folder, name), code);
  const { stdout, stderr } = await run(process.execPath, [name], { cwd: folder });

  expect(stdout).toBe(prints);
  expect(stderr).toBe('');
});

it.each([
  ['first.mts', 'first.mjs'],
  ['second.cts', 'second.cjs'],
])('%s compiles and runs', { timeout: 240_000 }, async (name, compiled) => {
  const { code, prints } = fileOf(name);
  writeFileSync(join(folder, name), code);
  expect(await compile(compileCommand(name).split(' ').slice(2), folder)).toBe('');
  const { stdout } = await run(process.execPath, [compiled], { cwd: folder });

  expect(stdout).toBe(prints);
});
