// Both sides of it: a thread of our pool's that answers messages, and a task of piscina's.
import { parentPort } from 'node:worker_threads';

parentPort?.on('message', value => {
  if (typeof value === 'number') parentPort.postMessage(value);
});

export default value => value;
