import { catchError, map, of } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { expect, it } from 'vitest';
import { AcquireTimeoutError } from '../src/index.js';
import { eventLetters, eventMarbles, marblePool } from '../src/testing/index.js';

it('who cannot get a connection within 50 ms answers from the cache', () => {
  new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  }).run(m => {
    const pool = marblePool(m, { create: '--(c|)', max: 1, acquireTimeoutMillis: 50 });

    // The code under test.
    const answer$ = pool.acquire().pipe(
      map(lease => lease.resource),
      catchError((error: unknown) => {
        if (error instanceof AcquireTimeoutError) return of(`cache, after ${error.phase}`);
        throw error;
      }),
    );

    const events$ = eventMarbles(pool.stats$, 'acquired', 'timedOut');
    m.expectObservable(answer$, '^ 99ms !').toBe('--c'); // holds the only one for 100 ms
    m.expectObservable(answer$, '^ 99ms !').toBe('50ms (w|)', { w: 'cache, after waiting' });
    m.expectObservable(events$, '^ 99ms !').toBe('--a 47ms t', eventLetters);
  });
});
