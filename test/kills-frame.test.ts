import { defer, delay, NEVER, of, Subject, type Observable } from 'rxjs';
import { expect, it } from 'vitest';
import { createPool, type Pool, type PoolOptions } from '../src/index.js';
import type { KillTrial, OpenTrial } from './kills/contestant.js';
import { runTrial, type KillReport } from './kills/run.js';
import { MissingServerError } from './services/missing-server.js';

/** A server in this process: what is connected to it, and how each hears of its end. */
class ToyServer {
  readonly connections = new Map<number, Subject<string>>();
  #last = 0;

  connect(): number {
    this.#last += 1;
    this.connections.set(this.#last, new Subject());
    return this.#last;
  }

  end(id: number): void {
    const broken = this.connections.get(id);
    this.connections.delete(id);
    broken?.next('killed');
  }
}

function trialOf(
  options: (server: ToyServer) => Partial<PoolOptions<number>> = () => ({}),
  changes: (server: ToyServer) => Partial<OpenTrial> = () => ({}),
  prepare: (pool: Pool<number>) => void = () => undefined,
): KillTrial {
  return {
    name: 'toy',
    async open() {
      const server = new ToyServer();
      const pool = createPool<number>({
        max: 4,
        create: () => of(server.connect()).pipe(delay(1)),
        watch: id => server.connections.get(id) ?? of('gone'),
        destroy: id => {
          server.end(id);
        },
        ...options(server),
      });
      prepare(pool);
      return {
        pool,
        borrow: () => pool.use(id => (server.connections.has(id) ? of(id) : fail())),
        async kill() {
          const [victim] = server.connections.keys();
          if (victim !== undefined) server.end(victim);
        },
        serverCount: async () => server.connections.size,
        counts: 'a map',
        close: async () => undefined,
        ...changes(server),
      };
    },
  };
}

function fail(): Observable<never> {
  throw new Error('the connection died');
}

/** Soon out of patience, for trials in which something hangs. */
function run(trial: KillTrial, borrows = 500): Promise<KillReport> {
  const { signal } = new AbortController();
  return runTrial(trial, { borrows, signal, patienceMillis: 200, settleMillis: 100 });
}

it('a pool that keeps its books passes, with as many borrows as are wanted and some kills', async () => {
  const { signal } = new AbortController();
  const report = await runTrial(trialOf(), { borrows: 500, signal });
  expect(report).toMatchObject({
    borrows: 500,
    failed: 0,
    violations: [],
    max: 4,
    mostOnServer: 4,
  });
  expect(report.kills).toBeGreaterThan(5);
  expect(report.destroyed).toBe(report.kills);
});

it('a resource that is not ended on the server is found', async () => {
  const { violations } = await run(trialOf(() => ({ destroy: () => undefined })));
  expect(violations).toContainEqual(
    expect.stringContaining('after close: the server still counts'),
  );
});

it('a pool that does not hear of kills is found', async () => {
  const deaf = trialOf(() => ({ watch: () => NEVER }));
  const { violations } = await run(deaf);
  expect(violations).toContainEqual(expect.stringContaining('at rest: the server counts'));
  expect(violations).toContain('no kill ended a resource of the pool');
});

it('borrowings that do not succeed any more are found', async () => {
  const { violations } = await run(trialOf(undefined, () => ({ borrow: () => defer(fail) })));
  expect(violations).toContain('nobody succeeds: Error: the connection died');
});

it('a borrowing that hangs is found', async () => {
  const { violations } = await run(trialOf(undefined, () => ({ borrow: () => NEVER })));
  expect(violations).toContain('8 borrowings hang');
});

it('more on the server than `max` is found', async () => {
  const double = (server: ToyServer): Partial<PoolOptions<number>> => ({
    max: 1,
    create: () => {
      server.connect();
      return server.connect();
    },
  });
  const { violations } = await run(trialOf(double, () => ({ kill: async () => undefined })));
  expect(violations).toContain('the server counted 2, above max (1)');
});

it('a lease that is never given back is found', async () => {
  const { violations } = await run(
    trialOf(undefined, undefined, pool => {
      void pool.lease();
    }),
    50,
  );
  expect(violations).toContainEqual(expect.stringContaining('at rest'));
});

it('a kill that fails, and a server that does not answer, are found', async () => {
  const mute = trialOf(undefined, () => ({
    kill: () => Promise.reject(new Error('no permission')),
    serverCount: () => Promise.reject(new Error('down')),
  }));
  const { violations } = await run(mute);
  expect(violations).toContain('a kill failed: Error: no permission');
  expect(violations).toContain('the server never said how many it counts');
});

it('ends early when it is interrupted, with a verdict on what there was', async () => {
  const interrupted = new AbortController();
  const report = await runTrial(trialOf(), {
    borrows: 1_000_000,
    signal: interrupted.signal,
    onProgress: ({ borrows }) => {
      if (borrows === 100) interrupted.abort();
    },
  });
  expect(report.violations).toEqual([]);
  expect(report.borrows).toBeLessThan(200);
});

it('a server that is missing is told as that', async () => {
  const missing: KillTrial = {
    name: 'missing',
    open: () => Promise.reject(new MissingServerError('Toy', 'apt-get install toy')),
  };
  await expect(run(missing)).rejects.toThrow('apt-get install toy');
});
