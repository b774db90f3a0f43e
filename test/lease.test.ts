import { NEVER, Observable, Subject, timer } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  AcquireAbortedError,
  createPool,
  InvalidOptionsError,
  LeaseReleasedError,
  LeaseRevokedError,
} from '../src/index.js';
import type { Thing } from './counting-factory.js';
import { inVirtualTime } from './virtual-time.js';
import { Borrower, borrowers, countOf, eventsOf, watchedPool } from './watched-pool.js';

afterEach(() => {
  vi.useRealTimers();
});

describe('release', () => {
  it('BR-05: releasing three times and unsubscribing gives back once', () => {
    const watched = watchedPool(
      { max: 2, validateOnReturn: true, validateOnBorrow: false },
      { validate: () => true, reset: () => undefined },
    );
    const { pool, factory } = watched;
    const borrower = new Borrower(pool.acquire());
    const { lease } = borrower;
    const promises = [lease.release(), lease.release(), lease.release()];
    borrower.leave();
    expect(new Set(promises).size).toBe(1);
    expect(countOf(watched, 'released')).toBe(1);
    expect(factory.reset).toEqual([1]);
    expect(factory.validated).toEqual([1]);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
    const [first, second] = borrowers(pool, 2) as [Borrower<Thing>, Borrower<Thing>];
    expect(first.lease.resource).not.toBe(second.lease.resource);
  });

  it('BR-05: release by hand completes the stream, and the later unsubscribe does nothing', () => {
    const watched = watchedPool();
    const borrower = new Borrower(watched.pool.acquire());
    void borrower.lease.release();
    expect(borrower.completed).toBe(true);
    borrower.leave();
    expect(countOf(watched, 'released')).toBe(1);
    expect(watched.pool.state).toMatchObject({ idle: 1, leased: 0 });
  });

  it('BR-05: release inside next gives back once and completes the stream afterwards', () => {
    const watched = watchedPool();
    const order: string[] = [];
    watched.pool.acquire().subscribe({
      next: lease => {
        void lease.release();
        order.push(`released: ${lease.released}, idle: ${watched.pool.state.idle}`);
      },
      complete: () => order.push('complete'),
    });
    expect(order).toEqual(['released: true, idle: 1', 'complete']);
    expect(countOf(watched, 'released')).toBe(1);
  });

  it('a release that comes late does not touch the next borrower’s lease', () => {
    const watched = watchedPool({ max: 1 }, { reset: () => undefined });
    const first = new Borrower(watched.pool.acquire());
    void first.lease.release();
    const second = new Borrower(watched.pool.acquire());
    void first.lease.release();
    void first.lease.destroy();
    first.lease.touch();
    first.leave();
    expect(second.lease.released).toBe(false);
    expect(second.lease.resource.number).toBe(1);
    expect(watched.pool.state).toMatchObject({ leased: 1, idle: 0 });
    expect(countOf(watched, 'released')).toBe(1);
    expect(watched.factory.reset).toEqual([1]);
  });

  it('BR-07: destroy after release does nothing', () => {
    const { pool, factory } = watchedPool({}, { reset: () => undefined });
    const { lease } = new Borrower(pool.acquire());
    void lease.release();
    void lease.destroy();
    expect(pool.state).toMatchObject({ size: 1, idle: 1, leased: 0 });
    expect(factory.destroyed).toEqual([]);
    expect(factory.reset).toEqual([1]);
  });

  it('BR-07: release after destroy does nothing', () => {
    const { pool, factory } = watchedPool({}, { reset: () => undefined });
    const { lease } = new Borrower(pool.acquire());
    void lease.destroy();
    void lease.release();
    expect(pool.state).toMatchObject({ size: 0, idle: 0, leased: 0 });
    expect(factory.destroyed).toEqual([{ number: 1, reason: 'released' }]);
    expect(factory.reset).toEqual([]);
  });

  it('BR-09: release resolves when the reset is done, and by then the resource is idle', async () => {
    vi.useFakeTimers();
    const { pool } = watchedPool({}, { resetMillis: 20 });
    const lease = await pool.lease();
    const seen: unknown[] = [];
    void lease.release().then(() => seen.push(pool.state.leased, pool.state.idle));
    expect(pool.state).toMatchObject({ leased: 0, resetting: 1, idle: 0 });
    await vi.advanceTimersByTimeAsync(19);
    expect(seen).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen).toEqual([0, 1]);
  });

  it('BR-09: release resolves when the reset is done, and by then the next waiter holds it', async () => {
    vi.useFakeTimers();
    const { pool } = watchedPool({ max: 1 }, { resetMillis: 20 });
    const lease = await pool.lease();
    const waiter = new Borrower(pool.acquire());
    const seen: unknown[] = [];
    void lease.release().then(() => seen.push(pool.state.leased, waiter.leases.length));
    await vi.advanceTimersByTimeAsync(20);
    expect(seen).toEqual([1, 1]);
  });

  it('release resolves at once when nothing stands between the borrower and the next one', async () => {
    const { pool } = watchedPool();
    const lease = await pool.lease();
    await expect(lease.release()).resolves.toBeUndefined();
  });

  it('release resolves after the destroy where the resource retires', async () => {
    vi.useFakeTimers();
    const { pool } = watchedPool({ maxUses: 1 }, { destroyMillis: 20 });
    const lease = await pool.lease();
    const seen: unknown[] = [];
    void lease.release().then(() => seen.push(pool.state.size));
    await vi.advanceTimersByTimeAsync(19);
    expect(seen).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen).toEqual([0]);
  });

  it.each(['reset', 'destroy', 'validate'] as const)(
    'release and destroy resolve even when %s fails',
    async hook => {
      const { pool } = watchedPool(
        { validateOnReturn: true },
        {
          validate: () => true,
          [hook]: () => {
            throw new Error('broken hook');
          },
        },
      );
      const released = await pool.lease();
      await expect(released.release()).resolves.toBeUndefined();
      const destroyed = await pool.lease();
      await expect(destroyed.destroy()).resolves.toBeUndefined();
      expect(pool.state.leased).toBe(0);
    },
  );

  it('the promises of a later release are the first one’s, while the reset runs and afterwards', async () => {
    const gate = new Subject<never>();
    const pool = createPool({ create: () => ({}), reset: () => gate });
    const lease = await pool.lease();
    const first = lease.release();
    expect(lease.release()).toBe(first);
    gate.complete();
    await first;
    expect(lease.release()).toBe(first);
    expect(lease.destroy()).toBe(first);
  });
});

describe('one lease ended twice in one tick', () => {
  const ends = {
    release: (borrower: Borrower<Thing>) => void borrower.lease.release(),
    destroy: (borrower: Borrower<Thing>) => void borrower.lease.destroy(),
    unsubscribe: (borrower: Borrower<Thing>) => borrower.leave(),
    detach: (borrower: Borrower<Thing>) => void borrower.lease.detach(),
  };
  const names = Object.keys(ends) as (keyof typeof ends)[];
  const pairs = names.flatMap(first =>
    names.filter(second => second !== 'detach').map(second => [first, second] as const),
  );

  it.each(pairs)('CR-15: %s and then %s counts once', (first, second) => {
    const watched = watchedPool({}, { reset: () => undefined });
    const { pool, factory } = watched;
    const [borrower] = borrowers(pool, 2) as [Borrower<Thing>];
    ends[first](borrower);
    ends[second](borrower);
    const destroyed = first === 'destroy' ? 1 : 0;
    expect(factory.destroyed).toHaveLength(destroyed);
    expect(pool.stats).toMatchObject({ destroyed, released: 1, acquired: 2 });
    expect(pool.state.leased).toBe(1);
    expect(countOf(watched, 'released')).toBe(1);
  });

  it('CR-15: twenty destroys at once destroy once, and all have the same promise', () => {
    const { pool, factory } = watchedPool();
    const { lease } = new Borrower(pool.acquire());
    const promises = Array.from({ length: 20 }, () => lease.destroy(new Error('broken')));
    expect(new Set(promises).size).toBe(1);
    expect(factory.destroyed).toEqual([{ number: 1, reason: 'broken' }]);
    expect(pool.stats).toMatchObject({ destroyed: 1, released: 1 });
    expect(pool.state).toMatchObject({ leased: 0, size: 0 });
  });

  it('CR-15: release inside the destroy hook and destroy inside the reset hook change nothing', () => {
    const ending: { lease?: Borrower<Thing>['lease'] } = {};
    const { pool, factory } = watchedPool(
      {},
      {
        reset: () => void ending.lease?.destroy(),
        destroy: () => void ending.lease?.release(),
      },
    );
    ending.lease = new Borrower(pool.acquire()).lease;
    void ending.lease.release();
    expect(pool.state).toMatchObject({ idle: 1, size: 1, leased: 0 });
    ending.lease = new Borrower(pool.acquire()).lease;
    void ending.lease.destroy();
    expect(factory.reset).toEqual([1]);
    expect(factory.destroyed).toHaveLength(1);
    expect(pool.state).toMatchObject({ idle: 0, size: 0, leased: 0 });
    expect(pool.stats).toMatchObject({ acquired: 2, released: 2, destroyed: 1 });
  });
});

describe('destroy', () => {
  it('without an error has the reason released, completes the stream and frees the slot', () => {
    const watched = watchedPool();
    const borrower = new Borrower(watched.pool.acquire());
    void borrower.lease.destroy();
    expect(borrower.completed).toBe(true);
    expect(borrower.lease.released).toBe(true);
    expect(watched.pool.state.size).toBe(0);
    expect(eventsOf(watched, 'released')).toMatchObject([{ reason: 'destroyed', id: 1 }]);
    expect(eventsOf(watched, 'destroyed')).toMatchObject([{ reason: 'released', id: 1 }]);
    expect(countOf(watched, 'evicted')).toBe(0);
  });

  it(
    'with an error has the reason broken, and the record of the resource keeps the error',
    inVirtualTime(() => {
      const watched = watchedPool({}, { destroyMillis: 10 });
      const error = new Error('socket closed');
      void new Borrower(watched.pool.acquire()).lease.destroy(error);
      expect(watched.pool.resources()).toMatchObject([{ state: 'destroying', lastError: error }]);
      expect(eventsOf(watched, 'destroying')).toMatchObject([{ reason: 'broken' }]);
    }),
  );

  it('resolves when the resource is gone', async () => {
    vi.useFakeTimers();
    const { pool } = watchedPool({}, { destroyMillis: 20 });
    const lease = await pool.lease();
    const seen: unknown[] = [];
    void lease.destroy().then(() => seen.push(pool.state.size));
    expect(pool.state).toMatchObject({ destroying: 1, size: 1 });
    await vi.advanceTimersByTimeAsync(19);
    expect(seen).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen).toEqual([0]);
  });
});

describe('detach', () => {
  it('gives the resource to the caller for good: no hook, no slot, one released', () => {
    const watched = watchedPool({}, { reset: () => undefined, validate: () => true });
    const { pool, factory } = watched;
    const borrower = new Borrower(pool.acquire());
    const { resource } = borrower.lease;
    expect(borrower.lease.detach()).toBe(resource);
    expect(borrower.completed).toBe(true);
    expect(borrower.lease.released).toBe(true);
    expect(pool.state).toMatchObject({ size: 0, leased: 0, idle: 0 });
    expect([factory.reset, factory.validated, factory.destroyed]).toEqual([[], [], []]);
    expect(eventsOf(watched, 'released')).toMatchObject([{ reason: 'detached' }]);
    expect(countOf(watched, 'destroying')).toBe(0);
  });

  it('throws LeaseReleasedError on a lease that is over, also on one that was detached', () => {
    const { pool } = watchedPool();
    const [first, second] = borrowers(pool, 2) as [Borrower<Thing>, Borrower<Thing>];
    void first.lease.release();
    expect(() => first.lease.detach()).toThrow(LeaseReleasedError);
    second.lease.detach();
    expect(() => second.lease.detach()).toThrow(LeaseReleasedError);
    expect(pool.state.size).toBe(1);
  });

  it('stops watching the resource but leaves its source open', () => {
    const open = { source: 0, watch: 0 };
    const opened = (what: keyof typeof open) =>
      new Observable<object>(subscriber => {
        open[what] += 1;
        if (what === 'source') subscriber.next({});
        return () => {
          open[what] -= 1;
        };
      });
    const pool = createPool({ create: () => opened('source'), watch: () => opened('watch') });
    const { lease } = new Borrower(pool.acquire());
    expect(open).toEqual({ source: 1, watch: 1 });
    lease.detach();
    expect(open).toEqual({ source: 1, watch: 0 });
    expect(pool.state.size).toBe(0);
  });
});

describe('a lease that is over', () => {
  const ends: [string, (borrower: Borrower<Thing>) => void][] = [
    ['release', ({ lease }) => void lease.release()],
    ['destroy', ({ lease }) => void lease.destroy()],
    ['detach', ({ lease }) => void lease.detach()],
    ['unsubscribe', borrower => borrower.leave()],
    ['Symbol.dispose', ({ lease }) => lease[Symbol.dispose]()],
    ['Symbol.asyncDispose', ({ lease }) => void lease[Symbol.asyncDispose]()],
  ];

  it.each(ends)('after %s its resource is out of reach, and the error names the trap', (_, end) => {
    const { pool } = watchedPool({ name: 'orders' });
    const borrower = new Borrower(pool.acquire());
    end(borrower);
    expect(borrower.lease.released).toBe(true);
    let thrown: unknown;
    try {
      thrown = borrower.lease.resource;
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(LeaseReleasedError);
    expect(thrown).toMatchObject({ code: 'LEASE_RELEASED', pool: 'orders' });
    expect((thrown as Error).message).toMatch(/orders/);
    expect((thrown as Error).message).toMatch(/firstValueFrom/);
  });

  it.each(ends)('after %s its info is the last snapshot', (_, end) => {
    inVirtualTime(advance => {
      const { pool } = watchedPool();
      const borrower = new Borrower(pool.acquire());
      advance(30);
      expect(borrower.lease.info).toMatchObject({
        id: 1,
        state: 'leased',
        ageMillis: 30,
        uses: 1,
        idleMillis: 0,
        stale: false,
      });
      end(borrower);
      const last = borrower.lease.info;
      expect(last).toMatchObject({ id: 1, createdAt: 0, ageMillis: 30, uses: 1 });
      advance(70);
      new Borrower(pool.acquire());
      advance(10);
      expect(borrower.lease.info).toEqual(last);
    })();
  });

  it.each(ends)(
    'after %s its destroy and touch do nothing, and a release resolves',
    async (_, end) => {
      const watched = watchedPool();
      const borrower = new Borrower(watched.pool.acquire());
      end(borrower);
      const { events, factory } = watched;
      const told = events.length;
      const gone = factory.destroyed.length;
      borrower.lease.touch();
      await borrower.lease.destroy(new Error('late'));
      await borrower.lease.release();
      expect(events).toHaveLength(told);
      expect(factory.destroyed).toHaveLength(gone);
    },
  );
});

describe('what a lease tells of its resource', () => {
  it(
    'info is fresh at each look',
    inVirtualTime(advance => {
      const { pool } = watchedPool();
      advance(5);
      const first = new Borrower(pool.acquire());
      advance(10);
      first.leave();
      advance(20);
      const second = new Borrower(pool.acquire());
      expect(second.lease.info).toEqual({
        id: 1,
        state: 'leased',
        createdAt: 5,
        lastUsedAt: 35,
        ageMillis: 30,
        idleMillis: 0,
        uses: 2,
        stale: false,
      });
      advance(7);
      expect(second.lease.info).toMatchObject({ ageMillis: 37, lastUsedAt: 35 });
      second.lease.touch();
      expect(second.lease.info.lastUsedAt).toBe(42);
    }),
  );

  it('info says that the resource will be retired', async () => {
    const { pool } = watchedPool();
    const lease = await pool.lease();
    void pool.recycle();
    expect(lease.info.stale).toBe(true);
    await lease.release();
  });
});

describe('a lease that the pool takes back', () => {
  it(
    'errors its stream, aborts its signal and destroys its resource',
    inVirtualTime(advance => {
      const watched = watchedPool({ maxLeaseMillis: 100, max: 1 });
      const { pool, factory } = watched;
      const borrower = new Borrower(pool.acquire({ label: 'slow' }));
      const { lease } = borrower;
      const order: string[] = [];
      lease.signal.addEventListener('abort', () => {
        order.push(`abort, destroyed ${factory.destroyed.length}`);
      });
      const waiter = new Borrower(pool.acquire());
      advance(99);
      expect(lease.released).toBe(false);
      expect(lease.signal.aborted).toBe(false);
      advance(1);
      const error = borrower.errors[0];
      expect(error).toBeInstanceOf(LeaseRevokedError);
      expect(error).toMatchObject({ code: 'LEASE_REVOKED' });
      expect(borrower.completed).toBe(false);
      expect(lease.released).toBe(true);
      expect(lease.signal.aborted).toBe(true);
      expect(lease.signal.reason).toBe(error);
      expect(order).toEqual(['abort, destroyed 0']);
      expect(factory.destroyed).toEqual([{ number: 1, reason: 'revoked' }]);
      expect(waiter.lease.resource.number).toBe(2);
      expect(eventsOf(watched, 'revoked')).toMatchObject([{ label: 'slow', heldMillis: 100 }]);
      expect(eventsOf(watched, 'released')).toMatchObject([{ reason: 'revoked' }]);
      expect(() => lease.resource).toThrow(LeaseReleasedError);
      expect(() => lease.resource).toThrow(expect.objectContaining({ cause: error }));
      void lease.release();
      borrower.leave();
      expect(pool.stats).toMatchObject({ revoked: 1, released: 1 });
    }),
  );

  it(
    'a signal that is asked for afterwards is aborted already',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ maxLeaseMillis: 100 });
      const borrower = new Borrower(pool.acquire());
      advance(100);
      expect(borrower.lease.signal.aborted).toBe(true);
      expect(borrower.lease.signal.reason).toBe(borrower.errors[0]);
    }),
  );

  it(
    'touch puts the limit off',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ maxLeaseMillis: 100 });
      const borrower = new Borrower(pool.acquire());
      advance(80);
      borrower.lease.touch();
      advance(99);
      expect(borrower.errors).toEqual([]);
      advance(1);
      expect(borrower.errors).toEqual([expect.any(LeaseRevokedError)]);
    }),
  );

  it(
    'touch warns of a leak anew',
    inVirtualTime(advance => {
      const watched = watchedPool({ leakWarningMillis: 100 });
      const borrower = new Borrower(watched.pool.acquire({ label: 'slow' }));
      advance(80);
      borrower.lease.touch();
      advance(99);
      expect(countOf(watched, 'leaked')).toBe(0);
      advance(1);
      expect(eventsOf(watched, 'leaked')).toMatchObject([
        { id: 1, label: 'slow', heldMillis: 180, stack: expect.stringContaining('lease.test') },
      ]);
      expect(borrower.lease.released).toBe(false);
    }),
  );

  it(
    'the signal is not aborted by a release by hand',
    inVirtualTime(advance => {
      const { pool } = watchedPool({ maxLeaseMillis: 100 });
      const borrower = new Borrower(pool.acquire());
      const { signal } = borrower.lease;
      advance(50);
      void borrower.lease.release();
      advance(100);
      expect(signal.aborted).toBe(false);
      expect(borrower.errors).toEqual([]);
    }),
  );
});

describe('lease()', () => {
  it('holds the resource after the await, until it is released', async () => {
    const { pool } = watchedPool();
    const lease = await pool.lease({ label: 'batch' });
    expect(lease.released).toBe(false);
    expect(lease.resource.number).toBe(1);
    expect(pool.state.leased).toBe(1);
    await lease.release();
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
  });

  it('is a request at once, not only when it is awaited', () => {
    const { pool } = watchedPool();
    void pool.lease();
    expect(pool.state.leased).toBe(1);
  });

  it('can be disposed of asynchronously, after the reset', async () => {
    vi.useFakeTimers();
    const { pool, factory } = watchedPool({}, { resetMillis: 10 });
    const lease = await pool.lease();
    const disposed = lease[Symbol.asyncDispose]();
    expect(disposed).toBe(lease.release());
    await vi.advanceTimersByTimeAsync(10);
    await disposed;
    expect(factory.reset).toEqual([1]);
    expect(pool.state.idle).toBe(1);
  });

  it('is given back by `await using` at the end of its block, also when the block throws', async () => {
    const { pool } = watchedPool();
    const work = async (): Promise<void> => {
      await using lease = await pool.lease();
      expect(lease.resource.number).toBe(1);
      expect(pool.state.leased).toBe(1);
      throw new Error('work failed');
    };
    await expect(work()).rejects.toThrow('work failed');
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
  });

  it('is given back by `using` at the end of its block', async () => {
    const { pool } = watchedPool();
    {
      using lease = await pool.lease();
      expect(lease.released).toBe(false);
    }
    expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
  });

  it('rejects when its signal is aborted already, and takes nothing', async () => {
    const { pool, factory } = watchedPool();
    const error: unknown = await pool
      .lease({ signal: AbortSignal.abort('tired') })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AcquireAbortedError);
    expect(error).toMatchObject({ cause: 'tired' });
    expect(factory.attempts).toBe(0);
  });

  it('rejects when its signal is aborted during the wait', async () => {
    const { pool } = watchedPool({ max: 1 });
    const holder = await pool.lease();
    const controller = new AbortController();
    const waiting = pool.lease({ signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toThrow(AcquireAbortedError);
    expect(pool.state.waiting).toBe(0);
    await holder.release();
    expect(pool.state.idle).toBe(1);
  });

  it('keeps its lease when its signal is aborted after the grant', async () => {
    const { pool } = watchedPool();
    const controller = new AbortController();
    const lease = await pool.lease({ signal: controller.signal });
    controller.abort();
    expect(lease.released).toBe(false);
    await lease.release();
  });

  it('rejects at its deadline', async () => {
    vi.useFakeTimers();
    const { pool } = watchedPool({ max: 1 });
    await pool.lease();
    const waiting = pool.lease({ timeoutMillis: 50 });
    const outcome = expect(waiting).rejects.toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
      waitedMillis: 50,
    });
    await vi.advanceTimersByTimeAsync(50);
    await outcome;
  });

  it('rejects for a senseless option, and asks for nothing', async () => {
    const { pool, events } = watchedPool();
    await expect(pool.lease({ timeoutMillis: 0 })).rejects.toThrow(InvalidOptionsError);
    expect(events).toEqual([]);
  });

  it('a lease that was taken back is loud at its next use', async () => {
    vi.useFakeTimers();
    const { pool } = watchedPool({ maxLeaseMillis: 50 });
    const lease = await pool.lease();
    await vi.advanceTimersByTimeAsync(50);
    expect(lease.signal.aborted).toBe(true);
    expect(() => lease.resource).toThrow(LeaseReleasedError);
    await expect(lease.release()).resolves.toBeUndefined();
  });
});

describe('the reset of a lease that nobody listens to any more', () => {
  it('nothing throws out of an unsubscribe, whatever the hooks do', () => {
    const { pool } = watchedPool(
      {},
      {
        reset: () => {
          throw new Error('reset failed');
        },
        destroy: () => {
          throw new Error('destroy failed');
        },
      },
    );
    const borrower = new Borrower(pool.acquire());
    expect(() => borrower.leave()).not.toThrow();
    expect(pool.state).toMatchObject({ size: 0, leased: 0 });
    expect(pool.stats).toMatchObject({ resetFailed: 1, destroyFailed: 1, destroyed: 0 });
  });

  it(
    'a reset that never ends is given up at its time limit, and its resource destroyed',
    inVirtualTime(advance => {
      const pool = createPool({
        create: () => ({}),
        reset: () => NEVER,
        destroy: () => timer(10),
        resetTimeoutMillis: 50,
      });
      const borrower = new Borrower(pool.acquire());
      borrower.leave();
      advance(49);
      expect(pool.state).toMatchObject({ resetting: 1, size: 1 });
      advance(1);
      expect(pool.state).toMatchObject({ resetting: 0, destroying: 1, size: 1 });
      advance(10);
      expect(pool.state.size).toBe(0);
      expect(pool.stats).toMatchObject({ resetFailed: 1, destroyed: 1 });
    }),
  );
});
