import { concat, defer, EMPTY, from, isObservable, type Observable } from 'rxjs';
import {
  createPool,
  InvalidOptionsError,
  type Hook,
  type OnCancel,
  type Pool,
  type PoolOptions,
} from '../index.js';
import { Channel } from './channel.js';
import type { TaskWorker } from './task-worker.js';
import { availableParallelism, startThread, type WorkerThread } from './thread.js';

/** The pool's options, but for the hooks that the adapter brings itself. All durations are milliseconds. */
export interface WorkerPoolOptions<Task = unknown, Result = unknown>
  extends Omit<PoolOptions<TaskWorker<Task, Result>>, 'create' | 'destroy' | 'watch'> {
  /**
   * The script, which calls `serveTasks`, or a function that makes a worker of it. Bundlers for browsers know a worker
   * by `() => new Worker(new URL('./script.js', import.meta.url), { type: 'module' })`, written so. Browsers get
   * scripts as modules.
   */
  readonly worker: string | URL | (() => WorkerThread | PromiseLike<WorkerThread>);
  /** Passed on to the constructor with a script: `workerData`, `resourceLimits`, `execArgv`, `name` and so on. */
  readonly workerOptions?: object | undefined;
  /** Default: as many as the machine can run at once. */
  max?: PoolOptions<TaskWorker<Task, Result>>['max'];
  /** Default: a message there and back. A worker that is stuck does not answer, and is replaced. */
  validate?: PoolOptions<TaskWorker<Task, Result>>['validate'];
  /** Default 1,000: a worker that was used within the last second is lent without a check. */
  validateAfterIdleMillis?: number | undefined;
  /**
   * Runs after each lease, once the worker has ended all that it was given; nothing by default. The globals of the
   * worker's script stay as the last task left them: `maxUses: 1` gives each task a thread of its own.
   */
  reset?: PoolOptions<TaskWorker<Task, Result>>['reset'];
  /** Default 'destroy': who leaves a running task has its worker killed. 'release' tells the handler instead. */
  onCancel?: OnCancel | undefined;
}

/**
 * A pool of workers that serve tasks: threads of `node:worker_threads` in Node, Web Workers in browsers. `run` gives
 * them tasks; their script calls `serveTasks`.
 *
 * A worker is there once its script has called `serveTasks`. One that dies, by an uncaught error, `process.exit` or a
 * lack of memory, fails the task that it ran with WorkerDiedError and leaves the pool at once; the next that is needed
 * is made. Workers without a task do not keep a Node process alive.
 *
 * Throws InvalidOptionsError as `createPool` does. A script that fails is an error of the acquire: its CreateError has
 * the script's own as `cause`.
 *
 * @example
 * const pool = workerPool<Job, Picture>({ worker: new URL('./pictures.js', import.meta.url) });
 * run(pool, job).subscribe(picture => save(picture));
 */
export function workerPool<Task = unknown, Result = unknown>(
  options: WorkerPoolOptions<Task, Result>,
): Pool<TaskWorker<Task, Result>> {
  checkOptions(options);
  const { worker, workerOptions, validate, reset, ...poolOptions } = options;
  const start = (): WorkerThread | PromiseLike<WorkerThread> =>
    typeof worker === 'function' ? worker() : startThread(worker, workerOptions);

  const pool = createPool<Channel<Task, Result>>({
    ...poolOptions,
    max: poolOptions.max ?? availableParallelism(),
    validateAfterIdleMillis: poolOptions.validateAfterIdleMillis ?? 1_000,
    onCancel: poolOptions.onCancel ?? 'destroy',
    create: async ({ signal }): Promise<Channel<Task, Result>> =>
      Channel.open(await start(), (): Pool<unknown> => pool, signal),
    validate: validate ?? (lent => lent.isAlive()),
    reset: lent => {
      const quiet = lent.quiet();
      if (quiet === undefined) return reset?.(lent);
      return concat(
        quiet,
        defer(() => streamOf(reset?.(lent))),
      );
    },
    destroy: lent => lent.end(),
    watch: lent => lent.broken$,
  });
  return pool;
}

function streamOf(outcome: Hook<unknown>): Observable<unknown> {
  if (outcome === undefined) return EMPTY;
  return isObservable(outcome) ? outcome : from(Promise.resolve(outcome));
}

function checkOptions(options: WorkerPoolOptions<never, never>): void {
  const given = (options ?? {}) as Partial<WorkerPoolOptions> & Record<string, unknown>;
  const { worker, workerOptions, name } = given;
  const refuse = (option: string, value: unknown, expected: string): never => {
    const pool = typeof name === 'string' ? name : 'workerPool';
    throw new InvalidOptionsError(pool, option, value, expected);
  };
  if (typeof options !== 'object' || (options as unknown) === null) {
    refuse('options', options, 'must be an object');
  }
  for (const hook of ['create', 'destroy', 'watch']) {
    if (given[hook] !== undefined) refuse(hook, given[hook], 'is brought by the adapter');
  }
  const isScript = (typeof worker === 'string' && worker !== '') || worker instanceof URL;
  if (!isScript && typeof worker !== 'function') {
    refuse('worker', worker, 'must be the path or URL of a script, or a function that makes one');
  }
  if (workerOptions === undefined) return;
  if (typeof workerOptions !== 'object' || (workerOptions as unknown) === null) {
    refuse('workerOptions', workerOptions, 'must be an object');
  }
  if (typeof worker === 'function') {
    refuse('workerOptions', workerOptions, 'is for scripts: a function makes its worker itself');
  }
}
