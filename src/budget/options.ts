import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { InvalidOptionsError } from '../index.js';

/**
 * What a member does while the server of its budget cannot be reached. It takes no new permit in any case, save the
 * share.
 *
 * - `'keep'`: it keeps what it holds. Others may be given those permits once they ran out.
 * - `'none'`: it gives up what it holds before it runs out: after 0.8 of `ttlMillis` without an answer. A process that
 *   stood still past that moment asks first, and gives up where no answer comes within a twentieth of `ttlMillis`.
 * - `{ share: n }`: it keeps, or takes, as many as `n`, and gives up the rest before it runs out. Safe where `n` times
 *   the members is at most the limit.
 */
export type WhenAway = 'keep' | 'none' | { readonly share: number };

/** Options of every budget. All durations are in milliseconds. */
export interface BudgetOptions {
  /** Permits in all, at most. Where members name different limits, the lowest counts. */
  readonly limit: number;
  /** The share of this member, compared with the others', where they want more than there is. Default 1. */
  readonly weight?: number | undefined;
  /** The name of this member, unique among them. Default: a random one. */
  readonly member?: string | undefined;
  /**
   * How long a permit lasts after the last sign of life of its member: the permits of the dead are back after it, and a
   * process that stands still for longer loses its own. Default 10,000, of shared memory 30,000.
   */
  readonly ttlMillis?: number | undefined;
  /** How often a member that holds permits gives a sign of life. Default a third of `ttlMillis`. */
  readonly renewEveryMillis?: number | undefined;
  /** How often a member that waits asks again, where the budget cannot wake it. Default 100. */
  readonly pollMillis?: number | undefined;
  /** How long the server may take for an answer until it counts as away. Default a fifth of `ttlMillis`, at most 2,000. */
  readonly answerTimeoutMillis?: number | undefined;
  /** How long a request has to wait until permits are called back from who has more than its share. Default 100. */
  readonly recallAfterMillis?: number | undefined;
  /** How long a call may go unanswered by leases that end, until the permit is taken, from an idle resource. Default 1,000. */
  readonly takeBackAfterMillis?: number | undefined;
  /** With fewer permits than members they go round: how long one stays. Default 5,000. */
  readonly turnMillis?: number | undefined;
  /** What to do while the server cannot be reached. Default `'keep'`. */
  readonly whenAway?: WhenAway | undefined;
  /** The clock and timer of everything. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

export interface ResolvedOptions {
  readonly limit: number;
  readonly weight: number;
  readonly member: string;
  readonly ttlMillis: number;
  readonly renewEveryMillis: number;
  readonly pollMillis: number;
  readonly answerTimeoutMillis: number;
  readonly recallAfterMillis: number;
  readonly takeBackAfterMillis: number;
  readonly turnMillis: number;
  readonly whenAway: WhenAway;
  readonly scheduler: SchedulerLike;
}

export interface Defaults {
  readonly member: () => string;
  readonly ttlMillis: number;
}

type Rule = [expected: string, holds: (value: unknown) => boolean];

const count: Rule = [
  'must be a whole number from 1 on',
  value => Number.isSafeInteger(value) && (value as number) > 0,
];
const positive: Rule = [
  'must be a positive number',
  value => typeof value === 'number' && value > 0 && value < Infinity,
];
const millis: Rule = ['must be a positive number of milliseconds', positive[1]];
const name: Rule = [
  'must be a string that is not empty, without commas',
  value => typeof value === 'string' && value !== '' && !value.includes(','),
];
const scheduler: Rule = [
  'must be an RxJS scheduler',
  value =>
    typeof value === 'object' &&
    value !== null &&
    'schedule' in value &&
    typeof value.schedule === 'function' &&
    'now' in value &&
    typeof value.now === 'function',
];
const whenAway: Rule = [
  "must be 'keep', 'none' or { share: a whole number from 1 on }",
  value =>
    value === 'keep' ||
    value === 'none' ||
    (typeof value === 'object' && value !== null && 'share' in value && count[1](value.share)),
];

const rules: Readonly<Record<keyof BudgetOptions, Rule>> = {
  limit: count,
  weight: positive,
  member: name,
  ttlMillis: millis,
  renewEveryMillis: millis,
  pollMillis: millis,
  answerTimeoutMillis: millis,
  recallAfterMillis: millis,
  takeBackAfterMillis: millis,
  turnMillis: millis,
  whenAway,
  scheduler,
};

/** Refuses what makes no sense; options of the one kind of budget have been taken out before. */
export function resolveOptions(
  owner: string,
  options: BudgetOptions,
  defaults: Defaults,
  ownNames: readonly string[] = [],
): ResolvedOptions {
  for (const [option, value] of Object.entries(options)) {
    if (!(option in rules)) {
      const nearest = nearestName(option, [...Object.keys(rules), ...ownNames]);
      throw new InvalidOptionsError(
        owner,
        option,
        value,
        `is not known; did you mean "${nearest}"?`,
      );
    }
    const [expected, holds] = rules[option as keyof BudgetOptions];
    if (value !== undefined && !holds(value)) {
      throw new InvalidOptionsError(owner, option, value, expected);
    }
  }
  // Callers without types forget it.
  const limit = options.limit as number | undefined;
  if (limit === undefined) throw new InvalidOptionsError(owner, 'limit', limit, count[0]);
  const ttlMillis = options.ttlMillis ?? defaults.ttlMillis;
  const renewEveryMillis = options.renewEveryMillis ?? ttlMillis / 3;
  if (renewEveryMillis > ttlMillis / 2) {
    throw new InvalidOptionsError(
      owner,
      'renewEveryMillis',
      renewEveryMillis,
      'must be at most half of ttlMillis',
    );
  }
  return {
    limit,
    weight: options.weight ?? 1,
    member: options.member ?? defaults.member(),
    ttlMillis,
    renewEveryMillis,
    pollMillis: options.pollMillis ?? 100,
    answerTimeoutMillis: options.answerTimeoutMillis ?? Math.min(2_000, ttlMillis / 5),
    recallAfterMillis: options.recallAfterMillis ?? 100,
    takeBackAfterMillis: options.takeBackAfterMillis ?? 1_000,
    turnMillis: options.turnMillis ?? 5_000,
    whenAway: options.whenAway ?? 'keep',
    scheduler: options.scheduler ?? asyncScheduler,
  };
}

/** Of a key that has to be a name. */
export function checkKey(owner: string, key: unknown): void {
  if (typeof key !== 'string' || key === '') {
    throw new InvalidOptionsError(owner, 'key', key, 'must be a string that is not empty');
  }
}

export function randomName(): string {
  return crypto.randomUUID();
}

function nearestName(wrong: string, names: readonly string[]): string {
  let nearest = '';
  let least = Infinity;
  for (const candidate of names) {
    const distance = editsBetween(wrong.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

function editsBetween(one: string, other: string): number {
  let above = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 0; row < one.length; row += 1) {
    const line = [row + 1];
    for (let column = 0; column < other.length; column += 1) {
      const kept = (above[column] ?? 0) + (one[row] === other[column] ? 0 : 1);
      line.push(Math.min(kept, (above[column + 1] ?? 0) + 1, (line[column] ?? 0) + 1));
    }
    above = line;
  }
  return above.at(-1) ?? 0;
}
