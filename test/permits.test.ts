import { NEVER, Observable, of, Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { Permit, PermitRequest } from '../src/index.js';
import { borrowers, eventsOf, watchedPool } from './watched-pool.js';

/** A budget without a limit, whose permits can be lost and count their way back. */
class LosableBudget {
  readonly requests: PermitRequest[] = [];
  readonly losses: Subject<unknown>[] = [];
  released = 0;

  acquire(request: PermitRequest): Observable<Permit> {
    this.requests.push(request);
    const lost = new Subject<unknown>();
    this.losses.push(lost);
    return of({
      lost,
      release: () => {
        this.released += 1;
      },
    });
  }
}

describe('what a pool tells its budget', () => {
  it('names the pool, and whether it is below its min without this permit', async () => {
    const budget = new LosableBudget();
    const { pool } = watchedPool({ permits: budget, min: 2, max: 5 });
    await pool.prefill(3);
    expect(budget.requests).toEqual([
      { pool: 'things', floor: true },
      { pool: 'things', floor: true },
      { pool: 'things', floor: false },
    ]);
  });

  it('counts requests on their way: only as many as min wants are for the floor', () => {
    const requests: PermitRequest[] = [];
    const { pool } = watchedPool({
      min: 1,
      permits: {
        acquire: request => {
          requests.push(request);
          return NEVER;
        },
      },
    });
    const waiting = borrowers(pool, 2);
    expect(requests.map(({ floor }) => floor)).toEqual([true, false]);
    for (const borrower of waiting) borrower.leave();
  });
});

describe('a permit that is given back', () => {
  it('can be taken by another pool only after everybody has seen that the resource is gone', async () => {
    const free = [new Subject<Permit>()];
    let permits = 1;
    const take = (): Permit => {
      permits -= 1;
      return {
        release: () => {
          permits += 1;
          free.shift()?.next(take());
        },
      };
    };
    const budget = {
      acquire: () => (permits > 0 ? of(take()) : (free[0] ?? NEVER)),
    };
    const one = watchedPool({ permits: budget, name: 'one' });
    const two = watchedPool({ permits: budget, name: 'two' });
    const sizes: number[] = [];
    const look = (): void => {
      const [a, b] = [one.pool.state, two.pool.state];
      sizes.push(a.size + a.creating + b.size + b.creating);
    };
    one.pool.stats$.subscribe(look);
    two.pool.stats$.subscribe(look);
    const lease = await one.pool.lease();
    const [waiter] = borrowers(two.pool, 1);
    expect(waiter?.waits).toBe(true);
    await lease.destroy();
    expect(waiter?.lease.resource.number).toBe(1);
    expect(Math.max(...sizes)).toBe(1);
  });
});

describe('a permit that is lost', () => {
  it('takes an idle resource out at once, as surplus, and is given back once', async () => {
    const budget = new LosableBudget();
    const watched = watchedPool({ permits: budget });
    await watched.pool.prefill(1);
    const error = new Error('the time to live ran out');
    budget.losses[0]?.error(error);
    expect(eventsOf(watched, 'permitLost', 'evicted', 'destroyed')).toMatchObject([
      { type: 'permitLost', id: 1, error },
      { type: 'evicted', id: 1, reason: 'surplus' },
      { type: 'destroyed', id: 1, reason: 'surplus' },
    ]);
    expect(budget.released).toBe(1);
    expect(watched.pool.state.size).toBe(0);
  });

  it('leaves a borrower the resource, and takes it out when the lease ends', () => {
    const budget = new LosableBudget();
    const watched = watchedPool({ permits: budget });
    const [borrower] = borrowers(watched.pool, 1);
    budget.losses[0]?.next('expired');
    expect(watched.pool.state).toMatchObject({ leased: 1, size: 1 });
    borrower?.leave();
    expect(watched.pool.state.size).toBe(0);
    expect(watched.factory.destroyed).toEqual([{ number: 1, reason: 'surplus' }]);
    expect(budget.released).toBe(1);
  });

  it('in mid-create, gives the waiter a resource of another permit', () => {
    const budget = new LosableBudget();
    const creating = new Subject<{ number: number }>();
    let creates = 0;
    const watched = watchedPool({
      permits: budget,
      create: () => (++creates === 1 ? creating : { number: 2 }),
    });
    const [borrower] = borrowers(watched.pool, 1);
    budget.losses[0]?.next('expired');
    expect(borrower?.waits).toBe(true);
    creating.next({ number: 1 });
    expect(borrower?.lease.resource.number).toBe(2);
    expect(budget.released).toBe(1);
  });

  it('is heard once, whatever the source still says, and not after the resource is gone', async () => {
    const budget = new LosableBudget();
    const watched = watchedPool({ permits: budget });
    const lease = await watched.pool.lease();
    budget.losses[0]?.next('first');
    budget.losses[0]?.next('second');
    expect(budget.losses[0]?.observed).toBe(false);
    await lease.release();
    const other = await watched.pool.lease();
    await other.destroy();
    expect(budget.losses[1]?.observed).toBe(false);
    expect(eventsOf(watched, 'permitLost')).toHaveLength(1);
  });

  it('that throws when it is subscribed counts as lost', async () => {
    const error = new Error('no connection to the budget');
    const permits = {
      acquire: () =>
        of<Permit>({
          release: () => undefined,
          lost: {
            subscribe() {
              throw error;
            },
          } as unknown as Observable<unknown>,
        }),
    };
    const watched = watchedPool({ permits });
    await watched.pool.prefill(1);
    expect(eventsOf(watched, 'permitLost')).toMatchObject([{ id: 1, error }]);
    expect(watched.pool.state.size).toBe(0);
  });
});
