import { Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  AcquireAbortedError,
  AcquireTimeoutError,
  CloseError,
  CreateError,
  createPool,
  HookTimeoutError,
  InvalidOptionsError,
  LeaseReleasedError,
  LeaseRevokedError,
  OverloadedError,
  PoolClosedError,
  PoolError,
  PoolExistsError,
  PoolNotFoundError,
  WaitingLimitError,
  type PoolOptions,
  type PoolState,
} from '../src/index.js';
import { outcomeOf, microtasks, virtualPool } from './virtual-pool.js';

const state: PoolState = {
  lifecycle: 'running',
  min: 0,
  max: 9,
  size: 20,
  idle: 2,
  leased: 3,
  creating: 4,
  validating: 5,
  resetting: 6,
  destroying: 7,
  waiting: 8,
};
const COUNTS =
  ' (running: 3 of 9 leased, 2 idle, 4 creating, 5 validating, 6 resetting, 7 destroying, 8 waiting)';
const down = new Error('down');
const unreadable = {
  toString: () => {
    throw new Error('no text');
  },
};
const revoked = new LeaseRevokedError('db', state, 70);

describe('errors say what happened', () => {
  it.each<{ error: PoolError; name: string; message: string; cause: unknown }>([
    {
      error: new PoolError('CODE', 'db', undefined, 'message'),
      name: 'PoolError',
      message: '[db] message',
      cause: undefined,
    },
    {
      error: new AcquireTimeoutError('db', state, 'creating', 50, undefined),
      name: 'AcquireTimeoutError',
      message: `[db] no lease within 50 ms, ended while creating${COUNTS}`,
      cause: undefined,
    },
    {
      error: new AcquireTimeoutError('db', state, 'waiting', 50, { error: down }),
      name: 'AcquireTimeoutError',
      message: `[db] no lease within 50 ms, ended while waiting; create last failed with: down${COUNTS}`,
      cause: down,
    },
    {
      error: new AcquireAbortedError('db', state, 'why'),
      name: 'AcquireAbortedError',
      message: `[db] the request was aborted by its signal${COUNTS}`,
      cause: 'why',
    },
    {
      error: new PoolClosedError('db', state),
      name: 'PoolClosedError',
      message: `[db] the pool is closed${COUNTS}`,
      cause: undefined,
    },
    {
      error: new CreateError('db', state, down),
      name: 'CreateError',
      message: `[db] create failed: down${COUNTS}`,
      cause: down,
    },
    {
      error: new CreateError('db', state, unreadable, { made: 1, wanted: 3 }),
      name: 'CreateError',
      message: `[db] prefill made 1 of 3; create failed: an error that cannot be shown${COUNTS}`,
      cause: unreadable,
    },
    {
      error: new HookTimeoutError('db', state, 'reset', 60),
      name: 'HookTimeoutError',
      message: `[db] reset did not settle within 60 ms${COUNTS}`,
      cause: undefined,
    },
    {
      error: revoked,
      name: 'LeaseRevokedError',
      message: `[db] the lease was taken back after 70 ms${COUNTS}`,
      cause: undefined,
    },
    {
      error: new LeaseReleasedError('db', state, undefined),
      name: 'LeaseReleasedError',
      message:
        '[db] this lease is released, its resource belongs to somebody else. ' +
        'Did firstValueFrom(pool.acquire()) or take(1) end the stream before the work? ' +
        `Use pool.use(resource => …), or await pool.lease() and release it yourself${COUNTS}`,
      cause: undefined,
    },
    {
      error: new LeaseReleasedError('db', state, revoked),
      name: 'LeaseReleasedError',
      message: `[db] this lease was taken back by the pool${COUNTS}`,
      cause: revoked,
    },
    {
      error: new CloseError('db', state, [], 2),
      name: 'CloseError',
      message: `[db] closed with 0 failed hooks and 2 leases or hooks given up${COUNTS}`,
      cause: undefined,
    },
    {
      error: new CloseError('db', state, [down, 'other'], 0),
      name: 'CloseError',
      message: `[db] closed with 2 failed hooks and 0 leases or hooks given up; first: down${COUNTS}`,
      cause: down,
    },
    {
      error: new PoolNotFoundError('db'),
      name: 'PoolNotFoundError',
      message: '[db] there is no pool of this name',
      cause: undefined,
    },
    {
      error: new PoolExistsError('db'),
      name: 'PoolExistsError',
      message: '[db] a pool of this name exists already',
      cause: undefined,
    },
  ])('$name: $message', ({ error, name, message, cause }) => {
    expect(error).toBeInstanceOf(PoolError);
    expect([error.name, error.message]).toEqual([name, message]);
    expect(error.cause).toBe(cause);
    expect(Object.hasOwn(error, 'cause')).toBe(cause !== undefined);
  });

  it('a waiting limit and an overload have their names', () => {
    expect(new WaitingLimitError('db', state, 4)).toMatchObject({ name: 'WaitingLimitError' });
    expect(new OverloadedError('db', state, 4)).toMatchObject({ name: 'OverloadedError' });
  });

  it.each([
    [new PoolNotFoundError('db'), 'POOL_NOT_FOUND'],
    [new PoolExistsError('db'), 'POOL_EXISTS'],
  ])('%s has its code', (error, code) => {
    expect(error.code).toBe(code);
  });

  it.each([
    { value: 'text', shown: '"text"' },
    { value: () => 1, shown: 'a function' },
    { value: 1.5, shown: '1.5' },
    { value: unreadable, shown: 'a value that cannot be shown' },
  ])('a senseless option is shown as $shown', ({ value, shown }) => {
    expect(new InvalidOptionsError('db', 'max', value, 'must be good')).toMatchObject({
      name: 'InvalidOptionsError',
      message: `[db] option "max" must be good, but is ${shown}`,
    });
  });
});

function refusal(options: unknown): InvalidOptionsError {
  try {
    createPool(options as PoolOptions<object>);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidOptionsError);
    return error as InvalidOptionsError;
  }
  throw new Error('the options were taken');
}

describe('options that make no sense are refused in words', () => {
  const create = (): object => ({});

  it.each([
    { options: {}, option: 'create', words: 'must be a function' },
    { options: { create, max: 2, minIdle: 3 }, option: 'minIdle', words: 'not be above max (2)' },
    { options: { create, max: 2, min: 3 }, option: 'min', words: 'must not be above max (2)' },
    { options: undefined, option: 'options', words: 'must be an object' },
    { options: null, option: 'options', words: 'must be an object' },
    { options: 'max', option: 'options', words: 'must be an object' },
    { options: { create, creat: 1 }, option: 'creat', words: 'did you mean "create"?' },
    { options: { create, mx: 1 }, option: 'mx', words: 'did you mean "max"?' },
    { options: { create, mni: 1 }, option: 'mni', words: 'did you mean "min"?' },
    { options: { create, onCancle: 1 }, option: 'onCancle', words: 'did you mean "onCancel"?' },
    { options: { create, lifetimeJitter: 1.1 }, option: 'lifetimeJitter', words: 'from 0 to 1' },
    { options: { create, scheduler: 'now' }, option: 'scheduler', words: 'RxJS scheduler' },
  ])('$option: $words', ({ options, option, words }) => {
    const error = refusal(options);
    expect(error.option).toBe(option);
    expect(error.message).toContain(words);
  });

  it('the message has the pool’s name where there is one', () => {
    expect(refusal({ create, name: 'db', max: 0 }).message).toMatch(/^\[db\] /);
    expect(refusal({ create, max: 0 }).message).toMatch(/^\[createPool\] /);
    expect(refusal({ create, name: '', max: 0 }).message).toMatch(/^\[createPool\] /);
  });

  it('a jitter of 1 makes sense, and functions with the methods of a scheduler do not', () => {
    expect(() => createPool({ create, lifetimeJitter: 1 })).not.toThrow();
    const callable = Object.assign(() => 0, { now: () => 0, schedule: () => undefined });
    expect(refusal({ create, scheduler: callable }).option).toBe('scheduler');
  });

  it('minIdle may be all of max', () => {
    expect(() => createPool({ create, max: 2, minIdle: 2 })).not.toThrow();
  });

  it('a size that comes later is refused by its name', () => {
    const { pool } = virtualPool();
    expect(() => {
      pool.resize({ max: 0 });
    }).toThrow(expect.objectContaining({ option: 'max' }));
  });

  it('pools without a name are numbered', () => {
    const [first, second] = [createPool({ create }), createPool({ create })].map(({ name }) =>
      Number(/^pool-(\d+)$/.exec(name)?.[1]),
    );
    expect(second).toBe((first as number) + 1);
  });

  it('minIdle may be above a max that is still to come', () => {
    expect(() => createPool({ create, minIdle: 20, max: new Subject<number>() })).not.toThrow();
  });
});

describe('prefill of no sense', () => {
  it('is refused where its end is nowhere', async () => {
    const pool = createPool({ create: () => ({}), max: Infinity });
    await expect(pool.prefill()).rejects.toMatchObject({
      option: 'count',
      message: expect.stringContaining('must be finite without a max') as string,
    });
    await expect(pool.prefill(Infinity)).rejects.toMatchObject({ option: 'count' });
    await expect(pool.prefill(2)).resolves.toBe(2);
    await pool.close();
  });

  it('is refused by the name of its argument, and Infinity is as far as max goes', async () => {
    const { pool } = virtualPool({ max: 3 });
    await expect(pool.prefill(-1)).rejects.toMatchObject({ option: 'count', value: -1 });
    const filled = outcomeOf(pool.prefill(Infinity));
    await microtasks();
    expect(filled.value).toBe(3);
  });
});

describe('the rule of an option is told in words', () => {
  const create = (): object => ({});

  it.each([
    { option: 'validate', value: 1, words: 'must be a function' },
    { option: 'keepProcessAlive', value: 1, words: 'must be true or false' },
    {
      option: 'idleTimeoutMillis',
      value: 0,
      words: 'must be a whole number of milliseconds above 0, or Infinity for off',
    },
    { option: 'maxUses', value: 0, words: 'must be a whole number from 1, or Infinity,' },
    { option: 'minIdle', value: Infinity, words: 'must be a whole number from 0,' },
    {
      option: 'min',
      value: Infinity,
      words: 'must be a whole number from 0, or an Observable of such',
    },
    { option: 'onCancel', value: 1, words: "must be 'release' or 'destroy'" },
    { option: 'name', value: '', words: 'must be a text' },
    { option: 'order', value: 'any', words: "must be 'lifo', 'fifo' or a comparator" },
    {
      option: 'validateAfterIdleMillis',
      value: -1,
      words: 'must be a whole number of milliseconds from 0, or Infinity',
    },
    { option: 'permits', value: {}, words: 'must be a PermitSource' },
    {
      option: 'revokeGraceMillis',
      value: Infinity,
      words: 'must be a whole number of milliseconds above 0',
    },
    { option: 'queue', value: {}, words: 'must be made by fairQueue()' },
    { option: 'admission', value: 'never', words: "must be 'wait' or an Admission" },
  ])('$option: $words', ({ option, value, words }) => {
    const error = refusal({ create, [option]: value });
    expect(error.option).toBe(option);
    expect(error.message).toContain(words);
  });

  it.each([
    { option: 'priority', value: NaN, words: 'must be a finite number' },
    {
      option: 'timeoutMillis',
      value: 0,
      words: 'must be a number of milliseconds above 0, or Infinity for off',
    },
    { option: 'signal', value: {}, words: 'must be an AbortSignal' },
    { option: 'label', value: 1, words: 'must be a text' },
  ])('$option of a request: $words', async ({ option, value, words }) => {
    const pool = createPool({ create });
    await expect(
      Promise.resolve().then(() => pool.lease({ [option]: value })),
    ).rejects.toMatchObject({ option, message: expect.stringContaining(words) as string });
  });

  it('what the rules allow at their ends is taken', async () => {
    const pool = createPool({ create, createConcurrency: Infinity });
    await pool.close({ waiters: 'reject' });
    expect(pool.state.lifecycle).toBe('closed');
  });

  it('a live min of Infinity is told, and the last one stays', () => {
    const min = new Subject<number>();
    const { pool, events } = virtualPool({ min, max: Infinity });
    min.next(1);
    min.next(Infinity);
    expect(pool.state.min).toBe(1);
    expect(events.filter(({ type }) => type === 'resized')).toMatchObject([
      { min: 1 },
      { min: 1, error: { option: 'min' } },
    ]);
  });
});
