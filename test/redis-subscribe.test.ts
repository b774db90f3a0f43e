import { filter, firstValueFrom, lastValueFrom, Subject, toArray } from 'rxjs';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { InvalidOptionsError } from '../src/index.js';
import {
  command,
  subscribe,
  type RedisMessage,
  type SubscribeOptions,
} from '../src/redis/index.js';
import { anyRedis, ioredis, nodeRedis, RedisFixture } from './redis-fixture.js';
import { startTcpProxy } from './services/tcp-proxy.js';
import { patience } from './patience.js';

vi.setConfig({ testTimeout: 10_000, hookTimeout: 20_000 });

const server = await anyRedis();
afterAll(() => server.stop());

/** Listens, and says how far it is. */
function listener(
  source: Parameters<typeof subscribe>[0],
  channel: Parameters<typeof subscribe>[1],
  options: SubscribeOptions = {},
) {
  const messages: RedisMessage[] = [];
  const errors: unknown[] = [];
  const times$ = new Subject<number>();
  const first = firstValueFrom(times$);
  let hasCompleted = false;
  const subscription = subscribe(source, channel, {
    onListening: times => {
      times$.next(times);
    },
    ...options,
  }).subscribe({
    next: message => messages.push(message),
    error: (error: unknown) => errors.push(error),
    complete: () => {
      hasCompleted = true;
    },
  });
  return {
    messages,
    errors,
    first,
    subscription,
    again: (wanted: number) => firstValueFrom(times$.pipe(filter(times => times === wanted))),
    get hasCompleted() {
      return hasCompleted;
    },
  };
}

describe.each([nodeRedis, ioredis])('a subscription on a connection of $name', driver => {
  const fixture = new RedisFixture(server, driver);
  afterEach(() => fixture.closePools());
  const newClient = () => driver.newClient(server.url);

  it('emits what is sent to its channels, each with its name', async () => {
    const { messages, first, subscription } = listener(fixture.open(), ['news', 'sport']);
    await first;
    await server.send('PUBLISH', 'news', 'one');
    await server.send('PUBLISH', 'sport', 'two');
    await server.send('PUBLISH', 'weather', 'three');
    await vi.waitFor(() => {
      expect(messages).toEqual([
        { channel: 'news', message: 'one', pattern: undefined },
        { channel: 'sport', message: 'two', pattern: undefined },
      ]);
    }, patience);
    subscription.unsubscribe();
  });

  it('emits what is sent to channels of a pattern, with both', async () => {
    const { messages, first, subscription } = listener(fixture.open(), 'a.*', { kind: 'pattern' });
    await first;
    await server.send('PUBLISH', 'a.b', 'one');
    await vi.waitFor(() => {
      expect(messages).toEqual([{ channel: 'a.b', message: 'one', pattern: 'a.*' }]);
    }, patience);
    subscription.unsubscribe();
  });

  it('emits what is sent to the channels of a shard', async () => {
    const { messages, first, subscription } = listener(fixture.open(), 's', { kind: 'shard' });
    await first;
    await server.send('SPUBLISH', 's', 'one');
    await vi.waitFor(() => {
      expect(messages).toEqual([{ channel: 's', message: 'one', pattern: undefined }]);
    }, patience);
    subscription.unsubscribe();
  });

  it('ends its connection when it is unsubscribed, and lends it to nobody', async () => {
    const pool = fixture.open({ max: 1 });
    const { first, subscription } = listener(pool, 'news');
    await first;
    subscription.unsubscribe();
    expect(await firstValueFrom(command(pool, ['PING']))).toBe('PONG');
    expect(pool.stats).toMatchObject({ created: 2, destroyed: 1 });
    expect(await server.send('PUBLISH', 'news', 'anybody?')).toBe(0);
  });

  it('listens again on a new connection when its own is killed', async () => {
    const retry = { baseMillis: 1, jitter: 0 } as const;
    const { messages, first, again, subscription, errors } = listener(fixture.open(), 'news', {
      retry,
    });
    await first;
    const second = again(2);
    await server.killConnections();
    await second;
    await server.send('PUBLISH', 'news', 'after');
    await vi.waitFor(() => {
      expect(messages.map(({ message }) => message)).toEqual(['after']);
    }, patience);
    expect(errors).toEqual([]);
    subscription.unsubscribe();
  });

  it('listens again when its connection has gone silent', async () => {
    await using proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
    const pool = fixture.open({ client: () => driver.newClient(proxy.url(server.url)) });
    const retry = { baseMillis: 1, jitter: 0 } as const;
    const { first, again, subscription } = listener(pool, 'news', { retry, checkEveryMillis: 50 });
    await first;
    const second = again(2);
    proxy.halfOpen();
    await second;
    subscription.unsubscribe();
    await pool.close();
  });

  it('knows that its connection lives where the client speaks the older protocol', async () => {
    const checkEveryMillis = 20;
    const source = () => driver.newOldClient(server.url);
    const { messages, first, errors, subscription } = listener(source, 'old', { checkEveryMillis });
    await first;
    await vi.waitFor(async () => {
      expect(await server.send('PUBLISH', 'old', 'again')).toBe(1);
      expect(messages.length).toBeGreaterThan(3);
    }, patience);
    expect(errors).toEqual([]);
    subscription.unsubscribe();
    await fixture.untilConnections(connections => connections.length === 0);
  });

  it('has a connection of its own where it is given a factory, and ends that', async () => {
    const { messages, first, subscription } = listener(newClient, 'news');
    await first;
    expect(await server.connections()).toHaveLength(1);
    await server.send('PUBLISH', 'news', 'one');
    await vi.waitFor(() => {
      expect(messages).toHaveLength(1);
    }, patience);
    subscription.unsubscribe();
    await fixture.untilConnections(connections => connections.length === 0);
  });

  it('fails at once when it cannot listen for the first time', async () => {
    const wrong = server.url.replace('//', '//nobody:wrong@');
    const outcome = lastValueFrom(subscribe(() => driver.newClient(wrong), 'news').pipe(toArray()));
    await expect(outcome).rejects.toMatchObject({ code: 'CREATE_FAILED' });
  });

  it('completes when its pool closes', async () => {
    const pool = fixture.open();
    const listening = listener(pool, 'news');
    await listening.first;
    await pool.close();
    expect(listening.hasCompleted).toBe(true);
    expect(listening.errors).toEqual([]);
  });

  it.each([
    ['channel', '', {}],
    ['channel', [], {}],
    ['kind', 'news', { kind: 'topic' }],
    ['checkEveryMillis', 'news', { checkEveryMillis: 0 }],
    ['baseMillis', 'news', { retry: { baseMillis: -1 } }],
  ])('refuses a bad %s at once', (option, channel, options) => {
    const bad = () => subscribe(newClient, channel, options as SubscribeOptions);
    expect(bad).toThrow(InvalidOptionsError);
    expect(bad).toThrow(option);
  });
});
