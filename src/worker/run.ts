import type { Observable } from 'rxjs';
import type { AcquireOptions, Pool } from '../index.js';
import { Channel } from './channel.js';
import type { TaskOptions, TaskWorker } from './task-worker.js';

/** Options of `run`. */
export interface RunOptions extends AcquireOptions, TaskOptions {}

/**
 * Cold: each subscription borrows a worker of a `workerPool`, has it run the task, emits the result, or each of several,
 * and completes. The worker is given back before a single result is emitted, and before the stream completes or errors.
 *
 * Unsubscribing, or aborting `signal`, while the task waits withdraws it; while it runs it kills the worker, which may
 * be in a loop that hears nothing, and the pool makes another when it needs one. `onCancel: 'release'`, here or for the
 * pool, tells the handler instead (by its `signal`): the worker is lent again when that has ended, and killed when it
 * has not within `resetTimeoutMillis`.
 *
 * `take(1)` and `firstValueFrom` are safe with a handler that gives one result; with one that gives several they leave
 * in flight. What is in `transfer` is gone with the first subscription: `retry` needs a copy.
 *
 * Errors: those of `pool.use` (the deadline covers getting a worker, not the task), what the handler threw, with its
 * message, name, stack, cause and fields, WorkerDiedError, and `DataCloneError` for what cannot be sent.
 *
 * @example
 * run(pool, { pixels }, { transfer: [pixels.buffer], signal }).subscribe(show);
 */
export function run<Task, Result>(
  pool: Pool<TaskWorker<Task, Result>>,
  task: Task,
  options: RunOptions = {},
): Observable<Result> {
  const { transfer, ...acquireOptions } = options;
  return pool.use(
    (worker, lease) =>
      // Given back before `next`, so that a consumer who leaves on the one result does not leave in flight.
      channelOf(worker).exchange(task, transfer, () => void lease.release()),
    acquireOptions,
  );
}

function channelOf<Task, Result>(worker: TaskWorker<Task, Result>): Channel<Task, Result> {
  if (worker instanceof Channel) return worker as Channel<Task, Result>;
  throw new TypeError('run needs a pool that workerPool has made');
}
