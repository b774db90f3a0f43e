import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  EMPTY,
  finalize,
  from,
  map,
  merge,
  NEVER,
  of,
  range,
  Subject,
  take,
  tap,
  throwError,
  timer,
  toArray,
  type Subscription,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  AcquireTimeoutError,
  createPool,
  InvalidOptionsError,
  withLease,
  type PoolEvent,
  type PoolOptions,
  type Project,
  type WithLeaseOptions,
} from '../src/index.js';
import { marbles } from './marbles.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A pool of numbered resources that are there at once and stay. */
function numbered(options: Partial<PoolOptions<number>> = {}) {
  let made = 0;
  return createPool<number>({ create: () => ++made, idleTimeoutMillis: Infinity, ...options });
}

describe('withLease', () => {
  it(
    'runs the project with a resource for each value, as many at once as the pool has',
    marbles(m => {
      const pool = numbered({ max: 2 });
      const source = m.cold('(abcd|)');
      const result$ = source.pipe(
        withLease(pool, (resource, value) => timer(10).pipe(map(() => `${value}${resource}`))),
      );

      m.expect(result$).toBeObservable('10ms (pq) 6ms (rs|)', {
        p: 'a1',
        q: 'b2',
        r: 'c1',
        s: 'd2',
      });
    }),
  );

  it(
    'a fast source makes no queue of waiters: requests are at most `concurrency`, the rest stays in the operator',
    marbles(m => {
      const pool = numbered({ max: 2 });
      const events: PoolEvent<number>[] = [];
      pool.stats$.subscribe(event => events.push(event));
      range(0, 1000)
        .pipe(withLease(pool, () => timer(1), { concurrency: 3 }))
        .subscribe();
      expect(pool.state).toMatchObject({ leased: 2, waiting: 1 });
      m.flush();

      expect(pool.stats).toMatchObject({
        acquired: 1000,
        released: 1000,
        peakWaiting: 1,
        created: 2,
      });
      expect(Math.max(...events.map(({ state }) => state.leased + state.waiting))).toBe(3);
    }),
  );

  it(
    'by default no request of it waits, and a value that stays in the operator for long has no deadline yet',
    marbles(m => {
      const pool = numbered({ max: 1, acquireTimeoutMillis: 50 });
      const result$ = m
        .cold<string>('(abc|)')
        .pipe(withLease(pool, (_, value) => timer(40).pipe(map(() => value))));

      m.expect(result$).toBeObservable('40ms a 39ms b 39ms (c|)');
      m.flush();

      expect(pool.stats).toMatchObject({ timedOut: 0, wait: { count: 3, maxMillis: 0 } });
    }),
  );

  it(
    "the default is what the pool's max is when the stream is subscribed",
    marbles(m => {
      const pool = numbered({ max: 1 });
      const stream$ = range(0, 10).pipe(withLease(pool, () => NEVER));
      pool.resize({ max: 4 });
      const subscription = stream$.subscribe();

      expect(pool.state).toMatchObject({ leased: 4, waiting: 0 });
      subscription.unsubscribe();
      expect(pool.state).toMatchObject({ leased: 0, idle: 4 });
      m.flush();
    }),
  );

  it(
    'with a concurrency of 1 results keep the order of the values',
    marbles(m => {
      const pool = numbered({ max: 5 });
      const result$ = of(30, 10, 20).pipe(
        withLease(pool, (_, millis) => timer(millis).pipe(map(() => millis)), { concurrency: 1 }),
        toArray(),
      );

      m.expect(result$).toBeObservable('60ms (a|)', { a: [30, 10, 20] });
    }),
  );

  it('the project may give a value, a promise, an Observable or an async iterable', async () => {
    const pool = numbered();
    async function* letters() {
      yield 'p';
      yield 'q';
    }
    const outcomes: (() => ReturnType<Project<number, unknown>>)[] = [
      () => ['an', 'array'],
      () => Promise.resolve('kept'),
      () => from(['x', 'y']),
      letters,
    ];
    const results = await new Promise(resolve => {
      from(outcomes)
        .pipe(
          withLease(pool, (_, outcome) => outcome(), { concurrency: 1 }),
          toArray(),
        )
        .subscribe(resolve);
    });

    expect(results).toEqual([['an', 'array'], 'kept', 'x', 'y', 'p', 'q']);
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
    await pool.close();
  });

  it('the project is given the lease, which it may end itself', () => {
    const pool = numbered();
    const resources: number[] = [];
    of('keep', 'break', 'keep')
      .pipe(
        withLease(pool, (resource, value, lease) => {
          if (value === 'break') void lease.destroy(new Error('broken'));
          return resource;
        }),
      )
      .subscribe(resource => resources.push(resource));

    expect(resources).toEqual([1, 1, 2]);
    expect(pool.stats).toMatchObject({ created: 2, destroyed: 1, released: 3 });
  });

  it(
    'an error of the project ends the stream, gives back what is out and drops what is buffered',
    marbles(m => {
      const pool = numbered({ max: 2 });
      const started: string[] = [];
      const source = m.hot<string>('(abcdef)');
      const result$ = source.pipe(
        withLease(pool, (_, value) => {
          started.push(value);
          return value === 'c' ? throwError(() => 'bad c') : timer(10).pipe(map(() => value));
        }),
      );

      m.expect(result$).toBeObservable('10ms (a#)', undefined, 'bad c');
      m.expect(source).toHaveSubscriptions('^ 9ms !');
      m.flush();

      expect(started).toEqual(['a', 'b', 'c']);
      expect(pool.state).toMatchObject({ leased: 0, waiting: 0, idle: 2 });
    }),
  );

  it(
    'an error of the source ends the stream at once and stops the work',
    marbles(m => {
      const pool = numbered();
      const work = m.cold('20ms x|');
      const result$ = m.cold('a 4ms #').pipe(withLease(pool, () => work));

      m.expect(result$).toBeObservable('5ms #');
      m.expect(work).toHaveSubscriptions('^ 4ms !');
      m.flush();

      expect(pool.state.leased).toBe(0);
    }),
  );

  it(
    'an error of a request ends the stream too',
    marbles(m => {
      const pool = numbered({ max: 1 });
      pool.tryAcquire();
      pool.acquire().subscribe();
      const errors: unknown[] = [];
      of('a')
        .pipe(withLease(pool, () => 'never', { timeoutMillis: 25 }))
        .subscribe({ error: (error: unknown) => errors.push(error) });
      m.flush();

      expect(errors).toHaveLength(1);
      expect(errors[0]).toBeInstanceOf(AcquireTimeoutError);
      expect(errors[0]).toMatchObject({ waitedMillis: 25 });
    }),
  );

  it('an error that is caught inside the project costs only its own value', () => {
    const pool = numbered();
    const results: string[] = [];
    of('a', 'b', 'c')
      .pipe(
        withLease(pool, (_, value) => {
          try {
            if (value === 'b') throw new Error('bad b');
            return value;
          } catch {
            return 'failed';
          }
        }),
      )
      .subscribe(result => results.push(result));

    expect(results).toEqual(['a', 'failed', 'c']);
  });

  it(
    'unsubscribing leaves the queue, gives back, and starts nothing more',
    marbles(m => {
      const pool = numbered({ max: 1 });
      const source = m.hot('(abc)');
      const work = m.cold('20ms x|');
      const result$ = source.pipe(withLease(pool, () => work, { concurrency: 2 }));

      m.expect(result$, '7ms !').toBeObservable('-');
      m.expect(source).toHaveSubscriptions('^ 6ms !');
      m.expect(work).toHaveSubscriptions('^ 6ms !');
      m.flush();

      expect(pool.state).toMatchObject({ leased: 0, waiting: 0, idle: 1 });
      expect(pool.stats).toMatchObject({ acquired: 1, released: 1, cancelled: 1 });
    }),
  );

  it('a consumer that takes a few values of an endless synchronous source ends it', () => {
    const pool = numbered();
    const results: number[] = [];
    range(0, Infinity)
      .pipe(
        withLease(pool, (_, value) => value),
        take(3),
      )
      .subscribe(result => results.push(result));

    expect(results).toEqual([0, 1, 2]);
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
  });

  it('a consumer that takes a few values of an endless synchronous project ends it', () => {
    const pool = numbered();
    let made = 0;
    of('a')
      .pipe(
        withLease(pool, () => range(0, 100_000).pipe(tap(() => (made += 1)))),
        take(3),
      )
      .subscribe();

    expect(made).toBeLessThanOrEqual(4);
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
  });

  it('a consumer that leaves on a result starts no value that was buffered behind it', () => {
    const pool = numbered();
    const gate = new Subject<string>();
    const started: string[] = [];
    of('a', 'b', 'c')
      .pipe(
        withLease(
          pool,
          (_, value) => {
            started.push(value);
            return value === 'a' ? gate : value;
          },
          { concurrency: 1 },
        ),
        take(1),
      )
      .subscribe();
    gate.complete();

    expect(started).toEqual(['a', 'b']);
    expect(pool.state).toMatchObject({ leased: 0, waiting: 0, idle: 1 });
  });

  it('a value that is done is not kept, however many wait behind it', async () => {
    const pool = numbered();
    const gates = [new Subject<object>(), new Subject<object>()];
    const done = new WeakRef({ value: 'done' });
    const source = new Subject<object>();
    const subscription = source
      .pipe(withLease(pool, () => gates.shift() ?? NEVER, { concurrency: 1 }))
      .subscribe();
    const [first, second] = gates;
    source.next({});
    source.next(done.deref()!);
    for (let index = 0; index < 10; index += 1) source.next({});
    first!.complete();
    second!.complete();
    // A WeakRef holds its target until the task that made it has ended.
    await new Promise(resolve => setImmediate(resolve));
    collectGarbage();

    expect(done.deref()).toBeUndefined();
    subscription.unsubscribe();
  });

  it(
    'a teardown that throws keeps no other work from being given back',
    marbles(m => {
      const pool = numbered({ max: 3 });
      const subscription = range(0, 3)
        .pipe(
          withLease(pool, (_, value) =>
            NEVER.pipe(
              finalize(() => {
                if (value === 1) throw new Error('bad teardown');
              }),
            ),
          ),
        )
        .subscribe();

      expect(() => subscription.unsubscribe()).toThrow('bad teardown');
      expect(pool.state).toMatchObject({ leased: 0, idle: 3 });
      m.flush();
    }),
  );

  it(
    'onCancel decides what happens to the resources that are out when the stream is unsubscribed',
    marbles(m => {
      const pool = numbered({ max: 2 });
      range(0, 2)
        .pipe(withLease(pool, () => NEVER, { onCancel: 'destroy' }))
        .subscribe()
        .unsubscribe();
      m.flush();

      expect(pool.state).toMatchObject({ size: 0 });
      expect(pool.stats.destroyed).toBe(2);
    }),
  );

  it(
    'completes when the source has and the last value is done',
    marbles(m => {
      const pool = numbered();

      m.expect(m.cold('a-|').pipe(withLease(pool, () => m.cold('5ms x|')))).toBeObservable(
        '5ms x|',
      );
      m.expect(EMPTY.pipe(withLease(pool, () => 1))).toBeObservable('|');
    }),
  );

  it('is cold: each subscription takes its own leases, and nothing is asked before', () => {
    const pool = numbered();
    const stream$ = of('a').pipe(withLease(pool, resource => resource));
    expect(pool.stats).toMatchObject({ created: 0, acquired: 0 });
    stream$.subscribe();
    stream$.subscribe();

    expect(pool.stats).toMatchObject({ created: 1, acquired: 2, released: 2 });
  });

  it('a value that a result brings about, as in a loop, is buffered and served in turn', () => {
    const pool = numbered({ max: 1 });
    const values = new Subject<number>();
    const results: number[] = [];
    values.pipe(withLease(pool, (_, value) => value)).subscribe(result => {
      results.push(result);
      if (result < 5) values.next(result + 1);
    });
    values.next(0);

    expect(results).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('100,000 buffered values behind a slow one are served in order, without growth of the stack', () => {
    const pool = numbered({ max: 1 });
    const gate = new Subject<number>();
    let next = 0;
    let inOrder = true;
    let completed = false;
    range(0, 100_000)
      .pipe(withLease(pool, (_, value) => (value === 0 ? gate.pipe(take(1)) : value)))
      .subscribe({
        next: value => {
          inOrder &&= value === next;
          next += 1;
        },
        complete: () => {
          completed = true;
        },
      });
    expect(next).toBe(0);
    gate.next(0);

    expect({ next, inOrder, completed }).toEqual({ next: 100_000, inOrder: true, completed: true });
    expect(pool.stats).toMatchObject({ acquired: 100_000, created: 1, peakWaiting: 1 });
  });

  it(
    'several streams share one pool without overtaking',
    marbles(m => {
      const pool = numbered({ max: 1 });
      const stream = (name: string) =>
        range(0, 3).pipe(
          withLease(pool, (_, index) => timer(10).pipe(map(() => `${name}${index}`)), {
            concurrency: 1,
          }),
        );

      m.expect(merge(stream('a'), stream('b')).pipe(toArray())).toBeObservable('60ms (r|)', {
        r: ['a0', 'b0', 'a1', 'b1', 'a2', 'b2'],
      });
    }),
  );

  it(
    'labels and priorities reach the requests',
    marbles(m => {
      const pool = numbered({ max: 1 });
      const granted: unknown[] = [];
      pool.stats$.subscribe(event => {
        if (event.type === 'acquired') granted.push(event.label);
      });
      const subscriptions: Subscription[] = [];
      const run = (options: WithLeaseOptions) =>
        subscriptions.push(
          of(1)
            .pipe(withLease(pool, () => timer(10), options))
            .subscribe(),
        );
      run({ label: 'first' });
      run({ label: 'batch', priority: 1 });
      run({ label: 'urgent', priority: -1 });
      m.flush();

      expect(granted).toEqual(['first', 'urgent', 'batch']);
      expect(subscriptions.every(({ closed }) => closed)).toBe(true);
    }),
  );

  it.each<[string, unknown]>([
    ['concurrency', 0],
    ['concurrency', 1.5],
    ['concurrency', Number.NaN],
    ['concurrency', '2'],
    ['timeoutMillis', 0],
    ['concurency', 2],
  ])('the option %s: %j is refused by name', (option, value) => {
    const refused = expect(() => withLease(numbered({ name: 'db' }), () => 1, { [option]: value }));
    refused.toThrow(InvalidOptionsError);
    refused.toThrow(`[db] option "${option}"`);
  });

  it('a project that is no function is refused when the operator is made', () => {
    expect(() => withLease(numbered(), undefined as never)).toThrow(InvalidOptionsError);
  });
});
