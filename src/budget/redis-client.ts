import { Observable } from 'rxjs';

/** Runs a script on a Redis server: for a client that is neither node-redis nor ioredis. */
export type RedisScriptRunner = (
  script: string,
  keys: readonly string[],
  parameters: readonly string[],
) => PromiseLike<unknown>;

/** What is used of a client of node-redis 4 to 6: a single one, a pool or a cluster. */
export interface NodeRedisClient {
  /** Runs a script by its text: the first time, and where the server has forgotten it. */
  eval(script: string, options: { keys: string[]; arguments: string[] }): PromiseLike<unknown>;
  /** Runs a script by the SHA-1 of its text; rejects with `NOSCRIPT` where the server does not know it. */
  evalSha(hash: string, options: { keys: string[]; arguments: string[] }): PromiseLike<unknown>;
}

/** What is used of a client of ioredis 5 or 6: a single one or a cluster. */
export interface IoRedisClient {
  /** Runs a script by its text; the first `keyCount` of `parameters` are its keys. */
  eval(script: string, keyCount: number, ...parameters: string[]): PromiseLike<unknown>;
  /** Runs a script by the SHA-1 of its text; rejects with `NOSCRIPT` where the server does not know it. */
  evalsha(hash: string, keyCount: number, ...parameters: string[]): PromiseLike<unknown>;
}

/** A connected client of Redis or Valkey. */
export type RedisClient = NodeRedisClient | IoRedisClient | RedisScriptRunner;

/** What is used of a client of node-redis that is there for listening. */
export interface NodeRedisSubscriber {
  /** Listens to a channel; settles once the server knows. */
  subscribe(
    channel: string,
    listener: (message: string, channel: string) => void,
  ): PromiseLike<unknown>;
  /** Takes that listener away, and leaves the channel where it was the last; without one, all listeners. */
  unsubscribe(
    channel: string,
    listener?: (message: string, channel: string) => void,
  ): PromiseLike<unknown>;
}

/** What is used of a client of ioredis that is there for listening. */
export interface IoRedisSubscriber {
  /** Asks the server for what is published on a channel; settles once it knows. */
  subscribe(channel: string): PromiseLike<unknown>;
  /** Leaves a channel; settles once the server knows. */
  unsubscribe(channel: string): PromiseLike<unknown>;
  /** A message on any channel that the client is subscribed to. */
  on(event: 'message', listener: (channel: string, message: string) => void): unknown;
  /** Takes away a listener for messages. */
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

/**
 * What is published on a channel, from subscribing to unsubscribing. Undefined comes once the server listens: what was
 * published before was heard by nobody.
 */
export function messagesOf(
  subscriber: RedisSubscriber,
  channel: string,
): Observable<string | undefined> {
  return new Observable(output => {
    const ready = (): void => {
      output.next(undefined);
    };
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
      subscriber.subscribe(channel).then(ready, fail);
      return () => {
        subscriber.off('message', listen);
        subscriber.unsubscribe(channel).then(undefined, ignore);
      };
    }
    const listen = (message: string): void => {
      output.next(message);
    };
    subscriber.subscribe(channel, listen).then(ready, fail);
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
