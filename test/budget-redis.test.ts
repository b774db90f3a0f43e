import { Cluster, Redis } from 'ioredis';
import { createRedisMock } from 'js-redis-server';
import { createClient, createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { InvalidOptionsError } from '../src/index.js';
import {
  type Budget,
  type BudgetEvent,
  type RedisClient,
  redisPermits,
  type RedisPermitsOptions,
} from '../src/budget/index.js';
import { permitSourceConformance } from '../src/testing/index.js';
import { ask, grantedOf } from './budget-fixture.js';
import { describeOnServer } from './services/describe-on-server.js';
import { type RedisServer, startRedis, startRedisStandIn } from './services/redis.js';

const patience = { timeout: 20_000, interval: 2 };

let keys = 0;
function anyKey(): string {
  return `test-${(keys += 1)}`;
}

interface Library {
  readonly name: string;
  readonly way: 'asking again and again' | 'being woken';
  connect(url: string): Promise<{ client: RedisClient; subscriber: never; close(): void }>;
}

const libraries: readonly Library[] = [
  {
    name: 'node-redis',
    way: 'asking again and again',
    connect: async url => {
      const client = createClient({ url });
      client.on('error', () => undefined);
      await client.connect();
      const subscriber = client.duplicate();
      subscriber.on('error', () => undefined);
      await subscriber.connect();
      return {
        client,
        subscriber: subscriber as never,
        close: () => {
          client.destroy();
          subscriber.destroy();
        },
      };
    },
  },
  {
    name: 'ioredis',
    way: 'being woken',
    connect: async url => {
      const client = new Redis(url, { lazyConnect: true, retryStrategy: () => 20 });
      client.on('error', () => undefined);
      await client.connect();
      const subscriber = client.duplicate();
      subscriber.on('error', () => undefined);
      await subscriber.connect();
      return {
        client,
        subscriber: subscriber as never,
        close: () => {
          client.disconnect();
          subscriber.disconnect();
        },
      };
    },
  },
];

function watched(budget: Budget): Budget & { events: BudgetEvent[] } {
  const events: BudgetEvent[] = [];
  budget.events$.subscribe(event => events.push(event));
  onTestFinished(() => budget.dispose());
  return Object.assign(budget, { events });
}

function keepsTheContract(start: () => { client: RedisClient; subscriber?: never }): void {
  for (const { name, run } of permitSourceConformance({
    fifo: true,
    quietMillis: 30,
    patienceMillis: 5_000,
    make: limit => {
      const key = anyKey();
      const { client, subscriber } = start();
      const options: RedisPermitsOptions = { key, limit, pollMillis: 5, subscriber };
      const [source, peer] = [redisPermits(client, options), redisPermits(client, options)];
      return {
        source,
        peer,
        close: async () => {
          await Promise.all([source.dispose(), peer.dispose()]);
        },
      };
    },
  })) {
    it(name, run);
  }
}

function worksWith(server: RedisServer, used: readonly Library[]): void {
  for (const library of used) {
    describe(`with ${library.name}`, () => {
      let connection: Awaited<ReturnType<Library['connect']>>;
      beforeAll(async () => {
        connection = await library.connect(server.url);
      });
      afterAll(() => {
        connection.close();
      });

      // Each library in one of the two ways: the ways are the same for both.
      describe(`keeps the contract of a PermitSource, ${library.way}`, () => {
        keepsTheContract(() =>
          library.way === 'being woken' ? connection : { client: connection.client },
        );
      });

      it('leaves nothing in the server that outlives its use', async () => {
        const key = anyKey();
        const budget = redisPermits(connection.client, { key, limit: 1 });
        const [asker] = ask(budget, 1);
        await vi.waitFor(() => expect(asker?.permit).toBeDefined(), patience);
        await budget.dispose();
        expect(asker?.losses).toBe(1);
        expect(await server.send('KEYS', `{${key}}:*`)).toEqual([`{${key}}:book`]);
        expect(Number(await server.send('PTTL', `{${key}}:book`))).toBeGreaterThan(0);
      });
    });
  }

  it('runs again after the server has forgotten the script', async () => {
    const [library] = libraries;
    const connection = await library?.connect(server.url);
    onTestFinished(() => connection?.close());
    const budget = watched(
      redisPermits(connection?.client as RedisClient, { key: anyKey(), limit: 2 }),
    );
    const [first] = ask(budget, 1);
    await vi.waitFor(() => expect(first?.permit).toBeDefined(), patience);
    await server.send('SCRIPT', 'FLUSH');
    const [second] = ask(budget, 1);
    await vi.waitFor(() => expect(second?.permit).toBeDefined(), patience);
    expect(budget.events.map(({ type }) => type)).not.toContain('away');
  });
}

/** The client as a function, so that a test can stand between. */
function runnerOf(client: RedisClient) {
  const anyClient = client as unknown as {
    defineCommand?: unknown;
    eval(script: string, ...rest: unknown[]): Promise<unknown>;
  };
  return (script: string, names: readonly string[], parameters: readonly string[]) =>
    'defineCommand' in anyClient
      ? anyClient.eval(script, names.length, ...names, ...parameters)
      : anyClient.eval(script, { keys: [...names], arguments: [...parameters] });
}

await describeOnServer('redisPermits on Redis', startRedis, server => {
  worksWith(server, libraries);

  it('gives the permits of a dead member back one time to live after its last sign of life', async () => {
    const client = createClient({ url: server.url });
    client.on('error', () => undefined);
    await client.connect();
    onTestFinished(() => {
      client.destroy();
    });
    const key = anyKey();
    const options = { key, limit: 2, ttlMillis: 300, pollMillis: 5, recallAfterMillis: 60_000 };
    let isDead = false;
    let lastCall: Promise<unknown> = Promise.resolve();
    // As if killed: from now on nothing of it reaches the server.
    const run = runnerOf(client);
    const dying = watched(
      redisPermits(
        (script, names, parameters) =>
          isDead ? new Promise(() => undefined) : (lastCall = run(script, names, parameters)),
        { ...options, member: 'dying' },
      ),
    );
    const held = ask(dying, 2);
    await vi.waitFor(() => expect(grantedOf(held)).toHaveLength(2), patience);
    isDead = true;
    await lastCall;
    const lastSeen = Number(await server.send('ZSCORE', `{${key}}:alive`, 'dying')) - 300;
    const living = watched(redisPermits(client, options));
    const waiting = ask(living, 2);
    await vi.waitFor(() => expect(grantedOf(waiting)).toHaveLength(2), patience);
    // By the server's clock, in its own books; and long before anybody would have been asked to give back.
    const account = String(await server.send('HGET', `{${key}}:members`, living.member));
    const { h: holds } = JSON.parse(account) as { h: [number, number, number][] };
    for (const [, , grantedAt] of holds) {
      expect(grantedAt - lastSeen).toBeGreaterThanOrEqual(300);
      expect(grantedAt - lastSeen).toBeLessThan(options.recallAfterMillis);
    }
  });

  it('lets members of both libraries share one budget', async () => {
    const key = anyKey();
    const connections = await Promise.all(libraries.map(({ connect }) => connect(server.url)));
    onTestFinished(() => {
      for (const { close } of connections) close();
    });
    const budgets = connections.map(({ client, subscriber }) =>
      watched(redisPermits(client, { key, limit: 4, subscriber, recallAfterMillis: 10 })),
    );
    const [one, other] = budgets as unknown as [Budget, Budget];
    const held = ask(one, 4);
    await vi.waitFor(() => expect(grantedOf(held)).toHaveLength(4), patience);
    const waiting = ask(other, 4);
    await vi.waitFor(() => expect(one.state.recalled).toBe(2), patience);
    for (const asker of held) if (asker.permit?.recall?.() === true) asker.release();
    await vi.waitFor(() => expect(grantedOf(waiting)).toHaveLength(2), patience);
    expect(one.state.held).toBe(2);
  });

  it('hears at once that its server is gone, keeps what it holds, and goes on when it is back', async () => {
    const client = createClient({ url: server.url, disableOfflineQueue: true });
    client.on('error', () => undefined);
    await client.connect();
    onTestFinished(() => {
      client.destroy();
    });
    const options = { key: anyKey(), limit: 2, ttlMillis: 600 };
    const budget = watched(redisPermits(client, options));
    const held = ask(budget, 2);
    await vi.waitFor(() => expect(grantedOf(held)).toHaveLength(2), patience);
    await server.kill();
    await vi.waitFor(() => expect(budget.state.away).toBe(true), patience);
    await server.restart();
    await vi.waitFor(() => expect(budget.state.away).toBe(false), patience);
    expect(held.map(({ losses }) => losses)).toEqual([0, 0]);
    // The server lost its memory, and was told again by who holds.
    await vi.waitFor(() => expect(budget.state.fleet?.out).toBe(2), patience);
    expect(budget.events.map(({ type }) => type)).toContain('back');
  });

  it('counts an error of the server as being away, and says which', async () => {
    const client = createClient({ url: server.url });
    client.on('error', () => undefined);
    await client.connect();
    onTestFinished(() => {
      client.destroy();
    });
    const key = anyKey();
    await server.send('SET', `{${key}}:members`, 'of somebody else');
    const budget = watched(redisPermits(client, { key, limit: 1 }));
    const [asker] = ask(budget, 1);
    await vi.waitFor(() => expect(budget.state.away).toBe(true), patience);
    expect(budget.events[0]).toMatchObject({ type: 'away' });
    expect(String((budget.events[0] as { error?: unknown }).error)).toContain('WRONGTYPE');
    expect(asker?.waits).toBe(true);
  });
});

await describeOnServer('redisPermits on the stand-in for Redis', startRedisStandIn, server => {
  // It needs long for a script: one library is enough here.
  worksWith(server, libraries.slice(0, 1));
});

describe('redisPermits on a cluster of the stand-in', () => {
  let cluster: Awaited<ReturnType<typeof createRedisMock>>;
  beforeAll(async () => {
    cluster = await createRedisMock({ cluster: { masters: 3 } });
  });
  afterAll(() => cluster.close());

  async function grantsAndTakesBack(client: RedisClient): Promise<void> {
    // Keys of many budgets lie on different nodes; those of one on one, or the script would be refused.
    for (let count = 0; count < 5; count += 1) {
      const budget = watched(redisPermits(client, { key: anyKey(), limit: 1, pollMillis: 5 }));
      const [first, second] = ask(budget, 2);
      await vi.waitFor(() => expect(first?.permit).toBeDefined(), patience);
      first?.release();
      await vi.waitFor(() => expect(second?.permit).toBeDefined(), patience);
      expect(budget.events.map(({ type }) => type)).not.toContain('away');
      await budget.dispose();
    }
  }

  it('works with node-redis', async () => {
    const client = createCluster({
      rootNodes: cluster.addresses().map(({ host, port }) => ({ socket: { host, port } })),
    });
    client.on('error', () => undefined);
    await client.connect();
    onTestFinished(() => {
      client.destroy();
    });
    await grantsAndTakesBack(client);
  });

  it('works with ioredis', async () => {
    const client = new Cluster([...cluster.addresses()]);
    onTestFinished(() => {
      client.disconnect();
    });
    await grantsAndTakesBack(client);
  });
});

describe('redisPermits', () => {
  it('refuses what it can not use, by name', () => {
    const run = () => Promise.resolve([]);
    const make = (options: object) => () => redisPermits(run, { key: 'k', limit: 1, ...options });
    expect(make({ key: '' })).toThrow(InvalidOptionsError);
    expect(make({ key: undefined })).toThrow('"key"');
    expect(make({ subscribr: {} })).toThrow('did you mean "subscriber"?');
    expect(() => redisPermits({} as never, { key: 'k', limit: 1 })).toThrow(
      'must be a client of Redis',
    );
  });

  it('does not take an answer for one that is none', async () => {
    const budget = watched(redisPermits(() => Promise.resolve('OK'), { key: 'k', limit: 1 }));
    ask(budget, 1);
    await vi.waitFor(() => expect(budget.state.away).toBe(true), patience);
    expect(budget.events[0]).toMatchObject({ error: { name: 'TypeError' } });
  });

  it('leaves a hash tag of the key as it is', async () => {
    const seen: (readonly string[])[] = [];
    const budget = watched(
      redisPermits(
        (_, names) => {
          seen.push(names);
          return Promise.reject(new Error('enough'));
        },
        { key: 'app:{orders}', limit: 1 },
      ),
    );
    ask(budget, 1);
    await vi.waitFor(() => expect(budget.state.away).toBe(true), patience);
    expect(seen[0]).toEqual(
      ['members', 'alive', 'book', 'recalls', 'sequences'].map(part => `app:{orders}:${part}`),
    );
  });
});
