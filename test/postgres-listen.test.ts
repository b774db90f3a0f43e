import { filter, firstValueFrom, Subject, VirtualTimeScheduler } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { InvalidOptionsError } from '../src/errors.js';
import { listen, type ListenOptions, type Notification } from '../src/postgres/index.js';
import { PostgresFixture } from './postgres-fixture.js';
import { startPostgres } from './services/postgres.js';
import { startTcpProxy } from './services/tcp-proxy.js';
import { VirtualClock } from './virtual-clock.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const postgres = new PostgresFixture();

beforeAll(() => postgres.start());
afterAll(() => postgres.stop());
afterEach(() => postgres.closePools());

/** Quick, so that no test waits for long. */
const soon = { baseMillis: 5, maxMillis: 20 };

/** A subscription that says what came and when it listens. */
class Ear {
  readonly heard: Notification[] = [];
  error: unknown = undefined;
  completed = false;
  times = 0;
  readonly #changed = new Subject<void>();
  readonly #subscription;

  constructor(
    source: Parameters<typeof listen>[0],
    channel: string | readonly string[],
    options: ListenOptions = {},
  ) {
    this.#subscription = listen(source, channel, {
      retry: soon,
      ...options,
      onListening: times => {
        this.times = times;
        this.#changed.next();
      },
    }).subscribe({
      next: notification => {
        this.heard.push(notification);
        this.#changed.next();
      },
      error: (error: unknown) => {
        this.error = error;
        this.#changed.next();
      },
      complete: () => {
        this.completed = true;
        this.#changed.next();
      },
    });
  }

  get payloads(): string[] {
    return this.heard.map(({ payload }) => payload);
  }

  async until(wanted: () => boolean): Promise<void> {
    if (!wanted()) await firstValueFrom(this.#changed.pipe(filter(wanted)));
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }
}

const notify = (channel: string, payload: string) =>
  postgres.query('SELECT pg_notify($1, $2)', [channel, payload]);

describe('listening', () => {
  it('emits what is sent to its channel and nothing else', async () => {
    const pool = postgres.open({ max: 2 });
    const ear = new Ear(pool, 'orders');
    await ear.until(() => ear.times === 1);
    await notify('other', 'no');
    await notify('orders', 'first');
    await postgres.query('NOTIFY orders');
    await notify('orders', 'third');
    await ear.until(() => ear.heard.length === 3);
    expect(ear.payloads).toEqual(['first', '', 'third']);
    expect(ear.heard[0]).toEqual({
      channel: 'orders',
      payload: 'first',
      processId: expect.any(Number),
    });
    ear.stop();
  });

  it('takes several channels on one connection, and names as they are', async () => {
    const pool = postgres.open({ max: 1 });
    const channels = ['Mixed Case', 'with "quotes"', 'plain'];
    const ear = new Ear(pool, channels);
    await ear.until(() => ear.times === 1);
    for (const channel of channels) await notify(channel, channel);
    await ear.until(() => ear.heard.length === 3);
    expect(ear.heard.map(({ channel }) => channel)).toEqual(channels);
    expect(ear.payloads).toEqual(channels);
    ear.stop();
  });

  it('holds a connection for each subscription, from subscribe to unsubscribe, and leaves none that listens', async () => {
    const pool = postgres.open({ max: 2, reset: () => undefined });
    listen(pool, 'orders');
    expect(pool.stats.acquired).toBe(0);
    const ears = [new Ear(pool, 'orders'), new Ear(pool, 'orders')];
    for (const ear of ears) await ear.until(() => ear.times === 1);
    expect(pool.state.leased).toBe(2);
    await notify('orders', 'both');
    for (const ear of ears) await ear.until(() => ear.heard.length === 1);
    for (const ear of ears) ear.stop();
    await using lease = await pool.lease();
    expect((await lease.resource.query('SELECT * FROM pg_listening_channels()')).rows).toEqual([]);
  });

  it('has a connection of its own when it is given where to connect, and ends it', async () => {
    const before = (await postgres.backends()).length;
    for (const source of [postgres.server.url, { connectionString: postgres.server.url }]) {
      const ear = new Ear(source, 'orders');
      await ear.until(() => ear.times === 1);
      expect(await postgres.backends()).toHaveLength(before + 1);
      await notify('orders', 'here');
      await ear.until(() => ear.heard.length === 1);
      ear.stop();
      await postgres.untilBackends(rows => rows.length === before);
    }
  });
});

describe('when the connection breaks', () => {
  it('listens again on a new one, and says so', async () => {
    const pool = postgres.open({ max: 1 });
    const ear = new Ear(pool, 'orders');
    for (let round = 1; round <= 3; round += 1) {
      await ear.until(() => ear.times === round);
      await notify('orders', `round ${round}`);
      await ear.until(() => ear.heard.length === round);
      await postgres.server.terminateBackends();
    }
    await ear.until(() => ear.times === 4);
    expect(ear.payloads).toEqual(['round 1', 'round 2', 'round 3']);
    expect(ear.error).toBeUndefined();
    expect(pool.state.size).toBe(1);
    ear.stop();
  });

  it('goes on after a crash of the server, however long that lasts', async () => {
    await using server = await startPostgres();
    await server.query('CHECKPOINT'); // Its role is to survive the crash.
    const ear = new Ear(server.url, 'orders');
    await ear.until(() => ear.times === 1);
    await server.kill();
    await server.restart();
    await ear.until(() => ear.times === 2);
    await server.query("NOTIFY orders, 'again'");
    await ear.until(() => ear.heard.length === 1);
    expect(ear.payloads).toEqual(['again']);
    ear.stop();
  });

  it('notices by itself that the network has swallowed it', async () => {
    await using proxy = await startTcpProxy({
      target: { host: '127.0.0.1', port: postgres.server.port },
    });
    const ear = new Ear(proxy.url(postgres.server.url), 'orders', { checkEveryMillis: 50 });
    await ear.until(() => ear.times >= 1);
    proxy.halfOpen();
    await ear.until(() => ear.times >= 2);
    // On a busy machine a good connection may fail so close a check too, and what is told then is lost.
    while (ear.heard.length === 0) await notify('orders', 'heard again');
    expect(ear.payloads).toContain('heard again');
    expect(ear.error).toBeUndefined();
    ear.stop();
  });

  it('goes on when its pool takes the lease back', async () => {
    const clock = new VirtualClock();
    const { scheduler } = clock;
    const pool = postgres.open({ max: 1, maxLeaseMillis: 50, scheduler });
    const ear = new Ear(pool, 'orders', { scheduler, checkEveryMillis: Infinity });
    for (const times of [1, 2]) {
      await ear.until(() => ear.times === times);
      await clock.pass(50);
      await clock.pass(soon.maxMillis);
    }
    await ear.until(() => ear.times === 3);
    expect(ear.error).toBeUndefined();
    expect(pool.stats.revoked).toBe(2);
    ear.stop();
  });

  it('gives up after as many attempts as retry allows, and counts anew after each success', async () => {
    await using server = await startPostgres();
    await server.query('CHECKPOINT');
    const ear = new Ear(server.url, 'orders', { retry: { ...soon, count: 3 } });
    for (const times of [1, 2, 3, 4, 5]) {
      await ear.until(() => ear.times === times);
      await server.terminateBackends();
    }
    await ear.until(() => ear.times === 6);
    await server.kill();
    await ear.until(() => ear.error !== undefined);
    expect(ear.error).toMatchObject({ code: 'CREATE_FAILED' });
  });
});

describe('errors', () => {
  it('are those that keep it from listening for the first time', async () => {
    const nowhere = new Ear({ host: '127.0.0.1', port: 1 }, 'orders');
    await nowhere.until(() => nowhere.error !== undefined);
    expect(nowhere.error).toMatchObject({ code: 'CREATE_FAILED', cause: { code: 'ECONNREFUSED' } });
    const pool = postgres.open({ max: 1 });
    await pool.close();
    const late = new Ear(pool, 'orders');
    await late.until(() => late.error !== undefined || late.completed);
    expect(late.times).toBe(0);
  });

  it('of onListening reach the subscriber', async () => {
    const failure = new Error('mine');
    const outcome = new Promise(resolve => {
      listen(postgres.server.url, 'orders', {
        onListening: () => {
          throw failure;
        },
      }).subscribe({ error: resolve });
    });
    expect(await outcome).toBe(failure);
    await postgres.untilBackends(rows => rows.length === 0);
  });

  it('are thrown at once for names and options that make no sense', () => {
    const scheduler = new VirtualTimeScheduler();
    const refused = (channel: string | readonly string[], options?: ListenOptions) =>
      expect(() => listen(postgres.server.url, channel, { scheduler, ...options })).toThrow(
        InvalidOptionsError,
      );
    refused('');
    refused([]);
    refused('ü'.repeat(32));
    refused(['fine', 1 as never]);
    refused('orders', { checkEveryMillis: 0 });
    refused('orders', { checkEveryMillis: 2 ** 31 });
    refused('orders', { retry: { baseMillis: -1 } });
    expect(() => listen(postgres.server.url, 'ü'.repeat(31))).not.toThrow();
  });
});

describe('at the end of its pool', () => {
  it('completes as soon as the pool closes, so that nobody waits for it', async () => {
    const pool = postgres.open({ max: 2 });
    const ear = new Ear(pool, 'orders');
    await ear.until(() => ear.times === 1);
    await pool.close({ drainTimeoutMillis: 20_000 });
    expect(ear.completed).toBe(true);
    expect(await postgres.backends()).toEqual([]);
  });

  it('completes also while it waits for a connection, or between two attempts', async () => {
    const pool = postgres.open({ max: 1 });
    const ear = new Ear(pool, 'orders');
    await ear.until(() => ear.times === 1);
    const waiting = new Ear(pool, 'orders');
    expect(pool.state.waiting).toBe(1);
    await pool.close();
    expect([ear.completed, waiting.completed]).toEqual([true, true]);
    expect([ear.error, waiting.error]).toEqual([undefined, undefined]);
  });
});
