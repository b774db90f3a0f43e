import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { filter, firstValueFrom, lastValueFrom, mergeMap, range, take, toArray } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  AcquireAbortedError,
  CreateError,
  HookTimeoutError,
  InvalidOptionsError,
  type Pool,
  type PoolEvent,
  type PoolState,
} from '../src/index.js';
import { assertInvariants } from '../src/testing/index.js';
import {
  run,
  serveTasks,
  WorkerDiedError,
  workerPool,
  type TaskWorker,
  type WorkerPoolOptions,
} from '../src/worker/index.js';
import { bundle, type Scripts } from './worker/scripts.js';
import type { Task } from './worker/tasks.js';
import { patience } from './patience.js';
import { VirtualClock } from './virtual-clock.js';

vi.setConfig({ testTimeout: 20_000, hookTimeout: 20_000 });

type TestPool = Pool<TaskWorker<Task>>;

let scripts: Scripts;
let pools: { pool: TestPool; events: PoolEvent[] }[] = [];

beforeAll(async () => {
  scripts = await bundle('node', [
    'tasks',
    'broken-script',
    'ending-script',
    'silent-script',
    'unclosed-program',
  ]);
});

afterAll(() => {
  scripts.remove();
});

afterEach(async () => {
  const open = pools;
  pools = [];
  for (const { pool, events } of open) {
    await pool.close({ force: true }).catch(() => undefined);
    assertInvariants(pool, { events });
  }
});

function openPool(options: Partial<WorkerPoolOptions<Task>> = {}): TestPool {
  const pool = workerPool<Task>({ worker: scripts.url('tasks'), max: 1, ...options });
  const events: PoolEvent[] = [];
  pool.stats$.subscribe(event => events.push(event));
  pools.push({ pool, events });
  return pool;
}

const ask = (pool: TestPool, task: Task): Promise<unknown> => firstValueFrom(run(pool, task));

function stateOf(pool: TestPool, wanted: (state: PoolState) => boolean): Promise<PoolState> {
  return firstValueFrom(pool.state$.pipe(filter(wanted)));
}

function nodeThread({ thread }: TaskWorker<Task>): Worker {
  if (thread instanceof Worker) return thread;
  throw new TypeError('This is no thread of Node');
}

/** The thread of the pool's one worker. */
async function threadOf(pool: TestPool): Promise<Worker> {
  const lease = await pool.lease();
  const thread = nodeThread(lease.resource);
  await lease.release();
  return thread;
}

/** Runs a task that loops for ever, and returns once it does. */
async function spinning(pool: TestPool, options = {}) {
  let started = (): void => undefined;
  const isSpinning = new Promise<void>(resolve => {
    started = resolve;
  });
  const outcome: { error?: unknown } = {};
  const subscription = run(pool, { kind: 'spin' }, options).subscribe({
    next: () => started(),
    error: (error: unknown) => {
      outcome.error = error;
    },
  });
  await isSpinning;
  return { subscription, outcome };
}

describe('running tasks', () => {
  it('runs them in threads of their own, max at once, and gives every result', async () => {
    const pool = openPool({ max: 2 });
    // Each waits in its thread for the next one to run beside it, however busy the machine is.
    const arrived = new Int32Array(new SharedArrayBuffer(4));
    const results = await lastValueFrom(
      range(0, 50).pipe(
        mergeMap(place => run(pool, { kind: 'meet', place, arrived })),
        toArray(),
      ),
    );
    const met = results as { place: number; thread: number }[];
    expect(met.map(({ place }) => place).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, place) => place),
    );
    expect(new Set(met.map(({ thread }) => thread)).size).toBe(2);
    expect(pool.stats).toMatchObject({ created: 2, acquired: 50, peakLeased: 2 });
  });

  it('has as many workers as the machine can run at once, where nobody says how many', () => {
    expect(openPool({ max: undefined }).state.max).toBe(availableParallelism());
  });

  it('does nothing before it is subscribed to, and runs once for each subscription', async () => {
    const pool = openPool();
    const doubled$ = run(pool, { kind: 'double', value: 4 });
    expect(pool.state.size + pool.state.creating).toBe(0);
    expect([await lastValueFrom(doubled$), await lastValueFrom(doubled$)]).toEqual([8, 8]);
    expect(pool.stats.acquired).toBe(2);
  });

  it('gives the worker back before its one result is emitted', async () => {
    const pool = openPool();
    const leased: number[] = [];
    await lastValueFrom(
      run(pool, { kind: 'double', value: 1 }).pipe(
        filter(() => leased.push(pool.state.leased) > 0),
      ),
    );
    expect(leased).toEqual([0]);
  });

  it('spares the worker of whoever takes one result and leaves', async () => {
    const pool = openPool();
    const thread = await ask(pool, { kind: 'thread' });
    for (let round = 0; round < 20; round += 1) {
      expect(await ask(pool, { kind: 'thread' })).toBe(thread);
    }
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0, cancelled: 0 });
  });

  it('emits every value of an Observable and of an async generator, and an array as one', async () => {
    const pool = openPool();
    const all = (task: Task) => lastValueFrom(run(pool, task).pipe(toArray()));
    expect(await all({ kind: 'range', count: 4 })).toEqual([0, 1, 2, 3]);
    expect(await all({ kind: 'generate', count: 3 })).toEqual([0, 1, 2]);
    expect(await all({ kind: 'range', count: 0 })).toEqual([]);
    expect(await all({ kind: 'list' })).toEqual([[1, 2, 3]]);
  });

  it('lets one borrower run several tasks on one worker', async () => {
    const pool = openPool({ max: 4 });
    const threads = await lastValueFrom(
      pool
        .use(worker => range(0, 3).pipe(mergeMap(() => worker.run({ kind: 'thread' }))))
        .pipe(toArray()),
    );
    expect(new Set(threads).size).toBe(1);
    expect(pool.stats).toMatchObject({ created: 1, acquired: 1 });
  });

  it('takes a worker that was made, and ready, before the pool asked', async () => {
    const pool = openPool({
      worker: async () => {
        const worker = new Worker(scripts.url('tasks'));
        await once(worker, 'message');
        return worker;
      },
    });
    expect(await ask(pool, { kind: 'double', value: 3 })).toBe(6);
  });

  it('passes the options of a worker on to its constructor', async () => {
    const pool = openPool({ workerOptions: { resourceLimits: { maxOldGenerationSizeMb: 17 } } });
    expect((await threadOf(pool)).resourceLimits?.maxOldGenerationSizeMb).toBe(17);
  });
});

describe('what moves instead of being copied', () => {
  it('moves buffers to the worker and back', async () => {
    const pool = openPool();
    const pixels = new Uint8Array([0, 100, 255]);
    const result = await lastValueFrom(
      run(pool, { kind: 'invert', pixels }, { transfer: [pixels.buffer] }),
    );
    expect(result).toEqual({ pixels: new Uint8Array([255, 155, 0]), sourceBytes: 3 });
    expect(pixels.buffer.byteLength).toBe(0);
  });

  it('copies what it is not told to move', async () => {
    const pool = openPool();
    const pixels = new Uint8Array([1, 2]);
    await lastValueFrom(run(pool, { kind: 'invert', pixels }));
    expect([...pixels]).toEqual([1, 2]);
  });

  it('fails a task that cannot be sent, and keeps the worker', async () => {
    const pool = openPool();
    const thread = await ask(pool, { kind: 'thread' });
    const task = { kind: 'double', value: (() => 1) as never } as const;
    await expect(ask(pool, task)).rejects.toMatchObject({ name: 'DataCloneError' });
    expect(await ask(pool, { kind: 'thread' })).toBe(thread);
  });

  it('fails a task whose result cannot be sent, and stops one that has more of the kind', async () => {
    const pool = openPool();
    const thread = await ask(pool, { kind: 'thread' });
    await expect(ask(pool, { kind: 'function' })).rejects.toMatchObject({
      name: 'DataCloneError',
    });
    await expect(ask(pool, { kind: 'many functions' })).rejects.toMatchObject({
      name: 'DataCloneError',
    });
    expect(await ask(pool, { kind: 'thread' })).toBe(thread);
  });
});

describe('errors of a handler', () => {
  it('come with message, name, class, stack, fields and cause, and spare the worker', async () => {
    const pool = openPool();
    const thread = await ask(pool, { kind: 'thread' });
    const error = await ask(pool, { kind: 'fail' }).catch((thrown: unknown) => thrown as Error);
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({
      name: 'QuotaError',
      message: 'no more today',
      code: 'QUOTA',
      limits: { perDay: 3 },
      cause: { message: 'the disk is full' },
    });
    expect(error).not.toHaveProperty('notSendable');
    expect((error as Error).cause).toBeInstanceOf(Error);
    expect((error as Error).stack).toContain('tasks.js');
    expect(await ask(pool, { kind: 'thread' })).toBe(thread);
  });

  it('end a stream after the values before them', async () => {
    const pool = openPool();
    const values: unknown[] = [];
    const error = await new Promise<unknown>(resolve => {
      run(pool, { kind: 'fail late' }).subscribe({ next: v => values.push(v), error: resolve });
    });
    expect(values).toEqual([1]);
    expect(error).toMatchObject({ name: 'QuotaError', message: 'after one' });
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
  });

  it('may be anything', async () => {
    await expect(ask(openPool(), { kind: 'throw text' })).rejects.toBe('just a text');
  });
});

describe('leaving', () => {
  it('kills a worker that is in a loop, and the next task has another', async () => {
    const pool = openPool();
    const before = await ask(pool, { kind: 'thread' });
    const thread = await threadOf(pool);
    const { subscription } = await spinning(pool);
    const exited = once(thread, 'exit');
    subscription.unsubscribe();
    await exited;
    expect(await ask(pool, { kind: 'thread' })).not.toBe(before);
    expect(pool.stats).toMatchObject({ created: 2, destroyed: 1 });
  });

  it('by a signal kills as well, and errors with the reason as cause', async () => {
    const pool = openPool();
    const controller = new AbortController();
    const { outcome } = await spinning(pool, { signal: controller.signal });
    const reason = new Error('the page was closed');
    controller.abort(reason);
    expect(outcome.error).toBeInstanceOf(AcquireAbortedError);
    expect(outcome.error).toMatchObject({ cause: reason });
    await stateOf(pool, ({ size }) => size === 0);
  });

  it('the queue kills nobody', async () => {
    const pool = openPool();
    const { subscription } = await spinning(pool);
    const waiting = run(pool, { kind: 'double', value: 1 }).subscribe();
    expect(pool.state.waiting).toBe(1);
    waiting.unsubscribe();
    expect(pool.state).toMatchObject({ waiting: 0, leased: 1, destroying: 0 });
    subscription.unsubscribe();
  });

  it("tells the handler instead with onCancel: 'release', and lends the worker when that has ended", async () => {
    const pool = openPool({ onCancel: 'release' });
    const thread = await ask(pool, { kind: 'thread' });
    const working = run(pool, { kind: 'until aborted', tidyMillis: 30 }).subscribe();
    expect(pool.state.leased).toBe(1);
    working.unsubscribe();
    expect(pool.state).toMatchObject({ leased: 0, resetting: 1, idle: 0 });
    expect(await ask(pool, { kind: 'tidied' })).toBe(1);
    expect(await ask(pool, { kind: 'thread' })).toBe(thread);
  });

  it('unsubscribes the Observable of a handler, and returns from its generator', async () => {
    const pool = openPool();
    const options = { onCancel: 'release' } as const;
    const thread = await ask(pool, { kind: 'thread' });
    await lastValueFrom(run(pool, { kind: 'ticks' }, options).pipe(take(3)));
    await lastValueFrom(run(pool, { kind: 'generate', count: 1e9 }, options).pipe(take(3)));
    expect(await ask(pool, { kind: 'tidied' })).toBe(1);
    expect(await ask(pool, { kind: 'thread' })).toBe(thread);
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
  });

  it('kills a handler that does not listen, once resetTimeoutMillis has passed', async () => {
    const pool = openPool({ onCancel: 'release', resetTimeoutMillis: 50 });
    const thread = await threadOf(pool);
    const exited = once(thread, 'exit');
    const { subscription } = await spinning(pool);
    subscription.unsubscribe();
    await exited;
    expect(pool.stats.resetFailed).toBe(1);
    expect(await ask(pool, { kind: 'double', value: 2 })).toBe(4);
  });

  it('a lease with a task that still runs ends the task first', async () => {
    const pool = openPool();
    const lease = await pool.lease();
    let error: unknown;
    lease.resource.run({ kind: 'until aborted', tidyMillis: 1 }).subscribe({
      error: (thrown: unknown) => {
        error = thrown;
      },
    });
    await lease.release();
    expect(error).toMatchObject({ message: 'The worker was given back while it ran this task' });
    expect(await ask(pool, { kind: 'tidied' })).toBe(1);
  });
});

describe('workers that die', () => {
  it('fail their task with what they died of, and are replaced', async () => {
    const pool = openPool();
    const error = await ask(pool, { kind: 'crash' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(WorkerDiedError);
    expect(error).toMatchObject({ code: 'WORKER_DIED', exitCode: undefined });
    expect((error as Error).cause).toBeInstanceOf(TypeError);
    expect((error as Error).message).toContain('the worker has a bug');
    expect(await ask(pool, { kind: 'double', value: 5 })).toBe(10);
    expect(pool.stats.created).toBe(2);
  });

  it('tell their exit code', async () => {
    const pool = openPool();
    await expect(ask(pool, { kind: 'exit', code: 3 })).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining('exit code 3'),
    });
    expect(await ask(pool, { kind: 'double', value: 5 })).toBe(10);
  });

  it('of a lack of memory take nobody along', async () => {
    const pool = openPool({
      workerOptions: {
        resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
      },
    });
    await expect(ask(pool, { kind: 'eat memory' })).rejects.toMatchObject({
      code: 'WORKER_DIED',
      cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' },
    });
    expect(await ask(pool, { kind: 'double', value: 5 })).toBe(10);
  });

  it('while they are idle leave the pool at once', async () => {
    const pool = openPool();
    const idle = stateOf(pool, state => state.idle === 1);
    await ask(pool, { kind: 'crash later' });
    await idle;
    await stateOf(pool, ({ size }) => size === 0);
    expect(pool.resources()).toEqual([]);
  });

  it('fail every task that one borrower runs on them', async () => {
    const pool = openPool();
    const lease = await pool.lease();
    const died = [1, 2].map(() =>
      lastValueFrom(lease.resource.run({ kind: 'until aborted', tidyMillis: 1 })).catch(
        (error: unknown) => (error as Error).name,
      ),
    );
    await nodeThread(lease.resource).terminate();
    expect(await Promise.all(died)).toEqual(['WorkerDiedError', 'WorkerDiedError']);
    await expect(lastValueFrom(lease.resource.run({ kind: 'list' }))).rejects.toThrow(
      'the worker died',
    );
    await lease.release();
    expect(pool.state.size).toBe(0);
  });

  it('or are stuck are found out before they are lent', async () => {
    const clock = new VirtualClock();
    const pool = openPool({ validateAfterIdleMillis: 0, scheduler: clock.scheduler });
    const thread = await ask(pool, { kind: 'thread' });
    await ask(pool, { kind: 'spin later' });
    expect(pool.stats.created).toBe(1);
    const next = ask(pool, { kind: 'thread' });
    await clock.pass(5_000);
    expect(await next).not.toBe(thread);
    expect(pool.stats.validateFailed).toBe(1);
  });
});

describe('scripts that do not work', () => {
  it('fail the acquire with what they threw', async () => {
    const pool = openPool({ worker: scripts.url('broken-script') });
    const error = await pool.lease().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CreateError);
    expect(error).toMatchObject({ cause: { message: 'this script is broken' } });
  });

  it('fail the acquire when they end without serving', async () => {
    const pool = openPool({ worker: fileURLToPath(scripts.url('ending-script')) });
    await expect(pool.lease()).rejects.toMatchObject({
      cause: { message: 'The worker ended with exit code 0' },
    });
  });

  it('fail the acquire where there is none', async () => {
    const pool = openPool({ worker: String(scripts.url('nowhere')) });
    await expect(pool.lease()).rejects.toMatchObject({ cause: { code: 'MODULE_NOT_FOUND' } });
  });

  it('are ended when they serve nothing in time, and when the pool closes', async () => {
    const threads: Worker[] = [];
    const options = {
      worker: () => {
        const thread = new Worker(scripts.url('silent-script'));
        threads.push(thread);
        return thread;
      },
    };
    const pool = openPool({ ...options, createTimeoutMillis: 50 });
    await expect(pool.lease()).rejects.toMatchObject({ cause: expect.any(HookTimeoutError) });
    await vi.waitUntil(() => threads[0]?.threadId === -1, patience);

    const closing = openPool(options);
    closing.lease().catch(() => undefined);
    await closing.close({ force: true });
    await vi.waitUntil(() => threads[1]?.threadId === -1, patience);
  });
});

it('does not keep the process alive for workers that have nothing to do', async () => {
  const program = fileURLToPath(scripts.url('unclosed-program'));
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 10_000 });
  expect(stdout).toBe('42 1\n');
});

it('ends every thread when it is closed', async () => {
  const pool = openPool({ max: 2 });
  const leases = await Promise.all([pool.lease(), pool.lease()]);
  const threads = leases.map(({ resource }) => nodeThread(resource));
  await Promise.all(leases.map(lease => lease.release()));
  await pool.close();
  expect(threads.map(({ threadId }) => threadId)).toEqual([-1, -1]);
});

describe('what is refused', () => {
  it.each([
    ['worker', { worker: '' }],
    ['worker', { worker: undefined }],
    ['worker', { worker: 3 }],
    ['workerOptions', { worker: './w.js', workerOptions: 'fast' }],
    ['workerOptions', { worker: () => undefined, workerOptions: {} }],
    ['create', { worker: './w.js', create: () => undefined }],
    ['maxUse', { worker: './w.js', maxUse: 1 }],
  ])('%s, in %o', (option, options) => {
    expect(() => workerPool(options as never)).toThrow(InvalidOptionsError);
    expect(() => workerPool(options as never)).toThrow(`"${option}"`);
  });

  it('to serve tasks outside of a worker', () => {
    expect(() => serveTasks(() => 1)).toThrow('for the script of a worker');
  });

  it('a pool that is none of workers', async () => {
    const pool = openPool({ worker: scripts.url('tasks') });
    const other = { use: (project: (resource: object) => unknown) => project({}) };
    expect(pool.name).toMatch(/^pool-/);
    expect(() => run(other as never, 1)).toThrow('run needs a pool that workerPool has made');
  });
});
