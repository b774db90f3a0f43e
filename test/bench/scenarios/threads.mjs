import { performance } from 'node:perf_hooks';
import { assertCount, median } from '../measure.mjs';

export const title =
  'Threads: 64 callers send a message to one of 2 worker threads and await the answer';
export const notes = [
  'Wall-clock time. Ours is a pool of `Worker`s, each lent to one caller at a time; piscina is made for this alone.',
];
export const reference = 'rxpool/use, threads';
export const units = { nanos: 'ns' };
export const entries = ['rxpool/use, threads', 'piscina/run'];

export async function measure(load, { warmupMillis, sampleMillis, samples }) {
  const { open } = await load();
  const contestant = open({ max: 2 });
  let count = 64;
  for (let start = performance.now(); performance.now() - start < warmupMillis; ) {
    count = Math.ceil((count * sampleMillis) / (await timed(contestant, count)));
  }
  const nanos = [];
  for (let sample = 0; sample < samples; sample += 1) {
    nanos.push(((await timed(contestant, count)) * 1e6) / count);
  }
  return { nanos: median(nanos) };
}

async function timed(contestant, total) {
  let started = 0;
  let answered = 0;
  async function call() {
    while (started < total) {
      started += 1;
      const answer = await contestant.task(1);
      answered += answer;
    }
  }
  const start = performance.now();
  await Promise.all(Array.from({ length: 64 }, call));
  assertCount(answered, total);
  return performance.now() - start;
}
