import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

/**
 * Every `ts` block of README.md and docs is type-checked, each as a module of its own. One that starts with
 * ```` ```ts run ```` is executed too, and must log what its `// prints: …` comments say. What a block takes for
 * granted stands before it in a comment, `<!-- given … -->`.
 */
interface Block {
  readonly document: string;
  readonly line: number;
  readonly file: string;
  readonly runs: boolean;
  readonly code: string;
}

const root = resolve(import.meta.dirname, '..');
/** Ignored by git, and close enough for the packages of this one to be found. */
const workplace = join(root, 'reports/markdown');

/** Written by tools, from what is checked elsewhere. */
const generated = /^(api-report|reference|\.vitepress)\//;

/** Blocks that are no TypeScript, by the tests that run them: start-guide.test.ts and start/run.mjs; traps-lint.test.ts. */
const triedElsewhere: Readonly<Record<string, readonly string[]>> = {
  'docs/start.md': ['js', 'js', 'html'],
  'docs/traps.md': ['js', 'js'],
};

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  ...(existsSync(join(root, 'docs'))
    ? readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
        .filter(name => name.endsWith('.md') && !generated.test(name))
        .map(name => `docs/${name}`)
    : []),
];
const textOf = (document: string): string => readFileSync(join(root, document), 'utf8');

const anyFence = /^ *```(?:ts|typescript|tsx)\b/gm;
const fence = /(?:<!-- given\n(?<given>.*?)\n-->\n+)?^```ts(?<run> run)?\n(?<code>.*?)\n```$/gms;

function blocksOf(document: string): Block[] {
  const text = textOf(document);
  return [...text.matchAll(fence)].map(match => {
    const { given, run, code = '' } = match.groups ?? {};
    const line = lineAt(text, match.index + match[0].indexOf('```ts'));
    const file = join(workplace, `${document.replaceAll(/[/.]/g, '-')}-line-${line}.ts`);
    const module = onItsLines(text, match, [given ?? '', code]);
    return { document, line, file, runs: run !== undefined, code: withSources(module, file) };
  });
}

const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length;

/** The code on the lines that it has in its document, so that a compiler's complaint points there. */
function onItsLines(text: string, match: RegExpExecArray, parts: readonly string[]): string {
  const lines: string[] = [];
  let from = match.index;
  for (const part of parts.filter(({ length }) => length > 0)) {
    const at = text.indexOf(part, from);
    from = at + part.length;
    while (lines.length < lineAt(text, at) - 1) lines.push('');
    lines.push(...part.split('\n'));
  }
  return `${lines.join('\n')}\nexport {};\n`;
}

/** What users import from the package comes from its sources here. */
function withSources(code: string, file: string): string {
  const sources = relative(dirname(file), join(root, 'src'));
  return code.replaceAll(/'rxpool(?:\/([\w-]+))?'/g, (_, subPath?: string) =>
    subPath === undefined ? `'${sources}/index.js'` : `'${sources}/${subPath}/index.js'`,
  );
}

function typeCheck(): Promise<string> {
  const tsc = join(root, 'node_modules/.bin/tsc');
  return new Promise(done => {
    execFile(tsc, ['-p', workplace, '--pretty', 'false'], { cwd: root }, (_, stdout, stderr) => {
      done(stdout + stderr);
    });
  });
}

const blocks = documents.flatMap(blocksOf);

beforeAll(() => {
  rmSync(workplace, { recursive: true, force: true });
  mkdirSync(workplace, { recursive: true });
  for (const { file, code } of blocks) writeFileSync(file, code);
  const tsconfig = {
    extends: '../../tsconfig.json',
    // Like most users': with the browser's types beside Node's, packages taken as they are, and Nest's decorators.
    compilerOptions: {
      lib: ['es2023', 'esnext.disposable', 'dom'],
      skipLibCheck: true,
      erasableSyntaxOnly: false,
      experimentalDecorators: true,
    },
    include: ['*.ts'],
  };
  writeFileSync(join(workplace, 'tsconfig.json'), JSON.stringify(tsconfig));
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the code in the documentation', () => {
  it('type-checks, every block', { timeout: 240_000 }, async () => {
    expect(blocks.length).toBeGreaterThan(0);
    expect(await typeCheck()).toBe('');
  });

  it.each(
    blocks
      .filter(({ runs }) => runs)
      .map(block => [`${block.document}:${block.line}`, block] as const),
  )('at %s does what its comments say', async (_, { file, code }) => {
    const printed: string[] = [];
    vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
      printed.push(values.join(' '));
    });
    await import(file);

    const promised = [...code.matchAll(/\bprints: (.*)$/gm)].map(match => match[1] ?? '');
    expect(promised).not.toEqual([]);
    expect(printed.join(', ')).toBe(promised.join(', '));
  });

  it.each(documents)('in %s has no block that this test overlooks', document => {
    const found = blocks.filter(block => block.document === document);

    expect(found).toHaveLength([...textOf(document).matchAll(anyFence)].length);
  });

  it.each(documents)('in %s is in a language that some test runs', document => {
    const languages = [...textOf(document).matchAll(/^ *```([^\s`]+)/gm)].map(match => match[1]);
    const strange = languages.filter(language => !['ts', 'sh', 'text'].includes(language ?? ''));

    expect(strange).toEqual(triedElsewhere[document] ?? []);
  });

  it.each(documents)('in %s names only npm scripts that there are', document => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
    const named = [...textOf(document).matchAll(/\bnpm (?:run )?(start|test|(?<=run )[\w:-]+)/g)];

    expect(named.map(match => match[1] ?? '').filter(name => !(name in scripts))).toEqual([]);
  });

  it.each(documents)('in %s links only to what there is', document => {
    const text = textOf(document);
    const prose = text.replaceAll(/^```.*?^```$/gms, '');
    const anchors = [...prose.matchAll(/^#+ (.*)$/gm)].map(match => `#${anchorOf(match[1] ?? '')}`);
    const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(match => match[1] ?? '');
    const broken = links.filter(link => {
      if (/^(https?|mailto):/.test(link)) return false;
      if (link.startsWith('#')) return !anchors.includes(link);
      return !existsSync(join(root, dirname(document), link.replace(/#.*/, '')));
    });

    expect(broken).toEqual([]);
  });
});

it('docs/recipes.md leads to every program of docs/examples', () => {
  const programs = readdirSync(join(root, 'docs/examples')).filter(name => name.endsWith('.ts'));
  const links = [...textOf('docs/recipes.md').matchAll(/\]\(examples\/([\w-]+\.ts)\)/g)];

  expect(links.map(match => match[1]).sort()).toEqual(programs.sort());
});

/** As GitHub makes them. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}
