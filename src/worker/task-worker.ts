import type { Observable } from 'rxjs';
import type { WorkerThread } from './thread.js';

/** Options of one task. */
export interface TaskOptions {
  /** What moves to the worker instead of being copied: `ArrayBuffer`s, ports, streams. Empty here from then on. */
  readonly transfer?: readonly object[] | undefined;
}

/** A worker that serves tasks: what a pool of workers lends. */
export interface TaskWorker<Task = unknown, Result = unknown> {
  /** The `Worker` itself, for messages of your own. */
  readonly thread: WorkerThread;
  /**
   * Cold: each subscription sends the task to this worker, emits its result, or each of several, and completes.
   * Several may run side by side where the handler is asynchronous. Unsubscribing tells the worker, whose handler sees
   * it by its `signal`; that kills nobody. For one task a lease, `run(pool, task)` is shorter.
   *
   * Errors: what the handler threw, with its message, name, stack, cause and fields; WorkerDiedError; `DataCloneError`
   * where the task or its result cannot be sent.
   *
   * @example
   * pool.use(worker => concat(worker.run(load), worker.run(evaluate)));
   */
  run(task: Task, options?: TaskOptions): Observable<Result>;
}
