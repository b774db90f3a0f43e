import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';

/**
 * What users import says what it is: each name of an entry of `exports`, and each of its members, has a doc comment;
 * what they call or catch has an example too, which `doc-examples.test.ts` compiles.
 */
const root = resolve(import.meta.dirname, '..');

interface Name {
  readonly entry: string;
  readonly name: string;
  readonly symbol: ts.Symbol;
}

let checker: ts.TypeChecker;
let names: Name[] = [];

beforeAll(() => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { types: string }>;
  };
  const entries = Object.entries(exports).flatMap(([entry, target]) =>
    typeof target === 'string'
      ? []
      : [{ entry, file: join(root, target.types.replace('./dist/', 'src/').replace('.d.', '.')) }],
  );
  const program = ts.createProgram(
    entries.map(({ file }) => file),
    ts.getParsedCommandLineOfConfigFile(
      join(root, 'tsconfig.build.json'),
      {},
      {
        ...ts.sys,
        onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
          throw new Error(ts.flattenDiagnosticMessageText(messageText, '\n'));
        },
      },
    )?.options ?? {},
  );
  checker = program.getTypeChecker();
  names = entries.flatMap(({ entry, file }) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
    return checker.getExportsOfModule(module).map(symbol => ({
      entry,
      name: symbol.name,
      symbol: symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
    }));
  });
}, 60_000);

const isDocumented = (symbol: ts.Symbol): boolean =>
  ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim() !== '';

const hasExample = (symbol: ts.Symbol): boolean =>
  symbol.getJsDocTags(checker).some(({ name }) => name === 'example') ||
  ts.displayPartsToString(symbol.getDocumentationComment(checker)).includes('```ts');

/** What stands in the interface, class or enumeration itself, for users to use. */
function membersOf({ symbol }: Name): ts.Symbol[] {
  return [...(symbol.members?.values() ?? [])].filter(member => {
    const [declaration] = member.declarations ?? [];
    if (declaration === undefined || ts.isTypeParameterDeclaration(declaration)) return false;
    // The pool makes its errors, and nobody else; what a class does in private is its own business.
    if (ts.isConstructorDeclaration(declaration)) return false;
    const { name } = declaration as ts.NamedDeclaration;
    return name === undefined || !ts.isPrivateIdentifier(name);
  });
}

describe('the public names', () => {
  it('have a doc comment, each of them', () => {
    const bare = names.filter(({ symbol }) => !isDocumented(symbol));

    expect(names.length).toBeGreaterThan(300);
    expect(bare.map(({ entry, name }) => `${entry} ${name}`)).toEqual([]);
  });

  it('have members that have a doc comment, each of them', () => {
    const members = names.flatMap(named =>
      membersOf(named).map(member => ({ ...named, symbol: member })),
    );
    const bare = members.filter(({ symbol }) => !isDocumented(symbol));

    expect(members.length).toBeGreaterThan(600);
    expect(bare.map(({ entry, name, symbol }) => `${entry} ${name}.${symbol.name}`)).toEqual([]);
  });

  it('have an example where they can be called, made or caught', () => {
    const used = names.filter(({ symbol }) =>
      Boolean(
        symbol.flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Class | ts.SymbolFlags.Variable),
      ),
    );
    const bare = used.filter(({ symbol }) => !hasExample(symbol));

    expect(used.length).toBeGreaterThan(100);
    expect(bare.map(({ entry, name }) => `${entry} ${name}`)).toEqual([]);
  });
});
