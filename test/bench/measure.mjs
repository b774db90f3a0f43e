import { readFileSync } from 'node:fs';

const schedule = '/proc/thread-self/schedstat';
let hasSchedule = false;
try {
  hasSchedule = threadNanos() > 0 || process.platform === 'linux';
} catch {
  // Not Linux: the whole process has to do.
}

function threadNanos() {
  return Number(readFileSync(schedule, 'utf8').split(' ', 1)[0]);
}

/**
 * What this thread has run, in nanoseconds: a busy machine takes the processor away from a contestant, and that is no
 * property of the contestant. Good to some milliseconds.
 */
export function threadTime() {
  if (hasSchedule) return threadNanos();
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
}

/** Collects what is dead, so that the next figure starts from the same heap. */
export function collect() {
  globalThis.gc();
  globalThis.gc();
}

export function heapBytes() {
  collect();
  return process.memoryUsage().heapUsed;
}

const kept = [];

/** Heap bytes per piece of what `make` gives, which is kept: the next figure must not be the smaller for its end. */
export async function bytesPerPiece(pieces, make) {
  const before = heapBytes();
  kept.push(await make());
  return (heapBytes() - before) / pieces;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Nanoseconds per operation: warm-up first, then the median of several samples. `run(count)` makes that many
 * operations and gives (a promise of) how many were granted, which has to be the same number.
 *
 * Nothing is collected by hand between the samples. Nobody borrows at that moment, and a full collection that finds no
 * request and no lease makes V8 forget their shapes, and with them all code that was compiled for these: for a while
 * everything takes twice as long, which a program under load, where somebody always borrows, never sees.
 */
export async function nanosPerOperation(run, { warmupMillis, sampleMillis, samples }) {
  let count = 64;
  let millis = 0;
  let warm = 0;
  while (warm < warmupMillis || millis < sampleMillis / 4) {
    millis = await timed(run, count);
    warm += millis;
    if (millis < sampleMillis / 4) count *= 2;
  }
  count = Math.max(1, Math.round((count * sampleMillis) / millis));
  const nanos = [];
  for (let sample = 0; sample < samples; sample += 1) {
    nanos.push(((await timed(run, count)) * 1e6) / count);
  }
  return median(nanos);
}

/** Runs until the compiler is done with it, as far as the time given lets it. */
export async function warmUp(run, warmupMillis) {
  const start = threadTime();
  do await run();
  while ((threadTime() - start) / 1e6 < warmupMillis);
}

async function timed(run, count) {
  const start = threadTime();
  const pending = run(count);
  // What is synchronous is not charged for an `await`.
  const granted = typeof pending === 'number' ? pending : await pending;
  const millis = (threadTime() - start) / 1e6;
  assertCount(granted, count);
  return millis;
}

export function assertCount(granted, count) {
  if (granted !== count) throw new Error(`${count} operations, but ${granted} grants`);
}
