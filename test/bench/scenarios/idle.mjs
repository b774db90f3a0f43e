import { nanosPerOperation } from '../measure.mjs';

export const title = 'Idle hit: one acquire and release while a resource is idle (10 resources)';
export const reference = 'rxpool/acquire, unsubscribe';
export const units = { nanos: 'ns' };
export const entries = [
  'floor/Observable',
  'floor/Observable and two BehaviorSubject.next',
  'rxpool/acquire, unsubscribe',
  'rxpool/acquire, release',
  'rxpool/use',
  'rxpool/lease',
  'rxpool/tryAcquire',
  'lightning-pool/callback',
  'lightning-pool/promise',
  'pg-pool/callback',
  'pg-pool/promise',
  'generic-pool/acquire',
  'generic-pool/use',
  'effect/scoped get',
  'tarn/acquire',
];

export async function measure(load, settings) {
  const { open } = await load();
  const contestant = open({ max: 10 });
  // The first one makes the resource, not necessarily at once.
  if (contestant.hold) contestant.api.release(await contestant.hold());
  return { nanos: await nanosPerOperation(count => contestant.cycle(count), settings) };
}
