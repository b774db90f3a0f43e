import { map, mergeMap, of, timer } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { expect, it } from 'vitest';
import { eventLetters, eventMarbles, marblePool } from '../src/testing/index.js';

it('two jobs share one connection, one after the other', () => {
  new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  }).run(m => {
    const pool = marblePool(m, { create: '--(c|)', max: 1 });

    // The code under test: each job works for 5 ms with the connection.
    const jobs$ = of('x', 'y').pipe(
      mergeMap(job => pool.use(connection => timer(5).pipe(map(() => `${job} on ${connection}`)))),
    );

    const events$ = eventMarbles(pool.stats$, 'creating', 'acquired', 'released');
    m.expectObservable(jobs$).toBe('-------x----(y|)', { x: 'x on c', y: 'y on c' });
    m.expectObservable(events$, '^ 20ms !').toBe('C-a----(ba)-b', eventLetters);
  });
});
