// Code that borrows, tested in virtual time: half a minute of waiting takes no time, and every millisecond is drawn.
// It runs under vitest, jest or mocha as well; here it is the test runner of Node.
import { deepStrictEqual } from 'node:assert';
import { after, test } from 'node:test';
import { AcquireTimeoutError, type Pool } from 'rxpool';
import { eventLetters, eventMarbles, marblePool } from 'rxpool/testing';
import { catchError, map, mergeMap, of, throwError, timer, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';

/** The code under test: asks the database for a price, for 20 ms, and falls back on the cache when nobody is free. */
function price(pool: Pool<string>, item: string): Observable<string> {
  return pool
    .use(db => timer(20).pipe(map(() => `${item} from ${db}`)), { timeoutMillis: 30 })
    .pipe(
      catchError((error: unknown) =>
        error instanceof AcquireTimeoutError
          ? of(`${item} from the cache`)
          : throwError(() => error),
      ),
    );
}

const virtually: TestScheduler['run'] = work => new TestScheduler(deepStrictEqual).run(work);

let passed = 0;

test('the second request waits for the first, and the third answers from the cache', () => {
  virtually(m => {
    const pool = marblePool(m, { create: '--(d|)', max: 1 });
    const prices$ = of('a', 'b', 'c').pipe(mergeMap(item => price(pool, item)));

    // 2 ms to connect, 20 ms of work; the second has its lease at 22; the third gives up at 30.
    m.expectObservable(prices$).toBe('22ms a 7ms c 11ms (b|)', {
      a: 'a from d',
      b: 'b from d',
      c: 'c from the cache',
    });
    m.expectObservable(eventMarbles(pool.stats$, 'acquired', 'timedOut'), '^ 60ms !').toBe(
      '--a 19ms a 7ms t',
      eventLetters,
    );
  });
  passed += 1;
});

test('who leaves in the middle gives the connection to the next', () => {
  virtually(m => {
    const pool = marblePool(m, { create: '--(d|)', reset: '-|', max: 1 });

    m.expectObservable(price(pool, 'a'), '^ 9ms !').toBe('');
    m.expectObservable(price(pool, 'b')).toBe('31ms (b|)', { b: 'b from d' });
    m.expectObservable(eventMarbles(pool.stats$, 'acquired', 'released'), '^ 20ms !').toBe(
      '--a 7ms ba',
      eventLetters,
    );
  });
  passed += 1;
});

after(() => {
  console.log(`${passed} tests passed`); // prints: 2 tests passed
});
