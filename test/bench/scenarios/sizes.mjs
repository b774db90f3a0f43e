import { nanosPerOperation } from '../measure.mjs';

export const title =
  'Many resources: half of them are leased, a random one comes back and another is borrowed';
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
  'effect/scoped get',
  'tarn/acquire',
];
export const variants = {
  10: { max: 10 },
  '1,000': { max: 1_000 },
  '100,000': { max: 100_000, heavy: true },
};

export async function measure(load, { max, ...settings }) {
  const { open } = await load();
  const contestant = open({ max });
  const held = await Promise.all(Array.from({ length: max }, () => contestant.hold()));
  for (const handle of held.splice(max / 2)) contestant.api.release(handle);
  return { nanos: await nanosPerOperation(count => contestant.turnOver(held, count), settings) };
}
