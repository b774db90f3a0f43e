import {
  asyncScheduler,
  concat,
  defer,
  NEVER,
  of,
  retry,
  Subject,
  throwError,
  timer,
  VirtualTimeScheduler,
} from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  AcquireTimeoutError,
  backoff,
  createPool,
  CreateError,
  InvalidOptionsError,
  type BackoffOptions,
  type CreateContext,
  type PoolEvent,
} from '../src/index.js';
import { marbles } from './marbles.js';

const exact = { jitter: 0 } satisfies BackoffOptions;

/** A context that is no pool's, as a test or another library may make one. */
function contextOf(controller: AbortController): CreateContext {
  return { signal: controller.signal, pool: 'elsewhere' };
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe('backoff as a config for retry', () => {
  it(
    'pauses grow by the factor and stop growing at the cap, to the frame',
    marbles(m => {
      const failing = m.cold('#');
      const config = backoff({ ...exact, baseMillis: 100, factor: 2, maxMillis: 500 });

      m.expect(failing.pipe(retry(config)), '1800ms !').toBeObservable('-');
      m.expect(failing).toHaveSubscriptions([
        '(^!)',
        '100ms (^!)',
        '300ms (^!)',
        '700ms (^!)',
        '1200ms (^!)',
        '1700ms (^!)',
      ]);
    }),
  );

  it(
    'a factor of 1 keeps all pauses alike',
    marbles(m => {
      const failing = m.cold('#');

      m.expect(
        failing.pipe(retry(backoff({ ...exact, baseMillis: 30, factor: 1 }))),
        '70ms !',
      ).toBeObservable('-');
      m.expect(failing).toHaveSubscriptions(['(^!)', '30ms (^!)', '60ms (^!)']);
    }),
  );

  it(
    'a pause counts from the failure, not from the start of the attempt',
    marbles(m => {
      const slow = m.cold('5ms #');

      m.expect(slow.pipe(retry(backoff({ ...exact, baseMillis: 10, count: 1 })))).toBeObservable(
        '20ms #',
      );
      m.expect(slow).toHaveSubscriptions(['^ 4ms !', '15ms ^ 4ms !']);
    }),
  );

  it(
    'after `count` retries the last error is passed on at once',
    marbles(m => {
      let attempts = 0;
      const failing = defer(() => throwError(() => `failure ${++attempts}`));

      m.expect(failing.pipe(retry(backoff({ ...exact, baseMillis: 10, count: 2 })))).toBeObservable(
        '30ms #',
        undefined,
        'failure 3',
      );
    }),
  );

  it(
    'values pass through, and a success in between does not shorten the next pause',
    marbles(m => {
      const source = m.cold('a#');

      m.expect(source.pipe(retry(backoff({ ...exact, baseMillis: 10 }))), '35ms !').toBeObservable(
        'a 10ms a 20ms a',
      );
    }),
  );

  it('jitter shortens a pause by up to its share, and never lengthens it', () => {
    const random = vi.spyOn(Math, 'random');
    const pauseAt = (chance: number): number => {
      random.mockReturnValue(chance);
      const scheduler = new VirtualTimeScheduler();
      const config = backoff({ baseMillis: 1000, jitter: 0.25, count: 1, scheduler });
      throwError(() => 'down')
        .pipe(retry(config))
        .subscribe({ error: () => undefined });
      scheduler.flush();
      return scheduler.frame;
    };

    expect(pauseAt(0)).toBe(1000);
    expect(pauseAt(0.5)).toBe(875);
    expect(pauseAt(1 - Number.EPSILON)).toBe(750);
  });

  it('pauses are spread without being asked, between half and all of the base of 100 ms', () => {
    const pauses = Array.from({ length: 200 }, () => {
      const scheduler = new VirtualTimeScheduler();
      throwError(() => 'down')
        .pipe(retry(backoff({ count: 1, scheduler })))
        .subscribe({ error: () => undefined });
      scheduler.flush();
      return scheduler.frame;
    });

    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(100);
    expect(new Set(pauses).size).toBeGreaterThan(10);
  });

  it('a pause beyond 2^31 ms is made in hops and ends at its frame', () => {
    const month = 30 * 24 * 3_600_000;
    const scheduler = new VirtualTimeScheduler();
    const attempts: number[] = [];
    defer(() => {
      attempts.push(scheduler.now());
      return throwError(() => 'down');
    })
      .pipe(
        retry(backoff({ ...exact, baseMillis: month, maxMillis: Infinity, count: 1, scheduler })),
      )
      .subscribe({ error: () => undefined });
    scheduler.flush();

    expect(attempts).toEqual([0, month]);
  });

  it('unsubscribing during a pause leaves no timer behind', () => {
    vi.useFakeTimers();
    const subscription = throwError(() => 'down')
      .pipe(retry(backoff({ baseMillis: 1000, scheduler: asyncScheduler })))
      .subscribe();
    expect(vi.getTimerCount()).toBe(1);

    subscription.unsubscribe();

    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('backoff with the context of a create', () => {
  it(
    'CF-11: with the factory down, a waiter is served by the attempt at 30 s, and attempts are made at 0, 10, 20 and 30 s only',
    marbles(m => {
      const attempts: number[] = [];
      const connect = () => {
        attempts.push(m.scheduler.now());
        return m.scheduler.now() < 25_000 ? throwError(() => new Error('down')) : of('db');
      };
      const pool = createPool({
        create: context =>
          defer(connect).pipe(retry(backoff({ ...exact, baseMillis: 10_000, factor: 1 }, context))),
        // All attempts are one create and one request: both limits are for all of them.
        createTimeoutMillis: 60_000,
        acquireTimeoutMillis: 60_000,
        idleTimeoutMillis: Infinity,
      });

      m.expect(pool.use(db => db)).toBeObservable('30s (a|)', { a: 'db' });
      m.flush();

      expect(attempts).toEqual([0, 10_000, 20_000, 30_000]);
      expect(pool.stats).toMatchObject({ created: 1, createFailed: 0, timedOut: 0 });
    }),
  );

  it(
    'a request that times out between attempts names the last failed attempt as its cause',
    marbles(m => {
      let attempts = 0;
      const failing = defer(() => throwError(() => new Error(`refused ${++attempts}`)));
      const pool = createPool({
        name: 'db',
        create: context => failing.pipe(retry(backoff({ ...exact, baseMillis: 40 }, context))),
        acquireTimeoutMillis: 100,
        createTimeoutMillis: 500,
      });
      const errors: unknown[] = [];
      pool.acquire().subscribe({ error: (error: unknown) => errors.push(error) });
      m.flush();

      expect(errors).toHaveLength(1);
      expect(errors[0]).toBeInstanceOf(AcquireTimeoutError);
      expect(errors[0]).toMatchObject({ phase: 'creating', cause: new Error('refused 2') });
      expect(String(errors[0])).toContain('refused 2');
    }),
  );

  it(
    'no attempt is made after the time limit of the create, also when it passes during a pause',
    marbles(m => {
      const attempts: number[] = [];
      const failing = defer(() => {
        attempts.push(m.scheduler.now());
        return throwError(() => new Error('down'));
      });
      const pool = createPool({
        create: context => failing.pipe(retry(backoff({ ...exact, baseMillis: 40 }, context))),
        createTimeoutMillis: 100,
      });
      const errors: unknown[] = [];
      pool.acquire().subscribe({ error: (error: unknown) => errors.push(error) });
      m.flush();

      expect(attempts).toEqual([0, 40]);
      expect(errors[0]).toBeInstanceOf(CreateError);
      expect(pool.state).toMatchObject({ size: 0, creating: 0, waiting: 0 });
    }),
  );

  it(
    'closing the pool ends a pause, and close waits for no attempt',
    marbles(m => {
      let attempts = 0;
      const failing = defer(() => {
        attempts += 1;
        return throwError(() => new Error('down'));
      });
      const pool = createPool({
        create: context => failing.pipe(retry(backoff({ ...exact, baseMillis: 1000 }, context))),
      });
      const events: PoolEvent<never>[] = [];
      pool.stats$.subscribe(event => events.push(event));
      pool.acquire().subscribe({ error: () => undefined });
      timer(10).subscribe(() => void pool.close());
      m.flush();

      expect(attempts).toBe(1);
      expect(events.at(-1)).toMatchObject({ type: 'closed', at: 10 });
    }),
  );

  it("pauses run on the pool's scheduler unless another is given", () => {
    const scheduler = new VirtualTimeScheduler();
    const other = new VirtualTimeScheduler();
    let attempts = 0;
    const poolOn = (options: BackoffOptions) =>
      createPool({
        create: context =>
          defer(() => {
            attempts += 1;
            return throwError(() => new Error('down'));
          }).pipe(retry(backoff({ ...exact, baseMillis: 10, count: 1, ...options }, context))),
        createTimeoutMillis: Infinity,
        scheduler,
      });
    poolOn({})
      .acquire()
      .subscribe({ error: () => undefined });
    poolOn({ scheduler: other })
      .acquire()
      .subscribe({ error: () => undefined });

    scheduler.flush();
    expect(attempts).toBe(3);
    other.flush();
    expect(attempts).toBe(4);
  });

  it('a pause keeps a process alive only where no pool says whether it must', () => {
    const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length;
    const pauseWith = (context?: CreateContext) => {
      const before = timers();
      const subscription = throwError(() => 'down')
        .pipe(retry(backoff({}, context)))
        .subscribe();
      const armed = timers() - before;
      subscription.unsubscribe();
      return armed;
    };

    expect(pauseWith()).toBe(1);
    expect(pauseWith(contextOf(new AbortController()))).toBe(0);
  });

  it(
    'an abort during a pause passes the last error on at once and stops the timer',
    marbles(m => {
      const controller = new AbortController();
      const failing = m.cold('5ms #', undefined, 'down');
      timer(50).subscribe(() => controller.abort());

      m.expect(
        failing.pipe(retry(backoff({ ...exact, baseMillis: 100 }, contextOf(controller)))),
      ).toBeObservable('50ms #', undefined, 'down');
      m.expect(failing).toHaveSubscriptions('^ 4ms !');
    }),
  );

  it(
    'an attempt that fails after the abort is the last one',
    marbles(m => {
      const controller = new AbortController();
      const failing = m.cold('60ms #', undefined, 'down');
      timer(50).subscribe(() => controller.abort());

      m.expect(
        failing.pipe(retry(backoff({ ...exact, baseMillis: 100 }, contextOf(controller)))),
      ).toBeObservable('60ms #', undefined, 'down');
      m.expect(failing).toHaveSubscriptions('^ 59ms !');
    }),
  );

  it('pauses leave no listener on the signal of the create', () => {
    const controller = new AbortController();
    const added = vi.spyOn(controller.signal, 'addEventListener');
    const removed = vi.spyOn(controller.signal, 'removeEventListener');
    const scheduler = new VirtualTimeScheduler();
    throwError(() => 'down')
      .pipe(retry(backoff({ count: 5, scheduler }, contextOf(controller))))
      .subscribe({ error: () => undefined });
    scheduler.flush();

    expect(added).toHaveBeenCalledTimes(5);
    expect(removed.mock.calls.map(([, listener]) => listener)).toEqual(
      added.mock.calls.map(([, listener]) => listener),
    );
  });

  it(
    'a resource that breaks after it was created is not made again inside its own create',
    marbles(m => {
      const broken = new Subject<never>();
      let connections = 0;
      const connect = () => {
        connections += 1;
        return concat(of(`db ${connections}`), broken, NEVER);
      };
      const pool = createPool({
        create: context =>
          defer(connect).pipe(retry(backoff({ ...exact, baseMillis: 10 }, context))),
      });
      const events: PoolEvent<string>[] = [];
      pool.stats$.subscribe(event => events.push(event));
      pool.use(db => db).subscribe();
      timer(5).subscribe(() => broken.error(new Error('connection lost')));
      m.flush();

      expect(connections).toBe(1);
      expect(events.find(({ type }) => type === 'destroyed')).toMatchObject({
        reason: 'broken',
        at: 5,
      });
    }),
  );
});

describe('the options of backoff', () => {
  it.each<[keyof BackoffOptions | 'base', unknown]>([
    ['baseMillis', 0],
    ['baseMillis', -1],
    ['baseMillis', 1.5],
    ['baseMillis', Infinity],
    ['baseMillis', '100'],
    ['maxMillis', 0],
    ['maxMillis', Number.NaN],
    ['factor', 0.5],
    ['factor', Infinity],
    ['factor', '2'],
    ['jitter', -0.1],
    ['jitter', 1.1],
    ['jitter', Number.NaN],
    ['count', 0],
    ['count', 2.5],
    ['scheduler', {}],
    ['base', 100],
  ])('%s: %j is refused by name', (option, value) => {
    const refused = expect(() => backoff({ [option]: value }));
    refused.toThrow(InvalidOptionsError);
    refused.toThrow(`[backoff] option "${option}"`);
  });

  it('an unknown option is refused with the nearest known one', () => {
    expect(() => backoff({ baseMilis: 100 } as BackoffOptions)).toThrow('"baseMillis"');
  });

  it('a base above the cap is refused, and a base above the default cap moves that', () => {
    expect(() => backoff({ baseMillis: 200, maxMillis: 100 })).toThrow(
      'must not be above maxMillis (100), but is 200',
    );
    expect(() => backoff({ baseMillis: 60_000 })).not.toThrow();
  });

  it('undefined counts as not given', () => {
    expect(() => backoff({ baseMillis: undefined, count: undefined })).not.toThrow();
  });
});
