import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Census } from './census.js';

/** How long after a kill the last of a process was gone. */
export interface Obituary {
  readonly process: string;
  /** Its permits, from the budget's books: undefined if it held none. */
  readonly permitsBackMillis: number | undefined;
  /** Its connections, from the server's list. */
  readonly connectionsGoneMillis: number;
}

const lookEveryMillis = 5;
const giveUpMillis = 30_000;

/** Watches what a killed process leaves behind. */
export async function watchEnd(
  redis: Redis,
  key: string,
  census: Census,
  process: string,
): Promise<Obituary> {
  const killedAt = performance.now();
  let permitsBackMillis: number | undefined;
  let connectionsGoneMillis: number | undefined;
  let arePermitsBack = false;
  while (!arePermitsBack || connectionsGoneMillis === undefined) {
    // Looked at before the clock: what is gone was gone by then.
    const names = await redis.hkeys(`{${key}}:members`);
    const passedMillis = performance.now() - killedAt;
    if (passedMillis > giveUpMillis) throw new Error(`something of ${process} stays for ever`);
    if (!arePermitsBack) {
      if (names.some(name => name.startsWith(`${process}-`))) permitsBackMillis = passedMillis;
      else arePermitsBack = true;
    }
    if (connectionsGoneMillis === undefined && !census.byProcess.has(process)) {
      connectionsGoneMillis = passedMillis;
    }
    await sleep(lookEveryMillis);
  }
  return { process, permitsBackMillis, connectionsGoneMillis };
}
