import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';

/** A program of docs/examples. */
export interface Example {
  readonly name: string;
  /** What `// prints: …` says after each line that prints. */
  readonly promised: readonly string[];
  /** It takes what this Node has not: `node:sqlite`. */
  readonly wantsNewerNode: boolean;
  /** The variables of the environment that it reads. */
  readonly variables: readonly string[];
}

/** The programs of a folder; what stands in folders beneath belongs to one of them. */
export function examplesIn(folder: string): Example[] {
  return readdirSync(folder)
    .filter(file => file.endsWith('.ts'))
    .sort()
    .map(file => exampleOf(file.slice(0, -'.ts'.length), readFileSync(join(folder, file), 'utf8')));
}

export function exampleOf(name: string, text: string): Example {
  const promised = [...text.matchAll(/\/\/ prints: (.*)$/gm)].map(match => match[1] ?? '');
  const variables = [...text.matchAll(/process\.env(?:\.|\[['"])(\w+)/g)].map(
    match => match[1] ?? '',
  );
  const wantsNewerNode = text.includes("'rxpool/sqlite'") && !isBuiltin('node:sqlite');
  return { name, promised, wantsNewerNode, variables: [...new Set(variables)] };
}
