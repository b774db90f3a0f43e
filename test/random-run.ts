import fc from 'fast-check';
import type { Lease, Pool } from '../src/index.js';
import { borrow, type Borrower, type SteppedScheduler, type Thing } from './virtual-pool.js';

/** Borrowing, giving back, breaking, cancelling and waiting in a random order that a seed repeats. Leaves all leases out. */
export function randomRun(
  { pool, time }: { readonly pool: Pool<Thing>; readonly time: SteppedScheduler },
  { seed = 7, steps = 400 } = {},
): Borrower<Thing>[] {
  const borrowers: Borrower<Thing>[] = [];
  const take = (number: number): Borrower<Thing> | undefined =>
    borrowers.splice(number % (borrowers.length || 1), 1)[0];
  for (const number of fc.sample(fc.integer({ min: 0, max: 99 }), { numRuns: steps, seed })) {
    if (number < 40) borrowers.push(borrow(pool, { label: `caller ${number % 3}` }));
    else if (number < 70) take(number)?.leave();
    else if (number < 75) void leaseOf(take(number))?.destroy(new Error('broke'));
    else time.advance(number - 70);
  }
  return borrowers;
}

function leaseOf(borrower: Borrower<Thing> | undefined): Lease<Thing> | undefined {
  const lease = borrower?.leases[0];
  if (lease === undefined) borrower?.leave();
  return lease;
}
