import { nanosPerOperation } from '../measure.mjs';

export const title = 'Watched: an idle hit while somebody subscribes to events or to the state';
export const notes = ['Events are `stats$`, or the emitter events of acquire and release.'];
export const reference = 'rxpool/acquire, unsubscribe';
export const againstItself = 'nobody';
export const units = { nanos: 'ns' };
export const entries = [
  'rxpool/acquire, unsubscribe',
  'rxpool/lease',
  'floor/Observable and two BehaviorSubject.next',
  'lightning-pool/callback',
  'pg-pool/callback',
  'tarn/acquire',
];
export const missing = {
  'generic-pool': 'has no events of borrowing',
  effect: 'has no events of borrowing',
};
export const variants = {
  nobody: { kind: 'event', listeners: 0 },
  '1 on events': { kind: 'event', listeners: 1 },
  '10 on events': { kind: 'event', listeners: 10 },
  '1 on state': { kind: 'state', listeners: 1 },
  '10 on state': { kind: 'state', listeners: 10 },
};

const publishers = { event: /^(rxpool|lightning-pool|pg-pool|tarn)\//, state: /^(rxpool|floor)\// };

export const takesPart = (entry, { kind, listeners }) =>
  listeners === 0 || publishers[kind].test(entry);

export async function measure(load, { kind, listeners, ...settings }) {
  const { open } = await load();
  const contestant = open({ max: 10 });
  if (contestant.hold) contestant.api.release(await contestant.hold());
  const heard = Array.from({ length: listeners }, () => contestant.listen(kind));
  const nanos = await nanosPerOperation(count => contestant.cycle(count), settings);
  if (heard.some(count => !(count() > 0))) throw new Error('A listener heard nothing');
  return { nanos };
}
