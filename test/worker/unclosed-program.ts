import { lastValueFrom } from 'rxjs';
import { run, workerPool } from '../../src/worker/index.js';
import type { Task } from './tasks.js';

// Nobody closes this pool: its idle worker must not keep the process.
const pool = workerPool<Task, number>({ worker: new URL('./tasks.js', import.meta.url), max: 1 });
console.log(await lastValueFrom(run(pool, { kind: 'double', value: 21 })), pool.state.idle);
