import { EMPTY, map, NEVER, of, throwError, timer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  AcquireTimeoutError,
  createPool,
  HookTimeoutError,
  type Hook,
  type PoolEventType,
} from '../src/index.js';
import type { Thing } from './counting-factory.js';
import { marbles } from './marbles.js';
import { at, inVirtualTime } from './virtual-time.js';
import {
  asNumbers,
  Borrower,
  borrowers,
  countOf,
  eventsOf,
  watchedPool,
  type WatchedPool,
} from './watched-pool.js';

/** As many idle resources, the first the longest. */
function fillIdle({ pool }: WatchedPool, count: number): void {
  for (const borrower of borrowers(pool, count)) borrower.leave();
}

/** What happened to one resource, from an event on. */
function typesSince(watched: WatchedPool, from: number): PoolEventType[] {
  return watched.events.slice(from).map(({ type }) => type);
}

describe('validation on borrow', () => {
  it('VA-01: a bad idle resource is destroyed and the next one lent, without a create', () => {
    const watched = watchedPool({}, { validate: ({ number }) => number === 1 });
    const { pool, factory } = watched;
    fillIdle(watched, 2);
    const borrower = new Borrower(pool.acquire());
    expect(borrower.lease.resource.number).toBe(1);
    expect(borrower.leases).toHaveLength(1);
    expect(factory.destroyed).toEqual([{ number: 2, reason: 'invalid' }]);
    expect(factory.attempts).toBe(2);
    expect(pool.state).toMatchObject({ size: 1, leased: 1 });
  });

  // P10 is settled by product.md: `false`, an error or a time-out is bad, nothing at all is fine. So is everything
  // else: only `false` says no.
  it.each<[string, () => Hook<unknown>, boolean]>([
    [
      'throws',
      () => {
        throw new Error('dead');
      },
      false,
    ],
    ['errors', () => throwError(() => new Error('dead')), false],
    ['errors later', () => timer(5).pipe(map(() => raise(new Error('dead')))), false],
    ['gives false', () => false, false],
    ['gives an Observable of false', () => of(false), false],
    ['gives an Observable of false later', () => timer(5).pipe(map(() => false)), false],
    ['gives true', () => true, true],
    ['gives undefined', () => undefined, true],
    ['completes empty', () => EMPTY, true],
    ['gives an Observable of true and then false', () => of(true, false), true],
    ['gives 0', () => 0, true],
    ["gives 'no'", () => 'no', true],
  ])('VA-03: a validate that %s', (_, validate, isGood) => {
    inVirtualTime(advance => {
      let calls = 0;
      const watched = watchedPool({
        validate: () => {
          calls += 1;
          // Only the first one asked for is in question.
          return (calls === 1 ? validate() : true) as Hook<boolean>;
        },
      });
      const { pool, factory } = watched;
      fillIdle(watched, 2);
      const borrower = new Borrower(pool.acquire());
      advance(5);
      expect(borrower.errors).toEqual([]);
      expect(borrower.lease.resource.number).toBe(isGood ? 2 : 1);
      expect(factory.destroyed).toEqual(isGood ? [] : [{ number: 2, reason: 'invalid' }]);
      expect(countOf(watched, 'validateFailed')).toBe(isGood ? 0 : 1);
      expect(pool.stats.validateFailed).toBe(isGood ? 0 : 1);
      expect(factory.attempts).toBe(2);
    })();
  });

  it('VA-03: a validate that rejects is bad, and the borrower does not see its error', async () => {
    const error = new Error('dead');
    const watched = watchedPool({ validate: () => Promise.reject(error) });
    const { pool, factory } = watched;
    fillIdle(watched, 1);
    const lease = await pool.lease();
    expect(lease.resource.number).toBe(2);
    expect(factory.destroyed).toEqual([{ number: 1, reason: 'invalid' }]);
    expect(eventsOf(watched, 'validateFailed')).toMatchObject([{ id: 1, error }]);
  });

  it('VA-03: the error of a validate is on the event stream, as it was', () => {
    const error = Object.freeze(new Error('dead'));
    const watched = watchedPool(
      {},
      {
        validate: () => {
          throw error;
        },
      },
    );
    fillIdle(watched, 1);
    expect(new Borrower(watched.pool.acquire()).lease.resource.number).toBe(2);
    expect(eventsOf(watched, 'validateFailed')[0]!.error).toBe(error);
  });

  // A fresh resource is not validated (P9), so that a validate that always says no costs one create for each request
  // and can't go round in a loop.
  it(
    'VA-04: a validate that always says no costs one create a request, and nobody waits',
    inVirtualTime(() => {
      const watched = watchedPool({ acquireTimeoutMillis: 100 }, { validate: () => false });
      const { pool, factory } = watched;
      for (let round = 1; round <= 1_000; round += 1) {
        const borrower = new Borrower(pool.acquire());
        expect(borrower.lease.resource.number).toBe(round);
        borrower.leave();
        expect(factory.live).toBe(1);
      }
      expect(factory.attempts).toBe(1_000);
      expect(factory.validated).toHaveLength(999);
    }),
  );

  it(
    'VA-04: with nothing but bad idle resources a request tries each of them once and then makes one',
    inVirtualTime(advance => {
      const watched = watchedPool(
        { max: 5, acquireTimeoutMillis: 100 },
        { validateMillis: 1, validate: () => false, createMillis: 10 },
      );
      const { pool, factory } = watched;
      const first = borrowers(pool, 5);
      advance(10);
      for (const borrower of first) borrower.leave();
      const late = new Borrower(pool.acquire());
      advance(100);
      expect(late.grantedAt).toBe(25);
      expect(late.lease.resource.number).toBe(6);
      expect(factory.validated).toEqual([5, 4, 3, 2, 1]);
      expect(factory.attempts).toBe(6);
    }),
  );

  it(
    'VA-05: a validation that does not end in time for its request takes its resource along',
    inVirtualTime(advance => {
      const destroyed: unknown[] = [];
      let made = 0;
      const { pool } = watchedPool({
        max: 1,
        create: () => ({ number: (made += 1) }),
        validate: () => NEVER,
        destroy: (thing, reason) => destroyed.push([thing.number, reason]),
      });
      new Borrower(pool.acquire()).leave();
      const late = new Borrower(pool.acquire({ timeoutMillis: 10 }));
      advance(10);
      expect(late.errors).toEqual([expect.any(AcquireTimeoutError)]);
      expect(late.errors).toMatchObject([{ phase: 'validating' }]);
      expect(destroyed).toEqual([[1, 'invalid']]);
      expect(pool.state).toMatchObject({ size: 0, validating: 0, waiting: 0 });
      const next = new Borrower(pool.acquire());
      expect(next.lease.resource.number).toBe(2);
    }),
  );

  it(
    'VA-05: a validation that does not end within its own time limit is a bad one',
    inVirtualTime(advance => {
      const watched = watchedPool({ max: 1, validateTimeoutMillis: 50 }, { validateMillis: 1_000 });
      const { pool, factory } = watched;
      fillIdle(watched, 1);
      const borrower = new Borrower(pool.acquire());
      advance(49);
      expect(pool.state.validating).toBe(1);
      advance(1);
      expect(borrower.grantedAt).toBe(50);
      expect(borrower.lease.resource.number).toBe(2);
      expect(factory.destroyed).toEqual([{ number: 1, reason: 'invalid' }]);
      const [failure] = eventsOf(watched, 'validateFailed');
      expect(failure!.error).toBeInstanceOf(HookTimeoutError);
      expect(failure!.error).toMatchObject({ hook: 'validate', code: 'HOOK_TIMEOUT' });
      advance(2_000);
      expect(pool.state).toMatchObject({ leased: 1, size: 1 });
    }),
  );

  it('VA-06: a fresh resource is not validated, an idle one once, and after two bad ones there were three', () => {
    const watched = watchedPool({}, { validate: ({ number }) => number === 1 });
    const { pool, factory } = watched;
    const fresh = borrowers(pool, 3);
    expect(factory.validated).toEqual([]);
    fresh[0]!.leave();
    const again = new Borrower(pool.acquire());
    expect(factory.validated).toEqual([1]);
    again.leave();
    fresh[1]!.leave();
    fresh[2]!.leave();
    expect(new Borrower(pool.acquire()).lease.resource.number).toBe(1);
    expect(factory.validated).toEqual([1, 3, 2, 1]);
  });

  it(
    'VA-06: a resource that comes back to one who waits is validated once for that grant',
    inVirtualTime(advance => {
      const { pool, factory } = watchedPool({ max: 1 }, { validateMillis: 5 });
      const holder = new Borrower(pool.acquire());
      const waiters = borrowers(pool, 2);
      holder.leave();
      expect(pool.state).toMatchObject({ validating: 1, waiting: 2 });
      advance(5);
      expect(waiters[0]!.leases).toHaveLength(1);
      expect(factory.validated).toEqual([1]);
      waiters[0]!.leave();
      advance(5);
      expect(waiters[1]!.leases).toHaveLength(1);
      expect(factory.validated).toEqual([1, 1]);
    }),
  );

  it('validateOnBorrow: false lends without a check', () => {
    const watched = watchedPool({ validateOnBorrow: false }, { validate: () => false });
    fillIdle(watched, 1);
    expect(new Borrower(watched.pool.acquire()).lease.resource.number).toBe(1);
    expect(watched.factory.validated).toEqual([]);
  });

  it(
    'validateAfterIdleMillis spares the check of what was seen good a moment ago',
    inVirtualTime(advance => {
      const watched = watchedPool({ validateAfterIdleMillis: 100 }, { validate: () => true });
      const { pool, factory } = watched;
      fillIdle(watched, 1);
      advance(99);
      new Borrower(pool.acquire()).leave();
      expect(factory.validated).toEqual([]);
      advance(100);
      new Borrower(pool.acquire()).leave();
      expect(factory.validated).toEqual([1]);
    }),
  );

  it(
    'several requests have their resources validated side by side',
    marbles(m => {
      const watched = watchedPool({ max: 3 }, { validateMillis: 5 });
      fillIdle(watched, 3);
      const { pool } = watched;
      m.expect(pool.acquire().pipe(asNumbers)).toBeObservable('-----3');
      m.expect(pool.acquire().pipe(asNumbers)).toBeObservable('-----2');
      m.expect(pool.acquire().pipe(asNumbers)).toBeObservable('-----1');
    }),
  );

  // The numbers of the case are re-derived for P9: the 13 fresh resources are lent unchecked, so that 100 requests
  // need 87 good checks beside the 10 bad ones.
  it(
    'VA-13: a hundred requests are all served although every third check fails at first',
    inVirtualTime(advance => {
      let checks = 0;
      let failures = 0;
      const watched = watchedPool(
        { max: 3 },
        {
          createMillis: 1,
          validateMillis: 1,
          validate: () => {
            checks += 1;
            if (checks % 3 !== 0 || failures === 10) return true;
            failures += 1;
            return false;
          },
        },
      );
      const { pool, factory } = watched;
      let served = 0;
      for (let request = 0; request < 100; request += 1) {
        pool.acquire().subscribe(lease => {
          served += 1;
          void lease.release();
        });
      }
      advance(1_000);
      expect(served).toBe(100);
      expect(factory.validated).toHaveLength(97);
      expect(factory.made).toHaveLength(13);
      expect(factory.destroyed).toHaveLength(10);
      expect(pool.state).toMatchObject({ idle: 3, size: 3, waiting: 0, leased: 0 });
    }),
  );
});

describe('validation on return', () => {
  it('VA-08: a bad one is destroyed and the one who waits is served by a create, with no idle between', () => {
    const watched = watchedPool(
      { max: 1, validateOnReturn: true, validateOnBorrow: false },
      { validate: () => false, reset: () => undefined },
    );
    const { pool, factory, states } = watched;
    const holder = new Borrower(pool.acquire());
    const waiter = new Borrower(pool.acquire());
    holder.leave();
    expect(waiter.lease.resource.number).toBe(2);
    expect(factory.destroyed).toEqual([{ number: 1, reason: 'invalid' }]);
    expect(factory.reset).toEqual([]);
    expect(countOf(watched, 'released')).toBe(1);
    expect(states.every(({ idle }) => idle === 0)).toBe(true);
  });

  it('a good one is reset then, and not validated again for the one who waits', () => {
    const watched = watchedPool(
      { max: 1, validateOnReturn: true },
      { validate: () => true, reset: () => undefined },
    );
    const { pool, factory } = watched;
    const holder = new Borrower(pool.acquire());
    const waiter = new Borrower(pool.acquire());
    const from = watched.events.length;
    holder.leave();
    expect(waiter.leases).toHaveLength(1);
    expect(typesSince(watched, from)).toEqual([
      ...['released', 'validating', 'validated', 'resetting', 'reset', 'acquired'],
    ]);
    expect(factory.validated).toEqual([1]);
  });
});

describe('reset', () => {
  it(
    'VA-09: nobody has the resource while its reset runs; who comes meanwhile is served at its end',
    marbles(m => {
      const { pool, factory } = watchedPool({ max: 1 }, { resetMillis: 50 });
      const holder = new Borrower(pool.acquire());
      holder.leave();
      m.expect(pool.acquire().pipe(asNumbers), '10ms ^').toBeObservable('50ms 1');
      at(20, () => {
        expect(pool.state).toMatchObject({ resetting: 1, idle: 0, leased: 0, waiting: 1 });
        expect(pool.tryAcquire()).toBeUndefined();
        expect(factory.attempts).toBe(1);
      });
      at(60, () => expect(pool.state).toMatchObject({ resetting: 0, leased: 1 }));
    }),
  );

  it(
    'VA-09: with room left, who comes during the reset does not wait for it',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ max: 2 }, { resetMillis: 50 });
      new Borrower(pool.acquire()).leave();
      advance(10);
      expect(new Borrower(pool.acquire()).lease.resource.number).toBe(2);
      expect(pool.state).toMatchObject({ resetting: 1, leased: 1 });
    }),
  );

  it.each([0, 5])(
    'VA-10: a reset that fails after %d ms destroys the resource, and the waiters are served by new ones, twice in a row',
    millis => {
      inVirtualTime(advance => {
        const error = new Error('reset failed');
        const watched = watchedPool(
          { max: 1 },
          {
            resetMillis: millis,
            reset: () => {
              throw error;
            },
          },
        );
        const { pool, factory } = watched;
        const [first, second, third] = borrowers(pool, 3) as [
          Borrower<Thing>,
          Borrower<Thing>,
          Borrower<Thing>,
        ];
        expect(() => first.leave()).not.toThrow();
        advance(millis);
        expect(second.lease.resource.number).toBe(2);
        void second.lease.release();
        advance(millis);
        expect(third.lease.resource.number).toBe(3);
        expect(factory.destroyed).toEqual([
          { number: 1, reason: 'resetFailed' },
          { number: 2, reason: 'resetFailed' },
        ]);
        expect(eventsOf(watched, 'resetFailed').map(event => event.error)).toEqual([error, error]);
        expect(pool.stats).toMatchObject({ resetFailed: 2, destroyed: 2 });
      })();
    },
  );

  it('VA-10: a reset that rejects destroys the resource, release resolves and the waiter is served', async () => {
    const watched = watchedPool({ max: 1, reset: () => Promise.reject(new Error('reset failed')) });
    const { pool, factory } = watched;
    const lease = await pool.lease();
    const waiting = pool.lease();
    await expect(lease.release()).resolves.toBeUndefined();
    expect((await waiting).resource.number).toBe(2);
    expect(factory.destroyed).toEqual([{ number: 1, reason: 'resetFailed' }]);
    expect(countOf(watched, 'resetFailed')).toBe(1);
  });

  it(
    'an Observable reset is done when it completes, not at its first value',
    marbles(m => {
      const { pool } = watchedPool({ max: 1, reset: () => m.cold('-a-b-|') });
      m.expect(pool.acquire().pipe(asNumbers), '^-!').toBeObservable('1');
      m.expect(pool.acquire().pipe(asNumbers)).toBeObservable('-------1');
    }),
  );

  it(
    'a reset that passes its time limit destroys the resource',
    inVirtualTime(advance => {
      const watched = watchedPool({ max: 1, resetTimeoutMillis: 20 }, { resetMillis: 1_000 });
      const holder = new Borrower(watched.pool.acquire());
      const waiter = new Borrower(watched.pool.acquire());
      holder.leave();
      advance(20);
      expect(waiter.lease.resource.number).toBe(2);
      expect(watched.factory.destroyed).toEqual([{ number: 1, reason: 'resetFailed' }]);
      expect(eventsOf(watched, 'resetFailed')).toMatchObject([
        { tookMillis: 20, error: { code: 'HOOK_TIMEOUT', hook: 'reset' } },
      ]);
      advance(2_000);
      expect(waiter.lease.released).toBe(false);
    }),
  );
});

describe('the order of things on return', () => {
  const hooks = { validate: () => true, reset: () => undefined };

  it('VA-12: what is good is validated where that is asked for, then reset, then idle', () => {
    const watched = watchedPool({ validateOnReturn: true }, hooks);
    const borrower = new Borrower(watched.pool.acquire());
    const from = watched.events.length;
    borrower.leave();
    expect(typesSince(watched, from)).toEqual([
      ...['released', 'validating', 'validated', 'resetting', 'reset'],
    ]);
    expect(watched.pool.state.idle).toBe(1);
  });

  it('VA-12: a second release runs none of it', () => {
    const watched = watchedPool({ validateOnReturn: true }, hooks);
    const { lease } = new Borrower(watched.pool.acquire());
    void lease.release();
    const from = watched.events.length;
    void lease.release();
    expect(typesSince(watched, from)).toEqual([]);
    expect([watched.factory.validated, watched.factory.reset]).toEqual([[1], [1]]);
  });

  it(
    'VA-12: what is past its lifetime is destroyed only',
    inVirtualTime(advance => {
      const watched = watchedPool({ validateOnReturn: true, maxLifetimeMillis: 100 }, hooks);
      const borrower = new Borrower(watched.pool.acquire());
      advance(150);
      const from = watched.events.length;
      borrower.leave();
      expect(typesSince(watched, from)).toEqual(['released', 'evicted', 'destroying', 'destroyed']);
      expect(watched.factory.destroyed).toEqual([{ number: 1, reason: 'lifetime' }]);
      expect([watched.factory.validated, watched.factory.reset]).toEqual([[], []]);
    }),
  );

  it.each<[string, (watched: WatchedPool, holder: Borrower<Thing>) => void, string]>([
    ['recycled', ({ pool }) => void pool.recycle(), 'recycled'],
    ['over the new max', ({ pool }) => pool.resize({ max: 1 }), 'surplus'],
    ['used up', () => undefined, 'maxUses'],
  ])('VA-12: what is %s is neither validated nor reset', (name, doom, reason) => {
    const watched = watchedPool(
      { validateOnReturn: true, maxUses: name === 'used up' ? 1 : Infinity },
      hooks,
    );
    const [holder] = borrowers(watched.pool, 2) as [Borrower<Thing>];
    doom(watched, holder);
    holder.leave();
    expect(watched.factory.destroyed).toEqual([{ number: 1, reason }]);
    expect([watched.factory.validated, watched.factory.reset]).toEqual([[], []]);
  });

  it(
    'VA-12: what is doomed during its validation on return is not reset',
    inVirtualTime(advance => {
      const watched = watchedPool(
        { validateOnReturn: true },
        { validateMillis: 10, reset: () => undefined },
      );
      new Borrower(watched.pool.acquire()).leave();
      advance(5);
      void watched.pool.recycle();
      advance(5);
      expect(watched.factory.reset).toEqual([]);
      expect(watched.factory.destroyed).toEqual([{ number: 1, reason: 'recycled' }]);
    }),
  );

  it(
    'VA-12: what is doomed during its reset is not lent',
    inVirtualTime(advance => {
      const watched = watchedPool({ max: 1 }, { resetMillis: 10 });
      const holder = new Borrower(watched.pool.acquire());
      const waiter = new Borrower(watched.pool.acquire());
      holder.leave();
      advance(5);
      void watched.pool.recycle();
      advance(5);
      expect(waiter.lease.resource.number).toBe(2);
      expect(watched.factory.destroyed).toEqual([{ number: 1, reason: 'recycled' }]);
    }),
  );

  it('hooks that are not there are steps that are not there', () => {
    const made: object[] = [];
    const pool = createPool<object>({
      create: () => {
        made.push({});
        return made.at(-1)!;
      },
    });
    new Borrower(pool.acquire()).leave();
    void new Borrower(pool.acquire()).lease.destroy();
    expect(made).toHaveLength(1);
    expect(pool.state.size).toBe(0);
  });

  it('a hook that is a method of the options keeps its `this`', () => {
    const seen: unknown[] = [];
    const pool = createPool<object>({
      maxUses: 7,
      create: () => ({}),
      reset() {
        seen.push(this.maxUses);
      },
    });
    new Borrower(pool.acquire()).leave();
    expect(seen).toEqual([7]);
  });

  it('a hook may call back into the pool', () => {
    const inside: Borrower<Thing>[] = [];
    const watched: WatchedPool = watchedPool(
      { max: 2 },
      {
        reset: () => {
          if (inside.length === 0) inside.push(new Borrower(watched.pool.acquire()));
        },
      },
    );
    const holder = new Borrower(watched.pool.acquire());
    holder.leave();
    expect(inside[0]!.leases).toHaveLength(1);
    expect(watched.pool.state).toMatchObject({ leased: 1, resetting: 0, waiting: 0 });
  });
});

function raise(error: unknown): never {
  throw error;
}
