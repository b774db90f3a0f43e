import { asyncScheduler, concat, defer } from 'rxjs';
import { createPool, InvalidOptionsError, type Pool, type PoolOptions } from '../index.js';
import { Session, sessionOf, type SessionSettings } from './session.js';
import { shown, type WebSocketConstructor, type WebSocketLike } from './socket.js';
import { streamOf } from './stream-of.js';

/** The pool's options, but for the hooks that the adapter brings itself. All durations are milliseconds. */
export interface WebSocketPoolOptions<S extends WebSocketLike = WebSocketLike>
  extends Omit<PoolOptions<S>, 'create' | 'destroy' | 'watch'> {
  /** Where to connect, or a function that says so for each connection: with a fresh token, for example. */
  readonly url?: string | URL | (() => string | URL | PromiseLike<string | URL>) | undefined;
  /** Subprotocols to offer the server with `url`, the preferred first. Default: none. */
  readonly protocols?: string | readonly string[] | undefined;
  /** Default: the global `WebSocket` of browsers and of Node 22. For Node 20 give that of `ws`. */
  readonly WebSocket?: WebSocketConstructor<S> | undefined;
  /** Instead of `url`: makes a socket, open already or about to be, with headers or a login of your own. */
  readonly connect?:
    | ((context: { readonly signal: AbortSignal }) => S | PromiseLike<S>)
    | undefined;
  /** How binary messages come: 'arraybuffer', 'blob' in browsers, 'nodebuffer' of `ws`. Default: the socket's own. */
  readonly binaryType?: string | undefined;
  /** What `request` sends. Default: texts and binary data as they are, all else as JSON. */
  readonly serializer?: ((message: never) => unknown) | undefined;
  /** What `request` and `messages` give of a message's data. Default: texts as JSON, binary data as it is. */
  readonly deserializer?: ((data: never) => unknown) | undefined;
  /** Default: the socket is open and, where it can ping (`ws` can, browsers cannot), answers one. */
  validate?: PoolOptions<S>['validate'];
  /** Default 1,000: a connection that was used within the last second is lent without a check. */
  validateAfterIdleMillis?: number | undefined;
  /**
   * Runs after each lease, once no reply is owed any more and the borrower's listeners are gone; nothing by default.
   * What the borrower subscribed to on the server is for you to end here.
   */
  reset?: PoolOptions<S>['reset'];
  /** Default 1,800,000: 30 minutes. */
  maxLifetimeMillis?: number | undefined;
}

/**
 * A pool of open WebSocket connections, whose resources are the sockets themselves: use them as they are, or with
 * `request` and `messages`.
 *
 * When a connection comes back, listeners that its borrower added are removed and `binaryType` is as it was; where the
 * server still owes a reply, that is waited for, `resetTimeoutMillis` at most. One that closes or fails leaves the pool
 * at once. Ending one waits for the server's goodbye, a second at most.
 *
 * Throws InvalidOptionsError as `createPool` does. A server that is not there is an error of the acquire: its
 * CreateError has the socket's own as `cause`; browsers tell no more than that it failed.
 *
 * @example
 * const pool = webSocketPool({ url: 'wss://prices.example.com', max: 4 });
 */
export function webSocketPool<S extends WebSocketLike = WebSocketLike>(
  options: WebSocketPoolOptions<S>,
): Pool<S> {
  checkOptions(options);
  const { url = '', protocols, WebSocket, connect, binaryType, ...others } = options;
  const { serializer = serialize, deserializer = deserialize, ...ours } = others;
  const { validate, reset, ...poolOptions } = ours;
  const settings: SessionSettings = {
    pool: (): Pool<unknown> => pool,
    scheduler: poolOptions.scheduler ?? asyncScheduler,
    serializer: message => serializer(message as never),
    deserializer: data => deserializer(data as never),
  };
  const dial = async (): Promise<S> => {
    const Class =
      WebSocket ?? (globalThis as unknown as { WebSocket?: WebSocketConstructor<S> }).WebSocket;
    if (Class === undefined) {
      throw new Error('There is no WebSocket on this platform: give one, that of ws for example');
    }
    const target = String(typeof url === 'function' ? await url() : url);
    return protocols === undefined ? new Class(target) : new Class(target, protocols as string[]);
  };
  const where = typeof url === 'function' || connect !== undefined ? 'the server' : shown(url);

  const pool: Pool<S> = createPool<S>({
    ...poolOptions,
    maxLifetimeMillis: poolOptions.maxLifetimeMillis ?? 30 * 60_000,
    validateAfterIdleMillis: poolOptions.validateAfterIdleMillis ?? 1_000,
    create: async ({ signal }) => {
      const socket = await (connect === undefined ? dial() : connect({ signal }));
      if (binaryType !== undefined) socket.binaryType = binaryType;
      await Session.open(socket, settings, signal, where);
      return socket;
    },
    validate: validate ?? (socket => sessionOf(socket).isAlive()),
    reset: socket => {
      const owed = sessionOf(socket).cleanUp();
      if (owed === undefined) return reset?.(socket);
      return concat(
        owed,
        defer(() => streamOf(reset?.(socket))),
      );
    },
    destroy: socket => sessionOf(socket).end(),
    watch: socket => sessionOf(socket).broken$,
  });
  return pool;
}

function serialize(message: unknown): unknown {
  const isData = typeof message === 'string' || message instanceof ArrayBuffer;
  const isBlob = typeof Blob === 'function' && message instanceof Blob;
  return isData || isBlob || ArrayBuffer.isView(message) ? message : JSON.stringify(message);
}

function deserialize(data: unknown): unknown {
  return typeof data === 'string' ? JSON.parse(data) : data;
}

function checkOptions<S extends WebSocketLike>(options: WebSocketPoolOptions<S>): void {
  const given = (options ?? {}) as WebSocketPoolOptions<S> & Record<string, unknown>;
  const { url, connect, name, protocols } = given;
  const refuse = (option: string, value: unknown, expected: string): never => {
    const pool = typeof name === 'string' ? name : 'webSocketPool';
    throw new InvalidOptionsError(pool, option, value, expected);
  };
  if (typeof options !== 'object' || (options as unknown) === null) {
    refuse('options', options, 'must be an object');
  }
  for (const hook of ['create', 'destroy', 'watch']) {
    if (given[hook] !== undefined) refuse(hook, given[hook], 'is brought by the adapter');
  }
  for (const option of ['connect', 'WebSocket', 'serializer', 'deserializer']) {
    const value = given[option];
    if (value !== undefined && typeof value !== 'function') {
      refuse(option, value, 'must be a function');
    }
  }
  if (connect !== undefined) {
    for (const option of ['url', 'protocols', 'WebSocket']) {
      if (given[option] !== undefined) {
        refuse(option, given[option], 'is for `connect` to decide, where that is given');
      }
    }
    return;
  }
  const isUrl = typeof url === 'function' || /^(wss?|https?):\/\/./.test(String(url));
  if (!isUrl) refuse('url', url, 'must be a ws:// or wss:// URL, or a function that gives one');
  if (protocols !== undefined && typeof protocols !== 'string' && !Array.isArray(protocols)) {
    refuse('protocols', protocols, 'must be a text or a list of texts');
  }
}
