import { assertCount, collect, heapBytes, median, threadTime } from '../measure.mjs';

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

export async function measure(load, { size, samples, heavy }) {
  const { open } = await load();
  const contestant = open({ max: 1 });
  const cold = (await fillAndDrain(contestant, size)).nanos;
  for (let round = 0; round < 10; round += 1) await fillAndDrain(contestant, 2_000);
  const { bytes } = await fillAndDrain(contestant, size, true);
  const nanos = [];
  for (let sample = 0; sample < (heavy ? 1 : samples * 2); sample += 1) {
    nanos.push((await fillAndDrain(contestant, size)).nanos);
  }
  return { nanos: median(nanos), cold, bytes };
}

/** The heap is looked at only on request: it makes the collector do what the clock ought to see. */
async function fillAndDrain(contestant, count, looksAtHeap = false) {
  const held = await contestant.hold();
  collect();
  const before = looksAtHeap ? heapBytes() : 0;
  const start = threadTime();
  const queued = await contestant.queue(count);
  const bytes = looksAtHeap ? (heapBytes() - before) / count : 0;
  contestant.api.release(held);
  assertCount(await queued.done, count);
  return { nanos: (threadTime() - start) / count, bytes };
}
