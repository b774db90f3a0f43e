import { once } from 'node:events';
import {
  connect,
  createServer,
  type ClientHttp2Session,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import {
  fromEvent,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  Observable,
  range,
  startWith,
  toArray,
} from 'rxjs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  createMultiplexedPool,
  SharedResourceBrokenError,
  type MultiplexedPool,
} from '../src/multiplex/index.js';

/** A real HTTP/2 server that counts the streams of each session, and answers when it is told to. */
class StreamServer {
  readonly server: Http2Server = createServer({ settings: { maxConcurrentStreams: 5 } });
  readonly sessions: ServerHttp2Session[] = [];
  readonly most = new Map<ServerHttp2Session, number>();
  readonly #open = new Map<ServerHttp2Session, number>();
  readonly #held: ServerHttp2Stream[] = [];
  holds = false;

  async start(): Promise<void> {
    this.server.on('session', session => this.sessions.push(session));
    this.server.on('stream', stream => {
      const session = stream.session as ServerHttp2Session;
      this.#count(session, 1);
      stream.on('close', () => {
        this.#count(session, -1);
      });
      stream.on('error', () => undefined); // Sessions are destroyed here on purpose.
      if (this.holds) this.#held.push(stream);
      else setImmediate(() => this.#answer(stream));
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get open(): number[] {
    return this.sessions.map(session => this.#open.get(session) ?? 0);
  }

  answerAll(): void {
    this.holds = false;
    for (const stream of this.#held.splice(0)) this.#answer(stream);
  }

  async stop(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  #answer(stream: ServerHttp2Stream): void {
    if (stream.destroyed) return;
    stream.respond({ ':status': 200 });
    stream.end('hello');
  }

  #count(session: ServerHttp2Session, by: number): void {
    const open = (this.#open.get(session) ?? 0) + by;
    this.#open.set(session, open);
    this.most.set(session, Math.max(this.most.get(session) ?? 0, open));
  }
}

let server: StreamServer;
let pool: MultiplexedPool<ClientHttp2Session>;

beforeEach(async () => {
  server = new StreamServer();
  await server.start();
  pool = createMultiplexedPool<ClientHttp2Session>({
    name: 'http2',
    create: async () => {
      const session = connect(server.url);
      session.on('error', () => undefined); // `watch` hears of it.
      await once(session, 'remoteSettings');
      return session;
    },
    destroy: session => {
      session.destroy();
    },
    watch: session =>
      merge(fromEvent(session, 'error'), fromEvent(session, 'close'), fromEvent(session, 'goaway')),
    concurrencyPerResource: session =>
      fromEvent(session, 'remoteSettings').pipe(
        startWith(undefined),
        map(() => session.remoteSettings.maxConcurrentStreams ?? Infinity),
      ),
    max: 3,
  });
});

afterEach(async () => {
  await pool.close({ force: true }).catch(() => undefined);
  await server.stop();
});

function ask(session: ClientHttp2Session): Observable<string> {
  return new Observable(subscriber => {
    const stream = session.request({ ':path': '/' });
    let body = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => (body += chunk));
    stream.on('error', error => subscriber.error(error));
    stream.on('end', () => {
      subscriber.next(body);
    });
    // The stream counts for the server until it is closed.
    stream.on('close', () => subscriber.complete());
    return () => {
      stream.close();
    };
  });
}

it('answers five hundred requests over three sessions, never with more streams than the server allows', async () => {
  const answers = await lastValueFrom(
    range(0, 500).pipe(
      mergeMap(() => pool.use(ask)),
      toArray(),
    ),
  );

  expect(answers).toHaveLength(500);
  expect(new Set(answers)).toEqual(new Set(['hello']));
  expect(server.sessions).toHaveLength(3);
  expect([...server.most.values()].every(most => most <= 5)).toBe(true);
  expect(pool.stats.peakLeased).toBe(15);
  expect(pool.underlying.state).toMatchObject({ size: 3, idle: 3 });
});

it('follows the settings of the server while sessions are shared', async () => {
  server.holds = true;
  const first = lastValueFrom(
    range(0, 15).pipe(
      mergeMap(() => pool.use(ask)),
      toArray(),
    ),
  );
  await untilOpen(15);
  for (const session of server.sessions) session.settings({ maxConcurrentStreams: 2 });
  for (const load of [0, 1, 2]) await until(() => pool.loads()[load]?.limit === 2);

  const second = lastValueFrom(
    range(0, 30).pipe(
      mergeMap(() => pool.use(ask)),
      toArray(),
    ),
  );
  expect(pool.state).toMatchObject({ leased: 15, waiting: 30 });
  server.answerAll();
  expect(await first).toHaveLength(15);
  expect(await second).toHaveLength(30);
  await untilOpen(0);

  server.most.clear();
  await lastValueFrom(range(0, 30).pipe(mergeMap(() => pool.use(ask))));
  expect(Math.max(...server.most.values())).toBe(2);
  expect(pool.state).toMatchObject({ leased: 0, waiting: 0 });
});

it('ends the leases of a session that the server drops, and serves the next on another one', async () => {
  server.holds = true;
  const leases = await Promise.all(Array.from({ length: 5 }, () => pool.lease()));
  const failed = lastValueFrom(pool.use(ask)).catch((error: unknown) => error);
  await untilOpen(1);
  const own = leases.map(lease =>
    lastValueFrom(ask(lease.resource)).catch((error: unknown) => error),
  );
  await untilOpen(6);
  for (const session of server.sessions) session.destroy();
  expect(await failed).toBeInstanceOf(SharedResourceBrokenError);
  await Promise.all(own);
  await until(() => leases.every(({ released }) => released));

  server.holds = false;
  expect(await lastValueFrom(pool.use(ask))).toBe('hello');
  expect(pool.underlying.stats.destroyed).toBe(2);
});

function untilOpen(streams: number): Promise<void> {
  return until(() => server.open.reduce((sum, open) => sum + open, 0) === streams);
}

/** What the other side does is polled: it tells nobody here. */
async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`not within ten seconds: ${isSo.toString()}`);
    await new Promise(resolve => setImmediate(resolve));
  }
}
