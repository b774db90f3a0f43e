// What "Start here" tells its reader to do.

import { readFileSync } from 'node:fs';

const page = readFileSync(new URL('../../docs/start.md', import.meta.url), 'utf8');

/** The commands of its shell blocks, in order. */
export const shellCommands = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) =>
  block.trim().split('\n'),
);

/** The code that the page says to save under this name, and what it prints. */
export function fileOf(name) {
  const from = page.indexOf(`\`${name}\``);
  if (from < 0) throw new Error(`docs/start.md tells nobody to save ${name}`);
  const block = /```(?:js|ts|html)\n(.*?)^```$.*?^```text\n(.*?)^```$/ms.exec(page.slice(from));
  if (block === null) throw new Error(`docs/start.md does not say what ${name} prints`);
  return { code: block[1], prints: block[2] };
}

/** How the page says to compile it. */
export function compileCommand(name) {
  const found = [...page.matchAll(/`(npx tsc [^`]*)`/g)].find(([, line]) => line.endsWith(name));
  if (found === undefined) throw new Error(`docs/start.md does not say how to compile ${name}`);
  return found[1];
}
