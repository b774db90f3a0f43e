import { createServer } from 'node:http';
import { InvalidOptionsError } from '../index.js';
import { isLoopback } from './access.js';
import { dashboardHandler, type DashboardHandlerOptions } from './handler.js';
import type { PoolSource } from './sources.js';

/** Options of `dashboard`; those of `dashboardHandler` among them. */
export interface DashboardOptions extends Omit<DashboardHandlerOptions, 'trusted' | 'path'> {
  /** 0 takes a free one. Default 0. */
  readonly port?: number | undefined;
  /** Anything but this machine needs a `token`. Default '127.0.0.1'. */
  readonly host?: string | undefined;
}

/** A dashboard that is served. */
export interface Dashboard extends AsyncDisposable {
  /** To be opened in a browser; with the token, where there is one. */
  readonly url: string;
  /** The one that it listens on. */
  readonly port: number;
  /** Browsers that look at the moment. */
  readonly viewers: number;
  /** Ends the server, its connections and its subscriptions. The pools are not touched. */
  close(): Promise<void>;
}

/**
 * Serves a page that shows pools live. Resolves once it listens; rejects when the port is taken. It listens to the
 * pools, and keeps the process alive, until `close`. Rejects with InvalidOptionsError for a host that is not this
 * machine without a `token`.
 *
 * @example
 * const { url } = await dashboard([orders, reports]);
 * console.log(`Pools: ${url}`);
 */
export async function dashboard(
  sources: readonly PoolSource[],
  options: DashboardOptions = {},
): Promise<Dashboard> {
  const { port = 0, host = '127.0.0.1', ...given } = options;
  if (!isLoopback(host) && given.token === undefined) {
    const expected = 'is required for a host that is not this machine';
    throw new InvalidOptionsError('dashboard', 'token', given.token, expected);
  }
  const handler = dashboardHandler(sources, given);
  const server = createServer(handler);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    handler.close();
    throw error;
  }
  const address = server.address();
  const actualPort = typeof address === 'object' && address !== null ? address.port : port;
  const query = given.token === undefined ? '' : `?token=${encodeURIComponent(given.token)}`;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= new Promise(resolve => {
      handler.close();
      server.close(() => {
        resolve();
      });
      server.closeAllConnections();
    }));
  return {
    url: `http://${nameFor(host)}:${actualPort}/${query}`,
    port: actualPort,
    get viewers() {
      return handler.viewers;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A name that a browser on this machine can open. */
function nameFor(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
