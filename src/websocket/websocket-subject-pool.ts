import {
  AsyncSubject,
  asyncScheduler,
  firstValueFrom,
  Observable,
  race,
  timer,
  type Subscription,
} from 'rxjs';
import { createPool, InvalidOptionsError, type Pool, type PoolOptions } from '../index.js';
import type { SocketEvent } from './socket.js';
import { WebSocketClosedError } from './websocket-closed-error.js';

/** What belongs in the configuration of each `webSocket()`: by these the pool knows when it opens and closes. */
export interface WebSocketObservers {
  readonly openObserver: { next(event: unknown): void };
  readonly closeObserver: { next(event: unknown): void };
}

/**
 * The pool's options, but for the hooks that the adapter brings itself. All durations are milliseconds. `S` is the
 * `WebSocketSubject` of RxJS; its types would ask for those of a DOM.
 */
export interface WebSocketSubjectPoolOptions<S extends Observable<unknown>>
  extends Omit<PoolOptions<S>, 'create' | 'destroy' | 'watch'> {
  /** Makes one subject, with the observers in its configuration: `observers => webSocket({ url, ...observers })`. */
  readonly connect: (observers: WebSocketObservers) => S;
  /**
   * Runs after each lease, once every subscription that its borrower left behind has ended; nothing by default. What
   * the borrower subscribed to on the server is for you to end here, or for `multiplex`.
   */
  reset?: PoolOptions<S>['reset'];
  /** Default 1,800,000: 30 minutes. */
  maxLifetimeMillis?: number | undefined;
}

/** How long a server may take to answer a goodbye. */
const goodbyeMillis = 1_000;

/** One subject, and what keeps its connection open while nobody else is subscribed. */
interface Line {
  readonly alive: Subscription;
  readonly closed$: Observable<unknown>;
  readonly borrowed: Set<Subscription>;
}

/**
 * A pool of the `webSocket()` subjects of RxJS. Each is lent with its connection open, and keeps that although its
 * borrower unsubscribes; `complete()` and `error()` end it, and so take it out of the pool. One whose connection ends,
 * or that gets a message it cannot read, leaves the pool at once.
 *
 * Throws InvalidOptionsError as `createPool` does. A server that is not there is an error of the acquire.
 *
 * @example
 * const pool = webSocketSubjectPool({
 *   connect: observers => webSocket<Message>({ url: 'wss://prices.example.com', ...observers }),
 * });
 * pool.use(subject => subject.multiplex(subscribe, unsubscribe, isPrice)).subscribe(show);
 */
export function webSocketSubjectPool<S extends Observable<unknown>>(
  options: WebSocketSubjectPoolOptions<S>,
): Pool<S> {
  checkOptions(options);
  const { connect, reset, ...poolOptions } = options;
  const { scheduler = asyncScheduler } = poolOptions;
  const lines = new WeakMap<S, Line>();
  const lineOf = (subject: S): Line => lines.get(subject) as Line;

  const pool: Pool<S> = createPool<S>({
    ...poolOptions,
    maxLifetimeMillis: poolOptions.maxLifetimeMillis ?? 30 * 60_000,
    // The subject is an Observable itself, which a hook would unwrap: so it is emitted by one.
    create: ({ signal }): Observable<S> =>
      new Observable<S>(subscriber => {
        const closed$ = new AsyncSubject<unknown>();
        let isOpen = false;
        const ended = (event?: unknown): void => {
          const about: SocketEvent = event instanceof Error ? { error: event } : (event ?? {});
          const { code = 1006, reason = '', error } = about;
          const { name, state } = pool;
          // A browser keeps the reason from the page.
          if (isOpen) subscriber.error(new WebSocketClosedError(name, state, code, reason, error));
          else subscriber.error(error ?? new Error('The connection could not be opened'));
        };
        const subject = connect({
          openObserver: {
            next: () => {
              isOpen = true;
              subscriber.next(subject);
            },
          },
          closeObserver: {
            next: event => {
              closed$.next(event);
              closed$.complete();
              ended(event); // Whichever way it ended: `complete()` of a borrower, too.
            },
          },
        });
        const alive = subject.subscribe({ error: ended, complete: ended });
        lines.set(subject, { alive, closed$, borrowed: trackSubscriptions(subject) });
        const onAbort = (): void => {
          subscriber.error(signal.reason);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        subscriber.add(() => {
          signal.removeEventListener('abort', onAbort);
          alive.unsubscribe();
        });
      }),
    reset: subject => {
      const { borrowed } = lineOf(subject);
      for (const subscription of borrowed) subscription.unsubscribe();
      borrowed.clear();
      return reset?.(subject);
    },
    destroy: subject => {
      const { alive, closed$, borrowed } = lineOf(subject);
      if (alive.closed) return undefined;
      for (const subscription of borrowed) subscription.unsubscribe();
      alive.unsubscribe(); // The last subscription: it closes the connection.
      return firstValueFrom(race(closed$, timer(goodbyeMillis, scheduler)));
    },
  });

  return pool;
}

/** Those that whoever borrows the subject makes, by whichever operator. */
function trackSubscriptions(subject: Observable<unknown>): Set<Subscription> {
  const borrowed = new Set<Subscription>();
  const target = subject as { subscribe(...observer: unknown[]): Subscription };
  const subscribe = target.subscribe.bind(target);
  target.subscribe = (...observer) => {
    const subscription = subscribe(...observer);
    if (!subscription.closed) {
      borrowed.add(subscription);
      subscription.add(() => borrowed.delete(subscription));
    }
    return subscription;
  };
  return borrowed;
}

function checkOptions<S extends Observable<unknown>>(
  options: WebSocketSubjectPoolOptions<S>,
): void {
  const given = (options ?? {}) as WebSocketSubjectPoolOptions<S> & Record<string, unknown>;
  const { connect, name } = given;
  const refuse = (option: string, value: unknown, expected: string): never => {
    const pool = typeof name === 'string' ? name : 'webSocketSubjectPool';
    throw new InvalidOptionsError(pool, option, value, expected);
  };
  if (typeof options !== 'object' || (options as unknown) === null) {
    refuse('options', options, 'must be an object');
  }
  for (const hook of ['create', 'destroy', 'watch']) {
    if (given[hook] !== undefined) refuse(hook, given[hook], 'is brought by the adapter');
  }
  if (typeof connect !== 'function') {
    refuse('connect', connect, 'must be a function that makes a webSocket()');
  }
}
