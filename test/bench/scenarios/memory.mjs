import { bytesPerPiece } from '../measure.mjs';

export const title = 'Memory: heap bytes of one idle resource, one waiter, one pool';
export const notes = [
  'The resource itself, and what a caller keeps to wait, are not counted.',
  'An empty pool never lent anything; a used one lent one resource once and has it idle.',
];
export const reference = 'rxpool/acquire';
export const units = { resource: 'idle resource', empty: 'empty pool', used: 'used pool' };
export const entries = [
  'rxpool/acquire',
  'generic-pool/acquire',
  'lightning-pool/promise',
  'pg-pool/promise',
  'tarn/acquire',
  'effect/scoped get',
];

const resources = 10_000;
const pools = 2_000;

export async function measure(load) {
  const { open, newResource } = await load();
  const bare = await bytesPerPiece(resources, () => Array.from({ length: resources }, newResource));
  const warm = open({ max: 10 });
  warm.api.release(await warm.hold());

  const filled = await bytesPerPiece(resources, async () => {
    const contestant = open({ max: resources });
    const held = await Promise.all(Array.from({ length: resources }, () => contestant.hold()));
    for (const handle of held) contestant.api.release(handle);
    return contestant;
  });
  const empty = await bytesPerPiece(pools, () =>
    Array.from({ length: pools }, () => open({ max: 10 })),
  );
  const used = await bytesPerPiece(pools, async () => {
    const all = Array.from({ length: pools }, () => open({ max: 10 }));
    for (const contestant of all) contestant.api.release(await contestant.hold());
    return all;
  });
  return { resource: filled - bare, empty, used: used - bare };
}
