import { MongoClient } from 'mongodb';
import {
  concat,
  defer,
  filter,
  firstValueFrom,
  lastValueFrom,
  NEVER,
  Subscription,
  toArray,
} from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { InvalidOptionsError } from '../src/errors.js';
import type { Pool } from '../src/index.js';
import { execute, isConflict, mongodbPool, transaction } from '../src/mongodb/index.js';
import { assertInvariants } from '../src/testing/index.js';
import { describeOnServer } from './services/describe-on-server.js';
import { startFerretdb } from './services/ferretdb.js';
import {
  startTransactionRecorder,
  type SessionCommand,
  type TransactionRecorder,
} from './services/mongodb-transactions.js';

vi.setConfig({ testTimeout: 20_000, hookTimeout: 20_000 });

/** Asks often: what it waits for takes a few milliseconds. */
const soon = (wanted: () => boolean) => vi.waitUntil(wanted, { interval: 5, timeout: 5_000 });

/**
 * FerretDB has sessions, but no transactions. So a recorder stands before it that takes the words of transactions out
 * of the protocol: these tests show what is said to the server and in which order. That a server makes a transaction
 * of it is the server's and the driver's part, and is not shown here.
 */
await describeOnServer('transactions of MongoDB', startFerretdb, server => {
  let recorder: TransactionRecorder;
  let pool: Pool<MongoClient>;

  beforeEach(async () => {
    recorder = await startTransactionRecorder(server.port);
    pool = mongodbPool({
      url: recorder.url,
      MongoClient,
      max: 1,
      options: { monitorCommands: true },
    });
  });

  afterEach(async () => {
    await pool.close({ force: true });
    assertInvariants(pool);
    await recorder.stop();
  });

  const names = (): string[] => recorder.commands.map(({ name }) => name);
  const insert = (client: MongoClient, session: object) =>
    execute(client, 'orders', 'insertOne', { at: 1 }, { session });
  const atRest = () =>
    firstValueFrom(
      pool.state$.pipe(filter(({ leased, resetting }) => leased === 0 && resetting === 0)),
    );

  it('begins with the first operation and is committed before the value is emitted', async () => {
    const seen: string[][] = [];
    const result$ = transaction(pool, async (client, session) => {
      await lastValueFrom(insert(client, session));
      await lastValueFrom(insert(client, session));
      await lastValueFrom(execute(client, 'orders', 'countDocuments'));
      return 'done';
    });
    expect(recorder.commands).toEqual([]);
    await lastValueFrom(defer(() => result$)).then(value => {
      expect(value).toBe('done');
      seen.push(names());
    });
    expect(seen).toEqual([['insert', 'insert', 'aggregate', 'commitTransaction']]);
    const [first, second, outside, commit] = recorder.commands as SessionCommand[];
    expect(first).toMatchObject({ begins: true, inTransaction: true });
    expect(second).toEqual({ ...first, begins: false });
    expect(outside).toMatchObject({ inTransaction: false });
    expect(commit).toEqual({ ...second, name: 'commitTransaction' });
    expect(pool.stats).toMatchObject({ created: 1, destroyed: 0, resetFailed: 0 });
  });

  it('emits the values of an Observable as they come, and completes after the commit', async () => {
    const values = await lastValueFrom(
      transaction(pool, (client, session) =>
        concat(insert(client, session), execute(client, 'orders', 'findOne', {}, { session })),
      ).pipe(toArray()),
    );
    expect(values).toHaveLength(2);
    expect(names()).toEqual(['insert', 'find', 'commitTransaction']);
  });

  it('is aborted over an error, which comes once that is done', async () => {
    const failure = new Error('mine');
    const failing$ = transaction(pool, async (client, session) => {
      await lastValueFrom(insert(client, session));
      throw failure;
    });
    await expect(lastValueFrom(failing$)).rejects.toBe(failure);
    expect(names()).toEqual(['insert', 'abortTransaction']);
    expect(pool.state).toMatchObject({ idle: 1, leased: 0 });
  });

  it('is aborted when its subscriber leaves, before anybody else gets the client', async () => {
    const inserted = vi.fn();
    const subscription = transaction(pool, (client, session) =>
      concat(insert(client, session), NEVER),
    ).subscribe(inserted);
    await soon(() => inserted.mock.calls.length === 1);
    const next = lastValueFrom(execute(pool, 'orders', 'findOne'));
    subscription.unsubscribe();
    await next;
    expect(names()).toEqual(['insert', 'abortTransaction', 'find']);
    const [, aborted, following] = recorder.commands;
    expect(following).toMatchObject({ inTransaction: false });
    expect(aborted).toMatchObject({ inTransaction: true });
    expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0 });
  });

  it('is aborted when its subscriber leaves amid an operation', async () => {
    const subscription = new Subscription();
    const left = new Promise<void>(resolve => {
      subscription.add(resolve);
    });
    subscription.add(
      transaction(pool, (client, session) => {
        client.once('commandStarted', () => {
          subscription.unsubscribe();
        });
        return insert(client, session);
      }).subscribe(),
    );
    await left;
    await atRest();
    expect(names()).toEqual(['insert', 'abortTransaction']);
    expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0 });
  });

  it('passes on why the commit failed, and tells conflicts from the rest', async () => {
    recorder.failNextCommit({
      ok: 0,
      code: 112,
      codeName: 'WriteConflict',
      errmsg: 'conflict',
      errorLabels: ['TransientTransactionError'],
    });
    const failure: unknown = await lastValueFrom(
      transaction(pool, (client, session) => insert(client, session)),
    ).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 112 });
    expect(isConflict(failure)).toBe(true);
    expect(isConflict(new Error('other'))).toBe(false);
    expect(isConflict(undefined)).toBe(false);
    expect(pool.state).toMatchObject({ leased: 0 });
  });

  it('commits nothing when its project gave the client back', async () => {
    const broken$ = transaction(pool, async (client, session, lease) => {
      await lastValueFrom(insert(client, session));
      await lease.release();
    });
    await expect(lastValueFrom(broken$, { defaultValue: null })).rejects.toThrow(
      'gave back what it had borrowed',
    );
    expect(names()).toEqual(['insert', 'abortTransaction']);
  });

  it('is refused without a project', () => {
    expect(() => transaction(pool, undefined as never)).toThrow(InvalidOptionsError);
  });

  describe('on a server without transactions', () => {
    it('is the error of the server, and the client goes on', async () => {
      const direct = mongodbPool({ url: server.url, MongoClient, max: 1 });
      const refused$ = transaction(direct, (client, session) => insert(client, session));
      await expect(lastValueFrom(refused$)).rejects.toMatchObject({ name: 'MongoServerError' });
      expect(await lastValueFrom(execute(direct, 'orders', 'estimatedDocumentCount'))).toBeTypeOf(
        'number',
      );
      expect(direct.stats).toMatchObject({ created: 1, destroyed: 0 });
      await direct.close();
    });
  });
});
