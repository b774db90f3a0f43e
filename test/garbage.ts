import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// Switched on here and not for the whole process, so that every runner of these tests can do without options.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Collects everything that nothing reaches. */
export function collectGarbage(): void {
  collect();
  collect();
}

export function heapBytes(): number {
  return process.memoryUsage().heapUsed;
}

/**
 * How many of these are still reachable. Waits for the end of the task first: what a function on the stack or a
 * settled promise still holds is no leak, and neither is a WeakRef that was looked at in this task.
 */
export async function countAlive(references: readonly WeakRef<object>[]): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    await new Promise(resolve => setImmediate(resolve));
    collectGarbage();
  }
  return references.filter(reference => reference.deref() !== undefined).length;
}
