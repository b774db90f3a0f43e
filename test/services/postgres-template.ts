import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { account } from './account.js';

/**
 * Set where many servers start one after another (`test/run-folder.ts`): a folder of the account that goes with the
 * run. The first server leaves there what initdb made, which takes longer than all the rest of a start, and each
 * that follows takes a copy.
 */
const folder = process.env['RXPOOL_TEST_FOLDER'];
const template = folder === undefined ? undefined : join(folder, 'postgres');

/** False when there is nothing to copy yet. */
export async function copyTemplate(data: string): Promise<boolean> {
  if (template === undefined || !existsSync(template)) return false;
  await copy(template, data);
  return true;
}

/** To be called before a server runs on `data`. */
export async function keepAsTemplate(data: string): Promise<void> {
  if (template === undefined || existsSync(template)) return;
  const mine = `${template}-${String(process.pid)}`;
  await copy(data, mine);
  try {
    renameSync(mine, template);
  } catch (error) {
    // Another test process was first; what is in the folder goes with the run.
    if (!existsSync(template)) throw error;
  }
}

async function copy(from: string, to: string): Promise<void> {
  const cp = spawn('cp', ['-Rp', from, to], { ...account, stdio: ['ignore', 'ignore', 'inherit'] });
  await once(cp, 'exit');
  if (cp.exitCode !== 0) throw new Error(`${from} could not be copied to ${to}`);
}
