import { nanosPerOperation } from '../measure.mjs';

export const title = 'Contended: 64 borrowers on 10 resources, each held for one microtask';
export const reference = 'rxpool/acquire';
export const units = { nanos: 'ns' };
export const entries = [
  'floor/Observable with a queue',
  'rxpool/acquire',
  'rxpool/use',
  'rxpool/lease',
  'lightning-pool/callback',
  'lightning-pool/promise',
  'pg-pool/callback',
  'pg-pool/promise',
  'generic-pool/acquire',
  'effect/scoped get',
  'tarn/acquire',
];

export async function measure(load, settings) {
  const { open } = await load();
  const contestant = open({ max: 10 });
  return { nanos: await nanosPerOperation(count => contestant.contend(64, count), settings) };
}
