import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exampleOf } from './examples/example.js';
import { faults, run } from './examples/run.js';

/** What `npm run examples` finds wrong with a program; the examples themselves are run by it, not here. */
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxpool-examples-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function faultsOf(text: string, limitMillis = 30_000): Promise<string[]> {
  const file = join(folder, 'example.mjs');
  writeFileSync(file, text);
  const outcome = await run(process.execPath, file, { REDIS_URL: 'redis://there' }, limitMillis);
  return faults(exampleOf('example', text), outcome, limitMillis);
}

it('a program that prints what it says, in that order, is good, whatever else it prints', async () => {
  const text = `
    console.log('one'); // prints: one
    console.log('by the way');
    console.log(process.env.REDIS_URL); // prints: redis://there`;
  expect(await faultsOf(text)).toEqual([]);
});

it('a program fails that prints something else, or in another order', async () => {
  const lines = ["console.log('b'); // prints: a", "console.log('a'); // prints: b"];
  expect(await faultsOf(lines.join('\n'))).toEqual([expect.stringContaining('print "b"')]);
  expect(await faultsOf(lines[0]!)).toEqual([expect.stringContaining('print "a"')]);
});

it('a program fails that says nothing of what it prints', async () => {
  expect(await faultsOf("console.log('a');")).toEqual([
    expect.stringContaining('could be compared'),
  ]);
});

it('a program fails that writes to stderr, or ends with an error', async () => {
  expect(await faultsOf("console.log('a'); /* */ // prints: a\nconsole.error('beware');")).toEqual([
    'wrote to stderr:\nbeware',
  ]);
  expect(await faultsOf("console.log('a'); // prints: a\nprocess.exitCode = 3;")).toEqual([
    'ended with 3',
  ]);
});

it('a program fails, and is killed, that does not end by itself', async () => {
  const text = "console.log('a'); // prints: a\nsetInterval(() => undefined, 1000);";
  // A busy machine may not have got to the first line by then, which is held against it too.
  expect(await faultsOf(text, 1_000)).toContain('did not end in 1000 ms');
});

it('what a program needs is what its text reads of the environment', () => {
  const text = "const url = process.env.REDIS_URL ?? process.env['DATABASE_URL'];";
  expect(exampleOf('x', `${text}${text}`).variables).toEqual(['REDIS_URL', 'DATABASE_URL']);
});
