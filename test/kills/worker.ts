import { existsSync, readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { firstValueFrom, map, take, type Observable } from 'rxjs';
import type { Pool } from '../../src/index.js';
import { run, workerPool, type TaskWorker } from '../../src/worker/index.js';
import { MissingServerError } from '../services/missing-server.js';
import type { KillTrial } from './contestant.js';
import type { Task } from './worker/tasks.js';

const max = 4;
type WorkPool = Pool<TaskWorker<Task, number>>;

export const trial: KillTrial = {
  name: 'worker',
  async open() {
    if (!existsSync('/proc/self/task')) {
      throw new MissingServerError('The /proc that counts threads', 'run this on Linux');
    }
    const script = new URL('./worker/tasks.js', import.meta.url);
    const others = await threadsOfOthers(script);
    const alive = new Set<Worker>();
    const pool = workerPool<Task, number>({
      name: 'worker',
      max,
      worker: () => {
        const thread = new Worker(script);
        alive.add(thread);
        thread.on('exit', () => alive.delete(thread));
        return thread;
      },
    });
    return {
      pool,
      borrow: () => work(pool),
      async kill() {
        const threads = [...alive];
        const victim = threads[Math.floor(Math.random() * threads.length)];
        await victim?.terminate();
      },
      serverCount: async () => countThreads() - others,
      counts: 'threads of the process, by the operating system',
      close: async () => undefined,
    };
  },
};

/** Those of the process itself: some of them start with the first worker, or the first file that is read. */
async function threadsOfOthers(script: URL): Promise<number> {
  await Promise.all(Array.from({ length: 8 }, () => readdir('/proc/self/task')));
  const first = workerPool<Task, number>({ worker: script, max: 1 });
  await firstValueFrom(run(first, { kind: 'sum', numbers: new Float64Array(1) }));
  await first.close();
  return countThreads();
}

function countThreads(): number {
  return readdirSync('/proc/self/task').length;
}

function work(pool: WorkPool): Observable<unknown> {
  const choice = Math.random();
  // Left while it loops: killed by the pool.
  if (choice < 0.005) return run(pool, { kind: 'spin' }).pipe(take(1));
  if (choice < 0.01) return run(pool, { kind: 'die', how: choice < 0.0075 ? 'throw' : 'exit' });
  const numbers = Float64Array.from({ length: 1_000 }, (_, index) => index);
  return run(pool, { kind: 'sum', numbers }, { transfer: [numbers.buffer] }).pipe(
    map(sum => {
      if (sum !== 499_500) throw new Error(`The worker gave ${sum}`);
      return sum;
    }),
  );
}
