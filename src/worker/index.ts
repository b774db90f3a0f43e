export { run, type RunOptions } from './run.js';
export { serveTasks, type TaskContext, type TaskHandler, type TaskOutcome } from './serve-tasks.js';
export type { TaskOptions, TaskWorker } from './task-worker.js';
export type { WorkerThread } from './thread.js';
export { transfer, type Transferred } from './transfer.js';
export { WorkerDiedError } from './worker-died-error.js';
export { workerPool, type WorkerPoolOptions } from './worker-pool.js';
