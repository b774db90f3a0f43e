import { PoolError, type PoolState } from '../index.js';

/**
 * The worker ended, or threw outside its handler, while it ran the task. `cause` is what it threw. The pool has replaced
 * it by another: the task alone is lost, and may be what killed it.
 *
 * @example
 * run(pool, job).subscribe({
 *   error: error => {
 *     if (error instanceof WorkerDiedError) console.error('the job killed its worker', error.cause);
 *   },
 * });
 */
export class WorkerDiedError extends PoolError {
  /** For those who tell errors apart by name; `instanceof` and `code` do as well. */
  override readonly name = 'WorkerDiedError';
  /** Of a thread of Node that ended by itself. */
  readonly exitCode: number | undefined;

  constructor(pool: string, state: PoolState, cause: unknown, exitCode: number | undefined) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super('WORKER_DIED', pool, state, `the worker died while it ran a task: ${why}`, { cause });
    this.exitCode = exitCode;
  }
}
