import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import {
  concatMap,
  filter,
  firstValueFrom,
  from,
  lastValueFrom,
  map,
  mergeMap,
  of,
  range,
  take,
  toArray,
} from 'rxjs';
import * as undici from 'undici';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CreateError, InvalidOptionsError } from '../src/errors.js';
import {
  httpPool,
  HttpStatusError,
  request,
  type HttpPoolOptions,
  type HttpResponse,
} from '../src/http/index.js';
import type { Pool, PoolEvent, PoolState } from '../src/index.js';
import { assertInvariants } from '../src/testing/index.js';
import { makeCertificate, type Certificate } from './services/certificate.js';
import { startHttpServer, type HttpServer } from './services/http-server.js';
import { MissingServerError } from './services/missing-server.js';
import { VirtualClock } from './virtual-clock.js';

vi.setConfig({ testTimeout: 10_000 });

const kibibyte = 1_024;

let server: HttpServer;
let routes: Record<string, (message: IncomingMessage, response: ServerResponse) => void>;
let pools: { pool: Pool<undici.Client>; events: PoolEvent<undici.Client>[] }[] = [];

function open(options: Partial<HttpPoolOptions<undici.Client>> = {}): Pool<undici.Client> {
  const pool = httpPool({ origin: server.origin, undici, lifetimeJitter: 0, ...options });
  const events: PoolEvent<undici.Client>[] = [];
  pool.stats$.subscribe(event => events.push(event));
  pools.push({ pool, events });
  return pool;
}

function until(
  pool: Pool<undici.Client>,
  wanted: (state: PoolState) => boolean,
): Promise<PoolState> {
  return firstValueFrom(pool.state$.pipe(filter(wanted)));
}

const atRest = (pool: Pool<undici.Client>) =>
  until(pool, ({ leased, resetting, destroying }) => leased + resetting + destroying === 0);

const text = (pool: Pool<undici.Client>, path: string) =>
  lastValueFrom(request(pool, { path }).pipe(mergeMap(response => response.text())));

function certificateOr(skip: (reason: string) => never): Certificate {
  try {
    return makeCertificate();
  } catch (error) {
    if (!(error instanceof MissingServerError) || process.env['CI'] !== undefined) throw error;
    return skip(error.message);
  }
}

/** Asks often: what it waits for takes a few milliseconds. */
const soon = (wanted: () => boolean | Promise<boolean>) =>
  vi.waitUntil(wanted, { interval: 5, timeout: 5_000 });

async function untilServerCounts(wanted: number): Promise<void> {
  await soon(async () => (await server.connections()) === wanted);
}

beforeEach(async () => {
  routes = {
    '/hello': (_, response) => response.end('hello'),
    '/silent': () => undefined,
    '/endless': (_, response) => {
      response.write('a');
      const more = (): void => {
        if (!response.destroyed) response.write('b'.repeat(kibibyte), () => setImmediate(more));
      };
      more();
    },
    '/stuck': (_, response) => response.write('half of it'),
  };
  server = await startHttpServer((message, response) => {
    const route = routes[message.url?.split('?')[0] ?? ''];
    if (route === undefined) response.writeHead(404).end('nothing here');
    else route(message, response);
  });
});

afterEach(async () => {
  const opened = pools;
  pools = [];
  for (const { pool, events } of opened) {
    await pool.close({ force: true });
    assertInvariants(pool, { events });
  }
  await untilServerCounts(0);
  await server.stop();
});

describe('a request', () => {
  it('emits the response, whose body is read as text, JSON or bytes', async () => {
    routes['/json'] = (_, response) =>
      response.setHeader('content-type', 'application/json').end('{"id":7}');
    const pool = open({ max: 1 });
    expect(await text(pool, '/hello')).toBe('hello');
    const read$ = request(pool, { path: '/json' }).pipe(
      mergeMap(response => {
        expect(response).toMatchObject({
          statusCode: 200,
          headers: { 'content-type': 'application/json' },
        });
        return response.json<{ id: number }>();
      }),
    );
    expect(await lastValueFrom(read$)).toEqual({ id: 7 });
    const bytes$ = request(pool, { path: '/hello' }).pipe(mergeMap(each => each.bytes()));
    expect(await lastValueFrom(bytes$)).toEqual(new TextEncoder().encode('hello'));
    expect(pool.stats).toMatchObject({ created: 1, acquired: 3 });
    expect(server.accepted).toBe(1);
  });

  it('sends method, query, headers and a body, or JSON', async () => {
    routes['/echo'] = (message, response) => {
      const { method, url, headers } = message;
      const parts: string[] = [];
      message.setEncoding('utf8');
      message.on('data', (part: string) => parts.push(part));
      message.on('end', () => {
        const { 'content-type': type, 'x-mine': mine } = headers;
        response.end(JSON.stringify({ method, url, type, mine, body: parts.join('') }));
      });
    };
    const pool = open();
    const echo = (asked: object) =>
      lastValueFrom(
        request(pool, { path: '/echo', ...asked }).pipe(mergeMap(response => response.json())),
      );
    expect(
      await echo({ method: 'PUT', query: { a: 1 }, headers: { 'x-mine': 'yes' }, body: 'text' }),
    ).toEqual({ method: 'PUT', url: '/echo?a=1', mine: 'yes', body: 'text' });
    expect(await echo({ method: 'POST', json: { total: 7 } })).toEqual({
      method: 'POST',
      url: '/echo',
      type: 'application/json',
      body: '{"total":7}',
    });
    const streamed = (async function* () {
      yield new TextEncoder().encode('one ');
      yield new TextEncoder().encode('two');
    })();
    expect(await echo({ method: 'POST', body: streamed })).toMatchObject({ body: 'one two' });
  });

  it('is cold, and takes a client instead of a pool', async () => {
    const pool = open({ max: 1 });
    const hello$ = request(pool, { path: '/hello' }).pipe(mergeMap(response => response.text()));
    expect(pool.stats.acquired).toBe(0);
    expect(await lastValueFrom(hello$)).toBe('hello');
    expect(await lastValueFrom(hello$)).toBe('hello');
    const both$ = pool.use(client =>
      range(0, 2).pipe(
        concatMap(() => request(client, { path: '/hello' })),
        concatMap(response => response.text()),
        toArray(),
      ),
    );
    expect(await lastValueFrom(both$)).toEqual(['hello', 'hello']);
    expect(pool.stats.acquired).toBe(3);
    expect(server.accepted).toBe(1);
  });

  it('takes any status for a value, unless it is asked for an error', async () => {
    const pool = open({ name: 'api' });
    const missing = await lastValueFrom(
      request(pool, { path: '/missing' }).pipe(map(({ statusCode }) => statusCode)),
    );
    expect(missing).toBe(404);
    const failure: unknown = await lastValueFrom(
      request(pool, { path: '/missing', errorOnStatus: true }),
    ).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(HttpStatusError);
    expect(failure).toMatchObject({
      code: 'HTTP_STATUS',
      statusCode: 404,
      body: 'nothing here',
      message: '[api] GET /missing was answered by status 404',
    });
    await atRest(pool);
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
  });

  it('completes without a reader where the answer is short or has no body', async () => {
    routes['/empty'] = (_, response) => response.writeHead(204).end();
    const pool = open({ max: 1 });
    const status = (path: string, method = 'GET') =>
      lastValueFrom(request(pool, { path, method }).pipe(map(({ statusCode }) => statusCode)));
    expect(await status('/hello')).toBe(200);
    expect(await status('/empty')).toBe(204);
    await atRest(pool);
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
    expect(server.accepted).toBe(1);
    // After a HEAD undici trusts a connection no more.
    expect(await status('/hello', 'HEAD')).toBe(200);
    await until(pool, ({ size }) => size === 0);
  });

  it('can be read later when it was short, by somebody who is still subscribed or not', async () => {
    const pool = open({ max: 1 });
    const response = await lastValueFrom(request(pool, { path: '/hello' }));
    expect(pool.state.leased).toBe(0);
    expect(await response.text()).toBe('hello');
  });

  it('ends with the reason of its own signal', async () => {
    const pool = open({ max: 1 });
    const controller = new AbortController();
    const aborted = lastValueFrom(
      request(pool, { path: '/silent', signal: controller.signal }),
    ).catch((error: unknown) => error);
    await untilServerCounts(1);
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await aborted).toBe(reason);
    await until(pool, ({ size }) => size === 0);
  });

  it('refuses a path that is none', () => {
    expect(() => request(open(), { path: 'hello' })).toThrow(InvalidOptionsError);
    expect(() => request(open(), undefined as never)).toThrow(InvalidOptionsError);
  });
});

describe('a body', () => {
  const big = 'x'.repeat(500 * kibibyte);

  it('holds the lease until it has been read', async () => {
    routes['/big'] = (_, response) => response.end(big);
    const pool = open({ max: 1 });
    const answers = new Promise<HttpResponse>((resolve, reject) => {
      request(pool, { path: '/big' }).subscribe({ next: resolve, error: reject });
    });
    const response = await answers;
    expect(pool.state.leased).toBe(1);
    expect(await response.text()).toHaveLength(big.length);
    await atRest(pool);
    expect(pool.state.idle).toBe(1);
  });

  it('comes in chunks, as an Observable', async () => {
    routes['/big'] = (_, response) => response.end(big);
    const pool = open({ max: 1 });
    const lengths = await lastValueFrom(
      request(pool, { path: '/big' }).pipe(
        mergeMap(({ body }) => body),
        map(({ length }) => length),
        toArray(),
      ),
    );
    expect(lengths.length).toBeGreaterThan(1);
    expect(lengths.reduce((sum, length) => sum + length)).toBe(big.length);
    await atRest(pool);
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
  });

  it('makes the server wait for a slow reader of the stream', async () => {
    let written = 0;
    routes['/flood'] = (_, response) => {
      const chunk = Buffer.alloc(64 * kibibyte);
      const more = (): void => {
        while (written < 64_000 * kibibyte) {
          written += chunk.length;
          if (!response.write(chunk)) {
            response.once('drain', more);
            return;
          }
        }
        response.end();
      };
      more();
    };
    const pool = open({ max: 1 });
    const reading$ = request(pool, { path: '/flood' }).pipe(
      mergeMap(async ({ stream }) => {
        let chunks = 0;
        for await (const chunk of stream) {
          expect(chunk).toBeInstanceOf(Uint8Array);
          // Long enough for an unhindered server to have sent it all.
          for (let turn = 0; turn < 50; turn += 1) {
            await new Promise(resolve => setImmediate(resolve));
          }
          if ((chunks += 1) === 4) break;
        }
        return chunks;
      }),
    );
    expect(await lastValueFrom(reading$)).toBe(4);
    expect(written).toBeLessThan(32_000 * kibibyte);
    await atRest(pool);
  });

  it('may be left half-read: the rest is not waited for', async () => {
    const pool = open({ max: 1 });
    const first$ = request(pool, { path: '/endless' }).pipe(
      mergeMap(({ body }) => body.pipe(take(1))),
    );
    expect(await lastValueFrom(first$)).toBeInstanceOf(Uint8Array);
    await atRest(pool);
    await untilServerCounts(pool.state.size);
    expect(await text(pool, '/hello')).toBe('hello');
  });

  it('may be left half-read when the rest never comes', async () => {
    const pool = open({ max: 1 });
    const first$ = request(pool, { path: '/stuck' }).pipe(
      mergeMap(({ body }) => body.pipe(take(1))),
      map(chunk => new TextDecoder().decode(chunk)),
    );
    expect(await lastValueFrom(first$)).toBe('half of it');
    const left$ = request(pool, { path: '/stuck' }).pipe(
      mergeMap(async ({ stream }) => {
        for await (const chunk of stream) return new TextDecoder().decode(chunk);
        return 'nothing';
      }),
    );
    expect(await lastValueFrom(left$)).toBe('half of it');
    expect(await text(pool, '/hello')).toBe('hello');
    expect(pool.stats).toMatchObject({ created: 3, resetFailed: 2 });
  });

  it('is forgotten by discard, and its connection is lent on', async () => {
    const pool = open({ max: 1 });
    await lastValueFrom(
      request(pool, { path: '/hello' }).pipe(mergeMap(response => response.discard())),
    );
    expect(await text(pool, '/hello')).toBe('hello');
    expect(server.accepted).toBe(1);
  });

  it('that breaks off is an error', async () => {
    routes['/broken'] = (_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
    };
    const pool = open({ max: 1 });
    await expect(text(pool, '/broken')).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' });
    await atRest(pool);
    expect(pool.state.size).toBe(0);
  });
});

describe('unsubscribing', () => {
  it('before the headers aborts the request and ends its connection', async () => {
    const closed = vi.fn();
    routes['/silent'] = message => {
      message.socket.on('close', closed);
    };
    const pool = open({ max: 1 });
    const subscription = request(pool, { path: '/silent' }).subscribe();
    await untilServerCounts(1);
    await until(pool, ({ leased }) => leased === 1);
    subscription.unsubscribe();
    await until(pool, ({ size }) => size === 0);
    await soon(() => closed.mock.calls.length === 1);
    expect(await text(pool, '/hello')).toBe('hello');
  });

  it('amid a short body keeps the connection, and the next one gets its own answer', async () => {
    routes['/slowly'] = (_, response) => {
      response.write('first ');
      setTimeout(() => response.end('last'), 20);
    };
    const { scheduler } = new VirtualClock(); // stands still: the quarter of a second is never over
    const pool = open({ max: 1, scheduler });
    await firstValueFrom(request(pool, { path: '/slowly' }));
    expect(await text(pool, '/hello')).toBe('hello');
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
    expect(server.accepted).toBe(1);
  });

  it('amid a body that does not end destroys the connection after a quarter of a second', async () => {
    const pool = open({ max: 1 });
    const startedAt = performance.now();
    await firstValueFrom(request(pool, { path: '/stuck' }));
    expect(await text(pool, '/hello')).toBe('hello');
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    expect(pool.stats).toMatchObject({ created: 2, resetFailed: 1, destroyed: 1 });
  });

  it('many at once leaves no connection that nobody counts', async () => {
    const pool = open({ max: 5 });
    for (let round = 0; round < 5; round += 1) {
      const subscriptions = ['/silent', '/hello', '/endless', '/stuck', '/silent', '/hello'].map(
        path => request(pool, { path }).subscribe(),
      );
      await until(pool, ({ leased }) => leased > 0);
      for (const subscription of subscriptions) subscription.unsubscribe();
    }
    await atRest(pool);
    await untilServerCounts(pool.state.size);
  });
});

describe('a client that was used without request', () => {
  it('is lent to nobody while a response is under way', async () => {
    const pool = open({ max: 1 });
    const lease = await pool.lease();
    const { body } = await lease.resource.request({ path: '/stuck', method: 'GET' });
    body.on('error', () => undefined);
    await lease.release();
    expect(pool.stats).toMatchObject({ resetFailed: 1, destroyed: 1 });
    expect(await text(pool, '/hello')).toBe('hello');
  });
});

describe('a client that comes back', () => {
  it('has the listeners that its borrower left removed', async () => {
    const pool = open({ max: 1 });
    const lease = await pool.lease();
    const client = lease.resource;
    const before = client.listenerCount('disconnect');
    const heard = vi.fn();
    client.on('disconnect', heard);
    client.once('drain', heard);
    await lease.release();
    expect(client.listenerCount('disconnect')).toBe(before);
    await text(pool, '/hello');
    server.endAll();
    await until(pool, ({ size }) => size === 0);
    expect(heard).not.toHaveBeenCalled();
  });

  it('still tells of its end although its borrower has removed all listeners', async () => {
    const pool = open({ max: 1 });
    const lease = await pool.lease();
    const client = lease.resource;
    const before = client.eventNames().map(name => [name, client.listenerCount(name)]);
    client.removeAllListeners();
    await lease.release();
    expect(client.eventNames().map(name => [name, client.listenerCount(name)])).toEqual(before);
    expect(pool.stats.resetFailed).toBe(0);
  });
});

describe('connections', () => {
  it('are one for each client, open before anybody asks, and none after close', async () => {
    const pool = open({ max: 4 });
    await pool.prefill();
    await untilServerCounts(4);
    await lastValueFrom(
      range(0, 100).pipe(
        mergeMap(() => request(pool, { path: '/hello' })),
        mergeMap(response => response.text()),
      ),
    );
    expect(server.accepted).toBe(4);
    expect(await server.connections()).toBe(4);
    await pool.close();
    await untilServerCounts(0);
    expect(pool.stats).toMatchObject({ created: 4, destroyed: 4, destroyFailed: 0 });
  });

  it('leave the pool at once when the server ends them, used or not', async () => {
    const pool = open({ max: 3 });
    await pool.prefill();
    await text(pool, '/hello');
    await untilServerCounts(3);
    server.endAll();
    await until(pool, ({ size }) => size === 0);
    expect(pool.stats).toMatchObject({ destroyed: 3, validateFailed: 0, destroyFailed: 0 });
    expect(await text(pool, '/hello')).toBe('hello');
  });

  it('end after a response that says so', async () => {
    routes['/last'] = (_, response) => response.setHeader('connection', 'close').end('bye');
    const pool = open({ max: 1 });
    expect(await text(pool, '/last')).toBe('bye');
    await until(pool, ({ size }) => size === 0);
    expect(await text(pool, '/hello')).toBe('hello');
    expect(server.accepted).toBe(2);
  });

  it('are asked by a check that asks, where the user gives one', async () => {
    const asked = vi.fn();
    routes['/health'] = (_, response) => {
      asked();
      response.end('fine');
    };
    const pool = httpPool({
      origin: server.origin,
      max: 1,
      validate: client =>
        client.request({ path: '/health', method: 'GET' }).then(({ body }) => body.dump().then()),
    });
    for (let turn = 0; turn < 3; turn += 1) {
      await lastValueFrom(request(pool, { path: '/hello' }).pipe(mergeMap(each => each.text())));
    }
    expect(asked).toHaveBeenCalledTimes(2);
    expect(pool.stats).toMatchObject({ created: 1, validateFailed: 0 });
    await pool.close();
  });

  it('are not used any more when the server spoke unasked', async () => {
    const talkative = createTcpServer(socket => {
      socket.on('error', () => undefined);
      socket.write('HTTP/1.1 408 Request Timeout\r\n\r\n');
    });
    talkative.listen(0, '127.0.0.1');
    await once(talkative, 'listening');
    const { port } = talkative.address() as AddressInfo;
    const pool = open({ origin: `http://127.0.0.1:${port}`, max: 1 });
    await pool.prefill();
    await until(pool, ({ size }) => size === 0);
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 1 });
    await pool.close();
    talkative.close();
  });

  it('are closed by the pool before a server of Node would close them', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
    try {
      const pool = open({ max: 1 });
      expect(await text(pool, '/hello')).toBe('hello');
      await atRest(pool);
      vi.advanceTimersByTime(3_999);
      expect(pool.state.idle).toBe(1);
      vi.advanceTimersByTime(1);
      await until(pool, ({ size }) => size === 0);
      expect(pool.stats.pruned).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it('are cut at random under load, and the books stay right', async () => {
    const pool = open({ max: 4 });
    let failed = 0;
    let done = 0;
    await lastValueFrom(
      range(0, 250).pipe(
        mergeMap(index => {
          if (index % 25 === 24) server.resetAny();
          return from(text(pool, '/hello').catch(() => (failed += 1))).pipe(map(() => (done += 1)));
        }, 8),
      ),
    );
    expect(done).toBe(250);
    expect(failed).toBeLessThan(80);
    await atRest(pool);
    await untilServerCounts(pool.state.size);
    expect(pool.stats.destroyed).toBeGreaterThan(0);
  });
});

describe('connecting', () => {
  it('says where nobody listens', async () => {
    const pool = open({ origin: 'http://127.0.0.1:1' });
    await expect(text(pool, '/hello')).rejects.toMatchObject({
      code: 'CREATE_FAILED',
      cause: expect.objectContaining({ code: 'ECONNREFUSED' }),
    });
    expect(pool.state.size).toBe(0);
  });

  it('is given up with the time limit, and when the pool closes', async () => {
    const destroyed = vi.fn();
    const connect = (): object => ({ destroy: destroyed });
    const pool = open({ options: { connect }, createTimeoutMillis: 50 });
    await expect(pool.lease()).rejects.toBeInstanceOf(CreateError);
    expect(destroyed).toHaveBeenCalledOnce();
    const waiting = expect(pool.lease()).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    await pool.close();
    await waiting;
    expect(destroyed).toHaveBeenCalledTimes(2);
  });

  it('speaks TLS with the options of undici, and refuses a certificate that nobody vouches for', async ({
    skip,
  }) => {
    const certificate = certificateOr(skip);
    await using secure = await startHttpServer((_, response) => response.end('safe'), certificate);
    const trusting = open({
      origin: secure.origin,
      max: 2,
      options: { connect: { ca: certificate.cert } },
    });
    expect(await text(trusting, '/')).toBe('safe');
    await trusting.prefill();
    await soon(async () => (await secure.connections()) === 2);
    secure.endAll();
    await until(trusting, ({ size }) => size === 0);
    const wary = open({ origin: secure.origin });
    await expect(text(wary, '/')).rejects.toMatchObject({
      code: 'CREATE_FAILED',
      cause: expect.objectContaining({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    });
    await trusting.close();
    await soon(async () => (await secure.connections()) === 0);
  });

  it('loads the driver by itself when none is given', async () => {
    await using pool = httpPool({ origin: new URL(server.origin) });
    await using lease = await pool.lease();
    expect(lease.resource).toBeInstanceOf(undici.Client);
  });
});

describe('options', () => {
  it.each<[string, object, string]>([
    ['origin', {}, 'but is "undefined"'],
    ['origin', { origin: 'localhost' }, 'but is "localhost"'],
    ['origin', { origin: 'ftp://host' }, 'without a path'],
    ['origin', { origin: 'http://host/path' }, 'without a path'],
    ['origin', { origin: 'ftp://me:secret@host' }, 'but is "ftp://…@host"'],
    ['options', { origin: 'http://host', options: 5 }, 'but is 5'],
    ['undici', { origin: 'http://host', undici: {} }, 'must be the module undici'],
    ['create', { origin: 'http://host', create: () => of(1) }, 'brought by the adapter'],
    ['maxx', { origin: 'http://host', maxx: 5 }, 'did you mean "max"'],
    ['options', null as unknown as object, 'must be an object'],
  ])('refuses a senseless %s: %j', (option, options, words) => {
    const make = () => httpPool(options as HttpPoolOptions);
    expect(make).toThrow(words);
    expect(make).toThrow(expect.objectContaining({ name: 'InvalidOptionsError', option }));
  });

  it('runs the reset and the check of the user', async () => {
    const reset = vi.fn();
    const validate = vi.fn(() => true);
    const pool = open({ max: 1, reset, validate });
    await text(pool, '/hello');
    await text(pool, '/hello');
    await atRest(pool);
    expect(reset).toHaveBeenCalledTimes(2);
    expect(validate).toHaveBeenCalledTimes(1);
  });
});
