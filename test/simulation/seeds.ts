import { Draw } from './draw.js';
import { playLife } from './life.js';
import { drawPlan, type Plan } from './plan.js';

/** The least that is done for one seed. */
export const operationsPerSeed = 500;

/** The first thing that went wrong for a seed. */
export interface SeedFailure {
  readonly seed: number;
  /** Which of the seed's lives it was, counted from 1. */
  readonly life: number;
  readonly plan: Plan;
  readonly failure: string;
}

export interface SeedReport {
  readonly operations: number;
  readonly failure: SeedFailure | undefined;
}

/** Plays one pool after another until enough was done, or something goes wrong. */
export async function playSeed(
  seed: number,
  announce: (life: number) => void,
): Promise<SeedReport> {
  const draw = new Draw(seed);
  let operations = 0;
  for (let life = 1; operations < operationsPerSeed; life += 1) {
    const plan = drawPlan(draw.seed(), draw.between(40, 400));
    announce(life);
    const report = await playLife(plan);
    operations += report.operations;
    const { failure } = report;
    if (failure !== undefined) return { operations, failure: { seed, life, plan, failure } };
  }
  return { operations, failure: undefined };
}

/** The plan of one life, where it cannot be had from playing it, because that does not end. */
export function planOf(seed: number, life: number): Plan {
  const draw = new Draw(seed);
  let plan = drawPlan(draw.seed(), draw.between(40, 400));
  for (let count = 1; count < life; count += 1) {
    plan = drawPlan(draw.seed(), draw.between(40, 400));
  }
  return plan;
}
