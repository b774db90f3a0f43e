import { createClient } from 'redis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { enter, type Ledger } from '../src/budget/ledger.js';
import type { Entry, Report } from '../src/budget/protocol.js';
import { answerOf, argumentsOf } from '../src/budget/redis-permits.js';
import { script } from '../src/budget/redis-script.js';
import { seededRandom } from '../src/testing/random.js';
import { describeOnServer } from './services/describe-on-server.js';
import { startRedis, startRedisStandIn, type RedisServer } from './services/redis.js';

const keys = ['members', 'alive', 'book', 'recalls', 'sequences'].map(part => `{k}:${part}`);

/** The script with the time of the test in place of the server's. */
const timed = script.replace("redis.call('TIME')", '{ ARGV[13], ARGV[14] }');

/** A member that says true things, and sometimes old or wrong ones. */
class Teller {
  sequence = 0;
  epoch = '';
  holds: Entry[] = [];
  asks: Entry[] = [];
  #lastId = 0;

  newEntry(floor: boolean): Entry {
    return { id: (this.#lastId += 1), floor };
  }
}

function decidesAlike(server: RedisServer, seeds: readonly number[], steps: number): void {
  const client = createClient({ url: server.url });
  beforeAll(() => client.connect());
  afterAll(() => {
    client.destroy();
  });

  it.each(seeds)(
    'decides, report by report, as the books of the other budgets do (seed %i)',
    async seed => {
      await client.sendCommand(['DEL', ...keys]);
      const random = seededRandom(seed);
      const below = (limit: number): number => Math.floor(random() * limit);
      const limit = 3 + below(8);
      const tellers = Array.from({ length: 2 + below(5) }, () => new Teller());
      const weights = tellers.map(() => [1, 1, 1, 2, 0.5][below(5)] ?? 1);
      let ledger: Ledger | undefined;
      let now = 1_700_000_000_000;
      for (let step = 0; step < steps; step += 1) {
        now += [0, 1, 5, 40, 300, 700][below(6)] ?? 0;
        if (random() < 0.01) {
          ledger = undefined;
          await client.sendCommand(['DEL', ...keys]);
        }
        const number = below(tellers.length);
        const teller = tellers[number] as Teller;
        if (random() < 0.4) teller.asks.push(teller.newEntry(random() < 0.15));
        if (random() < 0.3) teller.holds.splice(below(4), 1);
        if (random() < 0.1) teller.asks.splice(below(4), 1);
        if (random() < 0.03) teller.holds.push(teller.newEntry(false));
        teller.sequence += random() < 0.97 ? 1 : 0;
        const report: Report = {
          member: `member ${number}`,
          sequence: teller.sequence,
          weight: weights[number] ?? 1,
          limit: random() < 0.95 ? limit : limit - 1,
          ttlMillis: 2_000,
          turnMillis: 1_000,
          recallAfterMillis: 100,
          epoch: teller.epoch,
          holds: teller.holds,
          asks: teller.asks,
        };
        const words = argumentsOf(report, 'channel');
        const newEpoch = words[8] as string;
        const ours = enter(ledger, report, now, () => newEpoch);
        ledger = JSON.parse(JSON.stringify(ours.ledger)) as Ledger;
        const seconds = Math.floor(now / 1_000);
        const reply = await client.eval(timed, {
          keys,
          arguments: [...words, String(seconds), String((now % 1_000) * 1_000)],
        });
        const theirs = answerOf(reply);
        const where = `step ${step}, ${JSON.stringify(report)}`;
        if (!theirs.stale && !ours.answer.stale) expect(theirs, where).toEqual(ours.answer);
        expect(theirs.stale, where).toBe(ours.answer.stale);
        if (theirs.stale) continue;
        expect(theirs.out, where).toBeLessThanOrEqual(limit);
        teller.epoch = theirs.epoch;
        const gone = new Set([...theirs.granted, ...theirs.lost]);
        teller.holds = [
          ...teller.holds.filter(({ id }) => !gone.has(id)),
          ...teller.asks.filter(({ id }) => theirs.granted.includes(id)),
        ];
        teller.asks = teller.asks.filter(({ id }) => !gone.has(id));
      }
    },
  );
}

await describeOnServer('the script of redisPermits on Redis', startRedis, server => {
  decidesAlike(server, [1, 2, 3, 4, 5], 120);
});
await describeOnServer('the script of redisPermits on the stand-in', startRedisStandIn, server => {
  decidesAlike(server, [9], 25);
});
