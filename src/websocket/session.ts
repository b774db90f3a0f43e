import { AsyncSubject, firstValueFrom, Observable, race, Subject, timer } from 'rxjs';
import type { SchedulerLike, Subscriber } from 'rxjs';
import type { Pool } from '../index.js';
import { trackListeners, type Sweep } from './borrowed-listeners.js';
import { CLOSED, nodeSocketOf, OPEN, type SocketEvent, type WebSocketLike } from './socket.js';
import { WebSocketClosedError } from './websocket-closed-error.js';

/** How long a server may take to answer a goodbye before the socket is cut. */
const goodbyeMillis = 1_000;

/** What a session has from its pool. */
export interface SessionSettings {
  readonly pool: () => Pool<unknown>;
  readonly scheduler: SchedulerLike;
  serializer(message: unknown): unknown;
  deserializer(data: unknown): unknown;
}

/** A message that was sent and whose last reply has not come yet. */
export interface Exchange {
  /** Undefined once nobody waits for it any more. */
  subscriber: Subscriber<unknown> | undefined;
  isReply(reply: unknown): boolean;
  isLast(reply: unknown): boolean;
  /** Called when the last reply is there, before anybody gets it. */
  onLast(): void;
}

type Arrival = { readonly message: unknown } | { readonly error: unknown };

const sessions = new WeakMap<WebSocketLike, Session>();

export function sessionOf(socket: WebSocketLike): Session {
  const session = sessions.get(socket);
  if (session === undefined) throw new TypeError('This socket is none of a webSocketPool');
  return session;
}

/** One socket, what is known of its connection, and what is asked on it. */
export class Session {
  readonly #socket: WebSocketLike;
  readonly #settings: SessionSettings;
  readonly #broken = new AsyncSubject<unknown>();
  readonly #gone = new AsyncSubject<unknown>();
  readonly #arrivals = new Subject<Arrival>();
  readonly #open = new Set<Exchange>();
  readonly #binaryType: string;
  #pings: ((alive: boolean) => void)[] = [];
  #failure: { readonly event: SocketEvent } | undefined = undefined;
  #sweep: Sweep = () => undefined;
  #whenQuiet: (() => void) | undefined = undefined;

  private constructor(socket: WebSocketLike, settings: SessionSettings) {
    this.#socket = socket;
    this.#settings = settings;
    this.#binaryType = socket.binaryType;
    sessions.set(socket, this);
    // For good: an `error` of `ws` that nobody listens to ends the process.
    socket.addEventListener('error', (event: SocketEvent) => {
      this.#break(event);
    });
    socket.addEventListener('close', (event: SocketEvent) => {
      this.#break(event);
      this.#gone.next(event);
      this.#gone.complete();
    });
    socket.addEventListener('message', ({ data }: SocketEvent) => {
      this.#arrived(data);
    });
    nodeSocketOf(socket).on?.('pong', () => {
      this.#alive(true);
    });
  }

  /** Waits until the socket is open; aborting cuts it. */
  static async open(
    socket: WebSocketLike,
    settings: SessionSettings,
    signal: AbortSignal,
    where: string,
  ): Promise<void> {
    const session = new Session(socket, settings);
    let onAbort = (): void => undefined;
    try {
      signal.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        onAbort = () => {
          reject(signal.reason as Error);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        if (socket.readyState === OPEN) resolve();
        socket.addEventListener('open', () => {
          resolve();
        });
        session.#broken.subscribe(() => {
          reject(session.#whyNotOpen(where));
        });
      });
      session.#sweep = trackListeners(socket);
    } catch (error) {
      session.#cut();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Emits once, as soon as the connection is known to be of no use any more. */
  get broken$(): Observable<unknown> {
    return this.#broken;
  }

  /** Hot. Completes when the connection ends well, errors when it breaks or a message cannot be read. */
  get messages$(): Observable<unknown> {
    return new Observable(subscriber => {
      if (this.#failure !== undefined) {
        subscriber.error(this.#closed(this.#failure.event));
        return;
      }
      subscriber.add(
        this.#arrivals.subscribe({
          next: arrival => {
            if ('error' in arrival) subscriber.error(arrival.error);
            else subscriber.next(arrival.message);
          },
          complete: () => {
            const { event = {} } = this.#failure ?? {};
            if (event.wasClean === true) subscriber.complete();
            else subscriber.error(this.#closed(event));
          },
        }),
      );
    });
  }

  /** Sends and waits for replies; whoever leaves early may tell the server so by `cancel`. */
  ask(message: unknown, exchange: Exchange, cancel: (() => unknown) | undefined): void {
    const { subscriber } = exchange;
    if (this.#failure !== undefined || this.#socket.readyState !== OPEN) {
      subscriber?.error(this.#closed(this.#failure?.event ?? {}));
      return;
    }
    this.#send(message);
    this.#open.add(exchange);
    subscriber?.add(() => {
      if (!this.#open.has(exchange) || exchange.subscriber === undefined) return;
      exchange.subscriber = undefined;
      if (cancel !== undefined && this.#socket.readyState === OPEN) this.#send(cancel());
    });
  }

  /** Where the socket can: one round trip. */
  isAlive(): boolean | Promise<boolean> {
    if (this.#failure !== undefined || this.#socket.readyState !== OPEN) return false;
    const socket = nodeSocketOf(this.#socket);
    if (socket.ping === undefined || socket.on === undefined) return true;
    const answer = new Promise<boolean>(resolve => {
      this.#pings.push(resolve);
    });
    socket.ping();
    return answer;
  }

  /** Ends what the last borrower left: at once, or when the last reply that the server owes has come. */
  cleanUp(): Observable<never> | undefined {
    this.#sweep();
    this.#socket.binaryType = this.#binaryType;
    for (const exchange of this.#open) {
      const { subscriber } = exchange;
      subscriber?.error(new Error('The connection was given back before its last reply'));
    }
    if (this.#open.size === 0) return undefined;
    return new Observable(subscriber => {
      this.#whenQuiet = () => {
        subscriber.complete();
      };
    });
  }

  /** Says goodbye; resolves once the connection is closed, or cut. */
  async end(): Promise<void> {
    if (this.#socket.readyState === CLOSED) return;
    if (this.#failure === undefined) this.#socket.close(1000);
    else this.#cut();
    await firstValueFrom(race(this.#gone, timer(goodbyeMillis, this.#settings.scheduler)));
    if (this.#socket.readyState !== (CLOSED as number)) this.#cut();
  }

  #send(message: unknown): void {
    this.#socket.send(this.#settings.serializer(message));
  }

  #arrived(data: unknown): void {
    let message: unknown;
    try {
      message = this.#settings.deserializer(data);
    } catch (error) {
      this.#arrivals.next({ error });
      return;
    }
    // Whoever borrows the connection while this is told is not told of it: it was not meant for them.
    const asked = [...this.#open];
    this.#arrivals.next({ message });
    for (const exchange of asked) this.#offer(exchange, message);
  }

  #offer(exchange: Exchange, message: unknown): void {
    let isLast: boolean;
    try {
      if (!this.#open.has(exchange) || !exchange.isReply(message)) return;
      isLast = exchange.isLast(message);
    } catch (error) {
      this.#ended(exchange);
      exchange.subscriber?.error(error);
      return;
    }
    if (isLast) {
      this.#ended(exchange);
      if (exchange.subscriber !== undefined) exchange.onLast();
    }
    exchange.subscriber?.next(message);
    if (isLast) exchange.subscriber?.complete();
  }

  #ended(exchange: Exchange): void {
    this.#open.delete(exchange);
    if (this.#open.size > 0) return;
    this.#whenQuiet?.();
    this.#whenQuiet = undefined;
  }

  #break(event: SocketEvent): void {
    if (this.#failure !== undefined) return;
    this.#failure = { event };
    // Before those who wait for messages hear of it, so that what they borrow next is another one.
    this.#broken.next(this.#closed(event));
    this.#broken.complete();
    this.#alive(false);
    const left = [...this.#open];
    for (const exchange of left) this.#ended(exchange);
    for (const { subscriber } of left) subscriber?.error(this.#closed(event));
    this.#arrivals.complete();
  }

  #closed({ code = 1006, reason = '', error }: SocketEvent): WebSocketClosedError {
    const { name, state } = this.#settings.pool();
    return new WebSocketClosedError(name, state, code, reason, error);
  }

  /** A browser keeps the reason from the page. */
  #whyNotOpen(where: string): unknown {
    return (
      this.#failure?.event.error ?? new Error(`The connection to ${where} could not be opened`)
    );
  }

  #alive(alive: boolean): void {
    const waiting = this.#pings;
    this.#pings = [];
    for (const tell of waiting) tell(alive);
  }

  /** Without a word where the socket can. */
  #cut(): void {
    const socket = nodeSocketOf(this.#socket);
    if (socket.terminate === undefined) this.#socket.close();
    else socket.terminate();
  }
}
