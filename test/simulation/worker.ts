import { parentPort, workerData } from 'node:worker_threads';
import { playLife, type LifeReport } from './life.js';
import type { Plan } from './plan.js';
import { planOf, playSeed, type SeedFailure } from './seeds.js';

/** What a worker is asked for. */
export type Order =
  | { readonly seeds: { readonly from: number; readonly count: number } }
  | { readonly plan: Plan; readonly isTraced: boolean };

/** What it answers: for seeds, how they went; for a plan, how its life went. */
export interface Answer {
  readonly seeds: number;
  readonly operations: number;
  readonly failures: readonly SeedFailure[];
  readonly life: LifeReport | undefined;
}

const told = workerData as Float64Array;
let unhandled: string | undefined;
told[4] = 1;

process.on('unhandledRejection', reason => {
  unhandled ??= `unhandled rejection: ${String(reason)}`;
});

parentPort?.on('message', (order: Order) => {
  void answer(order).then(result => parentPort?.postMessage(result));
});

async function answer(order: Order): Promise<Answer> {
  if ('plan' in order) {
    const life = await playLife(order.plan, order.isTraced);
    const late = await rejections();
    const failure = life.failure ?? late;
    return { seeds: 0, operations: 0, failures: [], life: { ...life, failure } };
  }
  const failures: SeedFailure[] = [];
  let operations = 0;
  const { from, count } = order.seeds;
  for (let seed = from; seed < from + count; seed += 1) {
    told[0] = seed;
    const report = await playSeed(seed, life => {
      told[1] = life;
    });
    operations += report.operations;
    const late = await rejections();
    if (report.failure !== undefined) failures.push(report.failure);
    else if (late !== undefined) failures.push(await findRejection(seed, late));
    told[2] = (told[2] ?? 0) + 1;
    told[3] = (told[3] ?? 0) + report.operations;
  }
  return { seeds: count, operations, failures, life: undefined };
}

/** Node tells of a rejection that nobody handles once all that was pending is done. */
async function rejections(): Promise<string | undefined> {
  await new Promise(resolve => setImmediate(resolve));
  const found = unhandled;
  unhandled = undefined;
  return found;
}

async function findRejection(seed: number, failure: string): Promise<SeedFailure> {
  const lives: Plan[] = [];
  await playSeed(seed, life => {
    lives.push(planOf(seed, life));
  });
  for (const [index, plan] of lives.entries()) {
    await playLife(plan);
    if ((await rejections()) !== undefined) return { seed, life: index + 1, plan, failure };
  }
  return { seed, life: 1, plan: planOf(seed, 1), failure };
}
