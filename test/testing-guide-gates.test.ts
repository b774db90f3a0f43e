import { expect, it } from 'vitest';
import { createPool, type Lease } from '../src/index.js';
import { assertQuiescent, gates } from '../src/testing/index.js';

it('the oldest request is served first, whichever create ends first', () => {
  const gate = gates({ create: call => `client ${call}` });
  const pool = createPool({ ...gate.hooks, max: 2, idleTimeoutMillis: Infinity });
  const served: string[] = [];
  let held: Lease<string> | undefined;
  pool.acquire().subscribe(lease => {
    held = lease;
    served.push(`first: ${lease.resource}`);
  });
  pool.acquire().subscribe({ error: () => served.push('second: failed') });

  gate.create.at(1).ok(); // the second create ends first …
  expect(served).toEqual(['first: client 2']);
  gate.create.error(); // … and the first one fails
  expect(served).toEqual(['first: client 2', 'second: failed']);

  void held?.release();
  expect(pool.state.resetting).toBe(1);
  gate.openAll(); // whatever waits, and whatever will
  assertQuiescent(pool); // nobody waits for what is there, nothing hangs
  expect(pool.state.idle).toBe(1);
});
