import { assertCount, collect, heapBytes, threadTime } from '../measure.mjs';

export const title = 'Mass time-out: waiters with a deadline of a second, none of which is served';
export const notes = [
  'Processor time from the first request to the last refusal; the wait itself costs nothing.',
];
export const reference = 'rxpool/acquire';
export const units = { nanos: 'ns per waiter', bytes: 'bytes per waiter' };
export const entries = [
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
};

const deadlineMillis = 1_000;

export async function measure(load, { size }) {
  const { open } = await load();
  await refuseAll(open, 5_000);
  const { bytes } = await refuseAll(open, Math.min(size, 20_000), true);
  const { nanos } = await refuseAll(open, size);
  return { nanos, bytes };
}

/** A pool of its own: in some, those who are refused stay in the queue. */
async function refuseAll(open, count, looksAtHeap = false) {
  const contestant = open({ max: 1, deadlineMillis });
  const held = await contestant.hold();
  collect();
  const before = looksAtHeap ? heapBytes() : 0;
  const start = threadTime();
  const queued = await contestant.queueInVain(count);
  const bytes = looksAtHeap ? (heapBytes() - before) / count : 0;
  // Some have timers that don't keep the process alive.
  const awake = setInterval(() => undefined, 1_000_000);
  assertCount(await queued.done, count);
  clearInterval(awake);
  const nanos = (threadTime() - start) / count;
  contestant.api.release(held);
  return { nanos, bytes };
}
