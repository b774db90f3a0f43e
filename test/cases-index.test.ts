import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** The correctness cases by family: each has a test that carries its id in its title. */
const cases = {
  BR: [1, 2, 3, 4, 5, 7, 8, 9, 10, 11],
  WF: [1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 14],
  CR: [1, 2, 3, 4, 5, 6, 9, 10, 12, 14, 15],
  CF: [1, 2, 4, 6, 8, 9, 10, 11, 12],
  VA: [1, 3, 4, 5, 6, 8, 9, 10, 12, 13],
  EX: [1, 2, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15, 16],
  SD: [1, 2, 3, 4, 6, 7, 9, 10, 12, 13, 14],
  SZ: [1, 2, 3, 5, 6, 7],
  RE: [1, 2, 4, 5, 6, 8, 10, 11],
  EV: [1, 2, 4, 5, 6, 7, 8, 9],
  BI: [1, 2, 3, 5, 6, 7],
  LS: [1, 2, 3, 5, 6, 7, 9],
  ML: [1, 2, 3, 4, 6, 7],
};

const ids = Object.entries(cases).flatMap(([family, numbers]) =>
  numbers.map(number => `${family}-${String(number).padStart(2, '0')}`),
);

/** The first argument of a call, where it is a text: the title, when the call is a test's. */
const callWithText =
  /(?:\b(?:it|test)\b(?!\.todo)[.\w]*|\))\s*\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/gs;

function titlesOf(source: string): string[] {
  const code = source.replaceAll(/^\s*\/\/.*$/gm, '');
  return [...code.matchAll(callWithText)].map(match => match[1] ?? match[2] ?? match[3] ?? '');
}

function testFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.test.ts') && name !== basename(import.meta.filename))
    .map(name => join(directory, name));
}

const titles = testFiles(import.meta.dirname).flatMap(file => titlesOf(readFileSync(file, 'utf8')));

describe('every correctness case has a test', () => {
  it.each(ids)('%s is in the title of a test', id => {
    expect(titles.filter(title => title.includes(id))).not.toEqual([]);
  });

  it('titles are found in every form that tests are written in, and from nowhere else', () => {
    expect(
      titlesOf(`
        it('one', () => check('no title'));
        it.skip("isn't two", marbles(m => {}));
        test.prop([number()])(\`three\`, () => {});
        it(
          'four: it\\'s long',
        );
        it.each([['no title']])('five', () => {});
        // it('six, commented out', () => {});
        it.todo('no test yet');
        const names = ['seven'];
      `),
    ).toEqual(['one', "isn't two", 'three', "four: it\\'s long", 'five']);
  });
});
