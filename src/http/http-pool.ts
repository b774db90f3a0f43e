import { asyncScheduler, defer, from, isObservable, mergeMap, of, type Observable } from 'rxjs';
import {
  createPool,
  InvalidOptionsError,
  type Hook,
  type Pool,
  type PoolOptions,
} from '../index.js';
import type { HttpClient, HttpDriver } from './client.js';
import { Connection } from './connection.js';
import { loadDriver } from './driver.js';

/** How long undici takes an idle connection for safe where the server does not say. */
const idleMillis = 4_000;

/** The pool first, undici only where the pool may not: `min` keeps some idle for longer. */
const marginMillis = 1_000;

/** The pool's options, but for the hooks that the adapter brings itself. All durations are milliseconds. */
export interface HttpPoolOptions<C extends HttpClient = HttpClient>
  extends Omit<PoolOptions<C>, 'create' | 'destroy' | 'watch'> {
  /** `https://api.example.com`, or with a port: scheme and host, without a path. */
  readonly origin: string | URL;
  /** Options of undici's `Client`: `headersTimeout`, `bodyTimeout`, `connect` (TLS), `socketPath`, …. */
  readonly options?: object | undefined;
  /** The module undici: `import * as undici from 'undici'`. Default: the installed one, loaded with the first client. */
  readonly undici?: HttpDriver<C> | undefined;
  /** Default: whether the connection still stands, as far as this side knows; no round trip. */
  validate?: PoolOptions<C>['validate'];
  /**
   * Runs after what every return does: event listeners are removed, and a response under way is waited for, a quarter of
   * a second at most. Default: nothing more. HTTP/1.1 keeps nothing of a borrower on a connection.
   */
  reset?: PoolOptions<C>['reset'];
  /**
   * Default 4,000, like undici's `keepAliveTimeout`: many servers close an idle connection after five seconds, and a
   * request that meets that fails. Where the server says how long it waits (`keep-alive: timeout=…`) undici ends the
   * connection a second before, whatever this is.
   */
  idleTimeoutMillis?: number | undefined;
  /** Default 1,800,000: 30 minutes. */
  maxLifetimeMillis?: number | undefined;
}

/**
 * A pool of HTTP clients for one origin, each with exactly one keep-alive connection: it is opened by `create`, and a
 * client that has lost it leaves the pool at once instead of connecting again. So `max` is the number of connections that
 * the server sees at most.
 *
 * A client that comes back while a response is under way is lent to nobody before that has ended, and is destroyed where
 * it takes longer than a quarter of a second.
 *
 * Throws InvalidOptionsError as `createPool` does. A dead host is an error of the acquire: its CreateError has the
 * socket's own as `cause`.
 *
 * @example
 * const pool = httpPool({ origin: 'https://api.example.com', max: 10 });
 * request(pool, { path: '/orders' }).pipe(mergeMap(response => response.json())).subscribe();
 */
export function httpPool<C extends HttpClient = HttpClient>(options: HttpPoolOptions<C>): Pool<C> {
  checkOptions(options);
  const { origin, options: clientOptions, undici, ...poolOptions } = options;
  const { scheduler = asyncScheduler, validate, reset } = poolOptions;
  const idleTimeoutMillis = poolOptions.idleTimeoutMillis ?? idleMillis;
  const keepAliveTimeout = Math.min(idleTimeoutMillis + marginMillis, 600_000);
  const given = { keepAliveTimeout, pipelining: 1, ...clientOptions };
  const connections = new WeakMap<C, Connection<C>>();
  const connectionOf = (client: C): Connection<C> => connections.get(client) as Connection<C>;

  return createPool<C>({
    ...poolOptions,
    idleTimeoutMillis,
    maxLifetimeMillis: poolOptions.maxLifetimeMillis ?? 30 * 60_000,
    create: async ({ signal }) => {
      const driver = undici ?? ((await loadDriver()) as HttpDriver<C>);
      const connection = await Connection.open(driver, new URL(origin), given, scheduler, signal);
      connections.set(connection.client, connection);
      return connection.client;
    },
    validate: validate ?? (client => connectionOf(client).isOpen),
    reset: client => {
      const connection = connectionOf(client);
      if (connection.tidy()) return reset?.(client);
      return defer(() => connection.quiet()).pipe(
        mergeMap(() => (reset === undefined ? of(true) : streamOf(reset(client)))),
      );
    },
    destroy: client => connectionOf(client).end(),
    watch: client => connectionOf(client).broken$,
  });
}

function streamOf(outcome: Hook<unknown>): Observable<unknown> {
  return isObservable(outcome) ? outcome : from(Promise.resolve(outcome));
}

function checkOptions<C extends HttpClient>(options: HttpPoolOptions<C>): void {
  const given = (options ?? {}) as HttpPoolOptions<C> & Record<string, unknown>;
  const { origin, options: clientOptions, undici, name } = given;
  const refuse = (option: string, value: unknown, expected: string): never => {
    const pool = typeof name === 'string' ? name : 'httpPool';
    throw new InvalidOptionsError(pool, option, value, expected);
  };
  if (typeof options !== 'object' || (options as unknown) === null) {
    refuse('options', options, 'must be an object');
  }
  for (const hook of ['create', 'destroy', 'watch']) {
    if (given[hook] !== undefined) refuse(hook, given[hook], 'is brought by the adapter');
  }
  if (
    clientOptions !== undefined &&
    (typeof clientOptions !== 'object' || clientOptions === null)
  ) {
    refuse('options', clientOptions, 'must be an object: the options of a client of undici');
  }
  if (undici !== undefined && typeof (undici as Partial<HttpDriver>)?.Client !== 'function') {
    refuse('undici', undici, 'must be the module undici');
  }
  const url = parsed(origin);
  if (
    url === undefined ||
    !/^https?:$/.test(url.protocol) ||
    `${url.pathname}${url.search}` !== '/'
  ) {
    // Errors end up in logs, passwords should not.
    const shown = String(origin).replace(/\/\/.*@/s, '//…@');
    refuse('origin', shown, 'must be an http:// or https:// URL without a path');
  }
}

function parsed(origin: unknown): URL | undefined {
  try {
    return typeof origin === 'string' || origin instanceof URL ? new URL(origin) : undefined;
  } catch {
    return undefined;
  }
}
