import { lastValueFrom, of, retry, Subject, takeUntil } from 'rxjs';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { InvalidOptionsError } from '../src/index.js';
import {
  command,
  isConflict,
  transaction,
  TransactionConflictError,
  type RedisCommand,
} from '../src/redis/index.js';
import { anyRedis, ioredis, nodeRedis, RedisFixture } from './redis-fixture.js';

vi.setConfig({ testTimeout: 10_000, hookTimeout: 20_000 });

const server = await anyRedis();
afterAll(() => server.stop());

describe.each([nodeRedis, ioredis])('a transaction on a connection of $name', driver => {
  const fixture = new RedisFixture(server, driver);
  afterEach(() => fixture.closePools());
  afterEach(() => server.send('FLUSHALL'));

  it('executes commands that it is given, and emits their answers', async () => {
    const pool = fixture.open({ max: 1 });
    const replies = await lastValueFrom(
      transaction(pool, [
        ['SET', 'sum', 1],
        ['INCRBY', 'sum', 4],
        ['GET', 'sum'],
      ]),
    );
    expect(replies).toEqual(['OK', 5, '5']);
  });

  it('executes what its project makes of what it has read, given in whatever way', async () => {
    const pool = fixture.open({ max: 1 });
    await server.send('SET', 'from', 'value');
    const copy = (to: string, value: string | null): RedisCommand[] => [['SET', to, value ?? '']];
    const projects = [
      async (client: Parameters<typeof driver.get>[0]) =>
        copy('a', await driver.get(client, 'from')),
      () => copy('b', 'plain'),
      () => of(copy('c', 'first'), copy('c', 'last')),
    ];
    for (const project of projects) {
      expect(await lastValueFrom(transaction(pool, project, { watch: 'from' }))).toEqual(['OK']);
    }
    expect(await server.send('MGET', 'a', 'b', 'c')).toEqual(['value', 'plain', 'last']);
  });

  it('does nothing where there is nothing to do, and keeps no watch', async () => {
    const pool = fixture.open({ max: 1 });
    expect(await lastValueFrom(transaction(pool, () => [], { watch: 'seen' }))).toEqual([]);
    await server.send('SET', 'seen', 'changed');
    expect(await lastValueFrom(transaction(pool, [['SET', 'other', 1]]))).toEqual(['OK']);
  });

  it('executes nothing when a watched key has changed, and says so', async () => {
    const pool = fixture.open({ max: 1 });
    const outcome = lastValueFrom(
      transaction(
        pool,
        async () => {
          await server.send('SET', 'stock', '7');
          return [['SET', 'stock', 0]];
        },
        { watch: ['stock', 'price'] },
      ),
    );
    const error: unknown = await outcome.catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(TransactionConflictError);
    expect(isConflict(error)).toBe(true);
    expect(String(error)).toContain('stock, price');
    expect(await server.send('GET', 'stock')).toBe('7');
  });

  it('counts right under concurrent writers that try again after a conflict', async () => {
    const pool = fixture.open({ max: 4 });
    const increment = transaction(
      pool,
      async client => [['SET', 'count', Number(await driver.get(client, 'count')) + 1]],
      { watch: 'count' },
    ).pipe(
      retry({ delay: error => (isConflict(error) ? of(true) : Promise.reject(error as Error)) }),
    );
    await Promise.all(Array.from({ length: 20 }, () => lastValueFrom(increment)));
    expect(await server.send('GET', 'count')).toBe('20');
  });

  it('executes nothing when the server refuses one of the commands, and names that', async () => {
    const pool = fixture.open({ max: 1 });
    const outcome = lastValueFrom(transaction(pool, [['SET', 'half', 1], ['NOSUCH']]));
    await expect(outcome).rejects.toThrow(/unknown command/i);
    expect(await server.send('EXISTS', 'half')).toBe(0);
    expect(await lastValueFrom(command(pool, ['PING']))).toBe('PONG');
  });

  it('fails with the error of a command that failed in execution', async () => {
    const pool = fixture.open({ max: 1 });
    await server.send('SET', 'text', 'words');
    const outcome = lastValueFrom(
      transaction(pool, [
        ['INCR', 'text'],
        ['SET', 'rest', 1],
      ]),
    );
    await expect(outcome).rejects.toThrow('not an integer');
    expect(await server.send('EXISTS', 'rest')).toBe(1);
  });

  it('executes nothing when its project fails, with whose error it fails', async () => {
    const pool = fixture.open({ max: 1 });
    const outcome = lastValueFrom(
      transaction(pool, () => Promise.reject(new Error('out of stock')), { watch: 'stock' }),
    );
    await expect(outcome).rejects.toThrow('out of stock');
    expect(pool.stats).toMatchObject({ resetFailed: 0, released: 1 });
  });

  it('executes nothing when it is given up while its project reads, and leaves no watch behind', async () => {
    const pool = fixture.open({ max: 1 });
    const enough = new Subject<void>();
    let goOn = (): void => undefined;
    const reading = new Promise<void>(resolve => {
      goOn = resolve;
    });
    const begun = new Subject<void>();
    begun.subscribe(() => {
      enough.next();
    });
    await lastValueFrom(
      transaction(
        pool,
        async () => {
          queueMicrotask(() => {
            begun.next();
          });
          await reading;
          return [['SET', 'never', 1]];
        },
        { watch: 'key' },
      ).pipe(takeUntil(enough)),
      { defaultValue: undefined },
    );
    await server.send('SET', 'key', 'changed');
    expect(await lastValueFrom(transaction(pool, [['SET', 'next', 1]]))).toEqual(['OK']);
    goOn();
    await reading;
    expect(await lastValueFrom(command(pool, ['EXISTS', 'never']))).toBe(0);
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
  });

  it('refuses a project that is none', () => {
    const pool = fixture.open();
    expect(() => transaction(pool, 'SET key 1' as never)).toThrow(InvalidOptionsError);
    expect(() => transaction(pool, [[]] as never)).toThrow(InvalidOptionsError);
  });
});
