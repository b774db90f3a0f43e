import { createHook } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';

export const title = 'Timers pending';
export const notes = ['Counted by async_hooks, so that timers that are unref’d count too.'];
export const reference = 'rxpool/acquire';
export const units = {
  waiters: '1,000 waiters with a deadline',
  resources: '100 idle with an idle time-out',
  nothing: 'nothing can expire',
};
export const entries = [
  'rxpool/acquire',
  'generic-pool/acquire',
  'lightning-pool/promise',
  'pg-pool/promise',
  'tarn/acquire',
  'effect/scoped get',
];

const minute = 60_000;

export async function measure(load) {
  const pending = new Set();
  createHook({
    init(id, type) {
      if (type === 'Timeout') pending.add(id);
    },
    destroy(id) {
      pending.delete(id);
    },
  }).enable();
  const { open } = await load();

  async function added(arrange) {
    await settle();
    const before = pending.size;
    await arrange();
    await settle();
    return pending.size - before;
  }

  const nothing = await added(() =>
    fill({ max: 100, idleMillis: Infinity, deadlineMillis: Infinity }),
  );
  const resources = await added(() => fill({ max: 100, idleMillis: minute }));
  const waiters = await added(async () => {
    const contestant = open({ max: 1, deadlineMillis: minute, idleMillis: Infinity });
    await contestant.hold();
    await contestant.queueInVain(1_000);
  });
  return { waiters, resources, nothing };

  async function fill(options) {
    const contestant = open(options);
    const held = await Promise.all(Array.from({ length: 100 }, () => contestant.hold()));
    for (const handle of held) contestant.api.release(handle);
  }
}

async function settle() {
  for (let turn = 0; turn < 10; turn += 1) await nextTurn();
}
