import fc from 'fast-check';
import { BehaviorSubject, NEVER, of, Subject, Subscription, throwError, timer, map } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  AcquireTimeoutError,
  CreateError,
  InvalidOptionsError,
  LeaseReleasedError,
  PoolClosedError,
  WaitingLimitError,
  type Lease,
  type PoolEvent,
} from '../src/index.js';
import {
  createMultiplexedPool,
  SharedResourceBrokenError,
  type MultiplexedPool,
  type MultiplexedPoolOptions,
} from '../src/multiplex/index.js';
import { assertInvariants } from '../src/testing/index.js';
import { inVirtualTime } from './virtual-time.js';

/** A real resource: it knows how many use it, and may be told to carry less, or to break. */
class Session {
  readonly id: number;
  readonly limit$: BehaviorSubject<number>;
  readonly broken$ = new Subject<unknown>();
  users = 0;

  constructor(id: number, limit: number) {
    this.id = id;
    this.limit$ = new BehaviorSubject(limit);
  }
}

/** Sessions that are counted by their factory, from before `create` to after `destroy`. */
class World {
  readonly sessions: Session[] = [];
  readonly destroyed: { id: number; reason: string }[] = [];
  readonly pool: MultiplexedPool<Session>;
  readonly events: PoolEvent[] = [];
  readonly resourceEvents: PoolEvent[] = [];
  alive = 0;
  most = 0;

  constructor(
    options: Partial<MultiplexedPoolOptions<Session>> & { createMillis?: number; limit?: number },
  ) {
    const { createMillis = 0, limit = 2, ...given } = options;
    this.pool = createMultiplexedPool<Session>({
      name: 'multi',
      create: () => {
        this.alive += 1;
        this.most = Math.max(this.most, this.alive);
        const session = new Session(this.sessions.length + 1, limit);
        this.sessions.push(session);
        return createMillis === 0 ? of(session) : timer(createMillis).pipe(map(() => session));
      },
      destroy: (session, reason) => {
        this.alive -= 1;
        this.destroyed.push({ id: session.id, reason });
      },
      watch: session => session.broken$,
      concurrencyPerResource: session => session.limit$,
      lifetimeJitter: 0,
      ...given,
    });
    this.pool.stats$.subscribe(event => this.events.push(event));
    this.pool.underlying.stats$.subscribe(event => this.resourceEvents.push(event));
  }

  /** Borrows; what became of it is in the object. */
  borrow(): Borrowed {
    return new Borrowed(this.pool);
  }

  borrows(count: number): Borrowed[] {
    return Array.from({ length: count }, () => this.borrow());
  }
}

class Borrowed {
  lease: Lease<Session> | undefined;
  session: Session | undefined;
  error: unknown;
  isOver = false;
  readonly subscription = new Subscription();

  constructor(pool: MultiplexedPool<Session>, onLease?: (session: Session) => void) {
    this.subscription.add(
      pool.acquire().subscribe({
        next: lease => {
          onLease?.(lease.resource);
          this.lease = lease;
          this.session = lease.resource;
        },
        error: (error: unknown) => {
          this.error = error;
          this.isOver = true;
        },
        complete: () => {
          this.isOver = true;
        },
      }),
    );
  }
}

const idsOf = (borrowed: Borrowed[]): (number | undefined)[] =>
  borrowed.map(({ session }) => session?.id);

describe('a multiplexed pool', () => {
  it(
    'lets leases share a resource up to its limit, and opens another when that is reached',
    inVirtualTime(() => {
      const world = new World({ max: 2 });
      const borrowed = world.borrows(5);

      expect(idsOf(borrowed)).toEqual([1, 1, 2, 2, undefined]);
      expect(world.pool.state).toMatchObject({ leased: 4, waiting: 1 });
      expect(world.pool.underlying.state).toMatchObject({ leased: 2, max: 2 });
      expect(world.pool.loads()).toEqual([
        { id: 1, leases: 2, limit: 2, isEnding: false },
        { id: 2, leases: 2, limit: 2, isEnding: false },
      ]);
      borrowed[2]!.subscription.unsubscribe();
      expect(borrowed[4]!.session?.id).toBe(2);
    }),
  );

  it(
    'gives a new lease to the least utilized resource, of several to the oldest',
    inVirtualTime(() => {
      const world = new World({ concurrencyPerResource: 4 });
      const borrowed = world.borrows(8);
      expect(idsOf(borrowed)).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
      for (const index of [0, 4, 5, 6]) borrowed[index]!.subscription.unsubscribe();

      expect(idsOf(world.borrows(4))).toEqual([2, 2, 1, 2]);
    }),
  );

  it(
    'measures the utilization by the limit of each resource',
    inVirtualTime(() => {
      const world = new World({ limit: 10 });
      const borrowed = world.borrows(11);
      world.sessions[1]!.limit$.next(2);
      for (const index of [0, 1, 2, 3, 4, 5, 6]) borrowed[index]!.subscription.unsubscribe();

      // 3 of 10 and 1 of 2 are taken.
      expect(idsOf(world.borrows(3))).toEqual([1, 1, 1]);
    }),
  );

  it(
    'opens the next resource when the target utilization is passed, and makes nobody wait for it',
    inVirtualTime(advance => {
      const world = new World({
        concurrencyPerResource: 10,
        targetUtilization: 0.5,
        createMillis: 20,
      });
      const borrowed = world.borrows(5);
      advance(20);
      expect(world.sessions).toHaveLength(1);

      borrowed.push(world.borrow());
      expect(idsOf(borrowed)).toEqual([1, 1, 1, 1, 1, 1]);
      expect(world.sessions).toHaveLength(2);
      advance(20);
      expect(idsOf(world.borrows(4))).toEqual([2, 2, 2, 2]);
      expect(world.sessions).toHaveLength(2);
    }),
  );

  it(
    'opens one resource, not one for each, when many come at once and nothing is known yet',
    inVirtualTime(advance => {
      const world = new World({ limit: 100, createMillis: 5 });
      const borrowed = world.borrows(150);
      expect(world.sessions).toHaveLength(1);
      advance(5);
      expect(world.sessions).toHaveLength(2);
      advance(5);
      expect(world.pool.loads().map(({ leases }) => leases)).toEqual([100, 50]);
      expect(borrowed.every(({ session }) => session !== undefined)).toBe(true);
    }),
  );

  it(
    'takes nothing from anybody when a limit sinks, and gives no new lease until enough have ended',
    inVirtualTime(() => {
      const world = new World({ limit: 3, max: 1 });
      const borrowed = world.borrows(4);
      world.sessions[0]!.limit$.next(1);
      expect(world.pool.state).toMatchObject({ leased: 3, waiting: 1 });
      borrowed[0]!.subscription.unsubscribe();
      borrowed[1]!.subscription.unsubscribe();
      expect(borrowed[3]!.session).toBeUndefined();
      borrowed[2]!.subscription.unsubscribe();
      expect(borrowed[3]!.session?.id).toBe(1);
    }),
  );

  it(
    'serves who waits when a limit rises',
    inVirtualTime(() => {
      const world = new World({ limit: 0, max: 1 });
      const borrowed = world.borrows(3);
      expect(idsOf(borrowed)).toEqual([undefined, undefined, undefined]);
      world.sessions[0]!.limit$.next(2);
      expect(idsOf(borrowed)).toEqual([1, 1, undefined]);
      world.sessions[0]!.limit$.next(Infinity);
      expect(idsOf(borrowed)).toEqual([1, 1, 1]);
    }),
  );

  it(
    'lets a resource go idle with its last lease, and destroys it when it was idle for long enough',
    inVirtualTime(advance => {
      const world = new World({ idleTimeoutMillis: 100, min: 1 });
      const borrowed = world.borrows(4);
      advance(1);
      borrowed[2]!.subscription.unsubscribe();
      advance(200);
      expect(world.destroyed).toEqual([]);
      borrowed[3]!.subscription.unsubscribe();
      expect(world.pool.underlying.state).toMatchObject({ leased: 1, idle: 1 });
      advance(99);
      expect(world.destroyed).toEqual([]);
      advance(1);
      expect(world.destroyed).toEqual([{ id: 2, reason: 'idle' }]);
    }),
  );

  it(
    'gives a resource that is past its lifetime no new leases, and ends it with its last one',
    inVirtualTime(advance => {
      const world = new World({ limit: 5, maxLifetimeMillis: 100 });
      const first = world.borrow();
      advance(100);
      const second = world.borrow();

      expect([first.session?.id, second.session?.id]).toEqual([1, 2]);
      expect(world.pool.loads().map(({ isEnding }) => isEnding)).toEqual([true, false]);
      expect(first.lease?.released).toBe(false);
      first.subscription.unsubscribe();
      expect(world.destroyed).toEqual([{ id: 1, reason: 'lifetime' }]);
    }),
  );

  it(
    'recycles resources that are shared all the time',
    inVirtualTime(() => {
      const world = new World({ limit: 5, max: 2 });
      const first = world.borrow();
      void world.pool.recycle();
      const second = world.borrow();
      first.subscription.unsubscribe();

      expect(second.session?.id).toBe(2);
      expect(world.destroyed).toEqual([{ id: 1, reason: 'recycled' }]);
    }),
  );

  it(
    'ends all leases of a resource that broke, and no other, and says why',
    inVirtualTime(() => {
      const world = new World({ max: 2 });
      const borrowed = world.borrows(4);
      const used: unknown[] = [];
      borrowed[1]!.subscription.unsubscribe();
      world.pool.use(() => NEVER).subscribe({ error: (error: unknown) => used.push(error) });
      const cause = new Error('GOAWAY');
      world.sessions[0]!.broken$.next(cause);

      expect(borrowed[0]!.error).toBeInstanceOf(SharedResourceBrokenError);
      expect(used[0]).toBeInstanceOf(SharedResourceBrokenError);
      expect(() => borrowed[0]!.lease!.resource).toThrow(LeaseReleasedError);
      expect(borrowed[2]!.lease!.released).toBe(false);
      expect(world.destroyed).toEqual([{ id: 1, reason: 'broken' }]);
      expect(world.resourceEvents.filter(({ type }) => type === 'resourceError')).toHaveLength(1);
      expect(world.pool.state).toMatchObject({ leased: 2, waiting: 0 });
    }),
  );

  it(
    'serves who waits on another resource when one breaks',
    inVirtualTime(() => {
      const world = new World({ max: 1 });
      const borrowed = world.borrows(4);
      world.sessions[0]!.broken$.next('reset');

      expect(idsOf(borrowed)).toEqual([1, 1, 2, 2]);
      expect(world.most).toBe(1);
    }),
  );

  it(
    'takes a limit that fails, or is senseless, for a broken resource',
    inVirtualTime(() => {
      const world = new World({});
      const [first] = world.borrows(1);
      world.sessions[0]!.limit$.next(-1);
      expect((first!.error as Error).cause).toEqual(
        new RangeError('concurrencyPerResource gave -1'),
      );
      const second = world.borrow();
      const error = new Error('gone');
      world.sessions[1]!.limit$.error(error);
      expect((second.error as Error).cause).toBe(error);
      expect(world.alive).toBe(0);
    }),
  );

  it(
    'breaks the resource for all when a borrower destroys its lease with an error, and without one lets it end',
    inVirtualTime(() => {
      const world = new World({ limit: 3, max: 2 });
      const [first, second, third] = world.borrows(3);
      void first!.lease!.destroy();
      expect(second!.lease!.released).toBe(false);
      expect(world.borrow().session?.id).toBe(2);
      const cause = new Error('no answer');
      void second!.lease!.destroy(cause);
      expect((third!.error as Error).cause).toEqual(
        new Error('a borrower destroyed its lease with an error'),
      );
      expect(world.destroyed).toEqual([{ id: 1, reason: 'broken' }]);
    }),
  );

  it(
    'frees the place of a lease that is detached',
    inVirtualTime(() => {
      const world = new World({ limit: 1, max: 1 });
      const [first, second] = world.borrows(2);
      expect(first!.lease!.detach()).toBe(world.sessions[0]);
      expect(second!.session?.id).toBe(1);
      expect(world.pool.loads()).toMatchObject([{ leases: 1 }]);
    }),
  );

  it(
    'fails one waiter with the error of a create, and tries again for the next',
    inVirtualTime(() => {
      const refusal = new Error('refused');
      let calls = 0;
      const world = new World({
        create: () => {
          calls += 1;
          return calls === 1 ? throwError(() => refusal) : of(new Session(calls, 9));
        },
      });
      world.pool.pause();
      const [first, second] = world.borrows(2);
      world.pool.resume();

      expect(first!.error).toBeInstanceOf(CreateError);
      expect((first!.error as Error).cause).toBe(refusal);
      expect(second!.session?.id).toBe(2);
    }),
  );

  it(
    'does not try for ever to open what nobody waits for',
    inVirtualTime(() => {
      let calls = 0;
      const world = new World({
        targetUtilization: 0.5,
        concurrencyPerResource: 4,
        create: () => {
          calls += 1;
          if (calls > 1) throw new Error('refused');
          return new Session(1, 4);
        },
      });
      expect(idsOf(world.borrows(4))).toEqual([1, 1, 1, 1]);
      expect(calls).toBeLessThanOrEqual(4);
    }),
  );

  it(
    'has the deadlines, limits and priorities of a pool',
    inVirtualTime(advance => {
      const world = new World({ max: 1, maxWaiting: 2, acquireTimeoutMillis: 50 });
      const [holder] = world.borrows(2);
      const late = world.borrow();
      let urgent: number | undefined;
      world.pool.acquire({ priority: -1 }).subscribe(({ resource }) => (urgent = resource.id));
      expect(world.borrow().error).toBeInstanceOf(WaitingLimitError);
      holder!.subscription.unsubscribe();
      expect([urgent, late.session]).toEqual([1, undefined]);
      advance(50);
      expect(late.error).toBeInstanceOf(AcquireTimeoutError);
      expect(late.error).toMatchObject({ phase: 'waiting' });
    }),
  );

  it(
    'lends at once, or not at all, by tryAcquire',
    inVirtualTime(() => {
      const world = new World({ max: 1 });
      expect(world.pool.tryAcquire()).toBeUndefined();
      const [first] = world.borrows(1);
      const lease = world.pool.tryAcquire();
      expect(lease?.resource).toBe(first!.session);
      const count = world.events.length;
      expect(world.pool.tryAcquire()).toBeUndefined();
      expect(world.events).toHaveLength(count);
      void lease?.release();
      expect(world.pool.state.leased).toBe(1);
    }),
  );

  it('closes when all leases have ended, and then its resources', async () => {
    const world = new World({ max: 2 });
    const lease = await world.pool.lease();
    const waiting = world.borrows(4);
    const closing = world.pool.close();
    expect(waiting[3]!.error).toBeInstanceOf(PoolClosedError);
    expect(world.destroyed).toEqual([]);
    for (const { subscription } of waiting) subscription.unsubscribe();
    await lease.release();
    await closing;

    expect(world.alive).toBe(0);
    expect(world.pool.close()).toBe(closing);
    expect([world.pool.state, world.pool.underlying.state]).toMatchObject([
      { lifecycle: 'closed', size: 0 },
      { lifecycle: 'closed', size: 0 },
    ]);
    assertInvariants(world.pool, { events: world.events });
  });

  it('refuses options that make no sense', () => {
    const create = () => ({});
    const refuses = (options: object) => {
      expect(() =>
        createMultiplexedPool({ create, concurrencyPerResource: 2, ...options }),
      ).toThrow(InvalidOptionsError);
    };
    refuses({ concurrencyPerResource: 0 });
    refuses({ concurrencyPerResource: 1.5 });
    refuses({ concurrencyPerResource: undefined });
    refuses({ targetUtilization: 0 });
    refuses({ targetUtilization: 1.1 });
    refuses({ reset: () => undefined });
    refuses({ maxUses: 3 });
    refuses({ max: 0 });
    refuses({ concurency: 3 });
  });

  it('keeps every limit and serves everybody, whatever happens', () => {
    const action = fc.oneof(
      { weight: 6, arbitrary: fc.record({ type: fc.constant('borrow' as const) }) },
      { weight: 5, arbitrary: fc.record({ type: fc.constant('return' as const), at: fc.nat() }) },
      {
        weight: 2,
        arbitrary: fc.record({
          type: fc.constant('limit' as const),
          at: fc.nat(),
          limit: fc.nat({ max: 4 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('break' as const), at: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('recycle' as const) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          type: fc.constant('destroy' as const),
          at: fc.nat(),
          fails: fc.boolean(),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ type: fc.constant('time' as const), millis: fc.nat({ max: 60 }) }),
      },
    );
    const plan = fc.record({
      actions: fc.array(action, { maxLength: 60 }),
      max: fc.integer({ min: 1, max: 3 }),
      limit: fc.integer({ min: 0, max: 3 }),
      target: fc.constantFrom(0.3, 0.5, 1),
      createMillis: fc.constantFrom(0, 7),
      lifetime: fc.constantFrom(Infinity, 100),
    });
    fc.assert(
      fc.property(plan, ({ actions, max, limit, target, createMillis, lifetime }) => {
        inVirtualTime(advance => {
          const world = new World({
            ...{ max, limit, createMillis, targetUtilization: target },
            ...{ maxLifetimeMillis: lifetime, idleTimeoutMillis: 50 },
            acquireTimeoutMillis: Infinity,
          });
          const all: Borrowed[] = [];
          const one = <V>(list: readonly V[], at: number): V | undefined => list[at % list.length];
          const holding = () => all.filter(({ lease }) => lease?.released === false);
          const overfull: number[] = [];
          const borrow = (): void => {
            const borrowed = new Borrowed(world.pool, session => {
              const users = holding().filter(each => each.session === session).length + 1;
              if (users > session.limit$.value) overfull.push(session.id);
            });
            all.push(borrowed);
          };
          for (const step of actions) {
            if (step.type === 'borrow') borrow();
            else if (step.type === 'return') one(all, step.at)?.subscription.unsubscribe();
            else if (step.type === 'limit') one(world.sessions, step.at)?.limit$.next(step.limit);
            else if (step.type === 'break') one(world.sessions, step.at)?.broken$.next('broken');
            else if (step.type === 'recycle') void world.pool.recycle();
            else if (step.type === 'time') advance(step.millis);
            else void one(holding(), step.at)?.lease?.destroy(step.fails ? 'failed' : undefined);
            expect(overfull).toEqual([]);
            expect(world.most).toBeLessThanOrEqual(max);
            const leases = world.pool.loads().reduce((sum, load) => sum + load.leases, 0);
            expect(leases).toBe(world.pool.state.leased);
            expect(holding()).toHaveLength(leases);
          }

          // From here on there is room: everybody who waits is served.
          for (const session of world.sessions) session.limit$.next(Math.max(1, limit));
          if (limit === 0) {
            for (const { subscription } of all) subscription.unsubscribe();
          }
          for (let round = 0; round <= all.length; round += 1) {
            advance(round === 0 ? 1_200 : 2 * createMillis + 1);
            for (const borrowed of holding()) borrowed.subscription.unsubscribe();
          }
          const unserved = all.filter(
            ({ session, subscription, isOver }) =>
              session === undefined && !subscription.closed && !isOver,
          );
          expect(unserved).toEqual([]);
          expect(world.pool.loads()).toEqual([]);
          expect(world.pool.state).toMatchObject({ leased: 0, waiting: 0, size: 0 });
          advance(100);
          expect(world.alive).toBe(0);
          assertInvariants(world.pool, { events: world.events });
        })();
      }),
      { numRuns: 300 },
    );
  });
});
