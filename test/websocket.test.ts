import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import {
  filter,
  firstValueFrom,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  range,
  take,
  tap,
  timer,
  toArray,
} from 'rxjs';
import { webSocket, type WebSocketSubject } from 'rxjs/webSocket';
import { WebSocket as UndiciSocket } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import {
  CreateError,
  InvalidOptionsError,
  type Pool,
  type PoolEvent,
  type PoolState,
} from '../src/index.js';
import { assertInvariants } from '../src/testing/index.js';
import {
  messages,
  request,
  WebSocketClosedError,
  webSocketPool,
  webSocketSubjectPool,
  type WebSocketConstructor,
  type WebSocketLike,
  type WebSocketPoolOptions,
} from '../src/websocket/index.js';
import { startServer, type Ask, type AskedServer, type Reply } from './websocket/server.js';
import { patience } from './patience.js';
import { VirtualClock } from './virtual-clock.js';

vi.setConfig({ testTimeout: 20_000 });

let server: AskedServer;
let closings: (() => Promise<void>)[] = [];
let ids = 0;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

afterEach(async () => {
  const open = closings;
  closings = [];
  for (const close of open) await close();
  await untilServer(0);
});

function watched<S>(pool: Pool<S>): Pool<S> {
  const events: PoolEvent<S>[] = [];
  pool.stats$.subscribe(event => events.push(event));
  closings.push(async () => {
    await pool.close({ force: true }).catch(() => undefined);
    assertInvariants(pool, { events });
  });
  return pool;
}

function stateOf<S>(pool: Pool<S>, wanted: (state: PoolState) => boolean): Promise<PoolState> {
  return firstValueFrom(pool.state$.pipe(filter(wanted)));
}

const untilServer = (count: number): Promise<unknown> =>
  vi.waitUntil(() => server.clients.size === count, patience);

function ask<S extends WebSocketLike>(source: Pool<S> | S, asked: Omit<Ask, 'id'>) {
  return request(source, { id: (ids += 1), ...asked }, { isReply: isReplyTo }).pipe(
    map(({ value }) => value),
  );
}

const isReplyTo = (reply: Reply, asked: { id: number }): boolean => reply.id === asked.id;

const streaming = {
  isReply: isReplyTo,
  isLast: (reply: Reply) => reply.last === true,
};

const kinds: readonly (readonly [string, WebSocketConstructor])[] = [
  ['ws', WebSocket],
  ["the platform's", UndiciSocket],
];

describe.each(kinds)('sockets of %s', (kind, Socket) => {
  const openPool = (options: Partial<WebSocketPoolOptions> = {}): Pool<WebSocketLike> =>
    watched(webSocketPool({ url: server.url, WebSocket: Socket, max: 1, ...options }));

  describe('lending', () => {
    it('lends open connections, as many as the server counts, and leaves none behind', async () => {
      const pool = openPool({ max: 3 });
      const leases = await Promise.all([pool.lease(), pool.lease(), pool.lease()]);
      expect(leases.map(({ resource }) => resource.readyState)).toEqual([1, 1, 1]);
      expect(server.clients.size).toBe(3);
      await Promise.all(leases.map(lease => lease.release()));
      await pool.close();
      await untilServer(0);
    });

    it('asks for the URL again for each connection', async () => {
      let token = 0;
      const pool = openPool({ max: 2, url: async () => `${server.url}?token=${(token += 1)}` });
      await pool.prefill(2);
      const [first, second] = server.requests.slice(-2).map(({ url }) => url);
      expect([first, second].sort()).toEqual(['/?token=1', '/?token=2']);
    });

    it('fails the acquire where no server is', async () => {
      const nobody = createServer().listen(0, '127.0.0.1');
      await once(nobody, 'listening');
      const { port } = nobody.address() as AddressInfo;
      nobody.close();
      const pool = openPool({ url: `ws://user:secret@127.0.0.1:${port}/?token=secret` });
      const error = await pool.lease().catch((thrown: unknown) => thrown as CreateError);
      expect(error).toBeInstanceOf(CreateError);
      expect((error as CreateError).cause).toBeInstanceOf(Error);
      expect((error as CreateError).message).not.toContain('secret');
    });

    it('gives up a server that does not answer the handshake, and hangs up', async () => {
      const connected: { destroyed: boolean }[] = [];
      const mute = createServer(socket => {
        connected.push(socket.on('error', () => undefined).resume());
      });
      mute.listen(0, '127.0.0.1');
      await once(mute, 'listening');
      const { port } = mute.address() as AddressInfo;
      const pool = openPool({ url: `ws://127.0.0.1:${port}/`, createTimeoutMillis: 50 });
      await expect(pool.lease()).rejects.toMatchObject({ cause: { hook: 'create' } });
      if (kind === 'ws') await vi.waitUntil(() => connected[0]?.destroyed === true, patience);
      await pool.close();
      mute.close();
    });
  });

  describe('request', () => {
    it('is cold: sends for each subscription, and gives the reply to its own message', async () => {
      const pool = openPool({ max: 2 });
      const replies = await lastValueFrom(
        range(0, 20).pipe(
          mergeMap(value => ask(pool, { method: 'echo', value })),
          toArray(),
        ),
      );
      expect(replies.sort((a, b) => Number(a) - Number(b))).toEqual(
        Array.from({ length: 20 }, (_, value) => value),
      );
      expect(pool.stats).toMatchObject({ acquired: 20, peakLeased: 2 });
    });

    it('gives the connection back before the reply, and spares it from who leaves with that', async () => {
      const pool = openPool({ onCancel: 'destroy' });
      let leased: number | undefined;
      await firstValueFrom(
        ask(pool, { method: 'echo' }).pipe(tap(() => (leased = pool.state.leased))),
      );
      expect(leased).toBe(0);
      expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
    });

    it('tells replies of several apart that are under way on one connection', async () => {
      const pool = openPool();
      const values = await lastValueFrom(
        pool
          .use(socket =>
            merge(
              ask(socket, { method: 'slow', millis: 20, value: 'first' }),
              ask(socket, { method: 'echo', value: 'second' }),
            ),
          )
          .pipe(toArray()),
      );
      expect(values).toEqual(['second', 'first']);
    });

    it('emits every reply until the last one', async () => {
      const pool = openPool();
      const asked = { id: 1, method: 'count', value: 4 };
      const replies = await lastValueFrom(request(pool, asked, streaming).pipe(toArray()));
      expect(replies.map(({ value }) => value)).toEqual([1, 2, 3, 4]);
      expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
    });

    it('keeps the connection to itself after leaving, until the reply has come all the same', async () => {
      const pool = openPool();
      const leaving = ask(pool, { method: 'slow', millis: 40, value: 'late' }).subscribe();
      await stateOf(pool, ({ leased }) => leased === 1);
      leaving.unsubscribe();
      expect(pool.state).toMatchObject({ leased: 0, resetting: 1 });
      const heard: unknown[] = [];
      await lastValueFrom(
        pool.use(socket =>
          merge(
            messages<Reply>(socket).pipe(tap(({ value }) => heard.push(value))),
            ask(socket, { method: 'echo', value: 'mine' }),
          ).pipe(take(2)),
        ),
      );
      expect(heard).toEqual(['mine']);
      expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
    });

    it('has the connection destroyed when the reply never comes', async () => {
      const pool = openPool({ resetTimeoutMillis: 30 });
      const leaving = ask(pool, { method: 'never' }).subscribe();
      await stateOf(pool, ({ leased }) => leased === 1);
      leaving.unsubscribe();
      await stateOf(pool, ({ size }) => size === 0);
      expect(pool.stats).toMatchObject({ resetFailed: 1, destroyed: 1 });
      expect(await lastValueFrom(ask(pool, { method: 'echo', value: 1 }))).toBe(1);
    });

    it('tells the server that its subscriber has left, where it knows how', async () => {
      const pool = openPool();
      const ticks$ = request(
        pool,
        { id: 9, method: 'ticks' },
        { ...streaming, cancel: ({ id }) => ({ id, method: 'stop' }) },
      );
      const replies = await lastValueFrom(ticks$.pipe(take(3), toArray()));
      expect(replies.map(({ value }) => value)).toEqual([1, 2, 3]);
      expect(await lastValueFrom(ask(pool, { method: 'echo', value: 'next' }))).toBe('next');
      expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
    });

    it('errors when the connection ends before the reply, and the next has another', async () => {
      const pool = openPool();
      const error: unknown = await lastValueFrom(ask(pool, { method: 'break' })).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(WebSocketClosedError);
      expect(error).toMatchObject({ code: 'WEBSOCKET_CLOSED', closeCode: 1006 });
      const left = lastValueFrom(ask(pool, { method: 'leave' }));
      await expect(left).rejects.toMatchObject({ closeCode: 1000, reason: 'enough' });
      expect(await lastValueFrom(ask(pool, { method: 'echo', value: 1 }))).toBe(1);
      expect(pool.stats.created).toBe(3);
    });

    it('passes on what the correlation throws', async () => {
      const pool = openPool();
      const isReply = (): boolean => {
        throw new TypeError('the correlation has a bug');
      };
      await expect(lastValueFrom(request(pool, { method: 'echo' }, { isReply }))).rejects.toThrow(
        'the correlation has a bug',
      );
      expect(await lastValueFrom(ask(pool, { method: 'echo', value: 1 }))).toBe(1);
    });
  });

  describe('messages', () => {
    it('emit what arrives, and complete when the server says goodbye', async () => {
      const pool = openPool({ binaryType: 'arraybuffer' });
      const heard = await lastValueFrom(
        pool
          .use(socket => {
            socket.send('{"id":1,"method":"echo","value":"a"}');
            socket.send('{"method":"bytes"}');
            socket.send('{"method":"leave"}');
            return messages(socket);
          })
          .pipe(toArray()),
      );
      expect(heard).toEqual([{ id: 1, value: 'a' }, new Uint8Array([1, 2, 3]).buffer]);
      await stateOf(pool, ({ size }) => size === 0);
    });

    it('of a pool borrow a connection for as long as they are listened to', async () => {
      const pool = openPool();
      const listening = messages(pool).subscribe();
      await stateOf(pool, ({ leased }) => leased === 1);
      listening.unsubscribe();
      expect(pool.state).toMatchObject({ leased: 0, idle: 1 });
    });

    it('error when the connection breaks, and when one cannot be read', async () => {
      const pool = openPool();
      const heard = (method: Ask['method']) =>
        lastValueFrom(
          pool.use(socket => {
            socket.send(JSON.stringify({ method }));
            return messages(socket);
          }),
        );
      await expect(heard('garbage')).rejects.toBeInstanceOf(SyntaxError);
      expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
      await expect(heard('break')).rejects.toBeInstanceOf(WebSocketClosedError);
    });
  });

  describe('what a borrower leaves behind', () => {
    it('are listeners, which are removed, and what was set', async () => {
      const pool = openPool();
      const heard: string[] = [];
      const hear = (how: string) => (event: { data?: unknown }) => {
        heard.push(`${how} ${String(event.data)}`);
      };
      const first = await pool.lease();
      const socket = first.resource as unknown as UndiciSocket;
      const usual = socket.binaryType;
      socket.addEventListener('message', hear('listener'));
      socket.addEventListener('message', hear('once'), { once: true });
      if (kind === 'ws') first.resource.addEventListener('close', hear('close'));
      socket.onmessage = hear('property');
      socket.binaryType = 'arraybuffer';
      await lastValueFrom(ask(first.resource, { method: 'echo', value: 1 }));
      expect(heard).toHaveLength(3);
      await first.release();

      const second = await pool.lease();
      expect(second.resource).toBe(first.info.id === second.info.id ? socket : undefined);
      expect(await lastValueFrom(ask(second.resource, { method: 'echo', value: 2 }))).toBe(2);
      expect(heard).toHaveLength(3);
      expect(socket.binaryType).toBe(usual);
      await second.destroy();
      expect(heard).toHaveLength(3);
    });

    it('and what it removed itself, or bound to a signal, is gone before', async () => {
      const pool = openPool();
      const lease = await pool.lease();
      const socket = lease.resource as unknown as UndiciSocket;
      let heard = 0;
      const hear = (): void => {
        heard += 1;
      };
      socket.addEventListener('message', hear);
      await lastValueFrom(ask(lease.resource, { method: 'echo' }));
      socket.removeEventListener('message', hear);
      await lastValueFrom(ask(lease.resource, { method: 'echo' }));
      expect(heard).toBe(1);
      await lease.release();
    });

    it('are requests, which fail, and whose replies are waited for', async () => {
      const pool = openPool();
      const lease = await pool.lease();
      const asked = lastValueFrom(ask(lease.resource, { method: 'slow', millis: 20 }));
      const failed = expect(asked).rejects.toThrow('given back before its last reply');
      await lease.release();
      await failed;
      expect(pool.state).toMatchObject({ idle: 1 });
    });

    it("is for the user's own reset beyond that", async () => {
      const resets: WebSocketLike[] = [];
      const pool = openPool({ reset: socket => resets.push(socket) });
      await lastValueFrom(ask(pool, { method: 'echo' }));
      const leaving = ask(pool, { method: 'slow', millis: 5 }).subscribe();
      await stateOf(pool, ({ leased }) => leased === 1);
      leaving.unsubscribe();
      expect(resets).toHaveLength(1);
      await stateOf(pool, ({ idle }) => idle === 1);
      expect(resets).toHaveLength(2);
    });
  });

  describe('connections that end', () => {
    it('leave the pool at once while they are idle', async () => {
      const pool = openPool({ max: 2 });
      await pool.prefill(2);
      for (const client of server.clients) client.terminate();
      await stateOf(pool, ({ size }) => size === 0);
      expect(pool.stats.destroyed).toBe(2);
    });

    it('are replaced when the server restarts', async () => {
      const pool = openPool();
      await lastValueFrom(ask(pool, { method: 'echo' }));
      await Promise.all([server.restart(), stateOf(pool, ({ size }) => size === 0)]);
      expect(await lastValueFrom(ask(pool, { method: 'echo', value: 'back' }))).toBe('back');
    });

    it('end nothing but themselves for the pool that closes', async () => {
      const pool = openPool();
      await lastValueFrom(ask(pool, { method: 'echo' }));
      server.freeze(); // no answer to the goodbye
      const closing = pool.close();
      await closing;
      for (const client of server.clients) client.resume();
    });
  });
});

describe('a socket that can ping', () => {
  it('is found silent before it is lent', async () => {
    const clock = new VirtualClock();
    const pool = watched(
      webSocketPool({
        url: server.url,
        WebSocket,
        max: 1,
        validateAfterIdleMillis: 0,
        scheduler: clock.scheduler,
      }),
    );
    await lastValueFrom(ask(pool, { method: 'echo' }));
    await lastValueFrom(ask(pool, { method: 'echo' }));
    expect(pool.stats.created).toBe(1);
    server.freeze();
    const frozen = [...server.clients];
    const answer = lastValueFrom(ask(pool, { method: 'echo', value: 'other' }));
    await clock.pass(5_000); // for the check
    await clock.pass(1_000); // for the goodbye
    expect(await answer).toBe('other');
    expect(pool.stats).toMatchObject({ created: 2, validateFailed: 1 });
    for (const client of frozen) client.resume();
  });

  it('still tells of its end although its borrower has removed all listeners', async () => {
    const pool = watched(webSocketPool({ url: server.url, WebSocket, max: 1 }));
    const lease = await pool.lease();
    lease.resource.removeAllListeners();
    await lease.release();
    expect(await lastValueFrom(ask(pool, { method: 'echo', value: 'heard' }))).toBe('heard');
    for (const client of server.clients) client.terminate();
    await stateOf(pool, ({ size }) => size === 0);
  });

  it('has the listeners of emitters removed, too', async () => {
    const pool = watched(webSocketPool({ url: server.url, WebSocket, max: 1 }));
    const lease = await pool.lease();
    const socket = lease.resource;
    const before = socket.eventNames().map(name => [name, socket.listenerCount(name)]);
    socket.on('message', () => undefined);
    socket.once('pong', () => undefined);
    socket.on('unexpected-response', () => undefined);
    await lease.release();
    expect(socket.eventNames().map(name => [name, socket.listenerCount(name)])).toEqual(before);
  });

  it('may be made by the user, who sets its headers', async () => {
    const pool = watched(
      webSocketPool({
        connect: () => new WebSocket(server.url, 'prices', { headers: { authorization: 'me' } }),
      }),
    );
    const lease = await pool.lease();
    expect(lease.resource.protocol).toBe('prices');
    expect(server.requests.at(-1)?.headers.authorization).toBe('me');
    await lease.release();
  });

  it('may be open already when it comes', async () => {
    const pool = watched(
      webSocketPool({
        connect: async () => {
          const socket = new WebSocket(server.url);
          await once(socket, 'open');
          return socket;
        },
      }),
    );
    expect(await lastValueFrom(ask(pool, { method: 'echo', value: 1 }))).toBe(1);
  });
});

describe('subjects of RxJS', () => {
  type Message = Ask | Reply;
  const openPool = (url = server.url): Pool<WebSocketSubject<Message>> =>
    watched(
      webSocketSubjectPool({
        max: 1,
        connect: observers =>
          webSocket<Message>({ url, WebSocketCtor: WebSocket as never, ...observers }),
      }),
    );
  const echoed = (subject: WebSocketSubject<Message>, value: unknown) => {
    subject.next({ id: 1, method: 'echo', value });
    return subject.pipe(take(1));
  };

  it('are lent with their connection open, which outlives the subscriptions of a borrower', async () => {
    const pool = openPool();
    for (const value of ['a', 'b', 'c']) {
      const reply = await lastValueFrom(pool.use(subject => echoed(subject, value)));
      expect(reply).toEqual({ id: 1, value });
    }
    expect(server.clients.size).toBe(1);
    expect(pool.stats).toMatchObject({ created: 1, acquired: 3 });
    await pool.close();
    expect(pool.stats.destroyed).toBe(1);
  });

  it('multiplex', async () => {
    const pool = openPool();
    const ticks = await lastValueFrom(
      pool
        .use(subject =>
          subject.multiplex(
            () => ({ id: 5, method: 'ticks' }),
            () => ({ method: 'stop' }),
            message => message.id === 5,
          ),
        )
        .pipe(take(3), toArray()),
    );
    expect(ticks.map(tick => (tick as Reply).value)).toEqual([1, 2, 3]);
    expect(pool.state.size).toBe(1);
  });

  it('come back without the subscriptions that a borrower left', async () => {
    const pool = openPool();
    const heard: unknown[] = [];
    const lease = await pool.lease();
    const left = [
      lease.resource.subscribe(message => heard.push(message)),
      lease.resource.pipe(map(({ id }) => id)).subscribe(id => heard.push(id)),
    ];
    await lease.release();
    expect(left[0]?.closed).toBe(true);
    await lastValueFrom(pool.use(subject => echoed(subject, 1)));
    expect(heard).toEqual([]);
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
  });

  it.each([
    ['the server ends the connection', { method: 'leave' }],
    ['the connection breaks', { method: 'break' }],
    ['a message cannot be read', { method: 'garbage' }],
  ] as const)('leave the pool when %s', async (_, message) => {
    const pool = openPool();
    const errors: unknown[] = [];
    pool.stats$.pipe(filter(({ type }) => type === 'resourceError')).subscribe(event => {
      errors.push((event as { error?: unknown }).error);
    });
    const lease = await pool.lease();
    lease.resource.next(message);
    await vi.waitUntil(() => errors.length > 0, patience);
    expect(errors[0]).toBeInstanceOf(WebSocketClosedError);
    await lease.release();
    expect(pool.state.size).toBe(0);
  });

  it('leave the pool when their borrower completes them', async () => {
    const pool = openPool();
    const lease = await pool.lease();
    lease.resource.complete();
    await vi.waitUntil(() => server.clients.size === 0, patience);
    await lease.release();
    expect(pool.state.size).toBe(0);
    expect(await lastValueFrom(pool.use(subject => echoed(subject, 2)))).toMatchObject({
      value: 2,
    });
  });

  it('fail the acquire where no server is', async () => {
    const nobody = createServer().listen(0, '127.0.0.1');
    await once(nobody, 'listening');
    const { port } = nobody.address() as AddressInfo;
    nobody.close();
    await expect(openPool(`ws://127.0.0.1:${port}/`).lease()).rejects.toMatchObject({
      cause: { code: 'ECONNREFUSED' },
    });
  });
});

describe('what is refused', () => {
  it.each([
    ['url', {}],
    ['url', { url: 'localhost:80' }],
    ['url', { url: 3 }],
    ['protocols', { url: 'ws://h', protocols: 1 }],
    ['connect', { connect: 'ws://h' }],
    ['url', { connect: () => undefined, url: 'ws://h' }],
    ['deserializer', { url: 'ws://h', deserializer: 'json' }],
    ['watch', { url: 'ws://h', watch: () => timer(1) }],
    ['idleTimeout', { url: 'ws://h', idleTimeout: 1 }],
  ])('%s, in %o', (option, options) => {
    expect(() => webSocketPool(options as never)).toThrow(InvalidOptionsError);
    expect(() => webSocketPool(options as never)).toThrow(`"${option}"`);
  });

  it('a subject pool without a function that connects', () => {
    expect(() => webSocketSubjectPool({ connect: 'ws://h' } as never)).toThrow('"connect"');
  });

  it('a request without a correlation', () => {
    const pool = watched(webSocketPool({ url: 'ws://127.0.0.1:1', WebSocket }));
    expect(() => request(pool, 1, {} as never)).toThrow('"isReply"');
  });

  it('a socket that is of no pool', () => {
    const socket = { readyState: 1 } as never;
    return expect(lastValueFrom(messages(socket))).rejects.toThrow('none of a webSocketPool');
  });
});
