import {
  asyncScheduler,
  defer,
  finalize,
  from,
  map,
  merge,
  Observable,
  type SchedulerLike,
} from 'rxjs';
import { backoff, InvalidOptionsError, type BackoffOptions, type Pool } from '../index.js';
import { listenAgain, listening } from '../shared/listen-again.js';
import { isPool, type PostgresClient, type PostgresConnection } from './client.js';
import { notifierOf } from './driver.js';
import { postgresPool } from './postgres-pool.js';

/** What `NOTIFY` sent. */
export interface Notification {
  /** The channel that it was sent to. */
  readonly channel: string;
  /** Empty where nothing was sent along. */
  readonly payload: string;
  /** The back end that sent it. */
  readonly processId: number;
}

/** Options of `listen`. Durations are milliseconds. */
export interface ListenOptions {
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
 * Cold: each subscription listens on a connection of its own, for as long as it lasts, and emits what `NOTIFY` sends
 * to the channel, or channels. When the connection breaks it listens again on a new one; what was sent meanwhile is
 * lost (`onListening` says when). Unsubscribing ends the connection.
 *
 * Of a pool, the connection is one of its `max`. Give connection options instead where that is too dear. It completes
 * when the pool closes.
 *
 * `channel` is taken as it is, upper case and all, as `pg_notify` does; `NOTIFY Orders` sends to `orders`.
 *
 * Errors: what keeps it from listening for the first time, so that a wrong password is heard of (`retry` waits for a
 * server that is not there yet), or once the attempts that `retry` allows have failed.
 *
 * @example
 * listen(pool, 'orders', { onListening: times => console.log(times === 1 ? 'listening' : 'listening again') })
 *   .subscribe(({ payload }) => console.log(payload));
 */
export function listen(
  source: Pool<PostgresClient> | string | PostgresConnection,
  channel: string | readonly string[],
  options: ListenOptions = {},
): Observable<Notification> {
  const channels = typeof channel === 'string' ? [channel] : channel;
  const command = listenCommand(channels);
  const { onListening, checkEveryMillis = 30_000, scheduler = asyncScheduler } = options;
  if (!(checkEveryMillis > 0 && (checkEveryMillis < 2 ** 31 || checkEveryMillis === Infinity))) {
    const expected = 'must be a number of milliseconds above 0, or Infinity for off';
    throw new InvalidOptionsError('listen', 'checkEveryMillis', checkEveryMillis, expected);
  }
  const pauseOptions = { scheduler, ...options.retry };
  backoff(pauseOptions); // Refuses bad options before anybody subscribes.

  return defer(() => {
    const own =
      typeof source === 'object' && isPool(source)
        ? undefined
        : postgresPool({ connection: source, max: 1, name: 'listen', scheduler });
    const pool = own ?? (source as Pool<PostgresClient>);
    return listenAgain<PostgresClient, Notification>(pool, {
      label: `listen ${channels.join(', ')}`,
      hear: client =>
        merge(
          notificationsOf(client, channels),
          defer(() => from(client.query(command)).pipe(map((): typeof listening => listening))),
        ),
      ask: client => client.query(''),
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

function listenCommand(channels: readonly string[]): string {
  const isName = (name: unknown): boolean =>
    typeof name === 'string' && name !== '' && new TextEncoder().encode(name).length <= 63;
  if (channels.length === 0 || !channels.every(isName)) {
    const expected = 'must be a name of 1 to 63 bytes, or a list of such';
    throw new InvalidOptionsError('listen', 'channel', channels, expected);
  }
  return channels.map(name => `LISTEN "${name.replaceAll('"', '""')}"`).join('; ');
}

/** Fails when the connection does. Its listeners end with the connection. */
function notificationsOf(
  client: PostgresClient,
  channels: readonly string[],
): Observable<Notification> {
  return new Observable(subscriber => {
    notifierOf(client).on('notification', ({ channel, payload = '', processId }) => {
      if (channels.includes(channel)) subscriber.next({ channel, payload, processId });
    });
    client.on('error', error => {
      subscriber.error(error);
    });
    client.on('end', () => {
      subscriber.error(new Error('The connection has ended'));
    });
  });
}
