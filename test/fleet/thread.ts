import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { Redis } from 'ioredis';
import { redisPermits } from '../../src/budget/index.js';
import { postgresPool } from '../../src/postgres/index.js';
import { borrowAll } from './load.js';
import { counters, type Plan } from './plan.js';

interface ThreadData {
  readonly plan: Plan;
  /** `p3`; the server's list of connections shows it. */
  readonly process: string;
  readonly thread: number;
  readonly memory: SharedArrayBuffer;
}

const { plan, process: processName, thread, memory } = workerData as ThreadData;
const counts = new Int32Array(memory);
const client = new Redis(plan.redisUrl);
const subscriber = client.duplicate();
const permits = redisPermits(client, {
  key: plan.key,
  limit: plan.limit,
  ttlMillis: plan.ttlMillis,
  member: `${processName}-t${thread}`,
  subscriber,
});
const pool = postgresPool({
  connection: { connectionString: plan.databaseUrl, application_name: processName },
  name: `${processName}-t${thread}`,
  max: plan.borrowersPerThread,
  acquireTimeoutMillis: 60_000,
  permits,
});
permits.events$.subscribe(event => {
  if (event.type === 'lost' && event.error.reason !== 'recalled') {
    Atomics.add(counts, counters.lost, 1);
  }
});

let isOver = false;
const told = parentPort === null ? Promise.resolve() : once(parentPort, 'message');
Atomics.add(counts, counters.ready, 1);
const work = borrowAll(pool, {
  borrowers: plan.borrowersPerThread,
  workMillis: plan.workMillis,
  isOver: () => isOver,
  onServed: () => Atomics.add(counts, counters.served, 1),
  onFailed: error => {
    // At the end the pool refuses who comes back once more.
    if (isOver) return;
    Atomics.add(counts, counters.failed, 1);
    console.error(pool.name, error);
  },
});
await told;
isOver = true;
// For whoever has to find out why a thread does not end.
let stage = 'closing the pool';
const impatience = setTimeout(() => {
  console.error(`${pool.name} is still ${stage}`, pool.state, permits.state, client.status);
}, 20_000);
impatience.unref();
// Who still waits for a permit would wait for its turn.
await pool.close({ drainTimeoutMillis: 10_000 });
stage = 'waiting for its borrowers';
await work;
stage = 'disposing of the budget';
await permits.dispose();
stage = 'ending';
client.disconnect();
subscriber.disconnect();
