import { expect, it } from 'vitest';
import { createPool } from '../src/index.js';
import { checkInvariants, InvariantError } from '../src/testing/index.js';

it('an alarm rings when the pool breaks a promise, and stays silent otherwise', async () => {
  const alarms: unknown[] = [];
  const pool = createPool({ create: () => ({ name: 'client' }), max: 2 });

  // In the tick that makes the pool; then it can be left running.
  pool.stats$.pipe(checkInvariants()).subscribe({
    error: (error: unknown) => {
      if (error instanceof InvariantError) alarms.push(error.violations);
    },
  });

  await (await pool.lease()).release();
  await pool.close();
  expect(alarms).toEqual([]);
});
