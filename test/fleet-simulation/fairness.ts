/** Jain's index: 1 where all have the same, 1/n where one has all. */
export function jainIndex(amounts: readonly number[]): number {
  let sum = 0;
  let squares = 0;
  for (const amount of amounts) {
    sum += amount;
    squares += amount * amount;
  }
  return squares === 0 ? 0 : (sum * sum) / (amounts.length * squares);
}
