import {
  defer,
  exhaustMap,
  filter,
  from,
  ignoreElements,
  interval,
  merge,
  NEVER,
  retry,
  takeUntil,
  tap,
  throwError,
  timeout,
  type Observable,
  type ObservableInput,
  type SchedulerLike,
} from 'rxjs';
import { backoff, type BackoffOptions, type Pool, type PoolState } from '../index.js';

/** Among the messages of a connection: from here on they arrive. */
export const listening: unique symbol = Symbol('listening');

/** How a connection is listened to. Durations are milliseconds. */
export interface Listening<C, M> {
  /** Of the lease. */
  readonly label: string;
  /** Emits `listening` once and then messages; errors when the connection is lost. */
  readonly hear: (connection: C) => Observable<M | typeof listening>;
  /** One round trip. */
  readonly ask: (connection: C) => ObservableInput<unknown>;
  /** How often to ask; without an answer for as long, the connection counts as lost. Infinity: never. */
  readonly checkEveryMillis: number;
  /** The pauses before the next connection. */
  readonly retry: BackoffOptions;
  readonly scheduler: SchedulerLike;
  readonly onListening: ((times: number) => void) | undefined;
}

/**
 * Cold: listens on a connection of the pool, and on another one when that is lost, until the pool closes. What keeps it
 * from listening for the first time is an error; what was sent between two connections is lost.
 */
export function listenAgain<C, M>(pool: Pool<C>, how: Listening<C, M>): Observable<M> {
  const { label, hear, ask, checkEveryMillis, scheduler, onListening } = how;
  return defer(() => {
    const { delay: pauseAfter, ...attempts } = backoff(how.retry);
    let times = 0;
    return pool
      .use(
        (connection, lease) =>
          merge(
            hear(connection),
            answers(() => ask(connection), checkEveryMillis, scheduler),
          ).pipe(
            tap({
              // It may be mute instead of gone, and then nothing could be cleaned up on it.
              error: (error: unknown) => void lease.destroy(error),
            }),
          ),
        // Nobody after it is to be told of what it listened to.
        { label, onCancel: 'destroy' },
      )
      .pipe(
        retry({
          ...attempts,
          resetOnSuccess: true,
          delay: (error: unknown, attempt) => {
            if (times === 0 || typeof pauseAfter !== 'function') return throwError(() => error);
            return pauseAfter(error, attempt);
          },
        }),
        tap(given => {
          if (given !== listening) return;
          times += 1;
          onListening?.(times);
        }),
        filter((given): given is Exclude<typeof given, typeof listening> => given !== listening),
        takeUntil(pool.state$.pipe(filter(isEnding))),
      );
  });
}

/** Emits nothing; fails when the other side does not answer. */
function answers(
  ask: () => ObservableInput<unknown>,
  everyMillis: number,
  scheduler: SchedulerLike,
): Observable<never> {
  if (everyMillis === Infinity) return NEVER;
  return interval(everyMillis, scheduler).pipe(
    exhaustMap(() => from(ask()).pipe(timeout({ each: everyMillis, scheduler }))),
    ignoreElements(),
  );
}

function isEnding({ lifecycle }: PoolState): boolean {
  return lifecycle === 'draining' || lifecycle === 'closed';
}
