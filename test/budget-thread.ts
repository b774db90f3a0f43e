// A thread of budget-shared.test.ts, with a budget in shared memory. It is bundled there and run by a real Worker.
import { parentPort, workerData } from 'node:worker_threads';
import { sharedPermits } from '../src/budget/index.js';
import type { Permit } from '../src/index.js';

/** Where the threads count together: permits out now, the most ever, rounds of each thread. */
const [OUT, MOST, ROUNDS] = [0, 1, 2];

interface ThreadOptions {
  readonly thread: number;
  /** Without it that of the memory. */
  readonly limit?: number;
  /** Take a permit and give it back so many times. */
  readonly rounds?: number;
  /** Take so many, and keep them. */
  readonly hold?: number;
  readonly turnMillis?: number;
  readonly recallAfterMillis?: number;
  /** As in an engine without `Atomics.waitAsync`. */
  readonly cannotWait?: boolean;
}

const { memory, out, options } = workerData as {
  readonly memory: SharedArrayBuffer;
  readonly out: SharedArrayBuffer;
  readonly options: ThreadOptions;
};
const { thread, rounds = 0, hold = 0, cannotWait = false, ...budgetOptions } = options;
if (cannotWait) Reflect.deleteProperty(Atomics, 'waitAsync');
const counts = new Int32Array(out);
const permits = sharedPermits(memory, budgetOptions);
// Waiting for a permit keeps no thread alive.
const alive = setInterval(() => undefined, 1_000);

function taken(): void {
  const now = Atomics.add(counts, OUT, 1) + 1;
  for (let most = Atomics.load(counts, MOST); most < now; most = Atomics.load(counts, MOST)) {
    Atomics.compareExchange(counts, MOST, most, now);
  }
}

function giveBack(permit: Permit): void {
  Atomics.sub(counts, OUT, 1);
  permit.release();
}

function goRound(left: number): void {
  if (left === 0) {
    clearInterval(alive);
    void permits.dispose();
    return;
  }
  permits.acquire({ pool: `thread ${thread}`, floor: false }).subscribe(permit => {
    taken();
    const end = (): void => {
      // On a busy machine a thread is through before the next one has started: the first wait for each other.
      if (Atomics.load(counts, MOST) < (budgetOptions.limit ?? 0)) {
        setImmediate(end);
        return;
      }
      giveBack(permit);
      Atomics.add(counts, ROUNDS + thread, 1);
      goRound(left - 1);
    };
    setImmediate(end);
  });
}

if (hold === 0) goRound(rounds);
for (let held = 1; held <= hold; held += 1) {
  permits.acquire({ pool: `thread ${thread}`, floor: false }).subscribe(() => {
    taken();
    if (held === hold) parentPort?.postMessage('holds');
  });
}
