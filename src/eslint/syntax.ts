/** What the rule needs of a node of ESLint's syntax tree: structural, so that nobody needs its types. */
export interface SyntaxNode {
  readonly type: string;
  readonly callee?: SyntaxNode;
  readonly object?: SyntaxNode;
  readonly property?: SyntaxNode;
  readonly expression?: SyntaxNode;
  readonly computed?: boolean;
  readonly name?: string;
  readonly key?: SyntaxNode;
  readonly value?: unknown;
  readonly arguments?: readonly SyntaxNode[];
  readonly properties?: readonly SyntaxNode[];
}

const wrappers = ['ChainExpression', 'TSNonNullExpression', 'TSAsExpression'];

/** The `pool.acquire()` of `pool?.acquire()`, `pool.acquire()!` or one with a type assertion. */
export function bare(node: SyntaxNode | undefined): SyntaxNode | undefined {
  return node !== undefined && wrappers.includes(node.type) ? bare(node.expression) : node;
}

/** The object whose method of that name is called. */
export function callOf(node: SyntaxNode | undefined, method: string): SyntaxNode | undefined {
  const call = bare(node);
  if (call?.type !== 'CallExpression') return undefined;
  const callee = bare(call.callee);
  if (callee?.type !== 'MemberExpression' || callee.computed === true) return undefined;
  return callee.property?.name === method ? bare(callee.object) : undefined;
}

/** The name of a function that is called: `take` of `take(1)` and of `operators.take(1)`. */
export function calledName(node: SyntaxNode | undefined): string | undefined {
  const call = bare(node);
  if (call?.type !== 'CallExpression') return undefined;
  const callee = bare(call.callee);
  if (callee?.type === 'Identifier') return callee.name;
  return callee?.type === 'MemberExpression' ? callee.property?.name : undefined;
}

/** The value of a property that is written out in an object. */
export function propertyOf(node: SyntaxNode | undefined, name: string): unknown {
  const property = node?.properties?.find(({ key }) => key?.name === name || key?.value === name);
  return (property?.value as SyntaxNode | undefined)?.value;
}
