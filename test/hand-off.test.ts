import { filter, Subject, takeUntil } from 'rxjs';
import { expect, it } from 'vitest';
import { createPool, type Lease } from '../src/index.js';
import { oracleFactory, type OracleResource } from '../src/testing/index.js';

// Between being chosen and being told stands whatever other subscribers do when they hear of it.

it('CR-01: a chosen waiter that leaves before its lease is delivered passes it on to the next, in the same pass', () => {
  const oracle = oracleFactory({ max: 1 });
  const pool = createPool({ ...oracle.hooks, max: 1 });
  const leases = new Map<string, Lease<OracleResource>>();
  const left$ = new Subject<void>();
  const borrow = (label: string): void => {
    pool
      .acquire({ label })
      .pipe(takeUntil(label === 'second' ? left$ : new Subject<void>()))
      .subscribe(lease => leases.set(label, lease));
  };
  borrow('first');
  borrow('second');
  borrow('third');
  expect(pool.state).toMatchObject({ leased: 1, waiting: 2 });

  pool.stats$
    .pipe(filter(event => event.type === 'acquired' && event.label === 'second'))
    .subscribe(() => {
      left$.next();
    });
  void leases.get('first')?.release();

  expect([...leases.keys()]).toEqual(['first', 'third']);
  expect(leases.get('third')?.resource.id).toBe(1);
  expect(pool.state).toMatchObject({ leased: 1, idle: 0, waiting: 0 });
  expect(pool.stats).toMatchObject({ acquired: 3, released: 2, cancelled: 0 });
  expect(oracle.violations).toEqual([]);
});
