import { CallbackDriver, PromiseDriver } from '../drivers.mjs';
import { nanosPerOperation } from '../measure.mjs';

export const title = 'Many pools: idle hits on one pool after the other';
export const reference = 'rxpool/acquire';
export const units = { nanos: 'ns' };
export const entries = [
  'rxpool/acquire',
  'rxpool/lease',
  'lightning-pool/callback',
  'lightning-pool/promise',
  'pg-pool/callback',
  'pg-pool/promise',
  'generic-pool/acquire',
  'tarn/acquire',
];
export const missing = { effect: 'its handles are of another kind' };
export const variants = { 1: { pools: 1 }, '10,000': { pools: 10_000 } };

export async function measure(load, { pools, ...settings }) {
  const { open } = await load();
  const contestants = Array.from({ length: pools }, () => open({ max: 1 }));
  for (const contestant of contestants) contestant.api.release(await contestant.hold());
  const [first] = contestants;
  const Driver = first instanceof CallbackDriver ? CallbackDriver : PromiseDriver;
  const apis = contestants.map(contestant => contestant.api);
  let place = 0;
  const inTurn = new Driver({
    acquire(receive) {
      place = place + 1 === pools ? 0 : place + 1;
      return apis[place].acquire(receive);
    },
    release(handle) {
      apis[place].release(handle);
    },
    weigh: first.api.weigh,
  });
  return { nanos: await nanosPerOperation(count => inTurn.cycle(count), settings) };
}
