import { AsyncSubject, firstValueFrom, from, race, timer, type Observable } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import type { DestroyReason } from '../index.js';
import { keepListeners, restoreListeners } from '../shared/listeners.js';
import { isIoredis, type RedisClient, type RedisCommand } from './client.js';
import type { RedisMessage, Driver, SubscriptionKind } from './driver.js';
import { IoredisDriver } from './ioredis.js';
import { NodeRedisDriver } from './node-redis.js';

/** How long the server may take to see a connection end before its socket is cut. */
const goodbyeMillis = 1_000;

/** It is gone, or does not answer. */
const isCutFor: ReadonlySet<DestroyReason> = new Set(['broken', 'invalid']);

/** Whoever ends a connection for these has left something on it that may never be answered. */
const isAbandonedFor: ReadonlySet<DestroyReason> = new Set(['released', 'resetFailed', 'revoked']);

const sessions = new WeakMap<RedisClient, Session>();

/** One client and what is known of its connection. */
export class Session {
  readonly #driver: Driver;
  readonly #broken = new AsyncSubject<unknown>();
  readonly #client: RedisClient;
  #failure: { readonly error: unknown } | undefined = undefined;
  #isUnchanged = false;
  #hasOwner = false;

  private constructor(client: RedisClient) {
    this.#client = client;
    const onBroken = (error: unknown): void => {
      this.#break(error);
    };
    this.#driver = isIoredis(client)
      ? new IoredisDriver(client, onBroken)
      : new NodeRedisDriver(client, onBroken);
  }

  /** The one session of a client, also of one that no pool of ours has made. */
  static of(client: RedisClient): Session {
    let session = sessions.get(client);
    if (session === undefined) {
      session = new Session(client);
      sessions.set(client, session);
    }
    return session;
  }

  /** Connects; aborting cuts the socket at once, whatever it waits for. */
  async connect(signal: AbortSignal): Promise<void> {
    if (this.#hasOwner) {
      throw new Error('The factory gave the same client twice: each call has to make a new one');
    }
    this.#hasOwner = true;
    let onAbort = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => {
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      signal.throwIfAborted();
      await Promise.race([this.#driver.connect(), aborted]);
      // ioredis connects although it could not select the database that it was told.
      if (this.#failure !== undefined) throw this.#failure.error;
      keepListeners(this.#client);
    } catch (error) {
      this.#driver.cut();
      throw signal.aborted ? error : (this.#failure?.error ?? error);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Emits once, as soon as the connection is known to be of no use any more. */
  get broken$(): Observable<unknown> {
    return this.#broken;
  }

  /** One round trip. */
  async isAlive(): Promise<boolean> {
    if (this.#failure !== undefined || !this.#driver.isReady) return false;
    await this.#driver.send(['PING']);
    return true;
  }

  async send(command: RedisCommand): Promise<unknown> {
    try {
      return await this.#driver.send(command);
    } catch (error) {
      // Of a connection that has broken the drivers tell the commands only that there is none.
      throw this.#failure?.error ?? error;
    }
  }

  /** The answers come in order, whether or not they are errors. */
  sendAll(commands: readonly RedisCommand[]): Promise<PromiseSettledResult<unknown>[]> {
    return Promise.allSettled(commands.map(command => this.send(command)));
  }

  subscribe(
    kind: SubscriptionKind,
    names: readonly string[],
    onMessage: (message: RedisMessage) => void,
  ): Promise<unknown> {
    return this.#driver.subscribe(kind, names, onMessage);
  }

  /** The borrower has done nothing that outlasts an answer, and all answers are there: the next reset has no work. */
  leaveUnchanged(): void {
    this.#isUnchanged = true;
  }

  /** Back to how the connection was when it was new, behind everything that the borrower has sent. */
  async restore(): Promise<void> {
    const isUnchanged = this.#isUnchanged;
    this.#isUnchanged = false;
    if (this.#failure !== undefined) throw this.#failure.error;
    if (isUnchanged) return;
    restoreListeners(this.#client);
    await this.#driver.restore();
  }

  /** Ends the connection; resolves once the server counts it no more, or the socket is cut. */
  async end(reason: DestroyReason, scheduler: SchedulerLike): Promise<void> {
    try {
      if (isCutFor.has(reason) || this.#failure !== undefined) return;
      const goodbye = isAbandonedFor.has(reason)
        ? this.#driver.abandon(scheduler)
        : this.#driver.leave();
      await firstValueFrom(race(from(goodbye), timer(goodbyeMillis, scheduler)));
    } catch {
      // The connection has ended meanwhile, which is what was wanted.
    } finally {
      this.#driver.cut();
    }
  }

  #break(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#broken.next(error);
    this.#broken.complete();
  }
}
