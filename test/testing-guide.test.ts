import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventLetters } from '../src/testing/index.js';

// Each block of the guide is one of the test files beside this one, as it is: so it compiles, runs and is right.

const guide = readFileSync(join(import.meta.dirname, '../docs/testing.md'), 'utf8');
const blocks = [...guide.matchAll(/^```ts\n(.*?)^```$/gms)].map(match => match[1] ?? '');
const files = readdirSync(import.meta.dirname).filter(name =>
  /^testing-guide-.*\.test\.ts$/.test(name),
);

/** As users write it. */
function exampleIn(file: string): string {
  return readFileSync(join(import.meta.dirname, file), 'utf8')
    .replaceAll("'../src/testing/index.js'", "'rxpool/testing'")
    .replaceAll("'../src/index.js'", "'rxpool'");
}

describe('the guide to testing', () => {
  it.each(files)('shows %s as it runs', file => {
    expect(blocks.filter(block => block === exampleIn(file))).toHaveLength(1);
  });

  it('shows nothing that does not run', () => {
    expect(blocks.length).toBeGreaterThan(8);
    expect(blocks).toHaveLength(files.length);
  });

  it('works through a retry policy, a timeout and a drain', () => {
    const titles = [...guide.matchAll(/^### (.*)$/gm)].map(match => match[1]);
    expect(titles).toEqual(['A retry policy', 'A timeout', 'A drain']);
  });

  it('names every rule and only letters that there are', () => {
    const error = readFileSync(
      join(import.meta.dirname, '../src/testing/invariant-error.ts'),
      'utf8',
    );
    const rules = [...error.matchAll(/^ {2}\| '(\w+)'/gm)].map(match => match[1] ?? '');
    expect(rules.length).toBeGreaterThan(20);
    expect(rules.filter(rule => !guide.includes(`\`${rule}\``))).toEqual([]);
    const named = [...guide.matchAll(/`(\w)` (\w+)[,)]?/g)].map(match => [match[1], match[2]]);
    const letters = named.filter(([letter, name]) => eventLetters[letter ?? ''] === name);
    expect(letters.length).toBeGreaterThan(5);
  });
});
