import { performance } from 'node:perf_hooks';

export const title =
  'Cold start: loading the package, then the first acquire and release of a first pool';
export const notes = [
  'RxJS, without which our package is nothing, is within its figure and is alone in the first line.',
  'Wall-clock time.',
];
export const reference = 'rxpool/lease';
export const units = { load: 'load, ms', first: 'first grant, ms' };
export const entries = [
  'floor/Observable',
  'rxpool/lease',
  'rxpool/acquire',
  'lightning-pool/promise',
  'pg-pool/promise',
  'generic-pool/acquire',
  'effect/scoped get',
  'tarn/acquire',
];

export async function measure(load) {
  const start = performance.now();
  const { open } = await load();
  const loaded = performance.now();
  const contestant = open({ max: 10 });
  if (contestant.hold) contestant.api.release(await contestant.hold());
  else contestant.cycle(1);
  return { load: loaded - start, first: performance.now() - loaded };
}
