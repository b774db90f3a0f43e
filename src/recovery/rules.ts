import { InvalidOptionsError } from '../index.js';

/** What an option has to be: the check, and the words for it. */
export type Rule = readonly [check: (value: unknown) => boolean, expected: string];

const isWhole = (value: unknown, least: number): boolean =>
  Number.isInteger(value) && (value as number) >= least;

/** Timers take no more. */
const longestMillis = 2 ** 31 - 1;

export const duration: Rule = [
  value => isWhole(value, 1) && (value as number) <= longestMillis,
  'must be a whole number of milliseconds above 0',
];
export const count: Rule = [value => isWhole(value, 1), 'must be a whole number from 1'];
export const share: Rule = [
  value => typeof value === 'number' && value >= 0 && value <= 1,
  'must be a number from 0 to 1',
];
export const rate: Rule = [
  value => Number.isFinite(value) && (value as number) > 0,
  'must be a finite number above 0',
];
export const factor: Rule = [
  value => Number.isFinite(value) && (value as number) >= 1,
  'must be a finite number from 1',
];
export const callable: Rule = [value => typeof value === 'function', 'must be a function'];
export const scheduler: Rule = [
  value => hasMethod(value, 'now') && hasMethod(value, 'schedule'),
  'must be an RxJS scheduler',
];
export const permitSource: Rule = [value => hasMethod(value, 'acquire'), 'must be a PermitSource'];

/** Refuses unknown and senseless options; `undefined` counts as not given. */
export function checkOptions<Options extends object>(
  owner: string,
  options: Options,
  rules: Readonly<Record<keyof Options, Rule>>,
): void {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw new InvalidOptionsError(owner, 'options', options, 'must be an object');
  }
  for (const key of Object.keys(options) as (keyof Options & string)[]) {
    const value = options[key];
    if (!Object.hasOwn(rules, key)) {
      const known = Object.keys(rules).join(', ');
      throw new InvalidOptionsError(owner, key, value, `is not known; there are ${known}`);
    }
    const [check, expected] = rules[key];
    if (value !== undefined && !check(value)) {
      throw new InvalidOptionsError(owner, key, value, expected);
    }
  }
}

function hasMethod(value: unknown, name: string): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Record<string, unknown>)[name] === 'function'
  );
}
