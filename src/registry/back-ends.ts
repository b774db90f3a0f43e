import type { AnyPool } from './registry.js';

/** What each back end's pool is made from and is, by the name of its entry. */
export interface BackEnds {
  /** `rxpool/postgres`: connections of `pg`. */
  readonly postgres: typeof import('../postgres/index.js').postgresPool;
  /** `rxpool/mysql`: connections of `mysql2`. */
  readonly mysql: typeof import('../mysql/index.js').mysqlPool;
  /** `rxpool/redis`: connections of node-redis or ioredis, by the client that the options make. */
  readonly redis: typeof import('../redis/index.js').redisPool;
  /** `rxpool/mongodb`: clients with one connection each. */
  readonly mongodb: typeof import('../mongodb/index.js').mongodbPool;
  /** `rxpool/sqlite`: the connections to one file, in two pools: those that read, and the one that writes. */
  readonly sqlite: typeof import('../sqlite/index.js').sqlitePool;
  /** `rxpool/http`: undici clients of one origin. */
  readonly http: typeof import('../http/index.js').httpPool;
  /** `rxpool/websocket`: sockets to one address. */
  readonly websocket: typeof import('../websocket/index.js').webSocketPool;
  /** `rxpool/worker`: worker threads or Web Workers of one script. */
  readonly worker: typeof import('../worker/index.js').workerPool;
  /** `rxpool/browser`: contexts of one Playwright browser. */
  readonly browser: typeof import('../browser/index.js').browserContextPool;
}

type Loaders = {
  readonly [Name in keyof BackEnds]: () => Promise<BackEnds[Name]>;
};

/** A back end is loaded when its first pool is made, and its driver with it: nobody installs what is not used. */
const loaders: Loaders = {
  postgres: async () => (await import('../postgres/index.js')).postgresPool,
  mysql: async () => (await import('../mysql/index.js')).mysqlPool,
  redis: async () => (await import('../redis/index.js')).redisPool,
  mongodb: async () => (await import('../mongodb/index.js')).mongodbPool,
  sqlite: async () => (await import('../sqlite/index.js')).sqlitePool,
  http: async () => (await import('../http/index.js')).httpPool,
  websocket: async () => (await import('../websocket/index.js')).webSocketPool,
  worker: async () => (await import('../worker/index.js')).workerPool,
  browser: async () => (await import('../browser/index.js')).browserContextPool,
};

export const backEndNames: readonly string[] = Object.keys(loaders);

/** What a back end makes: a pool, or two that belong together. */
type Made = ReturnType<BackEnds[keyof BackEnds]>;

/** How pools of a back end are made, or undefined where there is none of that name. */
export function backEndOf(name: string): ((config: unknown) => Promise<Made>) | undefined {
  if (!Object.hasOwn(loaders, name)) return undefined;
  const load = loaders[name as keyof BackEnds] as () => Promise<(config: unknown) => Made>;
  return async config => (await load())(config);
}

/** The pools of a back end that has two of them. */
export function bothOf(made: unknown): readonly [AnyPool, AnyPool] | undefined {
  if (typeof made !== 'object' || made === null || !('read' in made && 'write' in made))
    return undefined;
  const { read, write } = made as { readonly read: AnyPool; readonly write: AnyPool };
  return [read, write];
}
