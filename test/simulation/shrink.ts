import type { Hand } from './crew.js';
import {
  gatedProfile,
  plainOptions,
  plainProfile,
  type Operation,
  type Plan,
  type PlannedOptions,
} from './plan.js';

/** A life that is cut down may take so long, before it counts as hanging. */
const trialMillis = 3_000;
const mostTrials = 1_500;

/** Two failures are of one kind if they differ in numbers only. */
export function kindOf(failure: string): string {
  return failure.replaceAll(/\d+/g, '#').replace(/;.*$/s, '').slice(0, 60);
}

export const hangs = 'it hangs';

/**
 * Drops operations, reactions and options from a plan while it still fails in the same way. Greedy: large pieces
 * first, then one at a time, until nothing more can go.
 */
export async function shrink(
  plan: Plan,
  failure: string,
  hand: Hand,
  isStopping: () => boolean,
): Promise<Plan> {
  const kind = kindOf(failure);
  let trials = 0;
  let best = plan;
  const accept = async (candidate: Plan): Promise<boolean> => {
    trials += 1;
    if (trials > mostTrials || isStopping()) return false;
    const answer = await hand.do({ plan: candidate, isTraced: false }, trialMillis);
    const found = 'life' in answer && typeof answer.life === 'object' ? answer.life.failure : hangs;
    if (found === undefined || kindOf(found) !== kind) return false;
    best = candidate;
    return true;
  };

  let before: Plan;
  do {
    before = best;
    await dropPieces(
      () => best.operations,
      operations => accept({ ...best, operations }),
    );
    await dropPieces(
      () => best.reactions,
      reactions => accept({ ...best, reactions }),
    );
    await flatten(() => best, accept);
    for (const key of Object.keys(plainOptions) as (keyof PlannedOptions)[]) {
      if (best.options[key] === plainOptions[key]) continue;
      await accept({ ...best, options: { ...best.options, [key]: plainOptions[key] } });
    }
    await calm(() => best, accept);
  } while (before !== best);
  return best;
}

async function dropPieces<Item>(
  items: () => readonly Item[],
  accept: (items: readonly Item[]) => Promise<boolean>,
): Promise<void> {
  for (let size = Math.ceil(items().length / 2); size >= 1; size = Math.floor(size / 2)) {
    let place = 0;
    while (place < items().length) {
      const rest = items().filter((_, index) => index < place || index >= place + size);
      if (!(await accept(rest))) place += size;
    }
  }
}

/** What was done together is done one by one, if that fails too. */
async function flatten(plan: () => Plan, accept: (plan: Plan) => Promise<boolean>): Promise<void> {
  for (let place = 0; place < plan().operations.length; place += 1) {
    const { operations } = plan();
    const operation = operations[place] as Operation;
    if (operation.do !== 'together') continue;
    const flat = [
      ...operations.slice(0, place),
      ...operation.operations,
      ...operations.slice(place + 1),
    ];
    await accept({ ...plan(), operations: flat });
  }
}

async function calm(plan: () => Plan, accept: (plan: Plan) => Promise<boolean>): Promise<void> {
  if (plan().hooks.reenter > 0) await accept({ ...plan(), hooks: { ...plan().hooks, reenter: 0 } });
  for (const hook of ['create', 'validate', 'reset', 'destroy'] as const) {
    for (const profile of [plainProfile, gatedProfile]) {
      const { hooks } = plan();
      if (hooks[hook] === plainProfile || hooks[hook] === profile) continue;
      await accept({ ...plan(), hooks: { ...hooks, [hook]: profile } });
    }
  }
  const { styles } = plan().hooks;
  for (const style of styles.length > 1 ? styles : []) {
    if (await accept({ ...plan(), hooks: { ...plan().hooks, styles: [style] } })) return;
  }
}
