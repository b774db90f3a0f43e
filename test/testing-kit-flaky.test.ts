import { isObservable, of, timer } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describe, expect, it } from 'vitest';
import { createPool, type CreateContext, type PoolEvent } from '../src/index.js';
import {
  assertInvariants,
  assertQuiescent,
  flaky,
  oracleFactory,
  seededRandom,
  type FlakyOptions,
} from '../src/testing/index.js';

const context: CreateContext = { signal: new AbortController().signal, pool: 'none' };

/** How each of many creates ended: `ok`, the message of its failure, or `open`. */
function endsOf(options: FlakyOptions, calls = 1000): string[] {
  const { create } = flaky(options);
  return Array.from({ length: calls }, () => {
    try {
      return isObservable(create(context)) ? 'open' : 'ok';
    } catch (error) {
      return (error as Error).message;
    }
  });
}

describe('seededRandom', () => {
  it('gives the same numbers for the same seed, and others for another', () => {
    const draw = (seed: number) => {
      const random = seededRandom(seed);
      return Array.from({ length: 50 }, random);
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(new Set(draw(7)).size).toBe(50);
  });

  it('spreads evenly from 0 to below 1', () => {
    const random = seededRandom(1);
    const buckets = Array.from({ length: 10 }, () => 0);
    for (let count = 0; count < 100_000; count += 1) {
      const drawn = random();
      expect(drawn >= 0 && drawn < 1).toBe(true);
      buckets[Math.floor(drawn * 10)]! += 1;
    }
    for (const bucket of buckets) expect(Math.abs(bucket - 10_000)).toBeLessThan(500);
  });

  it('starts seeds that are neighbours far apart', () => {
    const firsts = Array.from({ length: 100 }, (_none, seed) => seededRandom(seed)());
    const mean = firsts.reduce((sum, first) => sum + first, 0) / firsts.length;
    expect(new Set(firsts).size).toBe(100);
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.1);
  });
});

describe('flaky', () => {
  it('gives the same seed the same fate, and another one another', () => {
    const profile = { fail: 0.3, never: 0.1 };
    expect(endsOf({ seed: 7, create: profile })).toEqual(endsOf({ seed: 7, create: profile }));
    const fates = (seed: number) => endsOf({ seed, create: profile }).map(end => end.slice(0, 2));
    expect(fates(7)).not.toEqual(fates(8));
  });

  it('keeps to its shares', () => {
    const ends = endsOf({ seed: 3, create: { fail: 0.2, never: 0.1 } }, 10_000);
    const share = (end: (text: string) => boolean) => ends.filter(end).length / ends.length;
    expect(share(end => end.includes('failed'))).toBeCloseTo(0.2, 1);
    expect(share(end => end === 'open')).toBeCloseTo(0.1, 1);
    expect(share(end => end === 'ok')).toBeCloseTo(0.7, 1);
  });

  it('names the hook, the call and the seed of a failure', () => {
    expect(endsOf({ seed: 5, create: { fail: 1 } }, 2)).toEqual([
      'create number 1 failed by the profile of seed 5',
      'create number 2 failed by the profile of seed 5',
    ]);
  });

  it('does not let the calls of one hook change the fate of another', () => {
    const fateOfResets = (creates: number) => {
      const hooks = flaky({ seed: 9, create: { fail: 0.5 }, reset: { fail: 0.5 } });
      for (let count = 0; count < creates; count += 1) {
        try {
          hooks.create(context);
        } catch {
          // its fate is not looked at
        }
      }
      return Array.from({ length: 30 }, () => {
        try {
          hooks.reset?.(1);
          return 'ok';
        } catch {
          return 'failed';
        }
      });
    };
    expect(fateOfResets(0)).toEqual(fateOfResets(11));
    expect(new Set(fateOfResets(0))).toEqual(new Set(['ok', 'failed']));
  });

  it('takes its time on the scheduler, within its limits', () => {
    const scheduler = new TestScheduler(() => undefined);
    scheduler.run(() => {
      const { create } = flaky({ seed: 2, create: { millis: [5, 9] } });
      const frames: number[] = [];
      for (let count = 0; count < 200; count += 1) {
        const answer = create(context);
        if (!isObservable(answer)) throw new Error('it answered at once');
        answer.subscribe(() => frames.push(scheduler.now()));
      }
      scheduler.flush();
      expect(new Set(frames)).toEqual(new Set([5, 6, 7, 8, 9]));
      expect(frames).toHaveLength(200);
    });
  });

  it('does the work of a destroy that fails, and leaves out that of the others', async () => {
    const done: string[] = [];
    const profile = { fail: 1 };
    const hooks = flaky(
      { seed: 1, validate: profile, reset: profile, destroy: profile },
      {
        create: () => 7,
        validate: () => void done.push('validate'),
        reset: () => void done.push('reset'),
        destroy: resource => {
          done.push(`destroy ${resource}`);
          return resource === 7 ? undefined : Promise.resolve();
        },
      },
    );
    expect(() => hooks.validate?.(7)).toThrow('validate number 1');
    expect(() => hooks.reset?.(7)).toThrow('reset number 1');
    expect(() => hooks.destroy?.(7, 'idle')).toThrow('destroy number 1');
    const late = hooks.destroy?.(8, 'idle');
    if (!isObservable(late)) throw new Error('it answered at once');
    await expect(
      new Promise((resolve, reject) => {
        late.subscribe({ error: reject, complete: () => resolve('done') });
      }),
    ).rejects.toThrow('destroy number 2');
    expect(done).toEqual(['destroy 7', 'destroy 8']);
  });

  it('lets the hooks beneath answer when it is their good day', () => {
    const hooks = flaky({ seed: 1 }, { create: () => of('it'), validate: () => false });
    expect(isObservable(hooks.create(context))).toBe(true);
    expect(hooks.validate?.('it')).toBe(false);
    expect(Object.keys(hooks)).toEqual(['create', 'validate']);
  });

  it('says no by its share of invalid', () => {
    const { validate } = flaky({ seed: 4, validate: { invalid: 0.5 } });
    const answers = Array.from({ length: 400 }, () => validate?.(1));
    expect(answers.filter(answer => answer === false).length / 400).toBeCloseTo(0.5, 1);
    expect(answers).toContain(true);
  });

  it('refuses shares above 1, an invalid that is no validate, and times that make no sense', () => {
    expect(() => flaky({ seed: 1, create: { fail: 0.8, never: 0.3 } })).toThrow('create: fail');
    expect(() => flaky({ seed: 1, reset: { fail: -0.1 } })).toThrow('reset: fail');
    expect(() => flaky({ seed: 1, reset: { invalid: 0.1 } })).toThrow('reset cannot be invalid');
    expect(() => flaky({ seed: 1, destroy: { millis: [5, 2] } })).toThrow('destroy: millis');
    expect(() => flaky({ seed: 1, destroy: { millis: [-5, 2] } })).toThrow('destroy: millis');
  });

  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    it(`leaves a pool whole on a bad day (seed ${seed})`, () => {
      const scheduler = new TestScheduler(() => undefined);
      scheduler.run(() => {
        const random = seededRandom(seed);
        const hooks = flaky({
          seed,
          create: { fail: 0.2, never: 0.05, millis: [1, 9] },
          validate: { fail: 0.1, invalid: 0.1, millis: [0, 3] },
          reset: { fail: 0.1, millis: [0, 3] },
          destroy: { fail: 0.2, millis: [0, 5] },
        });
        const oracle = oracleFactory({ max: 3, abandons: true, hooks });
        const pool = createPool({ ...oracle.hooks, max: 3, min: 1, createTimeoutMillis: 50 });
        const events: PoolEvent[] = [];
        pool.stats$.subscribe(event => events.push(event));
        for (let at = 0; at < 400; at += 4) {
          scheduler.schedule(() => {
            const request = pool.use(() => timer(Math.floor(random() * 20)));
            request.subscribe({ error: () => undefined });
            assertInvariants(pool, { events, fifo: true });
          }, at);
        }
        scheduler.schedule(() => void pool.close().catch(() => undefined), 2_000);
        scheduler.flush();
        expect(oracle.violations).toEqual([]);
        expect(oracle.alive).toBe(0);
        assertInvariants(pool, { events, fifo: true });
        assertQuiescent(pool);
        expect(pool.stats.createFailed).toBeGreaterThan(0);
        expect(pool.state.lifecycle).toBe('closed');
      });
    });
  }
});
