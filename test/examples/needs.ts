import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MissingServerError } from '../services/missing-server.js';

interface Service extends AsyncDisposable {
  readonly url: string;
}

/** How to start what a variable of the environment points to. Loaded when it is needed. */
const services: Readonly<Record<string, () => Promise<Service>>> = {
  DATABASE_URL: async () => (await import('../services/postgres.js')).startPostgres(),
  REDIS_URL: async () => (await import('../services/redis.js')).startRedis(),
  MYSQL_URL: async () => (await import('../services/mariadb.js')).startMariadb(),
  MONGODB_URL: async () => (await import('../services/ferretdb.js')).startFerretdb(),
};

/** What the examples need, started when the first of them asks, and shared by all. */
export class Needs implements AsyncDisposable {
  readonly #started = new Map<string, Promise<Service>>();

  /** The environment of a program that reads these variables. Rejects with MissingServerError. */
  async environment(variables: readonly string[]): Promise<Record<string, string>> {
    const given: Record<string, string> = {};
    for (const variable of variables) {
      if (variable === 'CHROMIUM') given[variable] = await chromium();
      else if (variable in services) given[variable] = (await this.#start(variable)).url;
    }
    return given;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const starting of this.#started.values()) {
      const service = await starting.catch(() => undefined); // Who asked for it was told.
      await service?.[Symbol.asyncDispose]();
    }
  }

  #start(variable: string): Promise<Service> {
    const starting = this.#started.get(variable) ?? services[variable]!();
    this.#started.set(variable, starting);
    return starting;
  }
}

async function chromium(): Promise<string> {
  // From the sources: the compiler does not copy it.
  const file = pathToFileURL(resolve('test/dashboard/chromium.mjs')).href;
  const { chromiumPath } = (await import(file)) as {
    chromiumPath: string | undefined;
  };
  if (chromiumPath === undefined) {
    throw new MissingServerError('Chromium', '`apt-get install chromium`, or name one in CHROMIUM');
  }
  return chromiumPath;
}
