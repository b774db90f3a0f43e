import type { SchedulerLike } from 'rxjs';
import type { RedisCommand } from './client.js';

/**
 * What is listened to: channels by their names (SUBSCRIBE), channels that match a pattern (PSUBSCRIBE), or channels of
 * a cluster's shard (SSUBSCRIBE, Redis 7).
 */
export type SubscriptionKind = 'channel' | 'pattern' | 'shard';

/** What PUBLISH sent, as text. */
export interface RedisMessage {
  /** The channel that it was sent to. */
  readonly channel: string;
  /** What was sent. */
  readonly message: string;
  /** What the channel was matched by; undefined where it was listened to by its name. */
  readonly pattern: string | undefined;
}

/** The two drivers behind one face. */
export interface Driver {
  /** Whether it takes commands now. */
  readonly isReady: boolean;
  connect(): Promise<unknown>;
  /** Written behind everything that was sent before. */
  send(command: RedisCommand): Promise<unknown>;
  /** Back to how the connection was when it was new. Fails where the driver cannot forget what the borrower did. */
  restore(): Promise<unknown>;
  subscribe(
    kind: SubscriptionKind,
    names: readonly string[],
    onMessage: (message: RedisMessage) => void,
  ): Promise<unknown>;
  /** Takes leave of the server; resolves once that counts the connection no more. */
  leave(): Promise<unknown>;
  /** Ends it although answers are owed; resolves once the server has seen that, as far as the driver can tell. */
  abandon(scheduler: SchedulerLike): Promise<unknown>;
  /** Without a word to the server. */
  cut(): void;
}

/** Told each time when the driver reports an error or an end: from the first on the connection is of no use. */
export type OnBroken = (error: unknown) => void;
