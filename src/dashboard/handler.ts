import type { IncomingMessage, ServerResponse } from 'node:http';
import { InvalidOptionsError } from '../index.js';
import type { HealthThresholds } from '../metrics/index.js';
import { Access } from './access.js';
import { Broadcast } from './broadcast.js';
import { commandIn, execute } from './controls.js';
import { kindOf } from './event-line.js';
import { pageFile } from './page-files.js';
import { Sources, type PoolSource } from './sources.js';

/** What the page shows, and to whom. */
export interface DashboardHandlerOptions {
  /** Asked of everybody: `?token=…` once, then a cookie; or `Authorization: Bearer …`. Without one, only this machine gets in. */
  readonly token?: string | undefined;
  /** Buttons that pause, resume, evict, recycle and resize. Default false. */
  readonly controls?: boolean | undefined;
  /** The application has checked already who may come here: everybody who reaches the handler gets in. Default false. */
  readonly trusted?: boolean | undefined;
  /** Where it is mounted, when the server does not take that off the address itself: `/pools`. */
  readonly path?: string | undefined;
  /** When a pool counts as not well. */
  readonly health?: HealthThresholds | undefined;
  /** The share of requests of which the caller's stack is kept, for the list of holders: 0 to 1. Default 0. */
  readonly sampleStacks?: number | undefined;
}

/** For `createServer(handler)`, `app.use('/pools', handler)`, and whatever passes Node's request and response on. */
export interface DashboardHandler extends Disposable {
  /** Answers one request. What is not for the dashboard gets a 404. */
  (request: IncomingMessage, response: ServerResponse): void;
  /** Browsers that look at the moment. */
  readonly viewers: number;
  /** Ends its subscriptions, its timer and all streams. */
  close(): void;
}

const security: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

const longestBody = 1024;

/**
 * The dashboard as a request handler, to be mounted in a server of yours. It listens to the pools from now until
 * `close`: some hundred nanoseconds an event, and a fixed amount of memory for each pool. Throws InvalidOptionsError for
 * an empty `token`.
 *
 * @example
 * app.use('/pools', requireAdmin, dashboardHandler([orders, registry], { trusted: true }));
 */
export function dashboardHandler(
  sources: readonly PoolSource[],
  options: DashboardHandlerOptions = {},
): DashboardHandler {
  const { token, controls = false, trusted = false, path = '', sampleStacks = 0 } = options;
  if (token === '') {
    throw new InvalidOptionsError('dashboard', 'token', token, 'must not be empty');
  }
  const pools = new Sources(sources, options.health, sampleStacks);
  const broadcast = new Broadcast(pools, controls);
  const access = new Access(token, trusted);

  function handle(request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(security)) response.setHeader(name, value);
    const url = new URL(`http://dashboard${withoutPrefix(request.url ?? '/', path)}`);
    const given = url.searchParams.get('token');
    if (url.pathname === '/' && given !== null && access.opens(given)) {
      response.setHeader('set-cookie', access.setCookie());
      redirect(response, './');
      return;
    }
    if (!access.admits(request)) {
      if (access.needsToken) plain(response, 401, 'A token is needed: open /?token=… once.');
      else plain(response, 403, 'Only for this machine, by its own name.');
      return;
    }
    const name = url.pathname.slice(1);
    if (name === 'control' && controls) {
      if (allows(request, response, ['POST'])) control(request, response);
    } else if (name === 'events') {
      if (allows(request, response, ['GET'])) stream(request, response, url);
    } else if (name === '' && lacksSlash(request, path)) {
      redirect(response, `${lastSegmentOf(request)}/`);
    } else {
      const file = pageFile(name === '' ? 'index.html' : name);
      if (file === undefined) plain(response, 404, 'There is nothing here.');
      else if (allows(request, response, ['GET', 'HEAD'])) {
        response.writeHead(200, {
          'content-type': file.type,
          'content-length': file.body.length,
        });
        response.end(request.method === 'HEAD' ? undefined : file.body);
      }
    }
  }

  function stream(request: IncomingMessage, response: ServerResponse, url: URL): void {
    if (access.isForeign(request)) {
      plain(response, 403, 'Not from another site.');
      return;
    }
    if (broadcast.full) {
      plain(response, 503, 'Too many are looking.');
      return;
    }
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    response.flushHeaders();
    broadcast.add(response, url.searchParams.get('pool') ?? undefined);
  }

  function control(request: IncomingMessage, response: ServerResponse): void {
    // A form of another site cannot send JSON, and a script of one would have to ask first.
    const isJson = request.headers['content-type']?.split(';')[0]?.trim() === 'application/json';
    if (access.isForeign(request) || !isJson) {
      plain(response, 403, 'Only from the dashboard itself.');
      return;
    }
    readBody(request, body => {
      if (body === undefined) {
        plain(response, 413, 'Too long.');
        return;
      }
      const command = commandIn(body);
      const feed = command === undefined ? undefined : pools.get(command.pool);
      if (command === undefined) plain(response, 400, 'No command.');
      else if (feed === undefined) plain(response, 404, 'No such pool.');
      else {
        execute(feed.pool, command).then(
          done => {
            plain(response, 200, done);
          },
          (error: unknown) => {
            plain(response, 409, `Refused: ${refusal(error)}`);
          },
        );
      }
    });
  }

  const close = (): void => {
    broadcast.close();
    pools.unsubscribe();
  };
  return Object.defineProperties(handle as unknown as DashboardHandler, {
    viewers: { get: () => broadcast.viewers },
    close: { value: close },
    [Symbol.dispose]: { value: close },
  });
}

function withoutPrefix(url: string, prefix: string): string {
  const rest = prefix !== '' && url.startsWith(prefix) ? url.slice(prefix.length) : url;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Mounted at `/pools` and asked for as that, the page would look for its files in `/`. */
function lacksSlash(request: IncomingMessage, prefix: string): boolean {
  const asked = pathOf(originalUrl(request));
  return asked !== '' && !asked.endsWith('/') && (prefix === '' || asked === prefix);
}

/** Express keeps the whole address here, and takes its own part off the other. */
function originalUrl(request: IncomingMessage): string {
  return (request as { originalUrl?: string }).originalUrl ?? request.url ?? '/';
}

/** Relative, so that no address that somebody made up can lead away from here. */
function lastSegmentOf(request: IncomingMessage): string {
  return `./${pathOf(originalUrl(request)).replace(/.*\//, '')}`;
}

function pathOf(url: string): string {
  return url.replace(/[?#].*$/s, '');
}

function allows(
  request: IncomingMessage,
  response: ServerResponse,
  methods: readonly string[],
): boolean {
  if (methods.includes(request.method ?? '')) return true;
  response.setHeader('allow', methods.join(', '));
  plain(response, 405, `Only ${methods.join(' and ')}.`);
  return false;
}

/** `undefined` when it is too long. */
function readBody(request: IncomingMessage, done: (body: string | undefined) => void): void {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk: string) => {
    const before = body.length;
    body += chunk;
    if (body.length <= longestBody || before > longestBody) return;
    done(undefined);
    request.resume();
  });
  request.on('end', () => {
    if (body.length <= longestBody) done(body);
  });
}

/** The pool's own refusals are about its options; of anything else only the kind is told. */
function refusal(error: unknown): string {
  return error instanceof InvalidOptionsError ? error.message : kindOf(error);
}

function plain(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { location });
  response.end();
}
