import { Redis } from 'ioredis';
import { firstValueFrom, lastValueFrom, Subject, takeUntil } from 'rxjs';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { CreateError, InvalidOptionsError, type Pool } from '../src/index.js';
import { command, pipeline, redisPool, type RedisClient } from '../src/redis/index.js';
import { anyRedis, ioredis, nodeRedis, RedisFixture } from './redis-fixture.js';
import { startTcpProxy } from './services/tcp-proxy.js';
import { patience } from './patience.js';

vi.setConfig({ testTimeout: 10_000, hookTimeout: 20_000 });

const server = await anyRedis();
afterAll(() => server.stop());
/** For what the stand-in lacks; which is said when it starts. */
const itOnRedis = it.skipIf(!server.isReal);

/** What the server knows of the session of a client, in its own words. */
async function infoOf(pool: Pool<RedisClient>): Promise<Record<string, string>> {
  const info = await firstValueFrom(command<string>(pool, ['CLIENT', 'INFO']));
  return Object.fromEntries(
    info.split(' ').map(field => field.trim().split('=') as [string, string]),
  );
}

/** Once everything that a lease left behind is dealt with. */
const atRest = (pool: Pool<RedisClient>): Promise<unknown> =>
  vi.waitFor(() => {
    expect(pool.state).toMatchObject({ leased: 0, resetting: 0, destroying: 0, creating: 0 });
  }, patience);

describe.each([nodeRedis, ioredis])('a pool of Redis connections, of $name', driver => {
  const fixture = new RedisFixture(server, driver);
  afterEach(() => fixture.closePools());

  it('lends connected clients, as many as the server counts', async () => {
    const pool = fixture.open({ max: 3 });
    const leases = await Promise.all([pool.lease(), pool.lease(), pool.lease()]);
    const ids = await Promise.all(
      leases.map(({ resource }) => driver.send(resource, 'CLIENT', 'ID')),
    );
    const listed = (await server.connections()).map(({ id }) => Number(id));
    expect(new Set(ids)).toEqual(new Set(listed));
    await Promise.all(leases.map(lease => lease.release()));
    expect(pool.state).toMatchObject({ size: 3, idle: 3 });
  });

  it('leaves no connection on the server once it has closed', async () => {
    const pool = fixture.open({ max: 2 });
    await pool.prefill();
    await pool.close();
    expect(await server.connections()).toEqual([]);
  });

  it('runs what the borrower does with the typed client', async () => {
    const pool = fixture.open();
    await server.send('SET', 'greeting', 'hello');
    const greeting = await lastValueFrom(pool.use(client => driver.get(client, 'greeting')));
    expect(greeting).toBe('hello');
  });

  const changes: [string, (client: RedisClient) => Promise<unknown>][] = [
    ['a database', client => driver.select(client, 5)],
    ['a database, by a raw command', client => driver.send(client, 'SELECT', '6')],
    ['an open MULTI', client => driver.send(client, 'MULTI')],
    ['a name', client => driver.send(client, 'CLIENT', 'SETNAME', 'mine')],
  ];
  if (server.isReal) {
    changes.push(['tracking', client => driver.send(client, 'CLIENT', 'TRACKING', 'on')]);
  }

  it.each(changes)('takes %s back before the next borrower', async (_, change) => {
    const pool = fixture.open({
      max: 1,
      client: () => driver.newClient(`${server.url}/2`, 'home'),
    });
    const before = await infoOf(pool);
    await lastValueFrom(pool.use(change));
    await atRest(pool);
    const { id, db, name, flags, multi, resp, user } = await infoOf(pool);
    expect({ id, db, name, flags, multi, resp, user }).toEqual({
      id: before['id'],
      db: '2',
      name: 'home',
      flags: 'N',
      multi: '-1',
      resp: '3',
      user: 'default',
    });
  });

  it('takes a WATCH back before the next borrower', async () => {
    const pool = fixture.open({ max: 1 });
    await lastValueFrom(pool.use(client => driver.watch(client, 'watched')));
    await server.send('SET', 'watched', 'changed');
    const replies = await lastValueFrom(
      pool.use(async client => {
        await driver.send(client, 'MULTI');
        await driver.send(client, 'SET', 'unwatched', '1');
        return driver.send(client, 'EXEC');
      }),
    );
    expect(replies).toEqual(['OK']);
  });

  it('lends nobody a connection that has subscribed, unless it has been made to forget', async () => {
    const pool = fixture.open({ max: 1 });
    await lastValueFrom(pool.use(client => driver.subscribe(client, 'left')));
    await atRest(pool);
    const { sub } = await infoOf(pool);
    expect(sub).toBe('0');
    expect(await server.send('PUBLISH', 'left', 'anybody?')).toBe(0);
  });

  it("takes a borrower's event listeners back", async () => {
    const pool = fixture.open({ max: 1 });
    const emitter = (client: RedisClient) => client as unknown as NodeJS.EventEmitter;
    const counts = (client: RedisClient) =>
      ['error', 'end', 'message', 'ready'].map(event => emitter(client).listenerCount(event));
    const before = await lastValueFrom(pool.use(client => counts(client)));
    await lastValueFrom(
      pool.use(client => {
        emitter(client).removeAllListeners('error');
        emitter(client).on('message', () => undefined);
        emitter(client).on('end', () => undefined);
      }),
      { defaultValue: undefined },
    );
    expect(await lastValueFrom(pool.use(client => counts(client)))).toEqual(before);
  });

  it('comes back to the user and the database it was configured with where there is a password', async () => {
    await using guarded = await anyRedis({ password: 'secret' });
    const pool = redisPool({ client: () => driver.newClient(`${guarded.url}/3`), max: 1 });
    await lastValueFrom(pool.use(client => driver.select(client, 1)));
    expect(await infoOf(pool)).toMatchObject({ db: '3', user: 'default', resp: '3' });
    await pool.close();
  });

  it('keeps to the older protocol where the client is told to', async () => {
    await using guarded = await anyRedis({ password: 'secret' });
    const pool = redisPool({ client: () => driver.newOldClient(`${guarded.url}/3`), max: 1 });
    await lastValueFrom(pool.use(client => driver.select(client, 1)));
    expect(await infoOf(pool)).toMatchObject({ db: '3', resp: '2', user: 'default' });
    await pool.close();
  });

  itOnRedis('serves again when its server has crashed and is back', async () => {
    await using own = await anyRedis();
    const pool = redisPool({ client: () => driver.newClient(own.url), max: 3 });
    await pool.prefill();
    await own.kill();
    await vi.waitFor(() => {
      expect(pool.state.size).toBe(0);
    }, patience);
    await expect(pool.lease()).rejects.toMatchObject({ code: 'CREATE_FAILED' });
    await own.restart();
    expect(await firstValueFrom(command(pool, ['PING']))).toBe('PONG');
    expect(await own.connections()).toHaveLength(1);
    await pool.close();
  });

  itOnRedis('does without a RESET after commands that change nothing', async () => {
    const pool = fixture.open({ max: 1 });
    await server.send('CONFIG', 'RESETSTAT');
    await lastValueFrom(command(pool, ['SET', 'plain', 1]));
    await lastValueFrom(
      pipeline(pool, [
        ['INCR', 'plain'],
        ['GET', 'plain'],
      ]),
    );
    const resets = async () =>
      /cmdstat_reset:calls=(\d+)/.exec(String(await server.send('INFO', 'commandstats')))?.[1];
    expect(await resets()).toBeUndefined();
    await lastValueFrom(command(pool, ['SELECT', 4]));
    await atRest(pool);
    expect(await resets()).toBe('1');
    expect(await infoOf(pool)).toMatchObject({ db: '0' });
  });

  it('loses a connection that is killed while idle at once, and stays without it', async () => {
    const pool = fixture.open({ max: 1 });
    await pool.prefill();
    await server.killConnections();
    await vi.waitFor(() => {
      expect(pool.state.size).toBe(0);
    }, patience);
    expect(fixture.eventsOf(pool)).toContainEqual(
      expect.objectContaining({ type: 'destroyed', reason: 'broken' }),
    );
    expect(await server.connections()).toEqual([]);
    expect(await firstValueFrom(command(pool, ['PING']))).toBe('PONG');
    expect(await server.connections()).toHaveLength(1);
  });

  itOnRedis(
    'tells the borrower of a connection that is killed, and makes a new one for the next',
    async () => {
      const pool = fixture.open({ max: 1 });
      const blocked = lastValueFrom(pool.use(client => driver.blPop(client, 'nothing')));
      await fixture.untilConnections(([connection]) => connection?.cmd === 'blpop');
      const rejected = expect(blocked).rejects.toThrow();
      await server.killConnections();
      await rejected;
      expect(await firstValueFrom(command(pool, ['PING']))).toBe('PONG');
      expect(pool.stats).toMatchObject({ created: 2, destroyed: 1 });
    },
  );

  itOnRedis('says of a command whose connection is killed why it has no answer', async () => {
    const pool = fixture.open({ max: 1 });
    const blocked = lastValueFrom(command(pool, ['BLPOP', 'nothing', 0]));
    await fixture.untilConnections(([connection]) => connection?.cmd === 'blpop');
    const rejected = expect(blocked).rejects.toThrow(/closed|ended/i);
    await server.killConnections();
    await rejected;
  });

  it('fails with what the server says to a wrong password, and does not try again', async () => {
    const pool = fixture.open({
      client: () => driver.newClient(server.url.replace('//', '//nobody:wrong@')),
    });
    const error = await pool.lease().catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(CreateError);
    expect(String((error as Error).cause)).toMatch(/WRONGPASS|AUTH/);
    expect(pool.state.size).toBe(0);
  });

  it('fails for a database that there is not', async () => {
    const pool = fixture.open({ client: () => driver.newClient(`${server.url}/99`) });
    await expect(pool.lease()).rejects.toMatchObject({
      cause: expect.objectContaining({ message: expect.stringContaining('out of range') }),
    });
    await fixture.untilConnections(connections => connections.length === 0);
  });

  it('fails for a port where nobody listens', async () => {
    const pool = fixture.open({ client: () => driver.newClient('redis://127.0.0.1:1') });
    await expect(pool.lease()).rejects.toMatchObject({
      cause: expect.objectContaining({ code: 'ECONNREFUSED' }),
    });
  });

  it('fails for a factory that gives one client twice, and leaves whose it is alone', async () => {
    const shared = driver.newClient(server.url);
    const pool = fixture.open({ client: () => shared });
    const lease = await pool.lease();
    await expect(pool.lease()).rejects.toMatchObject({
      cause: expect.objectContaining({ message: expect.stringContaining('twice') }),
    });
    expect(await driver.send(lease.resource, 'PING')).toBe('PONG');
    await lease.release();
  });

  it('fails for a factory that gives no client', async () => {
    const pool = fixture.open({ client: () => undefined as never });
    await expect(pool.lease()).rejects.toMatchObject({ cause: expect.any(TypeError) });
  });

  it('gives up a server that accepts and says nothing, and leaves no socket behind', async () => {
    await using proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
    proxy.blackHole(true);
    const pool = fixture.open({
      client: () => driver.newClient(proxy.url(server.url)),
      createTimeoutMillis: 50,
    });
    await expect(pool.lease()).rejects.toThrow('create');
    await vi.waitFor(() => {
      expect(proxy.connections).toBe(0);
    }, patience);
  });

  it('notices a connection that has gone silent when it is checked, and lends another', async () => {
    await using proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
    const pool = fixture.open({
      client: () => driver.newClient(proxy.url(server.url)),
      max: 1,
      validateAfterIdleMillis: 0,
      validateTimeoutMillis: 50,
    });
    await pool.prefill();
    proxy.halfOpen();
    expect(await firstValueFrom(command(pool, ['PING']))).toBe('PONG');
    expect(pool.stats).toMatchObject({ created: 2, validateFailed: 1 });
    await pool.close();
    await vi.waitFor(() => {
      expect(proxy.connections).toBe(0);
    }, patience);
  });

  itOnRedis(
    'ends the connection of a blocking command that is given up, and lends it to nobody',
    async () => {
      const pool = fixture.open({ max: 1 });
      const enough = new Subject<void>();
      const gone = lastValueFrom(command(pool, ['BLPOP', 'jobs', 0]).pipe(takeUntil(enough)), {
        defaultValue: 'given up',
      });
      await fixture.untilConnections(([connection]) => connection?.cmd === 'blpop');
      enough.next();
      expect(await gone).toBe('given up');
      await server.send('RPUSH', 'jobs', 'kept');
      expect(await firstValueFrom(command(pool, ['BLPOP', 'jobs', 0]))).toEqual(['jobs', 'kept']);
      expect(pool.stats).toMatchObject({ created: 2, destroyed: 1 });
    },
  );

  it('keeps the connection of a blocking command that was answered', async () => {
    const pool = fixture.open({ max: 1 });
    await server.send('RPUSH', 'jobs', 'one', 'two');
    expect(await firstValueFrom(command(pool, ['BLPOP', 'jobs', 0]))).toEqual(['jobs', 'one']);
    expect(await firstValueFrom(command(pool, ['BLPOP', 'jobs', 0]))).toEqual(['jobs', 'two']);
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
  });

  itOnRedis('destroys a connection whose last borrower left it blocked', async () => {
    const pool = fixture.open({ max: 1, resetTimeoutMillis: 50 });
    const work = pool
      .use(client => driver.blPop(client, 'nothing'))
      .subscribe({ error: () => undefined });
    await fixture.untilConnections(([connection]) => connection?.cmd === 'blpop');
    work.unsubscribe();
    expect(await firstValueFrom(command(pool, ['PING']))).toBe('PONG');
    expect(pool.stats).toMatchObject({ resetFailed: 1, created: 2 });
  });

  it('lends a connection on when the answer to a command that was given up is there', async () => {
    const pool = fixture.open({ max: 1 });
    await pool.prefill();
    for (let turn = 0; turn < 20; turn += 1) {
      const given = command(pool, ['SET', 'turn', turn]).subscribe();
      expect(pool.state.leased).toBe(1);
      given.unsubscribe();
      expect(await firstValueFrom(command(pool, ['GET', 'turn']))).toBe(String(turn));
    }
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
  });

  it('emits the answers of a pipeline in order, sent in one go', async () => {
    const pool = fixture.open({ max: 1 });
    const replies = await firstValueFrom(
      pipeline(pool, [
        ['SET', 'list', Buffer.from([104, 105])],
        ['APPEND', 'list', '!'],
        ['GET', 'list'],
      ]),
    );
    expect(replies).toEqual(['OK', 3, 'hi!']);
  });

  it('fails with the first error of a pipeline, whose other commands run', async () => {
    const pool = fixture.open({ max: 1 });
    const outcome = firstValueFrom(
      pipeline(pool, [
        ['SET', 'text', 'words'],
        ['INCR', 'text'],
        ['SET', 'after', 'done'],
      ]),
    );
    await expect(outcome).rejects.toThrow('not an integer');
    expect(await server.send('GET', 'after')).toBe('done');
    expect(await firstValueFrom(command(pool, ['GET', 'after']))).toBe('done');
  });

  it('sends commands on a connection that is borrowed already', async () => {
    const pool = fixture.open({ max: 1 });
    const both = pool.use(async client => {
      await lastValueFrom(command(client, ['SELECT', 7]));
      return lastValueFrom(
        pipeline(client, [
          ['SET', 'k', 1],
          ['GET', 'k'],
        ]),
      );
    });
    expect(await lastValueFrom(both)).toEqual(['OK', '1']);
    expect(await infoOf(pool)).toMatchObject({ db: '0' });
  });

  it.each([
    ['client', { client: undefined }],
    ['client', { client: 'redis://localhost' }],
    ['create', { create: () => undefined }],
    ['watch', { watch: () => undefined }],
    ['maxx', { maxx: 1 }],
  ])('refuses %s as %o', (option, options) => {
    const valid = { client: () => driver.newClient(server.url) };
    expect(() => redisPool({ ...valid, ...(options as object) })).toThrow(InvalidOptionsError);
    expect(() => redisPool({ ...valid, ...(options as object) })).toThrow(option);
  });

  it.each([[[]], [['']], [[1]], [['GET', {}]], ['GET']])('refuses the command %o', words => {
    const pool = fixture.open();
    expect(() => command(pool, words as never)).toThrow(InvalidOptionsError);
  });
});

it('a pool of ioredis clients fails at once when no sentinel is there to be asked', async () => {
  const sentinels = [{ host: '127.0.0.1', port: 1 }];
  const pool = redisPool({ client: () => new Redis({ sentinels, name: 'master' }) });
  await expect(pool.lease()).rejects.toMatchObject({
    cause: expect.objectContaining({ message: expect.stringContaining('sentinel') }),
  });
  await pool.close();
});
