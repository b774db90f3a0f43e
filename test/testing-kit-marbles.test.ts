import { map } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describe, expect, it } from 'vitest';
import { CreateError, createPool, type PoolEventType } from '../src/index.js';
import {
  countMarbles,
  eventLetters,
  eventMarbles,
  marblePool,
  marbleResource,
  stateMarbles,
  type MarblePoolOptions,
} from '../src/testing/index.js';
import { marbles } from './marbles.js';

function testScheduler(): TestScheduler {
  return new TestScheduler((actual, expected) => {
    expect(actual).toStrictEqual(expected);
  });
}

describe('marbleResource', () => {
  it('takes as long to create, reset and destroy as its diagrams say', () => {
    testScheduler().run(m => {
      const hooks = marbleResource(m, { create: '--(a|)', reset: '-|', destroy: '---|' });
      const pool = createPool({ ...hooks, max: 1, idleTimeoutMillis: Infinity });
      const events$ = eventMarbles(pool.stats$, 'created', 'reset', 'destroyed');
      m.cold('----|').subscribe({ complete: () => void pool.close() });
      m.expectObservable(pool.acquire().pipe(map(lease => lease.resource)), '^--!').toBe('--a');
      m.expectObservable(events$).toBe('--N-S--(X|)', eventLetters);
    });
  });

  it(
    'works with rxjs-marbles as it is',
    marbles(m => {
      const pool = createPool({
        ...marbleResource(m, { create: '--(a|)' }),
        idleTimeoutMillis: Infinity,
      });
      m.expect(pool.acquire().pipe(map(lease => lease.resource)), '^---!').toBeObservable('--a');
    }),
  );

  it('answers each call with the next diagram, and all later ones with the last', () => {
    testScheduler().run(m => {
      const hooks = marbleResource(m, { create: ['-(a|)', '-#', '--(b|)'] });
      const pool = createPool({ ...hooks, idleTimeoutMillis: Infinity });
      const borrow = () => pool.acquire().pipe(map(lease => lease.resource));
      m.expectObservable(borrow(), '^----!').toBe('-a');
      m.expectObservable(borrow(), '^----!').toBe('-#', undefined, expect.any(CreateError));
      m.expectObservable(borrow(), '^----!').toBe('--b');
      m.expectObservable(borrow(), '^----!').toBe('--b');
    });
  });

  it('makes what the letters stand for, and fails with the error given', () => {
    testScheduler().run(m => {
      const client = { name: 'client' };
      const refused = new Error('refused');
      const hooks = marbleResource(m, {
        create: ['-(a|)', '-#'],
        values: { a: client },
        error: refused,
      });
      m.expectObservable(hooks.create()).toBe('-(a|)', { a: client });
      m.expectObservable(hooks.create()).toBe('-#', undefined, refused);
    });
  });

  it('names the hook in its own error', () => {
    testScheduler().run(m => {
      const { reset } = marbleResource(m, { create: 'a', reset: '#' });
      m.expectObservable(reset!('a')).toBe('#', undefined, new Error('reset failed'));
    });
  });

  it('validates with t and f', () => {
    testScheduler().run(m => {
      const pool = marblePool(m, { create: ['(a|)', '-(b|)'], validate: ['-(f|)'], max: 1 });
      pool.acquire().subscribe().unsubscribe();
      const events$ = eventMarbles(pool.stats$, 'validateFailed', 'acquired');
      m.expectObservable(pool.acquire().pipe(map(lease => lease.resource)), '^---!').toBe('--b');
      m.expectObservable(events$, '^-----!').toBe('-Ia', eventLetters);
    });
  });

  it('lets a resource break later, by an error after its first letter', () => {
    testScheduler().run(m => {
      const pool = marblePool(m, { create: 'a---#', destroy: '-|', max: 1 });
      pool.acquire().subscribe().unsubscribe();
      const events$ = eventMarbles(pool.stats$, 'created', 'resourceError', 'destroyed');
      m.expectObservable(events$, '^-----!').toBe('N---BX', eventLetters);
    });
  });

  it('has only the hooks that have diagrams', () => {
    testScheduler().run(m => {
      expect(Object.keys(marbleResource(m, { create: 'a' }))).toEqual(['create']);
      expect(
        Object.keys(marbleResource(m, { create: 'a', validate: 't', reset: '|', destroy: '|' })),
      ).toEqual(['create', 'validate', 'reset', 'destroy']);
      expect(() => marbleResource(m, { create: [] }).create()).toThrow(
        'there is no diagram for create',
      );
    });
  });

  it('fails on a diagram that takes another time than it says', () => {
    const scheduler = new TestScheduler((actual, expected) => {
      expect(actual).not.toStrictEqual(expected);
    });
    scheduler.run(m => {
      const pool = marblePool(m, { create: '--(a|)' });
      m.expectObservable(pool.acquire().pipe(map(lease => lease.resource)), '^----!').toBe('-a');
    });
    expect.assertions(1);
  });
});

describe('marblePool', () => {
  it('keeps idle resources and exact lifetimes, unless it is told otherwise', () => {
    testScheduler().run(m => {
      const lasting = marblePool(m, { create: '(a|)' });
      const dying = marblePool(m, { create: '(a|)', maxLifetimeMillis: 10, name: 'dying' });
      const idling = marblePool(m, { create: '(a|)', idleTimeoutMillis: 5 });
      for (const pool of [lasting, dying, idling]) pool.acquire().subscribe().unsubscribe();
      expect([lasting.name, dying.name]).toEqual(['marbles', 'dying']);
      m.expectObservable(countMarbles(lasting.state$, 'idle'), '^ 60s !').toBe('1');
      m.expectObservable(countMarbles(dying.state$, 'idle'), '^ 60s !').toBe('1 9ms 0');
      m.expectObservable(countMarbles(idling.state$, 'idle'), '^ 60s !').toBe('1 4ms 0');
    });
  });

  it('refuses unknown options as createPool does', () => {
    testScheduler().run(m => {
      const misspelt = { create: 'a', maxx: 3 } as MarblePoolOptions;
      expect(() => marblePool(m, misspelt)).toThrow(/maxx.*max/);
    });
  });
});

describe('eventMarbles', () => {
  it('has the events of frame 0, before an expectation can subscribe', () => {
    testScheduler().run(m => {
      const pool = marblePool(m, { create: '-(a|)', min: 1 });
      m.expectObservable(eventMarbles(pool.stats$), '^---!').toBe('CN', eventLetters);
    });
  });

  it('tells all events of a frame in their order', () => {
    testScheduler().run(m => {
      const pool = marblePool(m, { create: '----(a|)', max: 1 });
      m.cold('---------x').subscribe(() => void pool.close());
      m.expectObservable(pool.acquire(), '^-------!').toBe('----a', { a: expect.anything() });
      m.expectObservable(eventMarbles(pool.stats$)).toBe('(rC)(Na)b(ODXZ|)', eventLetters);
    });
  });

  it('has a letter for every type of event', () => {
    const types: Record<PoolEventType, true> = {
      requested: true,
      acquired: true,
      cancelled: true,
      timedOut: true,
      rejected: true,
      released: true,
      creating: true,
      created: true,
      createFailed: true,
      validating: true,
      validated: true,
      validateFailed: true,
      resetting: true,
      reset: true,
      resetFailed: true,
      evicted: true,
      destroying: true,
      destroyed: true,
      destroyFailed: true,
      resourceError: true,
      permitLost: true,
      nestedAcquire: true,
      revoking: true,
      leaked: true,
      revoked: true,
      resized: true,
      paused: true,
      resumed: true,
      draining: true,
      closed: true,
    };
    expect(Object.values(eventLetters).sort()).toEqual(Object.keys(types).sort());
    expect(Object.keys(eventLetters).every(letter => letter.length === 1)).toBe(true);
  });
});

describe('countMarbles and stateMarbles', () => {
  it('shows one count whenever it changes', () => {
    testScheduler().run(m => {
      const pool = marblePool(m, { create: '-(a|)', reset: '--|', max: 1 });
      m.expectObservable(pool.acquire(), '^--!').toBe('-a', { a: expect.anything() });
      m.expectObservable(countMarbles(pool.state$, 'leased'), '^------!').toBe('01-0');
    });
  });

  it('tells counts from ten on by letters, and what has none by a star', () => {
    const seen: string[] = [];
    const pool = createPool({ create: () => 1, max: 40, idleTimeoutMillis: Infinity });
    countMarbles(pool.state$, 'leased').subscribe(letter => seen.push(letter));
    const leases = Array.from({ length: 37 }, () => pool.acquire().subscribe());
    expect(seen.slice(8, 12)).toEqual(['8', '9', 'a', 'b']);
    expect(seen.slice(-3)).toEqual(['z', '*', '*'].slice(0, 3));
    leases.forEach(lease => lease.unsubscribe());
  });

  it('completes with the pool', () => {
    testScheduler().run(m => {
      const pool = marblePool(m, { create: '(a|)', destroy: '-|' });
      pool.acquire().subscribe().unsubscribe();
      m.cold('--x').subscribe(() => void pool.close());
      const values = {
        a: { lifecycle: 'running', size: 1 },
        b: { lifecycle: 'draining', size: 1 },
        c: { lifecycle: 'closed', size: 0 },
        d: { lifecycle: 'draining', size: 0 },
      };
      m.expectObservable(stateMarbles(pool.state$, 'lifecycle', 'size')).toBe('a-b(dc|)', values);
    });
  });
});
