import {
  concat,
  defer,
  EMPTY,
  NEVER,
  Observable,
  of,
  tap,
  throwError,
  type Subscriber,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { Permit, PermitSource, ResourceInfo } from '../src/index.js';
import {
  ConformanceError,
  idleOrderConformance,
  permitSourceConformance,
  type ConformanceCheck,
  type IdleComparator,
  type PermitConformanceOptions,
} from '../src/testing/index.js';

/** Where a budget goes wrong. */
type Fault =
  | 'none'
  | 'slow'
  | 'unlimited'
  | 'oneShort'
  | 'eager'
  | 'shared'
  | 'noWakeUp'
  | 'wakesAll'
  | 'servesTheGone'
  | 'keepsWhenWithdrawn'
  | 'unsubscribeReleases'
  | 'loseInside'
  | 'givesTwice'
  | 'fails'
  | 'completesEmpty'
  | 'youngestFirst'
  | 'leaks'
  | 'separate';

/** A budget in one process, as good as its fault lets it be. */
function budgetOf(limit: number, fault: Fault): PermitSource {
  let held = 0;
  const waiting: Subscriber<Permit>[] = [];
  const most = fault === 'unlimited' ? Infinity : fault === 'oneShort' ? limit - 1 : limit;

  const give = (subscriber: Subscriber<Permit>): void => {
    held += 1;
    let released = false;
    const permit: Permit = {
      release: () => {
        if (released) return;
        released = true;
        const isLost =
          (fault === 'leaks' && held === limit && waiting.length > 3) ||
          (fault === 'loseInside' && giving);
        held -= isLost ? 0 : 1;
        wake();
      },
    };
    if (fault === 'unsubscribeReleases') subscriber.add(() => permit.release());
    subscriber.next(permit);
    if (fault === 'givesTwice') subscriber.next({ release: () => undefined });
  };

  let giving = false;
  const wake = (): void => {
    if (fault === 'noWakeUp') return;
    giving = true;
    while (waiting.length > 0 && (held < most || fault === 'wakesAll')) {
      const next = fault === 'youngestFirst' ? waiting.pop() : waiting.shift();
      if (next !== undefined) give(next);
    }
    giving = false;
  };

  const acquire = (): Observable<Permit> => {
    if (fault === 'fails' && held >= most) return throwError(() => new Error('nothing left'));
    if (fault === 'completesEmpty' && held >= most) return EMPTY;
    if (fault === 'eager') held += 1;
    return new Observable<Permit>(subscriber => {
      if (fault === 'eager') held -= 1;
      const enter = (): void => {
        if (subscriber.closed && fault !== 'keepsWhenWithdrawn') return;
        waiting.push(subscriber);
        giving = true;
        if (held < most) give(waiting.pop()!);
        giving = false;
        wake();
      };
      if (fault === 'slow' || fault === 'keepsWhenWithdrawn') queueMicrotask(enter);
      else enter();
      return () => {
        const place = waiting.indexOf(subscriber);
        if (place >= 0 && fault !== 'servesTheGone') waiting.splice(place, 1);
      };
    });
  };
  return { acquire: fault === 'shared' ? () => oncePerAcquire(acquire()) : acquire };
}

/** Every subscription after the first gets the first one's permit. */
function oncePerAcquire(source: Observable<Permit>): Observable<Permit> {
  let permit: Permit | undefined;
  return defer(() => (permit === undefined ? source : concat(of(permit), NEVER))).pipe(
    tap(given => {
      permit = given;
    }),
  );
}

async function failuresOf(checks: readonly ConformanceCheck[]): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of checks) {
    try {
      await run();
    } catch (error) {
      expect(error).toBeInstanceOf(ConformanceError);
      failed.push(name);
    }
  }
  return failed;
}

function suite(
  fault: Fault,
  options: Partial<PermitConformanceOptions> = {},
): readonly ConformanceCheck[] {
  return permitSourceConformance({
    make: limit => ({
      source: budgetOf(limit, fault),
      ...(fault === 'separate' ? { peer: budgetOf(limit, 'none') } : undefined),
    }),
    patienceMillis: 20,
    quietMillis: 1,
    ...options,
  });
}

describe('permitSourceConformance', () => {
  for (const fault of ['none', 'slow'] as const) {
    describe(`for a good source (${fault === 'none' ? 'at once' : 'a moment later'})`, () => {
      for (const { name, run } of suite(fault, { fifo: true })) it(name, run);
    });
  }

  const faults: readonly (readonly [Fault, RegExp])[] = [
    ['unlimited', /gives no more than the budget has/],
    ['oneShort', /gives as many permits as the budget has/],
    ['eager', /takes nothing before it is subscribed to/],
    ['shared', /every subscription to one acquire\(\)/],
    ['noWakeUp', /gives a permit that comes back to one who waits$/],
    ['wakesAll', /one permit to one only/],
    ['servesTheGone', /forgets a request that was withdrawn/],
    ['keepsWhenWithdrawn', /withdrawn at once/],
    ['unsubscribeReleases', /leaves a permit with who was given it/],
    ['loseInside', /accepts a release inside the call/],
    ['givesTwice', /gives as many permits/],
    ['fails', /gives no more than the budget has/],
    ['completesEmpty', /gives no more than the budget has/],
    ['leaks', /keeps to its limit, and loses nothing/],
    ['separate', /gives no more than the budget has/],
    ['separate', /waits elsewhere/],
  ];
  for (const [fault, check] of faults) {
    it(`finds a source with the fault ${fault}: ${check.source}`, async () => {
      const failed = await failuresOf(suite(fault));
      expect(failed.filter(name => check.test(name))).toHaveLength(1);
    });
  }

  it('asks for the order of waiting where it is promised, and only there', async () => {
    expect(await failuresOf(suite('youngestFirst'))).toEqual([]);
    const failed = await failuresOf(suite('youngestFirst', { fifo: true }));
    expect(failed).toEqual(['serves those who wait in their order']);
  });

  it('closes each budget after its check, also after one that failed', async () => {
    let made = 0;
    let closed = 0;
    const checks = permitSourceConformance({
      make: async () => {
        made += 1;
        return {
          source: { acquire: () => NEVER },
          close: async () => {
            closed += 1;
          },
        };
      },
      patienceMillis: 2,
      quietMillis: 1,
    });
    const failed = await failuresOf(checks);
    expect(failed.length).toBeGreaterThan(8);
    expect([made, closed]).toEqual([checks.length, checks.length]);
  });
});

describe('idleOrderConformance', () => {
  const good: Readonly<Record<string, IdleComparator>> = {
    'least used first': (a, b) => a.uses - b.uses,
    'oldest first': (a, b) => a.createdAt - b.createdAt,
    whichever: () => 0,
    'healthy ones first, then the freshest': (a, b) =>
      Number(a.lastError !== undefined) - Number(b.lastError !== undefined) ||
      a.idleMillis - b.idleMillis,
  };
  for (const [name, order] of Object.entries(good)) {
    describe(`for a good order (${name})`, () => {
      for (const check of idleOrderConformance(order)) it(check.name, check.run);
    });
  }

  let calls = 0;
  const broken: readonly (readonly [string, IdleComparator, string])[] = [
    [
      'no number',
      (a, b) => (a.uses > b.uses) as unknown as number,
      'answers with a number for any two resources',
    ],
    [
      'NaN',
      (a, b) => (a.idleMillis - b.idleMillis) / (a.idleMillis - b.idleMillis),
      'answers with a number for any two resources',
    ],
    ['always before', () => -1, 'puts no resource before itself'],
    [
      'never behind',
      (a, b) => (a.id === b.id ? 0 : -1),
      'says the opposite when asked the other way round',
    ],
    [
      'circles',
      (a, b) =>
        (a.id - b.id + 24) % 24 === 0
          ? 0
          : (a.id - b.id + 24) % 24 < 12
            ? -1
            : (a.id - b.id + 24) % 24 === 12
              ? 0
              : 1,
      'has no circles',
    ],
    [
      'chance',
      (a, b) => (a.id === b.id ? 0 : ((calls += 1) * 7919) % 13 < 6 ? 1 : -1),
      'gives the same answer each time',
    ],
    [
      'meddling',
      (a, b) => {
        if (!Object.isFrozen(a)) (a as { uses: number }).uses = 99;
        return a.id - b.id;
      },
      'changes nothing in what it looks at',
    ],
  ];
  for (const [name, order, check] of broken) {
    it(`finds an order that is broken by ${name}`, async () => {
      const failed: string[] = [];
      for (const { name: asked, run } of idleOrderConformance(order)) {
        await run().catch(() => failed.push(asked));
      }
      expect(failed).toContain(check);
    });
  }

  it('finds an order by which the pool lends another resource than the first', async () => {
    // Asked by the pool it answers one way, asked by the check another.
    let asked = 0;
    const twoFaced: IdleComparator = (a: ResourceInfo, b: ResourceInfo) => {
      asked += 1;
      return asked % 3 === 0 ? a.id - b.id : b.id - a.id;
    };
    const check = idleOrderConformance(twoFaced).find(({ name }) => name.includes('a pool lends'));
    await expect(check!.run()).rejects.toThrow(
      /the pool lent resource \d+, but \d+ comes before it/,
    );
  });
});
