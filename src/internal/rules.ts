import { isObservable } from 'rxjs';
import { InvalidOptionsError } from '../errors.js';

export type Check = (value: unknown) => boolean;

export interface Rule {
  readonly check: Check;
  readonly expected: string;
}

const isWhole: Check = value => Number.isInteger(value);
export const isDuration: Check = value =>
  value === Infinity || (isWhole(value) && (value as number) > 0);

export const hook: Rule = {
  check: value => typeof value === 'function',
  expected: 'must be a function',
};
export const flag: Rule = {
  check: value => typeof value === 'boolean',
  expected: 'must be true or false',
};
export const duration: Rule = {
  check: isDuration,
  expected: 'must be a whole number of milliseconds above 0, or Infinity for off',
};
export const countOrMore = (least: number, finite: boolean): Rule => ({
  check: value => (isWhole(value) && (value as number) >= least) || (!finite && value === Infinity),
  expected: `must be a whole number from ${least}${finite ? '' : ', or Infinity'}`,
});
export const oneOf = (...words: readonly string[]): Rule => ({
  check: value => words.includes(value as string),
  expected: `must be ${words.map(word => `'${word}'`).join(' or ')}`,
});
export const orObservable = (rule: Rule): Rule => ({
  check: value => rule.check(value) || isObservable(value),
  expected: `${rule.expected}, or an Observable of such`,
});
export const hasMethods = (expected: string, ...methods: readonly string[]): Rule => ({
  check: value =>
    typeof value === 'object' &&
    value !== null &&
    methods.every(method => typeof (value as Record<string, unknown>)[method] === 'function'),
  expected,
});

export const schedulerRule: Rule = hasMethods('must be an RxJS scheduler', 'now', 'schedule');
export const shareRule: Rule = {
  check: value => typeof value === 'number' && value >= 0 && value <= 1,
  expected: 'must be a number from 0 to 1',
};
/** Returns a copy without the options that were not given; `undefined` counts as not given. */
export function checkRules<Options extends object>(
  pool: string,
  options: Options,
  rules: Record<keyof Options, Rule>,
): Options {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw new InvalidOptionsError(pool, 'options', options, 'must be an object');
  }
  const named = (options as { name?: unknown }).name;
  const name = typeof named === 'string' && named !== '' ? named : pool;
  const given: Partial<Options> = {};
  for (const key in options) {
    const value = options[key];
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
    if (rule === undefined) {
      const nearest = nearestName(key, Object.keys(rules));
      throw new InvalidOptionsError(name, key, value, `is not known; did you mean "${nearest}"?`);
    }
    if (value === undefined) continue;
    if (!rule.check(value)) throw new InvalidOptionsError(name, key, value, rule.expected);
    given[key] = value;
  }
  return given as Options;
}

function nearestName(name: string, names: readonly string[]): string {
  let nearest = '';
  let least = Infinity;
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
