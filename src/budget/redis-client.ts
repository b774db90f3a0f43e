import { Observable } from 'rxjs';

/** Runs a script on a Redis server: for a client that is neither node-redis nor ioredis. */
export type RedisScriptRunner = (
  script: string,
  keys: readonly string[],
  parameters: readonly string[],
) => PromiseLike<unknown>;

/** What is used of a client of node-redis 4 to 6: a single one, a pool or a cluster. */
export interface NodeRedisClient {
  eval(script: string, options: { keys: string[]; arguments: string[] }): PromiseLike<unknown>;
  evalSha(hash: string, options: { keys: string[]; arguments: string[] }): PromiseLike<unknown>;
}

/** What is used of a client of ioredis 5 or 6: a single one or a cluster. */
export interface IoRedisClient {
  eval(script: string, keyCount: number, ...parameters: string[]): PromiseLike<unknown>;
  evalsha(hash: string, keyCount: number, ...parameters: string[]): PromiseLike<unknown>;
}

/** A connected client of Redis or Valkey. */
export type RedisClient = NodeRedisClient | IoRedisClient | RedisScriptRunner;

/** What is used of a client of node-redis that is there for listening. */
export interface NodeRedisSubscriber {
  subscribe(
    channel: string,
    listener: (message: string, channel: string) => void,
  ): PromiseLike<unknown>;
  unsubscribe(
    channel: string,
    listener?: (message: string, channel: string) => void,
  ): PromiseLike<unknown>;
}

/** What is used of a client of ioredis that is there for listening. */
export interface IoRedisSubscriber {
  subscribe(channel: string): PromiseLike<unknown>;
  unsubscribe(channel: string): PromiseLike<unknown>;
  on(event: 'message', listener: (channel: string, message: string) => void): unknown;
  off(event: 'message', listener: (channel: string, message: string) => void): unknown;
  /** By this the two are told apart. */
  defineCommand: unknown;
}

/** A second client, for listening only, of the same library. */
export type RedisSubscriber = NodeRedisSubscriber | IoRedisSubscriber;

/** Runs one script by its hash, and by its text where the server does not know it (any more). */
export function scriptRunner(client: RedisClient, script: string): RedisRun {
  if (typeof client === 'function') {
    return (keys, parameters) => Promise.resolve(client(script, keys, parameters));
  }
  let hash: Promise<string> | undefined;
  return async (keys, parameters) => {
    hash ??= hashOf(script);
    const known = await hash;
    try {
      return await byHash(client, known, keys, parameters);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return byText(client, script, keys, parameters);
    }
  };
}

export type RedisRun = (keys: readonly string[], parameters: readonly string[]) => Promise<unknown>;

/** What is published on a channel, from subscribing to unsubscribing. */
export function messagesOf(subscriber: RedisSubscriber, channel: string): Observable<string> {
  return new Observable(output => {
    const fail = (error: unknown): void => {
      output.error(error);
    };
    // Too late to tell anybody: the connection is going, and the channel with it.
    const ignore = (): void => undefined;
    if (isIoRedisSubscriber(subscriber)) {
      const listen = (from: string, message: string): void => {
        if (from === channel) output.next(message);
      };
      subscriber.on('message', listen);
      subscriber.subscribe(channel).then(undefined, fail);
      return () => {
        subscriber.off('message', listen);
        subscriber.unsubscribe(channel).then(undefined, ignore);
      };
    }
    const listen = (message: string): void => {
      output.next(message);
    };
    subscriber.subscribe(channel, listen).then(undefined, fail);
    return () => {
      subscriber.unsubscribe(channel, listen).then(undefined, ignore);
    };
  });
}

export function isRedisClient(client: unknown): client is RedisClient {
  if (typeof client === 'function') return true;
  return (
    typeof client === 'object' &&
    client !== null &&
    'eval' in client &&
    ('evalSha' in client || 'evalsha' in client)
  );
}

function byHash(
  client: NodeRedisClient | IoRedisClient,
  hash: string,
  keys: readonly string[],
  parameters: readonly string[],
): PromiseLike<unknown> {
  return isIoRedis(client)
    ? client.evalsha(hash, keys.length, ...keys, ...parameters)
    : client.evalSha(hash, { keys: [...keys], arguments: [...parameters] });
}

function byText(
  client: NodeRedisClient | IoRedisClient,
  script: string,
  keys: readonly string[],
  parameters: readonly string[],
): PromiseLike<unknown> {
  return isIoRedis(client)
    ? client.eval(script, keys.length, ...keys, ...parameters)
    : client.eval(script, { keys: [...keys], arguments: [...parameters] });
}

function isIoRedis(client: NodeRedisClient | IoRedisClient): client is IoRedisClient {
  return 'defineCommand' in client;
}

function isIoRedisSubscriber(subscriber: RedisSubscriber): subscriber is IoRedisSubscriber {
  return 'defineCommand' in subscriber;
}

async function hashOf(script: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(script));
  return Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, '0')).join('');
}
