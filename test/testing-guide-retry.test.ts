import { defer, map, retry } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { expect, it } from 'vitest';
import { backoff, createPool } from '../src/index.js';
import { countMarbles, eventLetters, eventMarbles, marbleResource } from '../src/testing/index.js';

it('a server that refuses twice is asked again after 10 and after 20 ms', () => {
  new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  }).run(m => {
    // The server: refuses at once, refuses after 1 ms, then gives a connection after 2 ms.
    const server = marbleResource(m, { create: ['#', '-#', '--(c|)'] });

    // The policy under test.
    const pool = createPool({
      create: context =>
        defer(() => server.create()).pipe(
          retry(backoff({ baseMillis: 10, factor: 2, jitter: 0, count: 5 }, context)),
        ),
      idleTimeoutMillis: Infinity,
    });

    // 0 + 10 + 1 + 20 + 2 = 33: one create for the pool, three attempts for the server.
    const events$ = eventMarbles(pool.stats$, 'creating', 'created', 'createFailed');
    const borrowed$ = pool.acquire().pipe(map(lease => lease.resource));
    m.expectObservable(borrowed$, '^ 40ms !').toBe('33ms c');
    m.expectObservable(events$, '^ 40ms !').toBe('C 32ms N', eventLetters);
    m.expectObservable(countMarbles(pool.state$, 'creating'), '^ 40ms !').toBe('1 32ms 0');
  });
});
