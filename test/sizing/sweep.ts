import type { Crowd } from './crowd.js';

/** What a fixed `max` came to. */
export interface SweepPoint {
  readonly size: number;
  readonly perSecond: number;
}

/** Of all sizes that are as good as the best but for this share, the smallest is the best one: a tie. */
export const tie = 0.05;

/** Measures every size in each round, in another order: what else the machine does must not favour one of them. */
export async function sweep(
  crowd: Crowd,
  sizes: readonly number[],
  rounds: number,
  millis: number,
): Promise<SweepPoint[]> {
  const measured = new Map<number, number[]>(sizes.map(size => [size, []]));
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? sizes : [...sizes].reverse();
    for (const size of order) measured.get(size)?.push(await crowd.measureAt(size, millis));
  }
  return sizes.map(size => ({ size, perSecond: median(measured.get(size) ?? []) }));
}

export function bestOf(points: readonly SweepPoint[]): SweepPoint {
  const most = Math.max(...points.map(({ perSecond }) => perSecond));
  return points.find(({ perSecond }) => perSecond >= (1 - tie) * most) as SweepPoint;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}
