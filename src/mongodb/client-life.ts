import { AsyncSubject, firstValueFrom, from, race, timer, type Observable } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { keepListeners, restoreListeners } from '../shared/listeners.js';
import type { MongodbClient } from './client.js';
import {
  cut,
  unblock,
  wiresOf,
  type ConnectionEvent,
  type HeartbeatEvent,
  type Wire,
} from './driver.js';
import { Traces } from './traces.js';

/** How long a client may take to say goodbye before its sockets are cut. */
const goodbyeMillis = 1_000;

/** One client, from its connect to its end, and whether its connection still stands. */
export class ClientLife<C extends MongodbClient> {
  readonly client: C;
  readonly #traces: Traces;
  readonly #scheduler: SchedulerLike;
  readonly #broken = new AsyncSubject<unknown>();
  readonly #watched = new WeakSet<Wire>();
  /** By `address/id`. A server that was never reached is none that could be lost. */
  readonly #ready = new Set<string>();
  readonly #reached = new Set<string>();
  #isBroken = false;

  private constructor(client: C, scheduler: SchedulerLike) {
    this.client = client;
    this.#traces = new Traces(client, scheduler);
    this.#scheduler = scheduler;
    client.on('error', (error: unknown) => {
      this.#break(error);
    });
    client.on('connectionReady', ({ address, connectionId }: ConnectionEvent) => {
      this.#reached.add(address);
      this.#ready.add(`${address}/${connectionId}`);
      // It is no member of its pool yet.
      queueMicrotask(() => {
        this.#watch(address);
      });
    });
    client.on('connectionCheckedOut', ({ address }: ConnectionEvent) => {
      this.#watch(address);
    });
    client.on('connectionClosed', ({ address, connectionId, reason, error }: ConnectionEvent) => {
      const wasReady = this.#ready.delete(`${address}/${connectionId}`);
      if (wasReady && reason !== 'idle') {
        this.#break(error ?? new Error(`the connection to ${address} was closed: ${reason}`));
      }
    });
    client.on('connectionPoolCleared', ({ address }: ConnectionEvent) => {
      this.#lost(address, undefined);
    });
    client.on('serverHeartbeatSucceeded', ({ connectionId }: HeartbeatEvent) => {
      this.#watch(connectionId);
    });
    client.on('serverHeartbeatFailed', ({ connectionId, failure }: HeartbeatEvent) => {
      this.#lost(connectionId, failure);
    });
    client.on('topologyClosed', () => {
      this.#break(new Error('the client was closed'));
    });
    keepListeners(client);
  }

  /** Connects; aborting ends the attempt, whatever it waits for. */
  static async connect<C extends MongodbClient>(
    newClient: () => C,
    scheduler: SchedulerLike,
    signal: AbortSignal,
  ): Promise<ClientLife<C>> {
    signal.throwIfAborted();
    const life = new ClientLife(newClient(), scheduler);
    let onAbort = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => {
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      await Promise.race([life.#connect(), aborted]);
      return life;
    } catch (error) {
      // Nothing was said yet, so there is nobody to say goodbye to.
      cut(life.client);
      await life.end();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Emits once, as soon as the client is known to have lost its server. */
  get broken$(): Observable<unknown> {
    return this.#broken;
  }

  /** One round trip. */
  async isAlive(): Promise<boolean> {
    if (this.#isBroken) return false;
    await this.client.db('admin').command({ ping: 1 });
    return true;
  }

  /** Ends what the last borrower has left; rejects where that does not work soon. */
  async leaveNoTrace(): Promise<void> {
    restoreListeners(this.client);
    await this.#traces.wipe();
  }

  /** Ends the client with its sessions and cursors; after a second its sockets are cut. */
  async end(): Promise<void> {
    try {
      const goodbye = this.client.close(true);
      await firstValueFrom(race(from(goodbye), timer(goodbyeMillis, this.#scheduler)), {
        defaultValue: undefined,
      });
    } finally {
      cut(this.client);
    }
  }

  async #connect(): Promise<void> {
    await this.client.connect();
    // Versions before 7 have no connection yet, only the one that watches the server.
    if (this.#ready.size === 0) await this.isAlive();
  }

  /** The driver tells of a lost connection when it wants to use it the next time; its socket tells at once. */
  #watch(address: string): void {
    if (!this.#reached.has(address)) return;
    for (const wire of wiresOf(this.client, address)) {
      if (this.#watched.has(wire)) continue;
      this.#watched.add(wire);
      const onClose = (): void => {
        this.#lost(address, undefined);
        // Not sooner: the driver may be about to write to it.
        setImmediate(() => {
          unblock(wire, new Error(`the connection to ${address} is lost`));
        });
      };
      if (wire.closed === true) onClose();
      else wire.once?.('close', onClose);
    }
  }

  #lost(address: string, error: unknown): void {
    if (this.#reached.has(address)) {
      this.#break(error ?? new Error(`the connection to ${address} is lost`));
    }
  }

  #break(error: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#broken.next(error);
    this.#broken.complete();
  }
}
