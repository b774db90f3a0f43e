/** Runs a function; what it starts remembers the async context that this runner was made in. */
export type Runner = <R>(work: () => R) => R;

/** A value that follows a call into everything that it starts. */
export interface AsyncStorage<S> {
  run<R>(store: S, work: () => R): R;
  getStore(): S | undefined;
}

interface AsyncHooks {
  readonly AsyncLocalStorage?: {
    new <S>(): AsyncStorage<S>;
    snapshot?(): Runner;
  };
}

/** Without an import of Node's: the core runs in browsers too. */
function asyncHooks(): AsyncHooks | undefined {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(id: string): AsyncHooks | undefined };
  };
  return process?.getBuiltinModule?.('node:async_hooks');
}

/**
 * A runner for the async context of now. Timers and creates belong to the pool: started in the context of the request
 * that happens to cause them, they would keep its AsyncLocalStorage store alive for as long as the connection lives.
 * Where the runtime has no such contexts, work just runs.
 */
export function currentContext(): Runner {
  return asyncHooks()?.AsyncLocalStorage?.snapshot?.() ?? (work => work());
}

/** Undefined where the runtime has no async contexts. */
export function asyncStorage<S>(): AsyncStorage<S> | undefined {
  const AsyncLocalStorage = asyncHooks()?.AsyncLocalStorage;
  return AsyncLocalStorage === undefined ? undefined : new AsyncLocalStorage<S>();
}
