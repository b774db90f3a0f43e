import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type SharedBudget,
  sharedPermits,
  type SharedPermitsOptions,
} from '../src/budget/index.js';
import type { Account } from '../src/budget/ledger.js';
import { SharedMemory } from '../src/budget/shared-memory.js';
import { InvalidOptionsError } from '../src/index.js';
import { permitSourceConformance } from '../src/testing/index.js';
import { ask, grantedOf, steppedTime } from './budget-fixture.js';

const patience = { timeout: 20_000, interval: 2 };

function shared(memory: SharedArrayBuffer, options: SharedPermitsOptions): SharedBudget {
  const budget = sharedPermits(memory, options);
  onTestFinished(() => budget.dispose());
  return budget;
}

function newMemory(bytes = 65_536): SharedArrayBuffer {
  return new SharedArrayBuffer(bytes);
}

function conformance(): ReturnType<typeof permitSourceConformance> {
  return permitSourceConformance({
    fifo: true,
    quietMillis: 25,
    make: limit => {
      const memory = newMemory();
      const [source, peer] = [sharedPermits(memory, { limit }), sharedPermits(memory, { limit })];
      return {
        source,
        peer,
        close: async () => {
          await Promise.all([source.dispose(), peer.dispose()]);
        },
      };
    },
  });
}

describe('sharedPermits keeps the contract of a PermitSource, woken by Atomics.waitAsync', () => {
  it('runs where there is Atomics.waitAsync', () => {
    expect(Atomics).toHaveProperty('waitAsync');
  });
  for (const { name, run } of conformance()) it(name, run);
});

/** As in an older browser, until the test is over. */
function without(owner: object, name: string): void {
  const property = Object.getOwnPropertyDescriptor(owner, name);
  if (property === undefined) throw new Error(`there is no ${name}`);
  Reflect.deleteProperty(owner, name);
  onTestFinished(() => {
    Object.defineProperty(owner, name, property);
  });
}

describe('sharedPermits keeps the contract of a PermitSource, woken by message', () => {
  for (const { name, run } of conformance()) {
    it(name, async () => {
      without(Atomics, 'waitAsync');
      await run();
    });
  }
});

describe('sharedPermits keeps the contract of a PermitSource where nothing wakes a thread', () => {
  for (const { name, run } of conformance()) {
    it(name, async () => {
      without(Atomics, 'waitAsync');
      without(globalThis, 'BroadcastChannel');
      await run();
    });
  }
});

describe('sharedPermits', () => {
  it('grants in the same call where a permit is free', () => {
    const budget = shared(newMemory(), { limit: 2 });
    expect(ask(budget, 3).map(({ waits }) => waits)).toEqual([false, false, true]);
  });

  it('gives the permits of a thread back that gave no sign of life for a time to live', () => {
    const time = steppedTime();
    const memory = newMemory();
    const dead = sharedPermits(memory, { limit: 2, ttlMillis: 3_000, scheduler: steppedTime() });
    ask(dead, 2);
    const living = shared(memory, { limit: 2, scheduler: time, pollMillis: 10 });
    const waiting = ask(living, 2);
    time.advance(2_990);
    expect(grantedOf(waiting)).toHaveLength(0);
    // Nobody is there who would wake it: it knows when to look.
    time.advance(12);
    expect(grantedOf(waiting)).toHaveLength(2);
  });

  it('gives the permits of a buried thread to others at once', async () => {
    const memory = newMemory();
    const dead: Account = {
      weight: 1,
      limit: 2,
      sequence: 1,
      expiresAt: Date.now() + 60_000,
      holds: [
        [1, 0, Date.now()],
        [2, 0, Date.now()],
      ],
      asks: [],
      recall: 0,
      grantedAt: 0,
    };
    const ledger = { epoch: 'first', ticket: 0, closedUntil: 0, members: { dead } };
    new SharedMemory(memory).turn(() => ({ ledger, result: undefined }));
    const living = shared(memory, { limit: 2 });
    const waiting = ask(living, 2);
    expect(grantedOf(waiting)).toHaveLength(0);
    expect(living.reclaim('nobody')).toBe(0);
    expect(living.reclaim('dead')).toBe(2);
    await vi.waitFor(() => expect(grantedOf(waiting)).toHaveLength(2), patience);
    expect(living.reclaim('dead')).toBe(0);
  });

  it('takes over from a thread that was ended in the middle of its turn', () => {
    const memory = newMemory();
    const budget = shared(memory, { limit: 1 });
    Atomics.store(new Int32Array(memory), 0, 12_345);
    const [asker] = ask(budget, 1);
    expect(asker?.permit).toBeDefined();
  });

  it('does not take over from a thread that stood still with the whole process', () => {
    const memory = newMemory();
    const words = new Int32Array(memory);
    Atomics.store(words, 0, 12_345);
    // The clock of a process that is suspended for 5 s at the second look; then the other thread ends its turn.
    const clock = vi.spyOn(performance, 'now');
    onTestFinished(() => {
      clock.mockRestore();
    });
    let looks = 0;
    let metTheOther = false;
    clock.mockImplementation(() => {
      looks += 1;
      if (looks === 100) metTheOther = Atomics.compareExchange(words, 0, 12_345, 0) === 12_345;
      return looks < 3 ? looks : 5_000 + looks;
    });
    expect(new SharedMemory(memory).turn(() => ({ ledger: undefined, result: 'mine' }))).toBe(
      'mine',
    );
    expect(metTheOther).toBe(true);
  });

  it('takes the limit from the memory where a thread names none, and somebody has to name it', () => {
    const memory = newMemory();
    expect(() => sharedPermits(memory)).toThrow(InvalidOptionsError);
    expect(() => sharedPermits(memory, {})).toThrow('"limit"');
    const first = shared(memory, { limit: 2 });
    const second = shared(memory, {});
    const third = shared(memory, { limit: 5 });
    const askers = [...ask(second, 1), ...ask(third, 1), ...ask(first, 1)];
    expect(grantedOf(askers)).toHaveLength(2);
    expect(first.state.fleet).toMatchObject({ limit: 2, out: 2, waiting: 1 });
  });

  it('keeps the books of before where a turn did not come to its end', () => {
    const books = new SharedMemory(newMemory());
    const ledger = { epoch: 'first', ticket: 0, closedUntil: 0, members: {} };
    books.turn(() => ({ ledger, result: undefined }));
    expect(() =>
      books.turn(() => {
        throw new Error('ended');
      }),
    ).toThrow('ended');
    expect(books.turn(found => ({ ledger: undefined, result: found }))).toEqual(ledger);
  });

  it('says that its memory is too small, and grants nothing that it can not write down', () => {
    const budget = shared(newMemory(1_024), { limit: 100 });
    const errors: unknown[] = [];
    budget.events$.subscribe(event => {
      if (event.type === 'away') errors.push(event.error);
    });
    const askers = ask(budget, 60);
    expect(grantedOf(askers).length).toBeLessThan(60);
    expect(errors[0]).toBeInstanceOf(RangeError);
    expect(String(errors[0])).toMatch(/need \d+ bytes of shared memory, and have 1024/);
  });

  it('refuses what is no shared memory, and options that make no sense', () => {
    const make = (memory: unknown, options: object) => () =>
      sharedPermits(memory as SharedArrayBuffer, { limit: 1, ...options });
    expect(make(new ArrayBuffer(65_536), {})).toThrow(InvalidOptionsError);
    expect(make(newMemory(1_000), {})).toThrow('of 1024 bytes or more');
    expect(make(newMemory(), { limit: 1.5 })).toThrow('"limit"');
    expect(make(newMemory(), { limits: 1 })).toThrow('did you mean "limit"?');
  });
});

/** What Node can run, whatever it knows of TypeScript. */
async function bundled(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(file, import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    write: false,
  });
  return outputFiles[0]?.text ?? '';
}

describe('sharedPermits in a process with nothing else to do', () => {
  it('keeps it alive neither for a permit that is held nor for one that is waited for', async () => {
    const input = await bundled('./budget-process.ts');
    const child = execFile(process.execPath, ['-'], { timeout: 20_000 });
    let output = '';
    child.stdout?.on('data', text => (output += String(text)));
    child.stdin?.end(input);
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(0);
    expect(output).toBe('held 1, waiting 1\n');
  }, 30_000);
});

describe('sharedPermits among real threads', () => {
  let code = '';
  beforeAll(async () => {
    code = await bundled('./budget-thread.ts');
  });

  function start(memory: SharedArrayBuffer, out: SharedArrayBuffer, options: object): Worker {
    const worker = new Worker(code, { eval: true, workerData: { memory, out, options } });
    onTestFinished(async () => {
      await worker.terminate();
    });
    return worker;
  }

  it('never has more out than its limit, and serves every thread', async () => {
    const memory = newMemory();
    // Out at this moment, the most ever, rounds of each thread.
    const out = new SharedArrayBuffer(4 * 6);
    const counts = new Int32Array(out);
    const workers = [0, 1, 2, 3].map(thread =>
      start(memory, out, { limit: 3, thread, rounds: 200, turnMillis: 20, recallAfterMillis: 2 }),
    );
    await Promise.all(workers.map(worker => once(worker, 'exit')));
    expect([...counts.slice(2)]).toEqual([200, 200, 200, 200]);
    expect(counts[1]).toBe(3);
    expect(counts[0]).toBe(0);
  }, 20_000);

  it('wakes a thread by message where it can not wait by Atomics.waitAsync', async () => {
    const memory = newMemory();
    const budget = shared(memory, { limit: 1 });
    const [first] = ask(budget, 1);
    const forEver = 600_000;
    // It would not look again by itself.
    const rarely = { pollMillis: forEver, turnMillis: forEver, recallAfterMillis: forEver };
    const out = new SharedArrayBuffer(4 * 6);
    const worker = start(memory, out, {
      ...rarely,
      thread: 0,
      hold: 1,
      cannotWait: true,
      ttlMillis: forEver,
    });
    const holds = once(worker, 'message');
    await vi.waitFor(() => expect(budget.state.fleet?.waiting).toBe(1), patience);
    first?.release();
    expect(await holds).toEqual(['holds']);
  }, 20_000);

  it('gives the permits of a thread that is ended to the others, as soon as it is buried', async () => {
    const memory = newMemory();
    const out = new SharedArrayBuffer(4 * 6);
    const worker = start(memory, out, { limit: 2, thread: 0, hold: 2 });
    await once(worker, 'message');
    const budget = shared(memory, { limit: 2 });
    const { threadId } = worker;
    worker.once('exit', () => budget.reclaim(threadId));
    const waiting = ask(budget, 2);
    expect(grantedOf(waiting)).toHaveLength(0);
    await worker.terminate();
    await vi.waitFor(() => expect(grantedOf(waiting)).toHaveLength(2), patience);
  });
});
