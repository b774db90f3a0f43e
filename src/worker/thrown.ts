/** What was thrown, in a form that survives the way to another thread, which takes names, classes and fields from errors. */
export type Thrown = { readonly error: PackedError } | { readonly value: unknown };

interface PackedError {
  /** The nearest of the language's own classes. */
  readonly base: string;
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fields: Record<string, unknown>;
  readonly cause: Thrown | undefined;
  readonly errors: readonly Thrown[] | undefined;
}

const bases: Record<string, new (message: string) => Error> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** Causes of causes beyond this are left out: a chain may be a ring. */
const deepest = 8;

export function pack(thrown: unknown, depth = 0): Thrown {
  if (!(thrown instanceof Error)) return { value: sendable(thrown) ? thrown : String(thrown) };
  const { name, message, stack, cause, errors } = thrown as Error & { errors?: unknown };
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(thrown)) {
    if (!packedApart.has(key) && sendable(value)) fields[key] = value;
  }
  return {
    error: {
      base: baseOf(thrown),
      name,
      message,
      stack,
      fields,
      cause: cause === undefined || depth >= deepest ? undefined : pack(cause, depth + 1),
      errors:
        Array.isArray(errors) && depth < deepest
          ? errors.map(each => pack(each, depth + 1))
          : undefined,
    },
  };
}

export function unpack(thrown: Thrown): unknown {
  if (!('error' in thrown)) return thrown.value;
  const { base, name, message, stack, fields, cause, errors } = thrown.error;
  const error = newError(base, name, message, errors);
  const hidden = (key: string, value: unknown): void => {
    Object.defineProperty(error, key, { value, writable: true, configurable: true });
  };
  if (error.name !== name) hidden('name', name);
  if (stack !== undefined) hidden('stack', stack);
  if (cause !== undefined) hidden('cause', unpack(cause));
  return Object.assign(error, fields);
}

const packedApart = new Set(['name', 'message', 'stack', 'cause', 'errors']);

function newError(
  base: string,
  name: string,
  message: string,
  errors: readonly Thrown[] | undefined,
): Error {
  if (errors !== undefined) return new AggregateError(errors.map(unpack), message);
  if (base === 'DOMException') return new DOMException(message, name);
  return new (bases[base] ?? Error)(message);
}

function baseOf(error: Error): string {
  if (typeof DOMException === 'function' && error instanceof DOMException) return 'DOMException';
  for (const [name, Base] of Object.entries(bases)) {
    if (name !== 'Error' && error instanceof Base) return name;
  }
  return 'Error';
}

/** Asked for errors alone, which are rare: the answer costs a copy. */
function sendable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
