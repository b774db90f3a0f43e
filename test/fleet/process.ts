import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { counters, type FromProcess, type Plan } from './plan.js';

/** One process of the fleet: it starts its threads and says how much they did. */
const countEveryMillis = 50;

const [planText = '', name = ''] = process.argv.slice(2);
const plan = JSON.parse(planText) as Plan;
const memory = new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT);
const counts = new Int32Array(memory);
const threads = Array.from(
  { length: plan.threadsPerProcess },
  (_, thread) =>
    new Worker(new URL('./thread.js', import.meta.url), {
      workerData: { plan, process: name, thread, memory },
    }),
);

function say(message: FromProcess): void {
  if (process.connected) process.send?.(message);
}

function count(): void {
  say({
    type: 'count',
    served: Atomics.load(counts, counters.served),
    failed: Atomics.load(counts, counters.failed),
    lost: Atomics.load(counts, counters.lost),
  });
}

let isReady = false;
const counting = setInterval(() => {
  if (!isReady && Atomics.load(counts, counters.ready) === plan.threadsPerProcess) {
    isReady = true;
    say({ type: 'ready' });
  }
  count();
}, countEveryMillis);

process.once('message', () => {
  // For whoever has to find out why a process does not end.
  setTimeout(() => {
    console.error(
      `${name} is told to stop for long, and has threads`,
      threads.map(({ threadId }) => threadId),
    );
  }, 25_000).unref();
  const exits = threads.map(thread => once(thread, 'exit'));
  for (const thread of threads) thread.postMessage('stop');
  void Promise.all(exits).then(() => {
    clearInterval(counting);
    count();
    say({ type: 'stopped' });
    process.disconnect();
  });
});
// Nobody is there to stop it any more.
process.once('disconnect', () => {
  if (isReady) setTimeout(() => process.exit(1), 15_000).unref();
  else process.exit(1);
});
