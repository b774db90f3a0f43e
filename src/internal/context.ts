/** Runs a function; what it starts remembers the async context that this runner was made in. */
export type Runner = <R>(work: () => R) => R;

interface AsyncHooks {
  readonly AsyncLocalStorage?: { snapshot?(): Runner };
}

/**
 * A runner for the async context of now. Timers and creates belong to the pool: started in the context of the request
 * that happens to cause them, they would keep its AsyncLocalStorage store alive for as long as the connection lives.
 * Where the runtime has no such contexts, work just runs.
 */
export function currentContext(): Runner {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(id: string): AsyncHooks | undefined };
  };
  const hooks = process?.getBuiltinModule?.('node:async_hooks');
  return hooks?.AsyncLocalStorage?.snapshot?.() ?? (work => work());
}
