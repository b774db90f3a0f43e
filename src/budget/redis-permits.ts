import { defer, map, from } from 'rxjs';
import { InvalidOptionsError } from '../index.js';
import type { Budget } from './budget.js';
import { Member } from './member.js';
import { type BudgetOptions, checkKey, randomName, resolveOptions } from './options.js';
import type { Answer, BudgetServer, Entry, Report } from './protocol.js';
import {
  isRedisClient,
  messagesOf,
  type RedisClient,
  type RedisSubscriber,
  scriptRunner,
} from './redis-client.js';
import { script } from './redis-script.js';

/** Options of {@link redisPermits}. */
export interface RedisPermitsOptions extends BudgetOptions {
  /** Names the budget: members that name the same key draw from it together. All its keys have this one hash tag. */
  readonly key: string;
  /**
   * A second connected client of the same library, for listening only: permits and calls arrive at once, where members
   * otherwise ask every `pollMillis`, and are called at their next renewal. It stays yours to close.
   */
  readonly subscriber?: RedisSubscriber | undefined;
}

const OWNER = 'redisPermits';

/**
 * A budget that is kept by a Redis or Valkey server, for the pools of many processes and machines.
 *
 * The client has to be connected, and stays yours: node-redis, ioredis, a cluster of either, or a function that runs a
 * script. One script decides, on the server and by its clock; members may have wrong clocks. Floors (`min`) come
 * first, then whoever is below its share by weight, then first come, first served. A member is dead `ttlMillis` after
 * its last sign of life, and its permits are free. While the server cannot be reached `whenAway` applies: nothing
 * fails, requests wait.
 *
 * @throws InvalidOptionsError where an option makes no sense or is not known.
 *
 * @example
 * const client = await createClient({ url: 'redis://127.0.0.1:6379' }).connect();
 * const permits = redisPermits(client, { key: 'orders-db', limit: 300, ttlMillis: 10_000 });
 * const pool = postgresPool({ connection: 'postgres://127.0.0.1/orders', max: 20, permits });
 * // …
 * await pool.close();
 * await permits.dispose();
 */
export function redisPermits(client: RedisClient, options: RedisPermitsOptions): Budget {
  if (!isRedisClient(client)) {
    throw new InvalidOptionsError(OWNER, 'client', client, 'must be a client of Redis');
  }
  const { key, subscriber, ...rest } = options;
  checkKey(OWNER, key);
  const resolved = resolveOptions(OWNER, rest, { member: randomName, ttlMillis: 10_000 }, [
    'key',
    'subscriber',
  ]);
  return new Member(redisServer(client, key, subscriber), resolved);
}

function redisServer(
  client: RedisClient,
  key: string,
  subscriber: RedisSubscriber | undefined,
): BudgetServer {
  // A key that has a hash tag already keeps it.
  const stem = /\{[^}]+\}/.test(key) ? key : `{${key}}`;
  const keys = ['members', 'alive', 'book', 'recalls', 'sequences'].map(part => `${stem}:${part}`);
  const channel = `${stem}:wake`;
  const run = scriptRunner(client, script);
  return {
    report: report =>
      defer(() => from(run(keys, argumentsOf(report, channel)))).pipe(map(answerOf)),
    wake$:
      subscriber === undefined
        ? undefined
        : messagesOf(subscriber, channel).pipe(map(message => message?.split(','))),
  };
}

/** @internal */
export function argumentsOf(report: Report, channel: string): string[] {
  const { member, sequence, weight, limit, ttlMillis, turnMillis, recallAfterMillis } = report;
  const numbers = [sequence, weight, limit, Math.ceil(ttlMillis), turnMillis, recallAfterMillis];
  return [
    member,
    ...numbers.map(String),
    report.epoch,
    randomName(),
    listOf(report.holds),
    listOf(report.asks),
    channel,
  ];
}

/** @internal */
export function answerOf(reply: unknown): Answer {
  if (!Array.isArray(reply) || reply.length < 10) {
    throw new TypeError(`Redis gave an answer that is none of a budget: ${String(reply)}`);
  }
  const [stale, epoch, granted, lost, recall, limit, out, waiting, members, expires] =
    reply as unknown[];
  return {
    stale: Number(stale) === 1,
    epoch: String(epoch),
    granted: idsOf(granted),
    lost: idsOf(lost),
    recall: Number(recall),
    limit: Number(limit),
    out: Number(out),
    waiting: Number(waiting),
    members: Number(members),
    expiresMillis: Number(expires) < 0 ? Infinity : Number(expires),
  };
}

function listOf(entries: readonly Entry[]): string {
  return entries.map(({ id, floor }) => (floor ? `${id}f` : String(id))).join(',');
}

function idsOf(list: unknown): number[] {
  const text = String(list);
  return text === '' ? [] : text.split(',').map(Number);
}
