import { catchError, EMPTY, finalize, mergeMap, range, timer } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { expect, it } from 'vitest';
import { createPool, type PoolEvent } from '../src/index.js';
import { assertInvariants, assertQuiescent, flaky, oracleFactory } from '../src/testing/index.js';

for (const seed of [1, 2, 3, 4, 5]) {
  it(`the crawler loses no connection on a bad day (seed ${seed})`, () => {
    new TestScheduler(() => undefined).run(m => {
      // A back end that fails and dawdles, the same way each time for one seed …
      const hooks = flaky({
        seed,
        create: { fail: 0.2, millis: [5, 50] },
        validate: { invalid: 0.1 },
        reset: { fail: 0.05, millis: [1, 5] },
      });
      // … and resources that notice misuse, and count themselves.
      const oracle = oracleFactory({ max: 4, hooks });
      const pool = createPool({ ...oracle.hooks, max: 4 });
      const events: PoolEvent[] = [];
      pool.stats$.subscribe(event => events.push(event));

      // The code under test: a hundred pages, ten at a time.
      const crawl$ = range(1, 100).pipe(
        mergeMap(page => {
          const visit$ = pool.use(browser => {
            const work = oracle.use(browser);
            return timer(page % 7).pipe(finalize(() => work.end()));
          });
          return visit$.pipe(catchError(() => EMPTY));
        }, 10),
      );
      crawl$.subscribe();
      m.flush();

      expect(oracle.violations).toEqual([]);
      assertInvariants(pool, { events, oracle, leased: 0, waiting: 0 });
      assertQuiescent(pool);
      expect(pool.stats.acquired + pool.stats.rejected).toBe(100);
    });
  });
}
