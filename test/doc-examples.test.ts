import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import * as rxjs from 'rxjs';
import { beforeAll, describe, expect, it } from 'vitest';

/**
 * Every `@example` and every `ts` block in the comments of src is type-checked, each as a function of a module of its own. It needs no imports: its names
 * are looked for in its own sub-path, in what `doc-examples/given/<sub-path>.ts` declares, in the core, in
 * `doc-examples/given/any.ts` and in rxjs, in this order.
 */
interface Example {
  readonly source: string;
  /** The first line of the code. */
  readonly line: number;
  readonly subPath: string;
  readonly code: string;
}

const root = resolve(import.meta.dirname, '..');
/** Ignored by git, and close enough for the packages of this one to be found. */
const workplace = join(root, 'reports/doc-examples');

/** From `@example` to the next tag, or between fences where there is no tag. */
const anyExample = /@example\b.*?$(.*?)(?=^ *\* @|\*\/)|```ts$(.*?)```/gms;

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(name =>
  name.endsWith('.ts'),
);
const examples = sources.flatMap(examplesOf);

function examplesOf(source: string): Example[] {
  const text = readFileSync(join(root, 'src', source), 'utf8');
  const subPath = source.includes('/') ? source.slice(0, source.indexOf('/')) : '';
  return [...text.matchAll(/^ *\/\*\*.*?\*\//gms)].flatMap(comment =>
    [...comment[0].matchAll(anyExample)].map(match => ({
      source,
      line: lineAt(text, comment.index + match.index) + 1,
      subPath,
      code: (match[1] ?? match[2] ?? '')
        .split('\n')
        .slice(1)
        .map(line => line.replace(/^ *\*? ?/, '').replace(/^```.*/, ''))
        .join('\n')
        .trimEnd(),
    })),
  );
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

/** The names that a module of ours exports. */
function exportsOf(file: string): ReadonlySet<string> {
  const text = readFileSync(file, 'utf8');
  const lists = [...text.matchAll(/^export (?:type )?\{(.*?)\}/gms)].flatMap(match =>
    (match[1] ?? '').split(','),
  );
  const declared = text.matchAll(
    /^export (?:declare )?(?:abstract )?(?:const|let|function|class|type|interface) (\w+\$?)/gm,
  );
  return new Set([
    ...lists.map(name => /(\w+\$?)\s*$/.exec(name)?.[1] ?? ''),
    ...[...declared].map(match => match[1] ?? ''),
  ]);
}

const namesIn = new Map<string, ReadonlySet<string>>();

/** Where the names of an example come from, the nearest first. */
function scopeOf(subPath: string): readonly (readonly [string, ReadonlySet<string>])[] {
  const files = [
    join('src', subPath, 'index.ts'),
    join('test/doc-examples/given', `${subPath === '' ? 'core' : subPath}.ts`),
    'src/index.ts',
    'test/doc-examples/given/any.ts',
  ].filter(file => existsSync(join(root, file)));
  return files.map(file => {
    const names = namesIn.get(file) ?? exportsOf(join(root, file));
    namesIn.set(file, names);
    return [relative(workplace, join(root, file)).replace(/\.ts$/, '.js'), names] as const;
  });
}

/** No property, but what is spread. */
const anyName = /(?<!\w|(?<!\.\.)\.)[A-Za-z_]\w*\$?/g;

function moduleOf({ code, line, subPath }: Example): string {
  const scope = [...scopeOf(subPath), ['rxjs', new Set(Object.keys(rxjs))] as const];
  const found = new Map<string, string[]>();
  for (const word of new Set(code.match(anyName))) {
    const from = scope.find(([, names]) => names.has(word))?.[0];
    if (from !== undefined) found.set(from, [...(found.get(from) ?? []), word]);
  }
  const imports = [...found].map(
    ([from, names]) => `import { ${names.join(', ')} } from '${from}';`,
  );
  // On the line of its source, so that a compiler's complaint points there.
  const gap = '\n'.repeat(line - 2);
  const body = code.replace(/^export default /m, 'return ');
  const module = `${imports.join(' ')}${gap}export async function example() {\n${body}\n}\n`;
  return module.replaceAll(/'rxpool\/([\w-]+)'/g, "'../../src/$1/index.js'");
}

function typeCheck(): Promise<string> {
  const tsc = join(root, 'node_modules/.bin/tsc');
  return new Promise(done => {
    execFile(tsc, ['-p', workplace, '--pretty', 'false'], { cwd: root }, (_, stdout, stderr) => {
      done(stdout + stderr);
    });
  });
}

beforeAll(() => {
  rmSync(workplace, { recursive: true, force: true });
  mkdirSync(workplace, { recursive: true });
  for (const example of examples) {
    const name = `${example.source.replaceAll(/[/.]/g, '-')}-${example.line}.ts`;
    writeFileSync(join(workplace, name), moduleOf(example));
  }
  const tsconfig = {
    extends: '../../tsconfig.json',
    compilerOptions: {
      lib: ['es2023', 'esnext.disposable', 'dom'],
      verbatimModuleSyntax: false, // types are imported like values above
      erasableSyntaxOnly: false, // NestJS has its own ways
      experimentalDecorators: true,
    },
    include: ['*.ts', '../../test/doc-examples/given/*.ts'],
  };
  writeFileSync(join(workplace, 'tsconfig.json'), JSON.stringify(tsconfig));
});

describe('the examples in doc comments', () => {
  it('type-check, every one', { timeout: 240_000 }, async () => {
    expect(examples.length).toBeGreaterThan(50);
    expect(await typeCheck()).toBe('');
  });

  it('are found in every sub-path', () => {
    const withExample = new Set(examples.map(({ subPath }) => subPath));
    const subPaths = sources
      .filter(source => /^[^/]*\/index\.ts$/.test(source))
      .map(source => source.slice(0, source.indexOf('/')));
    expect(subPaths.filter(subPath => !withExample.has(subPath))).toEqual([]);
  });
});
