import { assertCount, heapBytes, median, threadTime, warmUp } from '../measure.mjs';

export const title = 'Deep queue: waiters on one resource, each gives back as soon as it is served';
export const notes = [
  'Ours have a deadline each, as by default; of the others only tarn has.',
  'The callback forms of lightning-pool and pg-pool share one callback among all waiters, as our `acquire` does.',
  'Not counted in their bytes is the promise that a caller would wait for.',
];
export const reference = 'rxpool/acquire';
export const units = { nanos: 'ns per waiter', cold: 'ns, first time', bytes: 'bytes per waiter' };
export const entries = [
  'floor/Observable with a queue',
  'rxpool/acquire',
  'rxpool/lease',
  'generic-pool/acquire',
  'lightning-pool/callback',
  'lightning-pool/promise',
  'pg-pool/callback',
  'pg-pool/promise',
  'tarn/acquire',
  'effect/scoped get',
];
export const variants = {
  '20,000': { size: 20_000 },
  '100,000': { size: 100_000, heavy: true },
  '1,000,000': { size: 1_000_000, heavy: true },
};

export async function measure(load, { size, samples, sampleMillis, heavy, warmupMillis }) {
  const { open } = await load();
  const contestant = open({ max: 1 });
  const cold = await nanosOf(contestant, size, 0);
  await warmUp(() => fillAndDrain(contestant, 2_000), warmupMillis);
  const nanos = [];
  for (let sample = 0; sample < (heavy ? 1 : samples); sample += 1) {
    nanos.push(await nanosOf(contestant, size, sampleMillis));
  }
  // The heap comes last: looking at it makes the collector do what the clock ought to see.
  const bytes = await fillAndDrain(contestant, size, heapBytes);
  return { nanos: median(nanos), cold, bytes };
}

/** As often as it takes for the clock, which is good to some milliseconds. */
async function nanosOf(contestant, size, sampleMillis) {
  const start = threadTime();
  let waiters = 0;
  do {
    await fillAndDrain(contestant, size);
    waiters += size;
  } while ((threadTime() - start) / 1e6 < sampleMillis);
  return (threadTime() - start) / waiters;
}

/** How much `weigh` grows while all wait, for each of them. */
async function fillAndDrain(contestant, count, weigh = () => 0) {
  const held = await contestant.hold();
  const before = weigh();
  const queued = await contestant.queue(count);
  const each = (weigh() - before) / count;
  contestant.api.release(held);
  assertCount(await queued.done, count);
  return each;
}
