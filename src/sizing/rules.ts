import { InvalidOptionsError, type Pool } from '../index.js';
import type { AdaptiveMaxOptions } from './adaptive-max.js';

type Rule = readonly [check: (value: unknown) => boolean, expected: string];

/** Timers take no more. */
const longestMillis = 2 ** 31 - 1;

const count: Rule = [
  value => Number.isInteger(value) && (value as number) >= 1,
  'must be a whole number from 1',
];
const share: Rule = [
  value => typeof value === 'number' && value > 0 && value < 1,
  'must be a number between 0 and 1',
];
const rules: Readonly<Record<keyof AdaptiveMaxOptions, Rule>> = {
  min: count,
  max: count,
  sampleMillis: [
    value => count[0](value) && (value as number) <= longestMillis,
    'must be a whole number of milliseconds above 0',
  ],
  tolerance: share,
  changeThreshold: share,
  confirmations: count,
  recheckEvery: count,
  scheduler: [
    value =>
      typeof value === 'object' &&
      value !== null &&
      typeof (value as { now?: unknown }).now === 'function' &&
      typeof (value as { schedule?: unknown }).schedule === 'function',
    'must be an RxJS scheduler',
  ],
};

export function checkAdaptiveMax<T>(pool: Pool<T>, options: AdaptiveMaxOptions): void {
  const refuse = (option: string, value: unknown, expected: string): never => {
    throw new InvalidOptionsError(pool.name, option, value, expected);
  };
  if (typeof options !== 'object' || (options as unknown) === null) {
    refuse('options', options, 'must be an object');
  }
  for (const [option, value] of Object.entries(options)) {
    if (!Object.hasOwn(rules, option)) {
      refuse(option, value, `is not known; there are ${Object.keys(rules).join(', ')}`);
    }
    const [check, expected] = rules[option as keyof AdaptiveMaxOptions];
    if (value !== undefined && !check(value)) refuse(option, value, expected);
  }
  const { min = Math.max(1, pool.state.min), max } = options;
  // Callers without types forget it.
  if ((max as number | undefined) === undefined) refuse('max', max, count[1]);
  if (max < pool.state.min) {
    refuse('max', max, `must not be below the min of the pool (${pool.state.min})`);
  }
  if (min > max) refuse('min', min, `must not be above max (${max})`);
}
