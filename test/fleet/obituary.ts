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
  /** Permits times milliseconds that nobody could use, up to the end of the measurement. */
  readonly lockedUp: number;
}

const lookEveryMillis = 5;
const giveUpMillis = 30_000;

/** Watches what a killed process leaves behind; `measuredUntil` is when the measurement ends, by `performance.now()`. */
export async function watchEnd(
  redis: Redis,
  key: string,
  census: Census,
  process: string,
  measuredUntil: number,
): Promise<Obituary> {
  const killedAt = performance.now();
  let lookedAt = killedAt;
  let lockedUp = 0;
  let permitsBackMillis: number | undefined;
  let connectionsGoneMillis: number | undefined;
  let arePermitsBack = false;
  while (!arePermitsBack || connectionsGoneMillis === undefined) {
    // Looked at before the clock: what is gone was gone by then.
    const books = await redis.hgetall(`{${key}}:members`);
    const now = performance.now();
    const passedMillis = now - killedAt;
    const ofTheDead = Object.entries(books).filter(([name]) => name.startsWith(`${process}-`));
    // Its requests are granted permits too, until it is known to be dead.
    const held = ofTheDead.reduce((sum, [, account]) => sum + heldBy(account), 0);
    lockedUp += held * Math.max(0, Math.min(now, measuredUntil) - lookedAt);
    lookedAt = now;
    if (passedMillis > giveUpMillis) throw new Error(`something of ${process} stays for ever`);
    if (!arePermitsBack) {
      if (ofTheDead.length > 0) permitsBackMillis = passedMillis;
      else arePermitsBack = true;
    }
    if (connectionsGoneMillis === undefined && !census.byProcess.has(process)) {
      connectionsGoneMillis = passedMillis;
    }
    await sleep(lookEveryMillis);
  }
  return { process, permitsBackMillis, connectionsGoneMillis, lockedUp };
}

function heldBy(account: string): number {
  const { h } = JSON.parse(account) as { readonly h: readonly unknown[] };
  // An empty list is written as an object there.
  return Array.isArray(h) ? h.length : 0;
}
