import { nanosPerOperation } from '../measure.mjs';

export const title =
  'Churn: every resource is destroyed on return, so every borrower gets a new one';
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
];
export const missing = { tarn: 'cannot destroy a resource on return' };

export async function measure(load, settings) {
  const { open } = await load();
  const contestant = open({ max: 10 });
  return { nanos: await nanosPerOperation(count => contestant.churn(count), settings) };
}
