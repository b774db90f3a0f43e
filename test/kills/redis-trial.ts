import { randomInt } from 'node:crypto';
import { takeUntil, timer, type Observable } from 'rxjs';
import type { Pool } from '../../src/index.js';
import {
  command,
  pipeline,
  redisPool,
  transaction,
  type RedisClient,
} from '../../src/redis/index.js';
import { startRedis } from '../services/redis.js';
import type { KillTrial } from './contestant.js';

const max = 8;

/** The same trial for both drivers. */
export function redisTrial(name: string, newClient: (url: string) => RedisClient): KillTrial {
  return {
    name,
    async open() {
      const server = await startRedis();
      const pool = redisPool({ client: () => newClient(server.url), name, max });
      return {
        pool,
        borrow: () => work(pool),
        async kill() {
          const connections = await server.connections();
          const victim = connections[randomInt(Math.max(1, connections.length))];
          if (victim !== undefined) await server.killConnections([victim.id]);
        },
        serverCount: async () => (await server.connections()).length,
        counts: 'CLIENT LIST',
        close: () => server.stop(),
      };
    },
  };
}

function work(pool: Pool<RedisClient>): Observable<unknown> {
  const choice = Math.random();
  const key = `key:${randomInt(10)}`;
  if (choice < 0.4) return command(pool, ['INCR', key]);
  if (choice < 0.6) return pipeline(pool, [['INCR', key], ['GET', key], ['PING']]);
  if (choice < 0.8) {
    return transaction(
      pool,
      [
        ['INCR', key],
        ['INCR', 'transactions'],
      ],
      { watch: 'never changed' },
    );
  }
  // Leaves the connection in a state that nobody else is to find.
  if (choice < 0.95) return command(pool, ['SELECT', 3]);
  // Given up half-way.
  return command(pool, ['BLPOP', 'nothing', 0]).pipe(takeUntil(timer(2)));
}
