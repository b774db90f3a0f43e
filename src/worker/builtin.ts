/** A module of Node, where there is Node: an import of it would break bundles for browsers. */
export function builtin(name: string): object | undefined {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(id: string): object | undefined };
  };
  return process?.getBuiltinModule?.(`node:${name}`);
}
