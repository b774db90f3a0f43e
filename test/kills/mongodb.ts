import { MongoClient } from 'mongodb';
import { merge, takeUntil, timer, type Observable } from 'rxjs';
import type { Pool } from '../../src/index.js';
import { execute, mongodbPool } from '../../src/mongodb/index.js';
import { startFerretdb } from '../services/ferretdb.js';
import { startTcpProxy } from '../services/tcp-proxy.js';
import type { KillTrial } from './contestant.js';

const max = 8;

export const trial: KillTrial = {
  name: 'mongodb',
  async open() {
    const server = await startFerretdb();
    // FerretDB neither counts its connections nor ends one: both is done on the way to it.
    const proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
    await using direct = new MongoClient(server.url);
    await direct
      .db('test')
      .collection('kills')
      .insertMany(Array.from({ length: 20 }, (_, index) => ({ index })));
    // It asks the server what came of a broken attempt only every 500 ms: not to repeat it is quicker.
    const options = { retryReads: false, retryWrites: false };
    const url = proxy.url(server.url);
    const pool = mongodbPool({ url, MongoClient, options, name: 'mongodb', max });
    return {
      pool,
      borrow: () => work(pool),
      async kill() {
        if (Math.random() > 0.1) {
          proxy.resetAny();
          return;
        }
        await server.kill();
        await server.restart();
      },
      // Each client has one socket for commands and one to watch the server.
      async serverCount() {
        return Math.ceil(proxy.connections / 2);
      },
      counts: 'pairs of connections that a proxy before the server has open',
      async close() {
        await proxy.stop();
        await server.stop();
      },
    };
  },
};

function work(pool: Pool<MongoClient>): Observable<unknown> {
  const choice = Math.random();
  if (choice < 0.4) return execute(pool, 'kills', 'find', {}, { batchSize: 5 });
  if (choice < 0.6) return execute(pool, 'kills', 'countDocuments');
  if (choice < 0.8) return execute(pool, 'kills', 'updateOne', { index: 1 }, { $inc: { hits: 1 } });
  if (choice < 0.9) {
    return pool.use(client =>
      merge(execute(client, 'kills', 'findOne'), execute(client, 'kills', 'findOne')),
    );
  }
  // Given up half-way: its cursor is closed.
  return execute(pool, 'kills', 'find', {}, { batchSize: 2 }).pipe(takeUntil(timer(2)));
}
