import { InvalidOptionsError } from '../index.js';

/** Refuses what is no positive duration. */
export function checkMillis(owner: string, option: string, value: number): void {
  if (!(typeof value === 'number' && value > 0 && value < Infinity)) {
    throw new InvalidOptionsError(
      owner,
      option,
      value,
      'must be a positive number of milliseconds',
    );
  }
}

/** Refuses what is no whole number from 1 on. */
export function checkCount(owner: string, option: string, value: number): void {
  if (!(Number.isSafeInteger(value) && value > 0)) {
    throw new InvalidOptionsError(owner, option, value, 'must be a whole number from 1 on');
  }
}

/** Refuses what is no number from 0 to 1. */
export function checkShare(owner: string, option: string, value: number): void {
  if (!(typeof value === 'number' && value >= 0 && value <= 1)) {
    throw new InvalidOptionsError(owner, option, value, 'must be a number from 0 to 1');
  }
}
