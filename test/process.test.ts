import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const require = createRequire(import.meta.url);
const root = dirname(import.meta.dirname);

let folder = '';

// Node loads no TypeScript by itself on every version that we support, so the scripts run what the build makes.
beforeAll(() => {
  const reports = join(root, 'reports');
  mkdirSync(reports, { recursive: true });
  folder = mkdtempSync(join(reports, 'process-'));
  const compiler = join(dirname(require.resolve('@typescript/native/package.json')), 'bin', 'tsc');
  execFileSync(process.execPath, [
    compiler,
    ...['-p', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'rxpool')],
    ...['--noCheck', '--declaration', 'false', '--isolatedDeclarations', 'false'],
  ]);
}, 120_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface End {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly errors: string;
  readonly millis: number;
  /** Of these it waited for something: none where it was merely kept from the processor. */
  readonly waitedMillis: number;
}

let scripts = 0;

/** Runs a module that has `createPool` and friends at hand, and waits for it to end by itself. */
function run(script: string): Promise<End> {
  scripts += 1;
  const file = join(folder, `script-${scripts}.mjs`);
  const entry = pathToFileURL(join(folder, 'rxpool', 'index.js')).href;
  writeFileSync(
    file,
    `import { createPool } from '${entry}';
const startedAt = performance.now();
process.on('exit', () => {
  const { idle } = performance.eventLoopUtilization();
  console.log('ended after', Math.round(performance.now() - startedAt), 'waited', Math.round(idle));
});
const resources = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length;
${script}`,
  );
  return new Promise(resolve => {
    execFile(process.execPath, [file], { timeout: 60_000 }, (error, stdout, stderr) => {
      const lines = stdout.trim().split('\n');
      const [, millis, waited] = /^ended after (\d+) waited (\d+)$/.exec(lines.pop() ?? '') ?? [];
      resolve({
        code: error === null ? 0 : ((error.code as unknown as number | undefined) ?? null),
        lines,
        errors: stderr,
        millis: Number(millis),
        waitedMillis: Number(waited),
      });
    });
  });
}

/** Far below every time limit of these pools that nothing should wait for. */
const PROMPT_MILLIS = 2000;

describe('a process with a pool', { timeout: 90_000 }, () => {
  it('EX-14: acquires, releases, stops, and exits by itself without close()', async () => {
    const { code, lines, errors, waitedMillis } = await run(`
      const pool = createPool({ create: () => ({}), idleTimeoutMillis: 600_000, maxLifetimeMillis: 900_000 });
      const lease = await pool.lease();
      await lease.release();
      pool.acquire().subscribe(held => held.release());
      console.log(pool.state.idle);
    `);
    expect({ code, errors, lines }).toStrictEqual({ code: 0, errors: '', lines: ['1'] });
    expect(waitedMillis).toBeLessThan(PROMPT_MILLIS);
  });

  it('EX-14: the same with min filled, checks of idle ones, and a lease that is never returned', async () => {
    const { code, errors, waitedMillis } = await run(`
      const pool = createPool({
        create: async () => ({}),
        validate: () => true,
        min: 3,
        validateIdleEveryMillis: 5000,
        leakWarningMillis: 10_000,
        maxLeaseMillis: 20_000,
      });
      await pool.lease();
      pool.acquire().subscribe();
    `);
    expect({ code, errors }).toStrictEqual({ code: 0, errors: '' });
    expect(waitedMillis).toBeLessThan(PROMPT_MILLIS);
  });

  it('EX-14: after close() nothing is left, also when leases were out and keepProcessAlive was on', async () => {
    const { code, lines, errors, waitedMillis } = await run(`
      const pool = createPool({ create: () => ({}), keepProcessAlive: true, min: 2, maxLifetimeMillis: 900_000 });
      const lease = await pool.lease();
      const closing = pool.close();
      setTimeout(() => lease.release(), 20);
      await closing;
      console.log(resources());
    `);
    expect({ code, errors, lines }).toStrictEqual({ code: 0, errors: '', lines: ['0'] });
    expect(waitedMillis).toBeLessThan(PROMPT_MILLIS);
  });

  it('EX-14: two pools with 10,000 leases each way leave no timer, no listener and no handle', async () => {
    const { code, lines, errors, waitedMillis } = await run(`
      import { getEventListeners, setMaxListeners } from 'node:events';
      console.log(true); // opens stdout, which is a handle too
      const before = process.getActiveResourcesInfo().length;
      const listeners = () => process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
      const listenersBefore = listeners();
      const pools = [1, 2].map(number => createPool({ name: 'pool ' + number, create: () => ({}), max: 3, idleTimeoutMillis: 600_000 }));
      const { signal } = new AbortController();
      setMaxListeners(0, signal);
      let served = 0;
      for (const pool of pools) {
        await Promise.all(Array.from({ length: 10_000 }, async () => {
          const lease = await pool.lease({ signal });
          served += 1;
          await lease.release();
        }));
        for (let i = 0; i < 10_000; i += 1) pool.acquire({ signal }).subscribe(lease => { served += 1; lease.release(); });
        for (let i = 0; i < 10_000; i += 1) pool.use(() => { served += 1; return 1; }, { signal }).subscribe();
        for (let i = 0; i < 10_000; i += 1) { pool.tryAcquire().release(); served += 1; }
      }
      console.log(served);
      console.log(pools.every(pool => pool.state.leased === 0 && pool.state.waiting === 0));
      console.log(getEventListeners(signal, 'abort').length);
      console.log(listeners() - listenersBefore);
      console.log(process.getActiveResourcesInfo().length - before);
    `);
    expect({ code, errors, lines }).toStrictEqual({
      code: 0,
      errors: '',
      lines: ['true', '80000', 'true', '0', '0', '0'],
    });
    expect(waitedMillis).toBeLessThan(PROMPT_MILLIS);
  });

  it('a caller who waits keeps the process up until the answer: a lease', async () => {
    const { code, lines, errors } = await run(`
      const pool = createPool({ create: () => ({}), max: 1 });
      const first = await pool.lease();
      const timer = setTimeout(() => first.release(), 100);
      timer.unref();
      await pool.lease();
      console.log('served');
    `);
    expect({ code, errors, lines }).toStrictEqual({ code: 0, errors: '', lines: ['served'] });
  });

  it('a caller who waits keeps the process up until the answer: a time-out', async () => {
    const { code, lines, errors, millis } = await run(`
      const pool = createPool({ create: () => ({}), max: 1, acquireTimeoutMillis: 200 });
      await pool.lease();
      await pool.lease().catch(error => console.log(error.code));
    `);
    expect({ code, errors, lines }).toStrictEqual({
      code: 0,
      errors: '',
      lines: ['ACQUIRE_TIMEOUT'],
    });
    expect(millis).toBeGreaterThanOrEqual(190);
  });

  it('a caller who waits without any limit keeps the process up, and lets it go when served', async () => {
    const { code, lines, errors, waitedMillis } = await run(`
      const pool = createPool({ create: () => ({}), max: 1, acquireTimeoutMillis: Infinity, idleTimeoutMillis: Infinity });
      const first = await pool.lease();
      setTimeout(() => first.release(), 100).unref();
      const second = await pool.lease();
      console.log('served');
      await second.release();
    `);
    expect({ code, errors, lines }).toStrictEqual({ code: 0, errors: '', lines: ['served'] });
    expect(waitedMillis).toBeLessThan(PROMPT_MILLIS);
  });

  it('a caller who left keeps nothing up', async () => {
    const { code, errors, waitedMillis } = await run(`
      const pool = createPool({ create: () => ({}), max: 1, acquireTimeoutMillis: 600_000 });
      pool.acquire().subscribe();
      const waiting = pool.acquire().subscribe();
      setTimeout(() => waiting.unsubscribe(), 20);
    `);
    expect({ code, errors }).toStrictEqual({ code: 0, errors: '' });
    expect(waitedMillis).toBeLessThan(PROMPT_MILLIS);
  });

  it('a close that waits for a lease keeps the process up until its drain limit', async () => {
    const { code, lines, errors, millis } = await run(`
      const pool = createPool({ create: () => ({}) });
      await pool.lease();
      await pool.close({ drainTimeoutMillis: 200 }).catch(error => console.log(error.code, error.abandoned));
    `);
    expect({ code, errors, lines }).toStrictEqual({
      code: 0,
      errors: '',
      lines: ['CLOSE_FAILED 1'],
    });
    expect(millis).toBeGreaterThanOrEqual(190);
  });

  it('keepProcessAlive keeps it up for housekeeping too', async () => {
    const { code, lines, errors, millis } = await run(`
      const pool = createPool({
        create: () => ({}),
        destroy: (_, reason) => console.log(reason),
        keepProcessAlive: true,
        idleTimeoutMillis: 200,
      });
      const lease = await pool.lease();
      await lease.release();
    `);
    expect({ code, errors, lines }).toStrictEqual({ code: 0, errors: '', lines: ['idle'] });
    expect(millis).toBeGreaterThanOrEqual(190);
  });

  it('without it, housekeeping that is due later is not waited for', async () => {
    const { code, lines, errors, waitedMillis } = await run(`
      const pool = createPool({
        create: () => ({}),
        destroy: (_, reason) => console.log(reason),
        idleTimeoutMillis: 60_000,
      });
      const lease = await pool.lease();
      await lease.release();
      console.log('done');
    `);
    expect({ code, errors, lines }).toStrictEqual({ code: 0, errors: '', lines: ['done'] });
    expect(waitedMillis).toBeLessThan(PROMPT_MILLIS);
  });

  it('hooks and background fills that fail cause no unhandled rejection and no output', async () => {
    const { code, lines, errors } = await run(`
      process.on('unhandledRejection', error => console.log('unhandled', error));
      process.on('uncaughtException', error => console.log('uncaught', error));
      const fails = { create: false };
      const pool = createPool({
        create: async () => { if (fails.create) throw new Error('create'); return {}; },
        reset: async () => { throw new Error('reset'); },
        destroy: async () => { throw new Error('destroy'); },
        min: 1,
      });
      const lease = await pool.lease();
      fails.create = true;
      lease.release();
      await new Promise(resolve => setTimeout(resolve, 150));
      pool.acquire().subscribe({ error: error => console.log(error.code) });
      await new Promise(resolve => setTimeout(resolve, 20));
      await pool.close().catch(error => console.log(error.code));
      console.log('quiet');
    `);
    expect(code).toBe(0);
    expect(errors).toBe('');
    expect(lines[0]).toBe('CREATE_FAILED');
    expect(lines.at(-1)).toBe('quiet');
    expect(lines.filter(line => line.startsWith('un'))).toStrictEqual([]);
  });
});
