import { createClient } from 'redis';
import { Redis } from 'ioredis';
import type { Pool, PoolEvent } from '../src/index.js';
import { redisPool, type RedisClient, type RedisPoolOptions } from '../src/redis/index.js';
import { assertInvariants } from '../src/testing/index.js';
import { MissingServerError } from './services/missing-server.js';
import {
  startRedis,
  startRedisStandIn,
  type RedisConnection,
  type RedisOptions,
  type RedisServer,
} from './services/redis.js';

/** The real one; where it is missing, and this is not CI, the npm-only one. */
export async function anyRedis(options: RedisOptions = {}): Promise<RedisServer> {
  try {
    return await startRedis(options);
  } catch (error) {
    if (!(error instanceof MissingServerError) || process.env['CI'] !== undefined) throw error;
    console.log(
      `${error.message}. Until then its tests run on js-redis-server, but for those skipped ` +
        'that need what it lacks: CLIENT TRACKING, counts of commands, to say who is blocked.',
    );
    return startRedisStandIn();
  }
}

/** For the server to get where it is waited for. */
const patienceMillis = 5_000;

/** How the tests of both drivers are one. */
export interface TestDriver {
  readonly name: string;
  newClient(url: string, name?: string): RedisClient;
  /** Speaks the protocol of Redis before 6. */
  newOldClient(url: string): RedisClient;
  get(client: RedisClient, key: string): Promise<string | null>;
  select(client: RedisClient, database: number): Promise<unknown>;
  blPop(client: RedisClient, key: string): Promise<unknown>;
  watch(client: RedisClient, key: string): Promise<unknown>;
  subscribe(client: RedisClient, channel: string): Promise<unknown>;
  send(client: RedisClient, ...words: string[]): Promise<unknown>;
}

export const nodeRedis: TestDriver = {
  name: 'node-redis',
  // With everything that it does by default: reconnecting, a queue while it is offline.
  newClient: (url, name) => createClient(name === undefined ? { url } : { url, name }),
  newOldClient: url => createClient({ url, RESP: 2 }),
  get: (client, key) => asNodeRedis(client).get(key),
  select: (client, database) => asNodeRedis(client).select(database),
  blPop: (client, key) => asNodeRedis(client).blPop(key, 0),
  watch: (client, key) => asNodeRedis(client).watch(key),
  subscribe: (client, channel) => asNodeRedis(client).subscribe(channel, () => undefined),
  send: (client, ...words) => asNodeRedis(client).sendCommand(words),
};

export const ioredis: TestDriver = {
  name: 'ioredis',
  newClient: (url, name) => new Redis(url, name === undefined ? {} : { connectionName: name }),
  newOldClient: url => new Redis(url, { protocol: 2 }),
  get: (client, key) => (client as Redis).get(key),
  select: (client, database) => (client as Redis).select(database),
  blPop: (client, key) => (client as Redis).blpop(key, 0),
  watch: (client, key) => (client as Redis).watch(key),
  subscribe: (client, channel) => (client as Redis).subscribe(channel),
  send: (client, name, ...words) => (client as Redis).call(name, ...words),
};

function asNodeRedis(client: RedisClient) {
  return client as unknown as ReturnType<typeof createClient>;
}

/** Pools on a server, closed and checked after each test. */
export class RedisFixture {
  readonly server: RedisServer;
  readonly driver: TestDriver;
  #pools: { pool: Pool<RedisClient>; events: PoolEvent<RedisClient>[] }[] = [];

  constructor(server: RedisServer, driver: TestDriver) {
    this.server = server;
    this.driver = driver;
  }

  open(options: Partial<RedisPoolOptions> = {}): Pool<RedisClient> {
    const pool = redisPool({
      client: () => this.driver.newClient(this.server.url),
      lifetimeJitter: 0,
      ...options,
    });
    const events: PoolEvent<RedisClient>[] = [];
    pool.stats$.subscribe(event => events.push(event));
    this.#pools.push({ pool, events });
    return pool;
  }

  eventsOf(pool: Pool<RedisClient>): readonly PoolEvent<RedisClient>[] {
    return this.#pools.find(each => each.pool === pool)!.events;
  }

  async closePools(): Promise<void> {
    const pools = this.#pools;
    this.#pools = [];
    for (const { pool, events } of pools) {
      await pool.close({ force: true }).catch(() => undefined);
      assertInvariants(pool, { events });
    }
    await this.untilConnections(connections => connections.length === 0);
  }

  /** Asks the server again and again, each time a round trip. */
  async untilConnections(
    wanted: (connections: RedisConnection[]) => boolean,
  ): Promise<RedisConnection[]> {
    const deadline = performance.now() + patienceMillis;
    for (;;) {
      const connections = await this.server.connections();
      if (wanted(connections)) return connections;
      if (performance.now() > deadline) {
        throw new Error(`Not so in time: ${JSON.stringify(connections)}`);
      }
    }
  }
}
