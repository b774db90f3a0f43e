import type { Socket } from 'node:net';
import { MongoClient, type CommandStartedEvent, type MongoClientOptions } from 'mongodb';
import {
  filter,
  finalize,
  firstValueFrom,
  lastValueFrom,
  map,
  NEVER,
  type Observable,
  Subject,
  take,
  toArray,
} from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CreateError, InvalidOptionsError } from '../src/errors.js';
import type { Pool, PoolEvent, PoolState } from '../src/index.js';
import { collection, execute, mongodbPool, type MongodbPoolOptions } from '../src/mongodb/index.js';
import { assertInvariants } from '../src/testing/index.js';
import { describeOnServer } from './services/describe-on-server.js';
import { startFerretdb } from './services/ferretdb.js';
import { startTcpProxy, type TcpProxy } from './services/tcp-proxy.js';
import { VirtualClock } from './virtual-clock.js';

vi.setConfig({ testTimeout: 20_000, hookTimeout: 20_000 });

interface Order {
  readonly _id: number;
  readonly customer: string;
  readonly total: number;
}

const orders = collection<Order>('orders', { db: 'shop' });

function atRest(pool: Pool<MongoClient>): Promise<PoolState> {
  return until(pool, ({ leased, resetting, destroying }) => leased + resetting + destroying === 0);
}

function until(pool: Pool<MongoClient>, wanted: (state: PoolState) => boolean): Promise<PoolState> {
  return firstValueFrom(pool.state$.pipe(filter(wanted)));
}

/** The commands that the one client of the pool sends from now on, in order. */
async function commandsOf(pool: Pool<MongoClient>): Promise<CommandStartedEvent[]> {
  await using lease = await pool.lease();
  if (!(lease.resource instanceof Talkative)) throw new Error('no client of this file');
  const { commands } = lease.resource;
  commands.length = 0;
  return commands;
}

class Talkative extends MongoClient {
  readonly commands: CommandStartedEvent[] = [];

  constructor(url: string, options?: MongoClientOptions) {
    super(url, { monitorCommands: true, ...options });
    this.on('commandStarted', command => this.commands.push(command));
  }
}

/** Asks often: what it waits for takes a few milliseconds. */
const soon = (wanted: () => boolean) => vi.waitUntil(wanted, { interval: 5, timeout: 5_000 });

/** Those in use, which the driver keeps to itself. */
function socketsOf(client: MongoClient): Socket[] {
  const { topology } = client as unknown as {
    topology: { s: { servers: Map<string, { pool: { checkedOut: Set<{ socket: Socket }> } }> } };
  };
  return [...topology.s.servers.values()].flatMap(({ pool }) =>
    [...pool.checkedOut].map(({ socket }) => socket),
  );
}

const namesOf = (commands: CommandStartedEvent[]): string[] =>
  commands.map(({ commandName }) => commandName);

await describeOnServer('MongoDB clients of a pool', startFerretdb, server => {
  let pools: { pool: Pool<MongoClient>; events: PoolEvent<MongoClient>[] }[] = [];
  let proxy: TcpProxy;

  function open(options: Partial<MongodbPoolOptions<MongoClient>> = {}) {
    const pool = mongodbPool<MongoClient>({
      url: server.url,
      MongoClient: Talkative,
      lifetimeJitter: 0,
      ...options,
    });
    const events: PoolEvent<MongoClient>[] = [];
    pool.stats$.subscribe(event => events.push(event));
    pools.push({ pool, events });
    return pool;
  }

  const throughProxy = (options: Partial<MongodbPoolOptions<MongoClient>> = {}) =>
    open({ url: proxy.url(server.url), ...options });

  async function fill(documents: number): Promise<void> {
    await using client = new MongoClient(server.url);
    const found = client.db('shop').collection<Order>('orders');
    await found.deleteMany({});
    const made = Array.from({ length: documents }, (_, index) => ({
      _id: index + 1,
      customer: `customer ${index % 10}`,
      total: index,
    }));
    if (made.length > 0) await found.insertMany(made);
  }

  /** Whether the server still has the cursor. */
  async function hasCursor(id: unknown): Promise<boolean> {
    await using client = new MongoClient(server.url);
    const outcome: unknown = await client
      .db('shop')
      .command({ getMore: id, collection: 'orders', batchSize: 1 })
      .catch((error: unknown) => error);
    return (outcome as { codeName?: string }).codeName !== 'CursorNotFound';
  }

  beforeEach(async () => {
    proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
  });

  afterEach(async () => {
    const opened = pools;
    pools = [];
    proxy.setLatency(0);
    for (const { pool, events } of opened) {
      await pool.close({ force: true }).catch(() => undefined);
      assertInvariants(pool, { events });
    }
    await proxy.stop();
  });

  describe('execute', () => {
    it('runs the common operations by name and emits what the driver gives', async () => {
      const pool = open({ max: 2 });
      await fill(0);
      const run = <R>(result$: Observable<R>): Promise<R> => lastValueFrom(result$);
      const order = (id: number): Order => ({ _id: id, customer: 'a', total: id });

      expect(await run(execute(pool, orders, 'insertOne', order(1)))).toMatchObject({
        insertedId: 1,
      });
      expect(
        await run(execute(pool, orders, 'insertMany', [order(2), order(3), order(4)])),
      ).toMatchObject({ insertedCount: 3 });
      expect(await run(execute(pool, orders, 'findOne', { _id: 2 }))).toEqual(order(2));
      expect(await run(execute(pool, orders, 'findOne', { _id: 99 }))).toBeNull();
      expect(
        await run(execute(pool, orders, 'updateOne', { _id: 2 }, { $set: { total: 20 } })),
      ).toMatchObject({ matchedCount: 1, modifiedCount: 1 });
      expect(
        await run(execute(pool, orders, 'updateMany', {}, { $inc: { total: 1 } })),
      ).toMatchObject({ modifiedCount: 4 });
      expect(
        await run(
          execute(
            pool,
            orders,
            'findOneAndUpdate',
            { _id: 2 },
            { $set: { customer: 'b' } },
            { returnDocument: 'after' },
          ),
        ),
      ).toEqual({ _id: 2, customer: 'b', total: 21 });
      expect(await run(execute(pool, orders, 'replaceOne', { _id: 3 }, order(3)))).toMatchObject({
        modifiedCount: 1,
      });
      expect((await run(execute(pool, orders, 'distinct', 'customer'))).sort()).toEqual(['a', 'b']);
      expect(await run(execute(pool, orders, 'countDocuments', { customer: 'a' }))).toBe(3);
      expect(await run(execute(pool, orders, 'estimatedDocumentCount'))).toBe(4);
      expect(
        await run(
          execute(pool, orders, 'aggregate', [
            { $match: { customer: 'a' } },
            { $group: { _id: '$customer', orders: { $count: {} } } },
          ]),
        ),
      ).toEqual({ _id: 'a', orders: 3 });
      expect(
        await run(
          execute(pool, orders, 'bulkWrite', [
            { insertOne: { document: order(5) } },
            { deleteOne: { filter: { _id: 4 } } },
          ]),
        ),
      ).toMatchObject({ insertedCount: 1, deletedCount: 1 });
      expect(await run(execute(pool, orders, 'findOneAndDelete', { _id: 5 }))).toEqual(order(5));
      expect(await run(execute(pool, orders, 'deleteOne', { _id: 3 }))).toMatchObject({
        deletedCount: 1,
      });
      expect(await run(execute(pool, orders, 'deleteMany', {}))).toMatchObject({ deletedCount: 2 });
      await atRest(pool);
      expect(pool.stats).toMatchObject({ destroyed: 0, resetFailed: 0 });
      expect(pool.state).toMatchObject({ leased: 0 });
    });

    it('is cold, and takes a client instead of a pool', async () => {
      const pool = open({ max: 1 });
      await fill(3);
      const count$ = execute(pool, orders, 'countDocuments');
      expect(pool.stats.acquired).toBe(0);
      expect(await firstValueFrom(count$)).toBe(3);
      expect(await firstValueFrom(count$)).toBe(3);
      expect(pool.stats).toMatchObject({ acquired: 2, created: 1 });
      const inside$ = pool.use(client => execute(client, orders, 'find').pipe(toArray()));
      expect(await lastValueFrom(inside$)).toHaveLength(3);
      expect(pool.stats.acquired).toBe(3);
    });

    it('passes on the error of the server, and lends the client on', async () => {
      const pool = open({ max: 1 });
      await fill(1);
      const twice$ = execute(pool, orders, 'insertOne', { _id: 1, customer: 'a', total: 1 });
      await expect(lastValueFrom(twice$)).rejects.toMatchObject({ code: 11_000 });
      const senseless$ = execute(pool, orders, 'find', { $nonsense: 1 });
      await expect(lastValueFrom(senseless$)).rejects.toMatchObject({ name: 'MongoServerError' });
      await atRest(pool);
      expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
    });

    it('refuses an operation that there is not, and a collection without a name', () => {
      const pool = open();
      expect(() => execute(pool, orders, 'drop' as 'find')).toThrow(InvalidOptionsError);
      expect(() => execute(pool, '', 'find')).toThrow(InvalidOptionsError);
      expect(() => execute(pool, orders, 'find').each(() => [], 0)).toThrow(InvalidOptionsError);
      expect(() => execute(pool, orders, 'find').each(undefined as never)).toThrow(
        InvalidOptionsError,
      );
    });
  });

  describe('a stream of documents', () => {
    it('emits every document once and in order, whatever the batches come to', async () => {
      const pool = open({ max: 1 });
      await fill(250);
      for (const batchSize of [1, 100, 249, 250, 251, 1_000]) {
        const found$ = execute(pool, orders, 'find', {}, { batchSize, sort: { _id: 1 } });
        const ids = await lastValueFrom(
          found$.pipe(
            map(({ _id }) => _id),
            toArray(),
          ),
        );
        expect(ids, String(batchSize)).toEqual(
          Array.from({ length: 250 }, (_, index) => index + 1),
        );
      }
      await atRest(pool);
      expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0 });
    });

    it('closes its cursor on the server when the subscriber leaves, and lends the client on', async () => {
      const pool = open({ max: 1 });
      await fill(100);
      const commands = await commandsOf(pool);
      const [first] = await lastValueFrom(
        execute(pool, orders, 'find', {}, { batchSize: 10 }).pipe(take(1), toArray()),
      );
      expect(first).toMatchObject({ _id: 1 });
      await atRest(pool);
      expect(namesOf(commands)).toEqual(['find', 'killCursors']);
      const [id] = commands[1]?.command['cursors'] as unknown[];
      expect(await hasCursor(id)).toBe(false);
      expect(pool.stats).toMatchObject({ created: 1, destroyed: 0 });
    });

    it('asks for the next batch when the work on the one before is done, where each is used', async () => {
      const pool = open({ max: 1 });
      await fill(30);
      const commands = await commandsOf(pool);
      const done = new Subject<void>();
      const begun: number[] = [];
      const worked = lastValueFrom(
        execute(pool, orders, 'find', {}, { batchSize: 10, sort: { _id: 1 } })
          .each(({ _id }) => {
            begun.push(_id);
            return done.pipe(
              take(1),
              map(() => _id),
            );
          }, 3)
          .pipe(toArray()),
      );
      await soon(() => begun.length === 3);
      expect(begun).toEqual([1, 2, 3]);
      expect(namesOf(commands)).toEqual(['find']);
      for (let round = 2; round <= 10; round += 1) {
        done.next();
        await soon(() => begun.length === round * 3);
        // Batches hold 10: the third document of the fourth round is the first that needs another one.
        expect(namesOf(commands)).toHaveLength(Math.ceil((round * 3) / 10));
      }
      done.next();
      expect((await worked).sort((a, b) => a - b)).toEqual(begun);
      expect(begun).toHaveLength(30);
    });

    it('is iterated with the pace of the loop, and gives back where the loop ends', async () => {
      const pool = open({ max: 1 });
      await fill(30);
      const commands = await commandsOf(pool);
      const seen: number[] = [];
      for await (const { _id } of execute(pool, orders, 'find', {}, { batchSize: 10 })) {
        seen.push(_id);
        if (seen.length === 10) expect(namesOf(commands)).toEqual(['find']);
        if (seen.length === 15) break;
      }
      expect(seen).toHaveLength(15);
      await atRest(pool);
      expect(namesOf(commands)).toEqual(['find', 'getMore', 'killCursors']);
      expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
    });
  });

  describe('a client that comes back', () => {
    it('has the cursors that its borrower left open closed, on the server too', async () => {
      const pool = open({ max: 1 });
      await fill(100);
      const lease = await pool.lease();
      const cursor = lease.resource.db('shop').collection('orders').find({}, { batchSize: 5 });
      await cursor.next();
      const id = cursor.id;
      expect(await hasCursor(id)).toBe(true);
      const again = lease.resource.db('shop').collection('orders').find({}, { batchSize: 5 });
      await again.next();
      const secondId = again.id;
      expect(secondId).not.toEqual(id);
      await lease.release();
      expect(await hasCursor(id)).toBe(false);
      expect(await hasCursor(secondId)).toBe(false);
      expect(pool.state).toMatchObject({ idle: 1 });
    });

    it('has the sessions that its borrower left ended', async () => {
      const pool = open({ max: 1 });
      const lease = await pool.lease();
      const session = lease.resource.startSession();
      session.startTransaction();
      await lease.release();
      expect(session.hasEnded).toBe(true);
      expect(pool.stats).toMatchObject({ resetFailed: 0, destroyed: 0 });
    });

    it('has the listeners that its borrower left removed, and those of its class not', async () => {
      const pool = open({ max: 1 });
      const lease = await pool.lease();
      const client = lease.resource;
      const before = client.listenerCount('commandStarted');
      const heard = vi.fn();
      client.on('commandStarted', heard);
      client.once('commandSucceeded', heard);
      await lease.release();
      const commands = await commandsOf(pool);
      await lastValueFrom(execute(pool, orders, 'countDocuments'));
      expect(heard).not.toHaveBeenCalled();
      expect(client.listenerCount('commandStarted')).toBe(before);
      expect(client.listenerCount('commandSucceeded')).toBe(0);
      expect(namesOf(commands)).toEqual(['aggregate']);
    });

    it('has the listeners back that its borrower has removed', async () => {
      const pool = open({ max: 1 });
      const lease = await pool.lease();
      const client = lease.resource;
      const counts = () => client.eventNames().map(name => [name, client.listenerCount(name)]);
      const before = counts();
      expect(before).toContainEqual(['connectionReady', 1]);
      client.removeAllListeners();
      await lease.release();
      expect(counts().sort()).toEqual(before.sort());
      expect(pool.stats.resetFailed).toBe(0);
    });

    it('is lent to nobody before an operation under way has ended', async () => {
      const { scheduler } = new VirtualClock(); // stands still: the quarter of a second is never over
      const pool = throughProxy({ max: 1, scheduler });
      await fill(1);
      await pool.prefill();
      proxy.setLatency(30);
      const finished = vi.fn();
      const lease = await pool.lease();
      void lease.resource.db('shop').collection('orders').countDocuments().then(finished);
      void lease.release();
      expect(finished).not.toHaveBeenCalled();
      await using next = await pool.lease();
      expect(finished).toHaveBeenCalledWith(1);
      expect(next.info.uses).toBe(2);
    });

    it('is destroyed when that takes long, and so is what was unsubscribed from', async () => {
      const pool = throughProxy({ max: 1, validateAfterIdleMillis: 10_000 });
      await pool.prefill();
      proxy.setLatency(400);
      const subscription = execute(pool, orders, 'countDocuments').subscribe();
      subscription.unsubscribe();
      await until(pool, ({ resetting }) => resetting === 1);
      await until(pool, ({ size }) => size === 0);
      expect(pool.stats).toMatchObject({ resetFailed: 1, destroyed: 1, destroyFailed: 0 });
    });

    it('runs the reset of the user after its own', async () => {
      const reset = vi.fn();
      const pool = open({ max: 1, reset });
      const lease = await pool.lease();
      const session = lease.resource.startSession();
      reset.mockImplementation(() => {
        expect(session.hasEnded).toBe(true);
      });
      await lease.release();
      expect(reset).toHaveBeenCalledOnce();
      expect(pool.stats.resetFailed).toBe(0);
    });
  });

  describe('sockets', () => {
    it('are two for each client, the second to watch the server, and none after close', async () => {
      const pool = throughProxy({ max: 4 });
      await pool.prefill();
      expect(proxy.connections).toBe(8);
      await Promise.all(
        Array.from({ length: 40 }, () => lastValueFrom(execute(pool, orders, 'countDocuments'))),
      );
      expect(proxy.connections).toBe(8);
      await pool.close();
      await soon(() => proxy.connections === 0);
      expect(pool.stats).toMatchObject({ created: 4, destroyed: 4, destroyFailed: 0 });
    });
  });

  describe('when the connection breaks', () => {
    it('idle clients leave at once, by themselves', async () => {
      const pool = throughProxy({ max: 3 });
      await pool.prefill();
      await atRest(pool);
      proxy.resetAll();
      const startedAt = performance.now();
      await until(pool, ({ size }) => size === 0);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      expect(pool.stats).toMatchObject({ destroyed: 3, validateFailed: 0 });
      expect(await lastValueFrom(execute(pool, orders, 'countDocuments'))).toBeTypeOf('number');
    });

    it('an operation that is just being sent fails, instead of hanging', async () => {
      const pool = open({ max: 1, options: { retryReads: false } });
      const failing$ = pool.use(client => {
        // The moment between the driver's look at the connection and its write.
        client.once('commandStarted', () => {
          for (const socket of socketsOf(client)) socket.destroy();
        });
        return execute(client, orders, 'findOne');
      });
      await expect(lastValueFrom(failing$)).rejects.toThrow('is lost');
      await until(pool, ({ size }) => size === 0);
    });

    it('one on loan is destroyed on return', async () => {
      const pool = throughProxy({ max: 1 });
      const lease = await pool.lease();
      const broken = firstValueFrom(
        pool.stats$.pipe(filter(({ type }) => type === 'resourceError')),
      );
      proxy.resetAll();
      await broken;
      await lease.release();
      expect(pool.state.size).toBe(0);
      expect(pool.stats).toMatchObject({ destroyed: 1, destroyFailed: 0 });
    });

    it('a server that was killed and comes back is served again', async () => {
      await using own = await startFerretdb();
      const pool = open({
        url: own.url,
        max: 2,
        min: 2,
        options: { serverSelectionTimeoutMS: 100 },
      });
      await until(pool, ({ idle }) => idle === 2);
      await own.kill();
      await until(pool, ({ size }) => size === 0);
      await expect(pool.lease()).rejects.toBeInstanceOf(CreateError);
      await own.restart();
      await until(pool, ({ idle }) => idle === 2);
      expect(await lastValueFrom(execute(pool, orders, 'countDocuments'))).toBe(0);
      await pool.close();
    });

    it('a client that the network has swallowed is found out before it is lent', async () => {
      const pool = throughProxy({
        max: 1,
        validateAfterIdleMillis: 0,
        validateTimeoutMillis: 100,
      });
      const first = await pool.lease();
      const { id } = first.info;
      await first.release();
      proxy.halfOpen();
      await using second = await pool.lease();
      expect(second.info.id).not.toBe(id);
      expect(pool.stats).toMatchObject({ validateFailed: 1 });
    });

    it('a client that does not say goodbye is cut, so that close ends in about a second', async () => {
      const pool = throughProxy({ max: 2 });
      await pool.prefill();
      proxy.blackHole(true);
      const startedAt = performance.now();
      await pool.close();
      expect(performance.now() - startedAt).toBeLessThan(4_000);
      await soon(() => proxy.connections === 0);
      expect(pool.stats).toMatchObject({ destroyed: 2, destroyFailed: 0 });
    });
  });

  describe('connecting', () => {
    it('says where nobody listens', async () => {
      const pool = open({
        url: 'mongodb://127.0.0.1:1/',
        options: { serverSelectionTimeoutMS: 50 },
      });
      await expect(pool.lease()).rejects.toMatchObject({
        code: 'CREATE_FAILED',
        message: expect.stringContaining('ECONNREFUSED'),
        cause: expect.objectContaining({ name: 'MongoServerSelectionError' }),
      });
    });

    // The driver itself cannot cancel a handshake: its socket lives until `connectTimeoutMS`.
    it('is given up when it takes too long, and leaves no socket behind for long', async () => {
      proxy.blackHole(true);
      const options = { connectTimeoutMS: 300 };
      const pool = throughProxy({ createTimeoutMillis: 100, options });
      await expect(pool.lease()).rejects.toBeInstanceOf(CreateError);
      await soon(() => proxy.connections === 0);
      expect(pool.stats).toMatchObject({ created: 0, createFailed: 1 });
    });

    it('loads the driver by itself when no class is given', async () => {
      await using pool = mongodbPool({ url: server.url });
      await using lease = await pool.lease();
      expect(lease.resource).toBeInstanceOf(MongoClient);
    });

    it('has one connection for commands, whatever the URL says of sizes', async () => {
      const pool = open({ url: `${proxy.url(server.url)}?maxPoolSize=20&minPoolSize=5`, max: 1 });
      const busy$ = pool.use(client =>
        Promise.all(
          Array.from({ length: 10 }, () => client.db('shop').collection('orders').countDocuments()),
        ),
      );
      expect(await lastValueFrom(busy$)).toHaveLength(10);
      expect(proxy.connections).toBe(2);
    });
  });

  describe('options', () => {
    it.each<[string, object, string]>([
      ['url', {}, 'but is undefined'],
      ['url', { url: 'localhost' }, 'mongodb:// URL, but is "localhost"'],
      ['url', { url: 'http://me:secret@host/db' }, 'but is "http://…@host/db"'],
      ['options', { url: 'mongodb://h/', options: 5 }, 'but is 5'],
      ['options.maxPoolSize', { url: 'mongodb://h/', options: { maxPoolSize: 5 } }, 'but is 5'],
      ['MongoClient', { url: 'mongodb://h/', MongoClient: 'x' }, 'but is "x"'],
      ['watch', { url: 'mongodb://h/', watch: () => NEVER }, 'brought by the adapter'],
      ['max', { url: 'mongodb://h/', max: 0 }, 'but is 0'],
      ['maxx', { url: 'mongodb://h/', maxx: 5 }, 'did you mean "max"'],
      ['options', null as unknown as object, 'must be an object'],
    ])('refuses a senseless %s: %j', (option, options, words) => {
      const make = () => mongodbPool(options as MongodbPoolOptions);
      expect(make).toThrow(words);
      expect(make).toThrow(expect.objectContaining({ name: 'InvalidOptionsError', option }));
    });

    it('retires a client after 30 minutes by default', async () => {
      vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
      try {
        const pool = open({ idleTimeoutMillis: Infinity, max: 1 });
        await pool.prefill();
        vi.advanceTimersByTime(30 * 60_000 - 1_000);
        expect(pool.state.idle).toBe(1);
        vi.advanceTimersByTime(1_000);
        await until(pool, ({ size }) => size === 0);
      } finally {
        vi.useRealTimers();
      }
    });
  });

  it('serves many borrowers under random kills and loses none', async () => {
    // Its second attempts come half a second later: not to wait for them is quicker.
    const pool = throughProxy({ max: 4, options: { retryReads: false } });
    await fill(20);
    let ended = 0;
    const borrow = async (): Promise<void> => {
      const work$ = execute(pool, orders, 'find', {}, { batchSize: 5 }).pipe(
        finalize(() => (ended += 1)),
      );
      await lastValueFrom(work$).catch(() => undefined);
    };
    for (let round = 0; round < 4; round += 1) {
      const batch = Array.from({ length: 20 }, borrow);
      await soon(() => ended > round * 20 + 5);
      proxy.resetAll();
      await Promise.all(batch);
      expect(proxy.connections).toBeLessThanOrEqual(8);
    }
    await atRest(pool);
    expect(ended).toBe(80);
    await soon(() => proxy.connections === pool.state.size * 2);
  });
});
