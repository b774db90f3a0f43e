import { type Claim, targetsOf } from './allocation.js';
import type { Answer, Entry, Report } from './protocol.js';

/** id, whether for the floor, since when. */
export type Held = [id: number, floor: 0 | 1, since: number];
/** id, whether for the floor, ticket, since when. */
export type Wanted = [id: number, floor: 0 | 1, ticket: number, since: number];

/** What is known of one member. */
export interface Account {
  weight: number;
  limit: number;
  sequence: number;
  expiresAt: number;
  holds: Held[];
  asks: Wanted[];
  /** Permits that are to come back, as of the last look. */
  recall: number;
  /** When it was last given a permit; 0 for never. */
  grantedAt: number;
}

/** A budget, as text could hold it. */
export interface Ledger {
  epoch: string;
  ticket: number;
  /** Nothing is granted before: the memory was lost, and those who hold permits are to say so first. */
  closedUntil: number;
  members: Record<string, Account>;
}

/** What a report did. */
export interface Entered {
  readonly ledger: Ledger;
  readonly answer: Answer;
  /** Whether the ledger has to be kept: more has changed than a time to live that is long enough as it is. */
  readonly changed: boolean;
  /** Members who have something to hear of. */
  readonly wake: readonly string[];
}

/**
 * Enters a report in the books, which are taken over: a copy of them would cost more than all else, and those who keep
 * them as text have made one. The books that Redis keeps follow the same rules, in Lua.
 *
 * @internal
 */
export function enter(
  before: Ledger | undefined,
  report: Report,
  now: number,
  newEpoch: () => string,
): Entered {
  const ledger = before ?? { epoch: newEpoch(), ticket: 0, closedUntil: 0, members: {} };
  let changed = before === undefined;
  if (report.epoch !== '' && report.epoch !== ledger.epoch) {
    const closedUntil = now + report.ttlMillis;
    if (closedUntil > ledger.closedUntil) {
      ledger.closedUntil = closedUntil;
      changed = true;
    }
  }
  const living = Object.entries(ledger.members).filter(([, { expiresAt }]) => expiresAt > now);
  if (living.length < Object.keys(ledger.members).length) {
    ledger.members = Object.fromEntries(living);
    changed = true;
  }

  const known = ledger.members[report.member];
  if (known !== undefined && known.sequence >= report.sequence) {
    return { ledger, changed, wake: [], answer: answerOf(ledger, report, now, [], [], 0, true) };
  }
  const account: Account = {
    weight: report.weight,
    limit: report.limit,
    sequence: report.sequence,
    expiresAt: now + report.ttlMillis,
    holds: [],
    asks: [],
    recall: known?.recall ?? 0,
    grantedAt: known?.grantedAt ?? 0,
  };
  ledger.members[report.member] = account;
  const granted: number[] = [];
  const lost: number[] = [];
  const had = new Map(known?.holds.map(held => [held[0], held]));
  const asked = new Map(known?.asks.map(wanted => [wanted[0], wanted]));
  if (account.grantedAt === 0 && report.holds.length > 0) account.grantedAt = now;
  // First what is known: what is new to the books must not take its place.
  for (const { id, floor } of report.holds) {
    const held = had.get(id);
    if (held !== undefined) account.holds.push([id, flag(floor), held[2]]);
  }
  for (const { id, floor } of report.asks) {
    const held = had.get(id);
    if (held === undefined) continue;
    account.holds.push([id, flag(floor), held[2]]);
    granted.push(id);
  }
  const limit = limitOf(ledger);
  for (const { id, floor } of report.holds) {
    if (had.has(id)) continue;
    if (outOf(ledger) < limit) account.holds.push([id, flag(floor), now]);
    else lost.push(id);
  }
  for (const { id, floor } of report.asks) {
    if (had.has(id)) continue;
    const [, , ticket = (ledger.ticket += 1), since = now] = asked.get(id) ?? [];
    account.asks.push([id, flag(floor), ticket, since]);
  }

  const wake = new Set<string>();
  if (now >= ledger.closedUntil && outOf(ledger) < limit) {
    const accounts = Object.entries(ledger.members);
    const claims = accounts.map(([name, each]) => claimOf(name, each, () => true));
    const targets = targetsOf(claims, limit, now, report.turnMillis);
    let free = limit - outOf(ledger);
    const queue = accounts
      .flatMap(([name, each], index) => each.asks.map(wanted => ({ name, each, index, wanted })))
      .sort(
        ({ wanted: [, oneFloor, one] }, { wanted: [, otherFloor, other] }) =>
          otherFloor - oneFloor || one - other,
      );
    for (const { name, each, index, wanted } of queue) {
      if (free <= 0) break;
      const [id, floor] = wanted;
      if (floor === 0 && each.holds.length >= (targets[index] ?? 0)) continue;
      each.asks.splice(each.asks.indexOf(wanted), 1);
      each.holds.push([id, floor, now]);
      each.grantedAt = now;
      free -= 1;
      if (name === report.member) granted.push(id);
      else wake.add(name);
    }
  }

  const accounts = Object.entries(ledger.members);
  const recalls = recallsOf(accounts, limit, now, report);
  accounts.forEach(([name, each], index) => {
    const recall = recalls[index] ?? 0;
    // Whoever knows is not woken again: two who have too much would wake each other for ever.
    if (recall > each.recall && name !== report.member) wake.add(name);
    if (recall !== each.recall) changed = true;
    each.recall = recall;
  });
  const recall = recalls[accounts.findIndex(([name]) => name === report.member)] ?? 0;
  if (account.holds.length + account.asks.length === 0) {
    const others = Object.entries(ledger.members).filter(([name]) => name !== report.member);
    ledger.members = Object.fromEntries(others);
  }
  const answer = answerOf(ledger, report, now, granted, lost, recall, false);
  changed ||= wake.size > 0 || isNew(known, ledger.members[report.member], report);
  return { ledger, changed, wake: [...wake], answer };
}

/** Only requests that have waited for a while call permits back, and those for a floor at once. */
function recallsOf(
  accounts: readonly (readonly [string, Account])[],
  limit: number,
  now: number,
  { turnMillis, recallAfterMillis }: Report,
): number[] {
  const claims = accounts.map(([name, each]) =>
    claimOf(name, each, ([, floor, , since]) => floor === 1 || now - since >= recallAfterMillis),
  );
  const targets = targetsOf(claims, limit, now, turnMillis);
  return claims.map(({ held }, index) => Math.max(0, held - (targets[index] ?? 0)));
}

function claimOf(member: string, account: Account, counts: (wanted: Wanted) => boolean): Claim {
  const { weight, holds, grantedAt } = account;
  const asks = account.asks.filter(counts);
  return {
    member,
    weight,
    held: holds.length,
    floorHeld: holds.filter(([, floor]) => floor === 1).length,
    wanted: asks.length,
    floorWanted: asks.filter(([, floor]) => floor === 1).length,
    firstTicket: asks.reduce((first, [, , ticket]) => Math.min(first, ticket), Infinity),
    lastGrant: grantedAt,
    waitsSince: Math.max(grantedAt, Math.min(...asks.map(([, , , since]) => since))),
  };
}

function answerOf(
  ledger: Ledger,
  report: Report,
  now: number,
  granted: number[],
  lost: number[],
  recall: number,
  stale: boolean,
): Answer {
  const accounts = Object.values(ledger.members);
  return {
    stale,
    epoch: ledger.epoch,
    granted,
    lost,
    recall,
    limit: accounts.length === 0 ? report.limit : limitOf(ledger),
    out: outOf(ledger),
    waiting: accounts.reduce((total, { asks }) => total + asks.length, 0),
    members: accounts.length,
    expiresMillis:
      accounts.reduce((first, each) => Math.min(first, each.expiresAt), Infinity) - now,
  };
}

/** Where members do not agree, the lowest: a new limit must not be passed because old members know another. */
function limitOf(ledger: Ledger): number {
  return Object.values(ledger.members).reduce(
    (lowest, { limit }) => Math.min(lowest, limit),
    Infinity,
  );
}

function outOf(ledger: Ledger): number {
  return Object.values(ledger.members).reduce((total, { holds }) => total + holds.length, 0);
}

/** Less is not worth a new version. It has to leave a member that gives up in time, at 0.8 of its time to live, that time. */
const LEAST_RENEWAL = 0.1;

function isNew(
  known: Account | undefined,
  account: Account | undefined,
  { ttlMillis }: Report,
): boolean {
  if (known === undefined || account === undefined) return known !== account;
  return (
    account.expiresAt - known.expiresAt >= ttlMillis * LEAST_RENEWAL ||
    account.limit !== known.limit ||
    account.weight !== known.weight ||
    JSON.stringify([account.holds, account.asks]) !== JSON.stringify([known.holds, known.asks])
  );
}

function flag(floor: Entry['floor']): 0 | 1 {
  return floor ? 1 : 0;
}
