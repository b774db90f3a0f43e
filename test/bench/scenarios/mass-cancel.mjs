import { setImmediate as nextTurn } from 'node:timers/promises';
import { randomNumbers } from '../drivers.mjs';
import { assertCount, collect, threadTime, warmUp } from '../measure.mjs';

export const title = 'Mass cancel: all waiters leave, in random order';
export const reference = 'rxpool/acquire';
export const units = { nanos: 'ns per waiter' };
export const entries = ['rxpool/acquire', 'tarn/acquire', 'effect/scoped get'];
export const missing = {
  'generic-pool': 'cannot cancel',
  'lightning-pool': 'cannot cancel',
  'pg-pool': 'cannot cancel',
};
export const variants = {
  '20,000': { size: 20_000 },
  '100,000': { size: 100_000, heavy: true },
  '1,000,000': { size: 1_000_000, heavy: true },
};

export async function measure(load, { size, warmupMillis }) {
  const { open } = await load();
  const contestant = open({ max: 1 });
  const held = await contestant.hold();
  await warmUp(() => cancelAll(contestant, 2_000), warmupMillis);
  const nanos = await cancelAll(contestant, size);
  // Whoever left must not be in the way of who comes.
  contestant.api.release(held);
  contestant.api.release(await contestant.hold());
  return { nanos };
}

async function cancelAll(contestant, count) {
  const order = shuffled(count);
  const queued = await contestant.queueToCancel(count);
  collect();
  const start = threadTime();
  for (let index = 0; index < count; index += 1) queued.cancel(order[index]);
  while (queued.settled() < count) await nextTurn();
  const nanos = (threadTime() - start) / count;
  assertCount(queued.settled(), count);
  return nanos;
}

function shuffled(count) {
  const random = randomNumbers();
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let index = count - 1; index > 0; index -= 1) {
    const other = random(index + 1);
    [order[index], order[other]] = [order[other], order[index]];
  }
  return order;
}
