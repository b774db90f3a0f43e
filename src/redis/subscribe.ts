import {
  asyncScheduler,
  defer,
  finalize,
  from,
  map,
  merge,
  mergeMap,
  Observable,
  throwError,
  type SchedulerLike,
} from 'rxjs';
import { backoff, InvalidOptionsError, type BackoffOptions, type Pool } from '../index.js';
import { listenAgain, listening } from '../shared/listen-again.js';
import type { RedisClient } from './client.js';
import type { RedisMessage, SubscriptionKind } from './driver.js';
import { redisPool } from './redis-pool.js';
import { Session } from './session.js';

/** Options of `subscribe`. Durations are milliseconds. */
export interface SubscribeOptions {
  /** What the names are: channels, patterns (PSUBSCRIBE), or channels of a cluster's shard (SSUBSCRIBE). Default 'channel'. */
  readonly kind?: SubscriptionKind | undefined;
  /**
   * Told each time when it begins to listen, the first time included: what was sent before, or while there was no
   * connection, did not arrive. The moment to read what may have changed.
   */
  readonly onListening?: ((times: number) => void) | undefined;
  /** The pauses between attempts to listen again. Default: those of `backoff`, without end. */
  readonly retry?: BackoffOptions | undefined;
  /**
   * How often to ask the server whether the connection still lives; without an answer for as long, it counts as
   * broken. `Infinity`: never. Default 30,000.
   */
  readonly checkEveryMillis?: number | undefined;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

/**
 * Cold: each subscription listens on a connection of its own, for as long as it lasts, and emits what PUBLISH sends to
 * the channel, or channels. When the connection breaks it listens again on a new one; what was sent meanwhile is lost
 * (`onListening` says when). Unsubscribing ends the connection.
 *
 * Of a pool, the connection is one of its `max`. Give a factory of clients instead where that is too dear. It completes
 * when the pool closes.
 *
 * Errors: what keeps it from listening for the first time, so that a wrong password is heard of (`retry` waits for a
 * server that is not there yet), or once the attempts that `retry` allows have failed. Throws InvalidOptionsError for
 * bad options.
 *
 * @example
 * subscribe(pool, 'news').subscribe(({ message }) => show(message));
 * subscribe(() => createClient({ url }), 'news.*', { kind: 'pattern' });
 */
export function subscribe(
  source: Pool<RedisClient> | (() => RedisClient),
  channel: string | readonly string[],
  options: SubscribeOptions = {},
): Observable<RedisMessage> {
  const channels = typeof channel === 'string' ? [channel] : channel;
  const { kind = 'channel', onListening, scheduler = asyncScheduler } = options;
  const { checkEveryMillis = 30_000 } = options;
  checkOptions(channels, kind, checkEveryMillis);
  const pauseOptions = { scheduler, ...options.retry };
  backoff(pauseOptions); // Refuses bad options before anybody subscribes.

  return defer(() => {
    const own =
      typeof source === 'function'
        ? redisPool({ client: source, max: 1, name: 'subscribe', scheduler })
        : undefined;
    const pool: Pool<RedisClient> = own ?? (source as Pool<RedisClient>);
    return listenAgain<RedisClient, RedisMessage>(pool, {
      label: `subscribe ${channels.join(', ')}`,
      hear: client => {
        const session = Session.of(client);
        return merge(
          messagesOf(session, kind, channels),
          session.broken$.pipe(mergeMap(error => throwError(() => error))),
        );
      },
      ask: client => Session.of(client).send(['PING']),
      checkEveryMillis,
      retry: pauseOptions,
      scheduler,
      onListening,
    }).pipe(
      finalize(() => {
        own?.close().catch(() => undefined);
      }),
    );
  });
}

function messagesOf(
  session: Session,
  kind: SubscriptionKind,
  channels: readonly string[],
): Observable<RedisMessage | typeof listening> {
  return new Observable(subscriber => {
    const subscribed = session.subscribe(kind, channels, message => {
      subscriber.next(message);
    });
    subscriber.add(
      from(subscribed)
        .pipe(map((): typeof listening => listening))
        .subscribe({
          next: given => subscriber.next(given),
          error: (error: unknown) => subscriber.error(error),
        }),
    );
  });
}

function checkOptions(
  channels: readonly string[],
  kind: SubscriptionKind,
  checkEveryMillis: number,
): void {
  const isList = Array.isArray(channels) && channels.length > 0;
  if (!isList || !channels.every(name => typeof name === 'string' && name !== '')) {
    throw new InvalidOptionsError('subscribe', 'channel', channels, 'must be a name, or several');
  }
  if (!['channel', 'pattern', 'shard'].includes(kind)) {
    const expected = "must be 'channel', 'pattern' or 'shard'";
    throw new InvalidOptionsError('subscribe', 'kind', kind, expected);
  }
  if (!(checkEveryMillis > 0 && (checkEveryMillis < 2 ** 31 || checkEveryMillis === Infinity))) {
    const expected = 'must be a number of milliseconds above 0, or Infinity for off';
    throw new InvalidOptionsError('subscribe', 'checkEveryMillis', checkEveryMillis, expected);
  }
}
