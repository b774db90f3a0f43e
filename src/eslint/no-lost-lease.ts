import { bare, callOf, calledName, propertyOf, type SyntaxNode } from './syntax.js';

/** What the rule uses of the context that ESLint gives it. */
export interface RuleContext {
  /** The file; `parserServices` has its types where linting is typed. */
  readonly sourceCode: { readonly parserServices?: unknown };
  /** Tells the user of one place, by the name of a message of the rule. */
  report(found: { readonly node: never; readonly messageId: string }): void;
}

/** A rule as ESLint wants it. */
export interface Rule {
  /** What ESLint shows of the rule: it finds problems, takes no options and says one of `messages`. */
  readonly meta: {
    readonly type: 'problem';
    readonly docs: { readonly description: string };
    readonly schema: [];
    readonly messages: Record<string, string>;
  };
  /** Called once for each file; ESLint calls what it returns for every call in the code. */
  create(context: RuleContext): { CallExpression(node: unknown): void };
}

/** What a typed parser says of an expression; without one the rule goes by names. */
interface TypeServices {
  getTypeAtLocation?(node: SyntaxNode): {
    readonly flags: number;
    getProperty(name: string): unknown;
  };
}

/** `any` and `unknown` in TypeScript's flags. */
const saysNothing = 1 | 2;

/**
 * Finds where a lease of `pool.acquire()` ends before the work, or never: `firstValueFrom`, `take(1)` and `first()`
 * unsubscribe with the first value, `lastValueFrom` and `toPromise` wait for an end that does not come, `shareReplay`
 * without `refCount` never unsubscribes. With typed linting only pools are looked at, else whatever has an `acquire`.
 */
export const noLostLease: Rule = {
  meta: {
    type: 'problem',
    docs: { description: 'disallow consumers of acquire() that end its lease too early, or never' },
    schema: [],
    messages: {
      endsAtOnce:
        'The lease is given back with the first value, before the work. Use pool.use(…), or await pool.lease().',
      neverEnds:
        'acquire() stays open while the lease is held: this waits for ever. Use pool.use(…), or await pool.lease().',
      neverGivenBack:
        'shareReplay without refCount never unsubscribes: the lease is never given back. Use share(), or refCount: true.',
    },
  },
  create(context) {
    const report = (node: unknown, messageId: string): void => {
      context.report({ node: node as never, messageId });
    };
    const acquires = (node: SyntaxNode | undefined): boolean => {
      const pool = callOf(node, 'acquire');
      return pool !== undefined && mayBePool(context, pool);
    };
    return {
      CallExpression(given) {
        const node = given as SyntaxNode;
        const [first] = node.arguments ?? [];
        if (acquires(first)) {
          const name = calledName(node);
          if (name === 'firstValueFrom') report(node, 'endsAtOnce');
          if (name === 'lastValueFrom') report(node, 'neverEnds');
        }
        if (acquires(callOf(node, 'toPromise'))) report(node, 'neverEnds');
        if (!acquires(callOf(node, 'pipe'))) return;
        if (endsWithFirst(first)) report(first, 'endsAtOnce');
        for (const operator of node.arguments ?? []) {
          if (keepsForEver(operator)) report(operator, 'neverGivenBack');
        }
      },
    };
  },
};

function endsWithFirst(operator: SyntaxNode | undefined): boolean {
  const name = calledName(operator);
  return name === 'first' || (name === 'take' && bare(operator)?.arguments?.[0]?.value === 1);
}

function keepsForEver(operator: SyntaxNode): boolean {
  if (calledName(operator) !== 'shareReplay') return false;
  const [options] = bare(operator)?.arguments ?? [];
  const isWrittenOut =
    options === undefined || ['Literal', 'ObjectExpression'].includes(options.type);
  return isWrittenOut && propertyOf(options, 'refCount') !== true;
}

function mayBePool(context: RuleContext, node: SyntaxNode): boolean {
  const services = context.sourceCode.parserServices as TypeServices | undefined;
  const type = services?.getTypeAtLocation?.(node);
  if (type === undefined || (type.flags & saysNothing) !== 0) return true;
  return type.getProperty('stats$') !== undefined && type.getProperty('lease') !== undefined;
}
