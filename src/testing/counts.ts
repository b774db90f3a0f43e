import type { PoolState } from '../index.js';

const counted = [
  'size',
  'idle',
  'leased',
  'creating',
  'validating',
  'resetting',
  'destroying',
  'waiting',
] as const satisfies readonly (keyof PoolState)[];

/** What is wrong with a state by itself, in words: cheap, and without a word when nothing is. */
export function wrongCounts(state: PoolState): readonly string[] {
  const { idle, leased, validating, resetting, destroying, size } = state;
  const sum = idle + leased + validating + resetting + destroying;
  if (size === sum && state.min <= state.max && areCounts(state)) return [];
  const wrong = counted
    .filter(name => !isCount(state[name]))
    .map(name => `${name} is ${state[name]}`);
  if (size !== sum) wrong.push(`size is ${size}, its parts are ${sum}`);
  if (state.min > state.max) wrong.push(`min ${state.min} is above max ${state.max}`);
  return wrong;
}

/** What a closed pool still has, in words, if it has anything. */
export function leftovers(state: PoolState): string | undefined {
  const { size, creating, waiting } = state;
  if (size + creating + waiting === 0) return undefined;
  return `closed with a size of ${size}, ${creating} creating and ${waiting} waiting`;
}

/** By name and without a list: asked for every event of a pool in production. */
function areCounts(state: PoolState): boolean {
  return (
    isCount(state.idle) &&
    isCount(state.leased) &&
    isCount(state.creating) &&
    isCount(state.validating) &&
    isCount(state.resetting) &&
    isCount(state.destroying) &&
    isCount(state.waiting)
  );
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}
