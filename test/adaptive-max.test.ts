import { timer } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPool, InvalidOptionsError, type Pool } from '../src/index.js';
import {
  adaptiveMax,
  type AdaptiveMax,
  type AdaptiveMaxOptions,
  type SizingDecision,
} from '../src/sizing/index.js';
import { SizeSearch, type SizeStep } from '../src/sizing/size-search.js';
import { seededRandom } from '../src/testing/index.js';
import { VirtualClock } from './virtual-clock.js';

/** How long a lease takes at a server that so many use. */
type Load = (users: number) => number;

/** Ten milliseconds of computing on so many cores. */
const computing =
  (cores: number): Load =>
  users =>
    10 * Math.max(1, users / cores);

/** Gunther's Universal Scalability Law: some of the work is done one after the other, some is agreeing with others. */
const scaling =
  (contention: number, coherency: number): Load =>
  users =>
    10 * (1 + contention * (users - 1) + coherency * users * (users - 1));

/** Waits for something else, until its so many places are taken. */
const waiting =
  (places: number): Load =>
  users =>
    100 * Math.max(1, users / places);

const sizes = Array.from({ length: 100 }, (_, index) => index + 1);
const rateOf = (load: Load, size: number): number => (1_000 * size) / load(size);

/** The best throughput there is, and the smallest size that has all of it but for a twentieth. */
function bestOf(load: Load) {
  const rate = Math.max(...sizes.map(size => rateOf(load, size)));
  const size = sizes.find(each => rateOf(load, each) >= 0.95 * rate) as number;
  return { rate, size };
}

let clock: VirtualClock;
let pools: Pool<number>[] = [];

beforeEach(() => {
  clock = new VirtualClock();
});

afterEach(async () => {
  const open = pools;
  pools = [];
  for (const pool of open) void pool.close({ force: true }).catch(() => undefined);
  await clock.pass(10_000);
});

/** A pool whose borrowers want more than it may ever have, at a server that is loaded by them. */
function open(start: number, borrowers = 200, jitter = 0) {
  const random = seededRandom(1);
  const scene = { load: computing(4), borrowers };
  const pool = createPool<number>({
    create: () => timer(5, clock.scheduler),
    max: start,
    name: 'sized',
    scheduler: clock.scheduler,
    acquireTimeoutMillis: Infinity,
    idleTimeoutMillis: Infinity,
  });
  pools.push(pool);
  const borrow = (): void => {
    pool
      .use(() => {
        const millis = scene.load(pool.state.leased) * (1 + jitter * (random() - 0.5));
        return timer(millis, clock.scheduler);
      })
      .subscribe({ complete: borrow, error: () => undefined });
  };
  for (let index = 0; index < borrowers; index += 1) borrow();
  return { pool, scene };
}

function size(pool: Pool<number>, options: Partial<AdaptiveMaxOptions> = {}) {
  const decisions: SizingDecision[] = [];
  const sizing = adaptiveMax(pool, { max: 100, scheduler: clock.scheduler, ...options });
  sizing.explain$.subscribe(decision => decisions.push(decision));
  return { sizing, decisions };
}

async function untilHolding(sizing: AdaptiveMax, limitMillis = 120_000): Promise<number> {
  const start = clock.now;
  do await clock.pass(100);
  while (sizing.phase !== 'holding' && clock.now - start < limitMillis);
  expect(sizing.phase).toBe('holding');
  return clock.now - start;
}

const loads: Record<string, Load> = {
  'computing on four cores': computing(4),
  'one lock, that only one can have': computing(1),
  'waiting for something with forty places': waiting(40),
  'some contention': scaling(0.05, 0.001),
  'so much contention that more is less': scaling(0.02, 0.01),
};

describe.each(Object.entries(loads))('the size for %s', (_name, load) => {
  const best = bestOf(load);

  it.each([1, 10, 60])('is found within 10 %% of the best, from a max of %i', async start => {
    const { pool, scene } = open(start, 200, 0.4);
    scene.load = load;
    const { sizing } = size(pool);
    await untilHolding(sizing);
    const found = pool.state.max;
    expect(rateOf(load, found)).toBeGreaterThanOrEqual(0.9 * best.rate);
    expect(Math.abs(found - best.size)).toBeLessThanOrEqual(Math.max(1, 0.1 * best.size));
    // It is looked at again meanwhile, and stays where it was.
    await clock.pass(60_000);
    await untilHolding(sizing);
    expect(Math.abs(pool.state.max - best.size)).toBeLessThanOrEqual(Math.max(1, 0.1 * best.size));
    expect(rateOf(load, pool.state.max)).toBeGreaterThanOrEqual(0.9 * best.rate);
    sizing.unsubscribe();
  });
});

describe('a load that becomes another one', () => {
  it('is followed, up and down', async () => {
    const { pool, scene } = open(10, 200, 0.4);
    const { sizing, decisions } = size(pool);
    for (const load of [computing(4), waiting(40), scaling(0.02, 0.01), computing(8)]) {
      scene.load = load;
      await clock.pass(10_000);
      const took = await untilHolding(sizing);
      const best = bestOf(load);
      expect(took).toBeLessThan(60_000);
      expect(rateOf(load, pool.state.max)).toBeGreaterThanOrEqual(0.9 * best.rate);
      expect(Math.abs(pool.state.max - best.size)).toBeLessThanOrEqual(
        Math.max(1, 0.1 * best.size),
      );
    }
    const changes = decisions.filter(({ reason }) => reason.startsWith('the load is another one'));
    expect(changes).toHaveLength(3);
    sizing.unsubscribe();
  });

  it('is not taken for one that stutters once', async () => {
    const { pool, scene } = open(10);
    const { sizing, decisions } = size(pool);
    await untilHolding(sizing);
    const found = pool.state.max;
    scene.load = computing(2);
    await clock.pass(2_500);
    scene.load = computing(4);
    await clock.pass(10_000);
    expect(pool.state.max).toBe(found);
    const reasons = decisions.map(({ reason }) => reason).join('\n');
    expect(reasons).toContain('the load may be another one');
    expect(reasons).not.toContain('the load is another one');
    sizing.unsubscribe();
  });

  it('is found also where it only allows for more, after a while', async () => {
    const { pool, scene } = open(10);
    scene.load = waiting(20);
    const { sizing } = size(pool, { recheckEvery: 5 });
    await untilHolding(sizing);
    expect(pool.state.max).toBeLessThanOrEqual(20);
    // At the size there is, nothing becomes faster.
    scene.load = waiting(60);
    await clock.pass(90_000);
    await untilHolding(sizing);
    expect(pool.state.max).toBeGreaterThanOrEqual(54);
    sizing.unsubscribe();
  });
});

describe('a pool that nobody waits for', () => {
  it('keeps its max: it limits nobody', async () => {
    const { pool } = open(10, 5);
    const { sizing, decisions } = size(pool);
    await clock.pass(60_000);
    expect(pool.state.max).toBe(10);
    expect(sizing.phase).toBe('sufficient');
    expect(new Set(decisions.map(({ reason }) => reason))).toEqual(
      new Set(['nobody waits at a max of 10, so it limits nobody and stays']),
    );
    sizing.unsubscribe();
  });

  it('is searched for once requests wait', async () => {
    const { pool, scene } = open(10, 5);
    scene.load = waiting(40);
    const { sizing, decisions } = size(pool);
    await clock.pass(20_000);
    const more = open(1, 0);
    more.scene.load = scene.load;
    for (let index = 0; index < 100; index += 1) {
      const borrow = (): void => {
        pool
          .use(() => timer(scene.load(pool.state.leased), clock.scheduler))
          .subscribe({ complete: borrow, error: () => undefined });
      };
      borrow();
    }
    await clock.pass(10_000);
    await untilHolding(sizing);
    expect(pool.state.max).toBeGreaterThanOrEqual(36);
    expect(decisions.map(({ reason }) => reason).join('\n')).toContain('requests wait again');
    sizing.unsubscribe();
  });

  it('is grown until nobody has to wait, and no further', async () => {
    const { pool, scene } = open(4, 20);
    scene.load = waiting(100);
    const { sizing } = size(pool);
    await clock.pass(60_000);
    expect(sizing.phase).toBe('sufficient');
    expect(pool.state.max).toBe(21);
    sizing.unsubscribe();
  });
});

describe('every decision', () => {
  it('is told with the numbers that it was made from', async () => {
    const { pool } = open(4);
    const { sizing, decisions } = size(pool);
    expect(sizing.last).toBeUndefined();
    await clock.pass(3_000);
    expect(decisions).toMatchObject([
      {
        from: 4,
        to: 6,
        phase: 'climbing',
        reason:
          'requests wait and 400 leases a second is the first measurement: a larger size is tried',
        perSecond: 400,
        holdMillis: 10,
        waitingShare: 1,
        bestPerSecond: 400,
        floor: 1,
      },
    ]);
    expect(sizing.last).toBe(decisions[0]);
    await untilHolding(sizing);
    expect(sizing.last).toMatchObject({ phase: 'holding', to: 4 });
    expect(sizing.last?.reason).toMatch(/4 is the smallest that does as well as the best$/);
    sizing.unsubscribe();
  });

  it('knows a floor by Little’s law once hold times are the server’s own', async () => {
    const { pool, scene } = open(10);
    scene.load = waiting(40);
    const { sizing, decisions } = size(pool);
    await untilHolding(sizing);
    // 40 places of 100 ms: 400 leases a second; 95 % of them need 38.
    expect(sizing.last?.floor).toBeGreaterThanOrEqual(37);
    expect(sizing.last?.floor).toBeLessThanOrEqual(40);
    expect(Math.min(...decisions.slice(1).map(({ to }) => to))).toBeGreaterThanOrEqual(15);
    sizing.unsubscribe();
  });
});

describe('the controller', () => {
  it('ends when it is unsubscribed or disposed of: the size stays, and no timer', async () => {
    const { pool } = open(4, 0);
    const { sizing } = size(pool);
    let completed = false;
    sizing.explain$.subscribe({
      complete: () => {
        completed = true;
      },
    });
    const timers = clock.scheduler.pending;
    sizing[Symbol.dispose]();
    expect(clock.scheduler.pending).toBe(timers - 1);
    expect({ completed, closed: sizing.closed }).toEqual({ completed: true, closed: true });
    sizing.unsubscribe();
    await clock.pass(60_000);
    expect(pool.state.max).toBe(4);
  });

  it('ends with its pool', async () => {
    const { pool } = open(4, 0);
    const { sizing } = size(pool);
    void pool.close();
    await clock.pass(200);
    expect(sizing.closed).toBe(true);
    expect(clock.scheduler.pending).toBe(0);
  });

  it('brings a pool within its limits at once, and never leaves them', async () => {
    const { pool, scene } = open(80, 200, 0.4);
    scene.load = waiting(1_000);
    const { sizing, decisions } = size(pool, { min: 5, max: 30 });
    expect(pool.state.max).toBe(30);
    await untilHolding(sizing);
    expect(pool.state.max).toBeGreaterThanOrEqual(28);
    scene.load = computing(1);
    await clock.pass(30_000);
    await untilHolding(sizing);
    expect(pool.state.max).toBe(5);
    for (const { to } of decisions) expect(to).toBeGreaterThanOrEqual(5);
    sizing.unsubscribe();
  });

  it('waits while the pool is paused', async () => {
    const { pool } = open(4);
    pool.pause();
    const { sizing, decisions } = size(pool);
    await clock.pass(60_000);
    expect(decisions).toEqual([]);
    pool.resume();
    await clock.pass(3_000);
    expect(decisions).toHaveLength(1);
    sizing.unsubscribe();
  });

  it('refuses options that make no sense, by name', () => {
    const { pool } = open(4, 0);
    const senseless: [Partial<AdaptiveMaxOptions>, string][] = [
      [{ max: undefined as never }, 'max'],
      [{ max: 0 }, 'max'],
      [{ min: 200 }, 'min'],
      [{ tolerance: 1 }, 'tolerance'],
      [{ changeThreshold: 0 }, 'changeThreshold'],
      [{ sampleMillis: 0.5 }, 'sampleMillis'],
      [{ confirmations: 0 }, 'confirmations'],
      [{ recheckEvery: -1 }, 'recheckEvery'],
      [{ scheduler: {} as never }, 'scheduler'],
      [{ tolerence: 0.1 } as Partial<AdaptiveMaxOptions>, 'tolerence'],
    ];
    for (const [options, option] of senseless) {
      const make = () => adaptiveMax(pool, { max: 100, ...options });
      expect(make).toThrow(InvalidOptionsError);
      expect(make).toThrow(`"${option}"`);
    }
    pool.resize({ min: 4, max: 10 });
    expect(() => adaptiveMax(pool, { max: 3 })).toThrow('"max"');
  });
});

describe('a search', () => {
  const manner = {
    min: 1,
    max: 100,
    tolerance: 0.05,
    changeThreshold: 0.2,
    confirmations: 2,
    recheckEvery: 60,
  };

  /** Plays it against a curve until it has come to hold a size, so many times. */
  function play(
    search: SizeSearch,
    from: number,
    measure: (size: number) => number,
    times = 1,
  ): SizeStep[] {
    const steps: SizeStep[] = [];
    let at = from;
    for (let turn = 0; turn < 100; turn += 1) {
      const perSecond = measure(at);
      const step = search.next({
        size: at,
        perSecond,
        holdMillis: (1_000 * at) / perSecond,
        noise: 0.01,
      });
      steps.push(step);
      at = step.size;
      if (search.phase === 'holding' && (steps.at(-2)?.phase ?? 'climbing') !== 'holding')
        times -= 1;
      if (times === 0) break;
    }
    return steps;
  }

  it('goes on past one size that had bad luck', () => {
    const steps = play(new SizeSearch(manner), 8, at => (at === 12 ? 780 : 100 * Math.min(at, 50)));
    expect(steps.at(-1)?.size).toBeGreaterThanOrEqual(47);
  });

  it('measures again what is too near to the line to call, four times at most', () => {
    const measured: number[] = [];
    play(new SizeSearch(manner), 4, at => {
      measured.push(at);
      // Half of the best size gives just what the tolerance allows.
      return at >= 4 ? 1_000 : at === 2 ? 951 : 500;
    });
    expect(measured.filter(at => at === 2)).toHaveLength(4);
    expect(measured.filter(at => at === 1)).toHaveLength(1);
  });

  it('does so by turns with the best: a machine that has become slower makes no size look small', () => {
    const measured: number[] = [];
    const steps = play(new SizeSearch(manner), 8, at => {
      measured.push(at);
      const slower = measured.length > 3 ? 0.93 : 1;
      return slower * 100 * Math.min(at, 4);
    });
    expect(steps.at(-1)).toMatchObject({ size: 4, phase: 'holding' });
  });

  describe.each([
    ['flat from three on', (at: number) => [55, 90, 98][at - 1] ?? 100, 3],
    ['flat from twelve on', (at: number) => Math.min(at, 12), 12],
    ['flat from six on', (at: number) => [18, 36, 53, 70, 85, 96][at - 1] ?? 100, 6],
  ])('on a machine whose speed varies, with throughput that is %s', (_name, curve, best) => {
    // As it was measured on two cores of a busy host: what disturbs one measurement disturbs the next one too, and
    // one of twenty falls into a stall.
    const seeds = Array.from({ length: 100 }, (_, index) => index + 1);
    const found = seeds.map(seed => {
      const random = seededRandom(seed);
      const deviation = () => random() + random() + random() + random() - 2;
      let drift = 0;
      const steps = play(new SizeSearch(manner), 1 + (seed % 40), at => {
        drift = 0.8 * drift + 0.03 * deviation();
        const stall = random() < 0.05 ? 0.3 * random() : 0;
        return curve(at) * (1 + drift) * (1 + 0.04 * deviation()) * (1 - stall);
      });
      return steps.at(-1)?.size ?? 0;
    });

    it('most searches, 85 of 100, end at the smallest size that does it, or one beside it', () => {
      expect(found.filter(at => Math.abs(at - best) <= 1).length).toBeGreaterThanOrEqual(85);
    });

    it('all end at a size that has nine tenths of the best throughput', () => {
      expect(found.filter(at => curve(at) < 0.9 * curve(best))).toEqual([]);
    });
  });

  it('that fell into a bad minute is put right by the next one, after eight quiet measurements', () => {
    const search = new SizeSearch(manner);
    let isBad = true;
    const measure = (at: number) => 100 * Math.min(at, 4) * (isBad && at < 8 ? 0.7 : 1);
    expect(play(search, 12, measure).at(-1)).toMatchObject({ size: 9, phase: 'holding' });
    isBad = false;
    const steps = play(search, 9, measure, 2);
    expect(steps.slice(0, 8).map(({ size }) => size)).toEqual([9, 9, 9, 9, 9, 9, 9, 14]);
    expect(steps[7]?.reason).toBe(
      '9 was right 8 times: other sizes are tried again, a larger one first',
    );
    expect(steps.at(-1)).toMatchObject({ size: 4, phase: 'holding' });
  });

  it.each([1, 6])(
    'is repeated ever less often while it ends at the same size, %i, and often again once it does not',
    first => {
      const search = new SizeSearch({ ...manner, recheckEvery: 40 });
      let knee = first;
      const quiet: number[] = [];
      let at = first;
      let held = 0;
      for (let turn = 0; turn < 400; turn += 1) {
        if (turn === 250) knee = 20;
        const perSecond = 100 * Math.min(at, knee);
        const before = search.phase;
        at = search.next({ size: at, perSecond, holdMillis: 10, noise: 0.01 }).size;
        if (before === 'holding') held += 1;
        if (before !== 'holding' || search.phase === 'holding') continue;
        quiet.push(held);
        held = 0;
      }
      expect(quiet.slice(0, 5)).toEqual([8, 16, 32, 40, 40]);
      expect(quiet.slice(-3)).toEqual([8, 16, 32]);
    },
  );

  it('does not take for the best of a load what was measured while it still was another one (240 of 300)', () => {
    const search = new SizeSearch(manner);
    const found = play(search, 10, at => 100 * Math.min(at, 30)).at(-1)?.size as number;
    const ofBoth = [1_500, 300];
    for (const perSecond of ofBoth) {
      search.next({ size: found, perSecond, holdMillis: 100, noise: 0.01 });
    }
    const steps = play(search, found, at => 20 * Math.min(at, 12));
    expect(steps.at(-1)).toMatchObject({ size: 12, phase: 'holding' });
  });

  it('needs twenty-two measurements at the most where nothing disturbs them', () => {
    for (const knee of [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]) {
      for (const from of [1, 10, 100]) {
        const steps = play(new SizeSearch(manner), from, at => 100 * Math.min(at, knee));
        expect(steps.length).toBeLessThanOrEqual(22);
        const found = steps.at(-1)?.size as number;
        expect(found).toBeGreaterThanOrEqual(0.9 * knee);
        expect(found).toBeLessThanOrEqual(Math.max(knee + 1, 1.1 * knee));
      }
    }
  });
});
