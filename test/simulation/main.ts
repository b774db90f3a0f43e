import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Hand, type Hang } from './crew.js';
import { describe, show } from './life.js';
import { plainOptions, type Plan } from './plan.js';
import { planOf, type SeedFailure } from './seeds.js';
import { hangs, shrink } from './shrink.js';
import type { Answer } from './worker.js';

const usage = `Plays pools by seeds, in virtual time.
  --seeds N    how many seeds (1000)
  --seed S     the first of them (1)
  --workers W  threads (as many as there are processors)
  --trace      with one seed: all that is done and told, failing or not
  --quick      only finds the first failing seed, without a minimal trace
  --patience P seconds that one step of a seed may take before it counts as hanging (20)`;

/** Seeds that a worker is given at a time: few, so that all end together. */
const portion = 20;
const progressMillis = 5_000;
/** Failing seeds after which the rest is not worth the time. */
const mostFailures = 3;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: String(availableParallelism()) },
    trace: { type: 'boolean', default: false },
    patience: { type: 'string', default: '20' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const first = whole('seed');
const seeds = whole('seeds');
const crew = Array.from(
  { length: Math.min(whole('workers'), Math.ceil(seeds / portion)) },
  () => new Hand(),
);
const patienceMillis = whole('patience') * 1_000;
const started = performance.now();
const failures: SeedFailure[] = [];
let next = first;
let done = 0;
let operations = 0;
let isStopped = false;

if (values.help) {
  console.log(usage);
} else {
  process.once('SIGINT', () => {
    isStopped = true;
    console.log('stopping …');
  });
  const progress = setInterval(() => {
    console.log(`  ${summary()}`);
  }, progressMillis);
  await Promise.all(crew.map(work));
  clearInterval(progress);
  console.log(summary());
  if (values.trace && seeds === 1 && failures.length === 0) await printLives(first);
  failures.sort((a, b) => a.seed - b.seed);
  for (const failure of values.quick ? failures.slice(0, 1) : failures) await explain(failure);
  await Promise.all(crew.map(hand => hand.dismiss()));
  process.exitCode = isStopped ? 130 : Math.min(1, failures.length);
}

function whole(name: 'seed' | 'seeds' | 'workers' | 'patience'): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value > 0) return value;
  throw new RangeError(`--${name} must be a whole number above 0\n${usage}`);
}

function summary(): string {
  const seconds = (performance.now() - started) / 1_000;
  // What is done in portions that have not been handed in is known from the workers themselves.
  const soFar = Math.max(
    operations,
    sum(hand => hand.operations),
  );
  const seedsSoFar = Math.max(
    done,
    sum(hand => hand.seeds),
  );
  return `${seedsSoFar} of ${seeds} seeds, ${soFar} operations, ${failures.length} failed, ${seconds.toFixed(1)} s`;
}

function sum(of: (hand: Hand) => number): number {
  return crew.reduce((total, hand) => total + of(hand), 0);
}

function isEnough(): boolean {
  return isStopped || failures.length >= (values.quick ? 1 : mostFailures);
}

async function work(hand: Hand): Promise<void> {
  while (next < first + seeds && !isEnough()) {
    const from = next;
    const count = Math.min(portion, first + seeds - from);
    next += count;
    await playPortion(hand, from, count);
  }
}

async function playPortion(hand: Hand, from: number, count: number): Promise<void> {
  const answer = await hand.do({ seeds: { from, count } }, patienceMillis);
  if (isHang(answer)) {
    const { seed, life } = answer;
    failures.push({ seed, life, plan: planOf(seed, life), failure: hangs });
    done += seed + 1 - from;
    const rest = from + count - seed - 1;
    if (rest > 0 && !isEnough()) await playPortion(hand, seed + 1, rest);
    return;
  }
  done += answer.seeds;
  operations += answer.operations;
  failures.push(...answer.failures);
}

function isHang(answer: Answer | Hang): answer is Hang {
  return !('failures' in answer);
}

async function explain({ seed, life, plan, failure }: SeedFailure): Promise<void> {
  console.log(`\nseed ${seed}, life ${life}: ${failure}`);
  console.log(`again: npm run simulate -- --seed ${seed} --seeds 1`);
  if (values.quick || isStopped) return;
  const hand = crew[0] ?? new Hand();
  const least = await shrink(plan, failure, hand, () => isStopped);
  console.log(`minimal trace, ${least.operations.length} operations of ${plan.operations.length}:`);
  await printLife(hand, least);
}

async function printLives(seed: number): Promise<void> {
  const hand = crew[0] ?? new Hand();
  let played = 0;
  for (let life = 1; played < operations; life += 1) {
    const plan = planOf(seed, life);
    console.log(`\nlife ${life}`);
    played += await printLife(hand, plan);
  }
}

async function printLife(hand: Hand, plan: Plan): Promise<number> {
  const { options, hooks, reactions } = plan;
  const unlike = Object.entries(options).filter(
    ([key, value]) => value !== plainOptions[key as keyof typeof plainOptions],
  );
  console.log(`options ${show(Object.fromEntries(unlike))}`);
  console.log(`hooks ${show(hooks)}`);
  for (const { on, nth, operation } of reactions) {
    console.log(`in ${on} number ${nth}: ${describe(operation)}`);
  }
  const answer = await hand.do({ plan, isTraced: true }, patienceMillis);
  if (isHang(answer)) {
    for (const operation of plan.operations) console.log(`        ${describe(operation)}`);
    return 0;
  }
  const { life } = answer;
  for (const line of life?.trace ?? []) console.log(line);
  console.log(life?.failure === undefined ? 'no failure' : `→ ${life.failure}`);
  return life?.operations ?? 0;
}
