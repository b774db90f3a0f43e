import { concat, EMPTY, map, NEVER, timer } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { expect, it } from 'vitest';
import { LeaseRevokedError, PoolClosedError } from '../src/index.js';
import { eventLetters, eventMarbles, marblePool, stateMarbles } from '../src/testing/index.js';

it('a shutdown lets the one job finish and takes the connection from the other', () => {
  new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  }).run(m => {
    const pool = marblePool(m, { create: '(c|)', destroy: '-|', max: 2 });
    const short$ = pool.use(() => timer(20).pipe(map(() => 's')));
    const endless$ = pool.use(() => NEVER);
    const late$ = pool.use(() => EMPTY);

    // The code under test: at 10 ms it shuts down, and gives the jobs 30 ms more.
    timer(10).subscribe(() => void pool.close({ drainTimeoutMillis: 30 }).catch(() => undefined));

    const isRevoked = expect.any(LeaseRevokedError);
    const isClosed = expect.any(PoolClosedError);
    m.expectObservable(short$).toBe('20ms (s|)');
    m.expectObservable(endless$).toBe('40ms #', undefined, isRevoked);
    m.expectObservable(concat(timer(15).pipe(map(() => 't')), late$)) // comes too late
      .toBe('15ms (t#)', undefined, isClosed);

    const events$ = eventMarbles(pool.stats$, 'draining', 'destroying', 'closed');
    m.expectObservable(events$).toBe('10ms O 9ms D 19ms D(Z|)', eventLetters);
    const states$ = stateMarbles(pool.state$, 'lifecycle');
    m.expectObservable(states$).toBe('r 9ms d 30ms (c|)', {
      r: { lifecycle: 'running' },
      d: { lifecycle: 'draining' },
      c: { lifecycle: 'closed' },
    });
  });
});
