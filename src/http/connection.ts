import { AsyncSubject, firstValueFrom, race, Subject, timer, type Observable } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { keepListeners, restoreListeners } from '../shared/listeners.js';
import type { HttpClient, HttpConnector, HttpDriver, HttpSocket } from './client.js';

/** What is under way when a client comes back may end by itself within this time. */
const graceMillis = 250;

/** What of undici's options is about how to connect. */
interface ConnectOptions {
  readonly connect?: object | HttpConnector;
  readonly connectTimeout?: number;
  readonly maxCachedSessions?: number;
  readonly allowH2?: boolean;
  readonly socketPath?: string;
}

/** One connection and the client that speaks on it; it never connects a second time behind the pool's back. */
export class Connection<C extends HttpClient> {
  readonly client: C;
  readonly #socket: HttpSocket;
  readonly #scheduler: SchedulerLike;
  readonly #broken = new AsyncSubject<unknown>();
  readonly #closed = new AsyncSubject<boolean>();
  readonly #atRest = new Subject<boolean>();
  #failure: { readonly error: unknown } | undefined = undefined;
  #isTaken = false;
  readonly #onUnasked = (): void => {
    // A server that speaks first says goodbye (408), and what it says must not be taken for an answer.
    if (this.#socket.readableLength > 0) this.#break(new Error('the server spoke unasked'));
  };

  private constructor(
    Client: HttpDriver<C>['Client'],
    origin: URL,
    options: object,
    socket: HttpSocket,
    scheduler: SchedulerLike,
  ) {
    this.#socket = socket;
    this.#scheduler = scheduler;
    // For good: an `error` that nobody listens to ends the process.
    socket.on('error', error => {
      this.#break(error);
    });
    socket.on('end', () => {
      this.#break(new Error('the server has ended the connection'));
    });
    socket.on('close', () => {
      this.#break(new Error('the connection is closed'));
      this.#closed.next(true);
      this.#closed.complete();
    });
    socket.on('readable', this.#onUnasked);
    const connect: HttpConnector = (_, callback) => {
      // undici expects no socket before it has finished asking for one.
      queueMicrotask(() => {
        this.#hand(callback);
      });
    };
    this.client = new Client(origin as never, { ...options, connect } as never);
    if ((this.client.stats as unknown) === undefined) {
      socket.destroy();
      throw new Error(
        'rxpool/http needs undici 7.9 or later: older ones do not tell what they are at',
      );
    }
    this.client.on('disconnect', (_, __, error) => {
      this.#break(error);
    });
    this.client.on('connectionError', (_, __, error) => {
      this.#break(error);
    });
    this.client.on('drain', () => {
      this.#atRest.next(true);
    });
    keepListeners(this.client);
  }

  /** Connects; aborting destroys the socket, whatever it waits for. */
  static async open<C extends HttpClient>(
    driver: HttpDriver<C>,
    origin: URL,
    options: object,
    scheduler: SchedulerLike,
    signal: AbortSignal,
  ): Promise<Connection<C>> {
    const socket = await connected(driver, origin, options, signal);
    return new Connection(driver.Client, origin, options, socket, scheduler);
  }

  /** Emits once, as soon as the connection is known to be of no use any more. */
  get broken$(): Observable<unknown> {
    return this.#broken;
  }

  get isOpen(): boolean {
    return this.#failure === undefined && !this.#socket.destroyed;
  }

  /** Waits until no response is under way; rejects where that takes long. */
  async quiet(): Promise<void> {
    if (this.#isBusy) {
      await firstValueFrom(race(this.#atRest, this.#broken, timer(graceMillis, this.#scheduler)));
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#isBusy) throw new Error('a response was still under way');
  }

  /** Takes away what the last borrower has left; whether that was all. */
  tidy(): boolean {
    restoreListeners(this.client);
    return this.isOpen && !this.#isBusy;
  }

  /** Ends the connection; resolves when it is closed. */
  async end(): Promise<void> {
    await this.client.destroy();
    this.#socket.destroy();
    await firstValueFrom(this.#closed);
  }

  get #isBusy(): boolean {
    return this.client.stats.size > 0;
  }

  #hand(callback: Parameters<HttpConnector>[1]): void {
    if (this.#isTaken || !this.isOpen) {
      callback(new Error('the connection is lost', { cause: this.#failure?.error }), null);
      return;
    }
    this.#isTaken = true;
    this.#socket.off('readable', this.#onUnasked);
    callback(null, this.#socket);
  }

  #break(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#broken.next(error);
    this.#broken.complete();
  }
}

function connected<C extends HttpClient>(
  driver: HttpDriver<C>,
  origin: URL,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<HttpSocket> {
  const { connect, connectTimeout, maxCachedSessions, allowH2, socketPath } = options;
  const given = { maxCachedSessions, allowH2, socketPath, timeout: connectTimeout };
  const connector =
    typeof connect === 'function'
      ? (connect as HttpConnector)
      : (driver.buildConnector({ ...defined(given), ...connect } as never) as HttpConnector);
  const { host, protocol, port } = origin;
  const hostname = origin.hostname.replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    let socket: unknown = undefined;
    const onAbort = (): void => {
      (socket as Partial<HttpSocket> | undefined)?.destroy?.(signal.reason as Error);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket = connector({ host, hostname, protocol, port }, (error, opened) => {
      signal.removeEventListener('abort', onAbort);
      if (signal.aborted) opened?.destroy();
      else if (error !== null || opened === null) reject(error ?? new Error('no socket'));
      else resolve(opened);
    });
  });
}

/** What is left out must stay so: undici takes a key for a value. */
function defined(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
