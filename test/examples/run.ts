import { spawn } from 'node:child_process';
import type { Example } from './example.js';

/** What became of a program. */
export interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMillis: number;
}

/** Runs a program with that Node, in a process of its own, until it ends by itself or its time is over. */
export function run(
  node: string,
  file: string,
  environment: Readonly<Record<string, string>>,
  limitMillis: number,
): Promise<Outcome> {
  const startedAt = performance.now();
  const child = spawn(node, [file], {
    env: { ...process.env, ...environment, FORCE_COLOR: undefined, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const limit = setTimeout(() => child.kill('SIGKILL'), limitMillis);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', code => {
      clearTimeout(limit);
      const tookMillis = Math.round(performance.now() - startedAt);
      resolve({ exitCode: code ?? undefined, stdout, stderr, tookMillis });
    });
  });
}

/** What is wrong with an outcome, in plain sentences; none where all is well. */
export function faults(example: Example, outcome: Outcome, limitMillis: number): string[] {
  const { exitCode, stdout, stderr, tookMillis } = outcome;
  const found: string[] = [];
  if (exitCode === undefined) {
    found.push(tookMillis >= limitMillis ? `did not end in ${limitMillis} ms` : 'was killed');
  } else if (exitCode !== 0) {
    found.push(`ended with ${exitCode}`);
  }
  if (stderr !== '') found.push(`wrote to stderr:\n${stderr.trimEnd()}`);
  if (example.promised.length === 0) found.push('has no `// prints: …` that could be compared');
  const missing = firstMissing(example.promised, stdout.split('\n'));
  if (missing !== undefined) {
    found.push(`did not print "${missing}" where it says so, but:\n${stdout.trimEnd()}`);
  }
  return found;
}

/** The promised lines come in their order; others may come between. */
function firstMissing(promised: readonly string[], printed: readonly string[]): string | undefined {
  let from = 0;
  for (const line of promised) {
    const at = printed.indexOf(line, from);
    if (at < 0) return line;
    from = at + 1;
  }
  return undefined;
}
