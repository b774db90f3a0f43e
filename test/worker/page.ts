import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { run, serveTasks, workerPool, type WorkerThread } from '../../src/worker/index.js';
import type { Task } from './tasks.js';

/** What the test asks the page to do, in a real browser. */
export interface WorkerPage {
  results(): Promise<unknown>;
  moving(): Promise<unknown>;
  failing(): Promise<unknown>;
  leaving(): Promise<unknown>;
  crashing(): Promise<unknown>;
  missing(): Promise<unknown>;
  notInAWorker(): string;
}

declare const Worker: new (script: URL, options: object) => WorkerThread;

const script = new URL('./tasks.js', import.meta.url);
const open = (worker: URL | (() => WorkerThread) = script, max?: number) =>
  workerPool<Task>({ worker, max });
const messageOf = ({ message, cause }: Error): string[] => [message, (cause as Error)?.message];

const page: WorkerPage = {
  async results() {
    const pool = open();
    const numbers = await Promise.all(
      [1, 2, 3].map(value => lastValueFrom(run(pool, { kind: 'double', value }))),
    );
    const several = await lastValueFrom(
      run(pool, { kind: 'generate', count: 250 }).pipe(toArray()),
    );
    const { max } = pool.state;
    await pool.close();
    return { numbers, several: several.length, max, lifecycle: pool.state.lifecycle };
  },

  async moving() {
    // As bundlers want it.
    const pool = open(() => new Worker(script, { type: 'module' }), 1);
    const pixels = new Uint8Array([0, 100, 255]);
    const task = { kind: 'invert', pixels } as const;
    const result = await lastValueFrom(run(pool, task, { transfer: [pixels.buffer] }));
    await pool.close();
    return { result: (result as { pixels: Uint8Array }).pixels.join(), left: pixels.byteLength };
  },

  async failing() {
    const pool = open(script, 1);
    const error = await lastValueFrom(run(pool, { kind: 'fail' })).catch(
      (thrown: unknown) => thrown,
    );
    const { created, destroyed } = pool.stats;
    await pool.close();
    const { name, message, stack = '' } = error as Error;
    return {
      ...{ name, message, code: (error as { code?: string }).code },
      ...{ isRangeError: error instanceof RangeError, hasStack: stack.includes('tasks.js') },
      ...{ created, destroyed },
    };
  },

  async leaving() {
    const pool = open(script, 1);
    const before = await firstValueFrom(run(pool, { kind: 'thread' }));
    await firstValueFrom(run(pool, { kind: 'spin' })); // leaves while it loops
    const after = await firstValueFrom(run(pool, { kind: 'thread' }));
    const gentle = run(pool, { kind: 'until aborted', tidyMillis: 5 }, { onCancel: 'release' });
    const working = gentle.subscribe();
    working.unsubscribe();
    const tidied = await firstValueFrom(run(pool, { kind: 'tidied' }));
    const same = (await firstValueFrom(run(pool, { kind: 'thread' }))) === after;
    await pool.close();
    return { replaced: before !== after, tidied, same };
  },

  async crashing() {
    const pool = open(script, 1);
    const error = await lastValueFrom(run(pool, { kind: 'crash' })).catch(
      (thrown: unknown) => thrown,
    );
    const next = await lastValueFrom(run(pool, { kind: 'double', value: 21 }));
    await pool.close();
    const { name, message } = error as Error;
    return { name, tellsWhy: message.includes('the worker has a bug'), next };
  },

  async missing() {
    const pool = open(new URL('./nowhere.js', import.meta.url), 1);
    const messages = await pool.lease().then(() => [], messageOf);
    await pool.close();
    return messages;
  },

  notInAWorker() {
    try {
      serveTasks(() => 1);
      return 'serves';
    } catch (error) {
      return (error as Error).message;
    }
  },
};

Object.assign(globalThis, { page });
