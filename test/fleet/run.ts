import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { postgresPool } from '../../src/postgres/index.js';
import { seededRandom } from '../../src/testing/random.js';
import { startPostgres } from '../services/postgres.js';
import { startRedis } from '../services/redis.js';
import { Census } from './census.js';
import { Fleet } from './fleet.js';
import { borrowAll } from './load.js';
import { type Obituary, watchEnd } from './obituary.js';
import type { Plan } from './plan.js';

export interface RunOptions {
  /** How long each of the three parts is measured. */
  readonly seconds: number;
  readonly processes: number;
  readonly limit: number;
  readonly ttlMillis: number;
  readonly killEveryMillis: number;
  /** How long a borrower lets the server wait. */
  readonly workMillis: number;
  /** Between two looks at the server's list of connections. */
  readonly lookEveryMillis: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

const SETTLE_MILLIS = 5_000;

export const ONE_POOL = 'one pool';
export const FLEET_UNDER_KILLS = 'fleet under kills';

/** One part of a run. */
export interface Part {
  readonly name: string;
  /** Borrowings that ended well, for each second. */
  readonly perSecond: number;
  /** The most connections that the server had at once. */
  readonly most: number;
  readonly samples: number;
  readonly failed: number;
  /** Connections that were made in this part: permits that go round cost one each. */
  readonly made: number;
}

export interface RunReport {
  readonly plan: Plan;
  /** How long each part was measured. */
  readonly seconds: number;
  readonly parts: readonly Part[];
  readonly obituaries: readonly Obituary[];
  readonly longestGapMillis: number;
  /** Permits that living processes lost. */
  readonly lost: number;
  readonly crashes: readonly string[];
  /** What was still there at the very end: connections, and members of the budget. */
  readonly left: { readonly connections: number; readonly members: number };
}

/**
 * First one pool of the size of the limit in one process, then a fleet on the same server, then a fleet that is shot at,
 * and the one pool once more: a machine that does other things too does not do them evenly.
 */
export async function runFleet(options: RunOptions): Promise<RunReport> {
  const { processes, limit, ttlMillis, workMillis, signal, say } = options;
  await using database = await startPostgres({ maxConnections: limit * 3, signal });
  await using redisServer = await startRedis({ signal });
  const plan: Plan = {
    databaseUrl: database.url,
    redisUrl: redisServer.url,
    key: 'fleet',
    limit,
    processes,
    threadsPerProcess: 4,
    borrowersPerThread: 3,
    workMillis,
    ttlMillis,
  };
  const parts: Part[] = [];
  say(`one pool of ${limit} in one process …`);
  parts.push(await measureOnePool(plan, database.port, options));
  signal.throwIfAborted();

  const redis = new Redis(redisServer.url);
  const fleet = new Fleet(plan);
  const census = new Census(database.port, options.lookEveryMillis);
  try {
    await census.start();
    say(`starting ${plan.processes} processes of ${plan.threadsPerProcess} threads …`);
    await fleet.start();
    await allGivenOut(redis, plan, signal);
    // Who came first has all at first: until the shares are even, and the code is warm, it is a start and no run.
    await sleep(SETTLE_MILLIS, undefined, { signal });
    say('the fleet …');
    parts.push(await measure('fleet', options, fleet, census));
    say(`the fleet, one process killed every ${options.killEveryMillis} ms …`);
    const obituaries: Promise<Obituary>[] = [];
    const endAt = performance.now() + options.seconds * 1_000;
    const killing = killNowAndThen(fleet, options, endAt, name => {
      obituaries.push(watchEnd(redis, plan.key, census, name, endAt));
    });
    parts.push(await measure(FLEET_UNDER_KILLS, options, fleet, census));
    await killing;
    const found = await Promise.all(obituaries);
    say('closing …');
    await fleet.stop();
    // Taken before the one pool is there again.
    const left = {
      connections: [...census.byProcess.values()].reduce((sum, each) => sum + each, 0),
      members: await livingMembers(redis, plan),
    };
    say(`one pool of ${limit} again …`);
    parts.push(await measureOnePool(plan, database.port, options));
    return {
      plan,
      seconds: options.seconds,
      parts,
      obituaries: found,
      longestGapMillis: census.longestGapMillis,
      lost: fleet.lost,
      crashes: fleet.crashes,
      left,
    };
  } finally {
    fleet.destroy();
    await census.end();
    redis.disconnect();
  }
}

async function measureOnePool(plan: Plan, port: number, options: RunOptions): Promise<Part> {
  const census = new Census(port, options.lookEveryMillis);
  await census.start();
  const pool = postgresPool({ connection: plan.databaseUrl, max: plan.limit });
  let isOver = false;
  let served = 0;
  let failed = 0;
  const work = borrowAll(pool, {
    borrowers: plan.processes * plan.threadsPerProcess * plan.borrowersPerThread,
    workMillis: plan.workMillis,
    isOver: () => isOver,
    onServed: () => (served += 1),
    onFailed: () => (failed += 1),
  });
  try {
    await pool.prefill();
    const sessionsBefore = await census.sessions();
    const warm = served;
    const startedAt = performance.now();
    await sleep(options.seconds * 1_000, undefined, { signal: options.signal });
    const perSecond = ((served - warm) * 1_000) / (performance.now() - startedAt);
    const { most, samples } = census;
    const made = (await census.sessions()) - sessionsBefore;
    return { name: ONE_POOL, perSecond, most, samples, failed, made };
  } finally {
    isOver = true;
    await work;
    await pool.close();
    await census.end();
  }
}

async function measure(
  name: string,
  { seconds, signal }: RunOptions,
  fleet: Fleet,
  census: Census,
): Promise<Part> {
  const before = { served: fleet.served, failed: fleet.failed, samples: census.samples };
  const madeBefore = await census.sessions();
  census.most = 0;
  const startedAt = performance.now();
  await sleep(seconds * 1_000, undefined, { signal });
  const passedMillis = performance.now() - startedAt;
  return {
    name,
    perSecond: ((fleet.served - before.served) * 1_000) / passedMillis,
    most: census.most,
    samples: census.samples - before.samples,
    failed: fleet.failed - before.failed,
    made: (await census.sessions()) - madeBefore,
  };
}

async function killNowAndThen(
  fleet: Fleet,
  { killEveryMillis, seed, signal }: RunOptions,
  endAt: number,
  onKill: (process: string) => void,
): Promise<void> {
  const random = seededRandom(seed);
  while (performance.now() + killEveryMillis < endAt && !signal.aborted) {
    await sleep(killEveryMillis * (0.5 + random()), undefined, { signal });
    const { name, replaced } = fleet.kill(random);
    onKill(name);
    await replaced;
  }
}

/** Who could not say goodbye, because the machine was too busy for an answer in time, is gone after a time to live. */
async function livingMembers(redis: Redis, { key, ttlMillis }: Plan): Promise<number> {
  // The server's time in whole seconds, so one more.
  const endAt = performance.now() + ttlMillis + 1_100;
  for (;;) {
    const [seconds = 0] = await redis.time();
    const living = await redis.zcount(`{${key}}:alive`, seconds * 1_000, '+inf');
    if (living === 0 || performance.now() > endAt) return living;
    await sleep(20);
  }
}

/** Until then some of the fleet connect for the first time, which is no throughput. */
async function allGivenOut(redis: Redis, { key, limit }: Plan, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    if (Number(await redis.hget(`{${key}}:book`, 'out')) === limit) return;
    await sleep(20);
  }
}
