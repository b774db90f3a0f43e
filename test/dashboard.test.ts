import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { onTestFinished, describe, expect, it } from 'vitest';
import { createPool, InvalidOptionsError, type Pool, type PoolOptions } from '../src/index.js';
import {
  dashboard,
  dashboardHandler,
  type Dashboard,
  type DashboardHandlerOptions,
  type DashboardOptions,
  type PoolSource,
} from '../src/dashboard/index.js';
import type { PoolCard, PoolDetail, Point } from '../src/dashboard/pool-feed.js';
import { Viewer } from '../src/dashboard/viewer.js';
import { createRegistry } from '../src/registry/index.js';
import { countingListeners } from './counting-listeners.js';
import { ask, EventReader } from './dashboard/server-sent.js';

interface All {
  readonly controls: boolean;
  readonly cards: readonly PoolCard[];
  readonly detail?: PoolDetail & { readonly points: readonly Point[] };
}

interface Cards {
  readonly cards: readonly PoolCard[];
}

function somePool(options: Partial<PoolOptions<object>> = {}): Pool<object> {
  const pool = createPool<object>({ name: 'orders', create: () => ({}), ...options });
  onTestFinished(() => pool.close({ force: true }).catch(() => undefined));
  return pool;
}

async function served(
  sources: readonly PoolSource[],
  options?: DashboardOptions,
): Promise<Dashboard> {
  const board = await dashboard(sources, options);
  onTestFinished(() => board.close());
  return board;
}

async function listen(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server: Server = createServer(handler);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function handlerFor(
  pools: readonly PoolSource[],
  options: DashboardHandlerOptions,
): ReturnType<typeof dashboardHandler> {
  const handler = dashboardHandler(pools, options);
  onTestFinished(() => handler.close());
  return handler;
}

describe('dashboard', () => {
  it('serves a page that asks nobody else for anything', async () => {
    const { url } = await served([somePool()]);
    const page = await ask(url);
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    const files = [...page.text.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, file]) => file!);
    expect(files).toContain('app.js');
    for (const file of files) expect((await ask(new URL(file, url).href)).status).toBe(200);
    for (const file of readdirSync('src/dashboard/page')) {
      const text = readFileSync(`src/dashboard/page/${file}`, 'utf8');
      expect(text.replaceAll('http://www.w3.org/2000/svg', ''), file).not.toMatch(/https?:\/\//);
      expect((await ask(new URL(file, url).href)).status, file).toBe(200);
    }
  });

  it('sends a strict content security policy and its kin with everything, errors included', async () => {
    const { url } = await served([somePool()]);
    for (const path of ['', 'app.js', 'nowhere']) {
      const { headers } = await ask(`${url}${path}`);
      const policy = String(headers['content-security-policy']);
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain('unsafe');
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-store',
      });
      expect(headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  it('answers a wrong path or method with a plain error', async () => {
    const { url } = await served([somePool()]);
    for (const path of ['nowhere', 'page/app.js', '..%2fdashboard.js', '%00', 'control']) {
      const answer = await ask(`${url}${path}`);
      expect([path, answer.status]).toEqual([path, 404]);
      expect(answer.headers['content-type']).toContain('text/plain');
      expect(answer.text).not.toContain('Error');
    }
    const posted = await ask(url, { method: 'POST', body: '{}' });
    expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD']);
    expect((await ask(`${url}events`, { method: 'DELETE' })).status).toBe(405);
    const head = await ask(url, { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
  });

  it('shows at once how all pools are, and what changes soon after', async () => {
    const orders = somePool({ name: 'orders', max: 3 });
    const reports = somePool({ name: 'reports', max: Infinity });
    const lease = await orders.lease({ label: 'checkout' });
    const { url } = await served([orders, reports]);
    const reader = await EventReader.open(`${url}events`);
    expect(reader.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    const { cards, controls } = await reader.next<All>('all');
    expect(controls).toBe(false);
    expect(cards.map(({ name, strip, status }) => [name, strip, status])).toEqual([
      ['orders', 'L', 'ok'],
      ['reports', '', 'ok'],
    ]);
    expect(cards[0]!.state).toEqual(orders.state);
    await lease.release();
    const changed = await reader.next<Cards>('cards', ({ cards }) => cards[0]?.strip === 'I');
    expect(changed.cards[0]!.state).toEqual(orders.state);
    reader.close();
  });

  it('tells of the pool that is looked at: slots, holders, waiters, points and events', async () => {
    const pool = somePool({ max: 2 });
    const { url } = await served([pool], { sampleStacks: 1 });
    await pool.lease({ label: 'nightly export' });
    await pool.lease();
    pool.lease({ label: 'checkout' }).catch(() => undefined);
    const reader = await EventReader.open(`${url}events?pool=orders`);
    const { detail } = await reader.next<All>('all');
    expect(detail!.slots).toMatchObject([
      { id: 1, state: 'leased', uses: 1, label: 'nightly export' },
      { id: 2, state: 'leased', uses: 1 },
    ]);
    expect(detail!.holders).toMatchObject([{ id: 1, label: 'nightly export' }, { id: 2 }]);
    expect(detail!.holders[0]!.stack).toContain('dashboard.test');
    expect(detail!.waiters.labels).toEqual([['checkout', 1]]);
    expect(detail!.stats).toEqual(pool.stats);
    expect(detail!.events.map(({ type }) => type)).toEqual([
      ...['requested', 'creating', 'created', 'acquired'],
      ...['requested', 'creating', 'created', 'acquired', 'requested'],
    ]);
    const { points } = await reader.next<{ points?: Point[] }>(
      'detail',
      frame => 'points' in frame,
    );
    expect(points![0]!.slice(1, 5)).toEqual([expect.closeTo(2, 0), 0, 1, 2]);
    reader.close();
  });

  it('sends each event once in frames after the first, and the newest of too many', async () => {
    const pool = somePool({ max: 2 });
    const { url } = await served([pool]);
    const reader = await EventReader.open(`${url}events?pool=orders`);
    await reader.next('all');
    for (let times = 0; times < 500; times += 1) pool.use(() => 1).subscribe();
    pool.pause();
    const seen: number[] = [];
    let last = 0;
    while (!(last > 1500)) {
      const { events, seq } = await reader.next<PoolDetail>('detail', ({ seq }) => seq > 0);
      expect(events.length).toBeLessThanOrEqual(120);
      seen.push(...events.map(({ seq }) => seq));
      last = seq;
    }
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(last);
    pool.resume();
    const next = await reader.next<PoolDetail>('detail', ({ events }) => events.length > 0);
    expect(next.events.map(({ type }) => type)).toEqual(['resumed']);
    reader.close();
  });

  it('lets nothing of a resource, an error message or a query reach the page', async () => {
    const secret = 'postgres://shop:s3cret@db.internal/shop';
    const failure = Object.assign(new Error(`connect to ${secret}`, { cause: secret }), {
      code: 'ECONNREFUSED',
      query: 'select s3cret',
    });
    let fails = false;
    const pool = somePool({
      max: 2,
      leakWarningMillis: 1,
      create: () => {
        if (fails) throw failure;
        return { secret };
      },
      destroy: () => {
        throw failure;
      },
    });
    const { url } = await served([pool], { sampleStacks: 1 });
    const lease = await pool.lease();
    await lease.destroy(failure);
    fails = true;
    await pool.lease().catch(() => undefined);
    await pool.lease().catch(() => undefined);
    const reader = await EventReader.open(`${url}events?pool=orders`);
    const { cards, detail } = await reader.next<All>('all');
    expect(cards[0]!.reasons).toContain('the last 2 creates failed: ECONNREFUSED');
    expect(detail!.events).toContainEqual(
      expect.objectContaining({ type: 'createFailed', error: 'ECONNREFUSED' }),
    );
    await reader.next('detail');
    expect(reader.text).not.toContain('s3cret');
    expect(reader.text).not.toContain('db.internal');
    reader.close();
  });

  it('follows a registry: pools come and go, under the names that it gives them', async () => {
    const registry = createRegistry();
    registry.add('first', somePool());
    registry.add('second', somePool());
    const { url } = await served([registry]);
    const reader = await EventReader.open(`${url}events`);
    const names = ({ cards }: All): string[] => cards.map(({ name }) => name);
    expect(names(await reader.next<All>('all'))).toEqual(['first', 'second']);
    registry.add(somePool({ name: 'late' }));
    expect(names(await reader.next<All>('all'))).toEqual(['first', 'second', 'late']);
    registry.remove('first');
    expect(names(await reader.next<All>('all'))).toEqual(['second', 'late']);
    reader.close();
  });

  it('tells pools of one name apart', async () => {
    const pools = [somePool({ max: 1 }), somePool({ max: 2 })];
    const { url } = await served(pools);
    const reader = await EventReader.open(`${url}events?pool=orders~2`);
    const { cards, detail } = await reader.next<All>('all');
    expect(cards.map(({ key, name }) => [key, name])).toEqual([
      ['orders', 'orders'],
      ['orders~2', 'orders'],
    ]);
    expect(detail!.key).toBe('orders~2');
    reader.close();
  });

  it('keeps a quiet stream alive with a beat', async () => {
    const { url } = await served([somePool()]);
    const reader = await EventReader.open(`${url}events`);
    expect(await reader.next('beat')).toEqual({ at: expect.any(Number) });
    expect(reader.text.startsWith('retry: 1000\n\n')).toBe(true);
    reader.close();
  });

  it('ends every stream on close, leaves the pools alone and frees its port', async () => {
    const watched = countingListeners(somePool());
    const board = await dashboard([watched.pool]);
    const reader = await EventReader.open(`${board.url}events`);
    await reader.next('all');
    expect([board.viewers, watched.listeners()]).toEqual([1, 1]);
    await Promise.all([board.close(), board.close()]);
    await reader.end();
    expect(watched.listeners()).toBe(0);
    expect(watched.pool.state.lifecycle).toBe('running');
    const again = await served([watched.pool], { port: board.port });
    expect(again.port).toBe(board.port);
  });

  it('rejects when the port is taken, and then listens to nothing', async () => {
    const { port } = await served([]);
    const watched = countingListeners(somePool());
    await expect(dashboard([watched.pool], { port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(watched.listeners()).toBe(0);
  });

  it('leaves nothing behind after a thousand handlers', () => {
    const watched = countingListeners(somePool());
    for (let times = 0; times < 1000; times += 1) dashboardHandler([watched.pool]).close();
    expect(watched.listeners()).toBe(0);
  });
});

describe('access to the dashboard', () => {
  it('is for this machine only without a token, and for no name that merely resolves to it', async () => {
    const { url, port } = await served([somePool()]);
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, 'LOCALHOST']) {
      expect((await ask(url, { headers: { host } })).status, host).toBe(200);
    }
    for (const host of [
      'evil.example',
      `127.0.0.1.evil.example:${port}`,
      'localhost.evil.example',
    ]) {
      expect((await ask(url, { headers: { host } })).status, host).toBe(403);
      expect((await ask(`${url}events`, { headers: { host } })).status, host).toBe(403);
    }
  });

  it('is not for whoever comes through a proxy, without a token', async () => {
    const { url } = await served([somePool()]);
    for (const header of ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip']) {
      expect((await ask(url, { headers: { [header]: '192.0.2.1' } })).status, header).toBe(403);
    }
  });

  it('needs a token for any other host, at the start', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'pools.example']) {
      await expect(dashboard([], { host })).rejects.toThrow(InvalidOptionsError);
      await expect(dashboard([], { host })).rejects.toThrow('token');
    }
    await expect(dashboard([], { token: '' })).rejects.toThrow('token');
    const board = await served([], { host: '0.0.0.0', token: 'open sesame' });
    expect(board.url).toBe(`http://localhost:${board.port}/?token=open%20sesame`);
  });

  it('takes the token once, then a cookie that is not the token', async () => {
    const token = 'a token of some length';
    const board = await served([somePool()], { token });
    const base = `http://127.0.0.1:${board.port}/`;
    for (const path of ['', 'app.js', 'events', 'nowhere', '?token=wrong']) {
      expect((await ask(base + path)).status, path).toBe(401);
    }
    const entry = await ask(board.url);
    expect([entry.status, entry.headers.location]).toEqual([303, './']);
    const cookie = entry.headers['set-cookie']![0]!;
    expect(cookie).toContain('HttpOnly; SameSite=Strict');
    expect(cookie).not.toContain(token);
    const admitted = { headers: { cookie: `other=1; ${cookie.split(';')[0]!}` } };
    expect((await ask(base, admitted)).status).toBe(200);
    expect((await ask(base, { headers: { cookie: cookie.split('=')[0]! + '=x' } })).status).toBe(
      401,
    );
    const bearer = (given: string) => ({ headers: { authorization: `Bearer ${given}` } });
    expect((await ask(base, bearer(token))).status).toBe(200);
    expect((await ask(base, bearer('wrong'))).status).toBe(401);
    // With a token any name of the host will do: a server is seldom called by its address.
    const named = { headers: { ...admitted.headers, host: 'pools.example' } };
    expect((await ask(base, named)).status).toBe(200);
  });

  it('turns the pages of other sites away from the stream', async () => {
    const { url } = await served([somePool()]);
    const events = `${url}events`;
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
    ]) {
      expect((await ask(events, { headers })).status).toBe(403);
    }
  });
});

describe('controls of the dashboard', () => {
  async function controlled(pool: Pool<object>) {
    const { url } = await served([pool], { controls: true });
    return (command: object | string, headers: Record<string, string> = {}, method = 'POST') =>
      ask(`${url}control`, {
        method,
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof command === 'string' ? command : JSON.stringify(command),
      });
  }

  it('pause, resume, resize, evict and recycle', async () => {
    const pool = somePool({ max: 4 });
    await pool.prefill(3);
    const send = await controlled(pool);
    const to = { pool: 'orders' };
    expect((await send({ ...to, action: 'pause' })).text).toContain('Paused');
    expect(pool.state.lifecycle).toBe('paused');
    expect((await send({ ...to, action: 'resume' })).status).toBe(200);
    expect(pool.state.lifecycle).toBe('running');
    expect((await send({ ...to, action: 'resize', min: 1, max: 2 })).text).toBe(
      'Resized: min 1, max 2.\n',
    );
    expect(pool.state).toMatchObject({ min: 1, max: 2, size: 2 });
    expect((await send({ ...to, action: 'evict' })).text).toContain('Nothing idle');
    expect((await send({ ...to, action: 'recycle' })).text).toContain('Recycling');
    expect(pool.stats.recycled).toBe(2);
  });

  it('answer a senseless command with the reason, and change nothing', async () => {
    const pool = somePool({ max: 4 });
    const send = await controlled(pool);
    const before = pool.state;
    const refused = await send({ pool: 'orders', action: 'resize', max: 0.5 });
    expect([refused.status, refused.text]).toEqual([409, expect.stringContaining('max')]);
    for (const [command, status] of [
      ['no json', 400],
      ['null', 400],
      [{ pool: 'orders', action: 'close' }, 400],
      [{ pool: 'orders', action: 'constructor' }, 400],
      [{ pool: 'orders', action: 'resize', max: '9' }, 400],
      [{ pool: 'nobody', action: 'pause' }, 404],
      ['x'.repeat(100_000), 413],
    ] as const) {
      expect([command, (await send(command)).status]).toEqual([command, status]);
    }
    expect(pool.state).toEqual(before);
  });

  it('refuse requests of other sites, of forms, and without the switch', async () => {
    const pool = somePool();
    const send = await controlled(pool);
    const pause = { pool: 'orders', action: 'pause' };
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.example' },
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/x-www-form-urlencoded' },
      { host: 'evil.example' },
    ]) {
      expect((await send(pause, headers as Record<string, string>)).status).toBe(403);
    }
    expect((await send(pause, {}, 'GET')).status).toBe(405);
    expect(pool.state.lifecycle).toBe('running');
    expect((await send(pause, { 'sec-fetch-site': 'same-origin' })).status).toBe(200);

    const { url } = await served([pool]);
    const without = await ask(`${url}control`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ pool: 'orders', action: 'resume' }),
    });
    expect(without.status).toBe(404);
    expect(pool.state.lifecycle).toBe('paused');
  });
});

describe('dashboardHandler', () => {
  it('is mounted in a plain server under a path', async () => {
    const base = await listen(handlerFor([somePool()], { path: '/pools' }));
    const bare = await ask(`${base}/pools`);
    expect([bare.status, bare.headers.location]).toEqual([303, './pools/']);
    expect((await ask(`${base}/pools/`)).text).toContain('<title>Pools</title>');
    expect((await ask(`${base}/pools/app.js`)).status).toBe(200);
  });

  it('is mounted in a framework that takes its own part off the address', async () => {
    const handler = handlerFor([somePool()], {});
    const base = await listen((request, response) => {
      const whole = request.url!;
      Object.assign(request, {
        originalUrl: whole,
        url: whole.replace(/^\/admin\/pools/, '') || '/',
      });
      handler(request, response);
    });
    expect((await ask(`${base}/admin/pools`)).headers.location).toBe('./pools/');
    expect((await ask(`${base}/admin/pools/`)).status).toBe(200);
    expect((await ask(`${base}/admin/pools/style.css`)).status).toBe(200);
  });

  it('never redirects to another host', async () => {
    const base = await listen(handlerFor([somePool()], { path: '/pools' }));
    for (const path of [
      '//evil.example',
      '/\\evil.example',
      '/pools//evil.example',
      '/pools/..//evil.example',
    ]) {
      const { headers } = await ask(base + path);
      const target = new URL(headers.location ?? '/', `${base}/`);
      expect([path, target.origin]).toEqual([path, base]);
    }
  });

  it('lets everybody in whom a trusted application lets through', async () => {
    const base = await listen(handlerFor([somePool()], { trusted: true }));
    expect((await ask(base, { headers: { host: 'admin.example' } })).status).toBe(200);
  });

  it('turns a crowd away before it costs anything', async () => {
    const base = await listen(handlerFor([somePool()], {}));
    const readers = await Promise.all(
      Array.from({ length: 100 }, () => EventReader.open(`${base}/events`)),
    );
    const late = await ask(`${base}/events`);
    expect(late.status).toBe(503);
    for (const reader of readers) reader.close();
  });
});

describe('a slow browser', () => {
  /** A response whose reader may stop reading, as a socket with small buffers. */
  class SlowResponse extends PassThrough {
    constructor() {
      super({ highWaterMark: 16_384, readableHighWaterMark: 1024 });
    }
  }

  const frame = 'x'.repeat(10_000);

  it('costs no more than a bounded amount, however many frames it misses', () => {
    const response = new SlowResponse();
    const viewer = new Viewer(response as unknown as ServerResponse, undefined);
    for (let frames = 0; frames < 100_000; frames += 1) viewer.send('cards', frame, frames);
    expect(response.writableLength + response.readableLength).toBeLessThan(300 * 1024);
  });

  it('gets a whole picture when it reads again, and then the frames', async () => {
    const response = new SlowResponse();
    const viewer = new Viewer(response as unknown as ServerResponse, undefined);
    for (let frames = 0; frames < 100; frames += 1) viewer.send('cards', frame, 0);
    expect(viewer.needsAll).toBe(false);
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await expect.poll(() => viewer.needsAll).toBe(true);
    const before = text.length;
    viewer.send('cards', '"left out"', 1);
    viewer.sendAll('"everything"', 1);
    viewer.send('cards', '"afterwards"', 1);
    await expect.poll(() => text.slice(before)).toContain('afterwards');
    expect(text.slice(before)).toContain('event: all\ndata: "everything"');
    expect(text).not.toContain('left out');
  });

  it('is let go when it does not read for half a minute', () => {
    const response = new SlowResponse();
    const viewer = new Viewer(response as unknown as ServerResponse, undefined);
    for (let frames = 0; frames < 100; frames += 1) viewer.send('cards', frame, 0);
    viewer.send('cards', frame, 30_000);
    expect(response.destroyed).toBe(false);
    viewer.send('cards', frame, 30_001);
    expect(response.destroyed).toBe(true);
  });
});
