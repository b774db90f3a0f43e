import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startPostgres, type PostgresServer } from '../services/postgres.js';
import { type Fault, faults } from './faults.js';
import { sentence, table } from './report.js';
import { runTrial, serverConnections, type TrialReport } from './trial.js';

vi.setConfig({ testTimeout: 180_000 });

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres({ maxConnections: serverConnections });
});

afterAll(async () => {
  await server.stop();
});

describe('under load, a pool of PostgreSQL connections', () => {
  it.each(faults)(
    'recovers with no slot lost, nobody hanging and the books of the server: $name',
    async fault => {
      const report = await runTrial(server, fault);
      console.log(sentence(report));
      expect(report.served).toBeGreaterThan(200);
      expect(report.recoveryMillis).toBeLessThan(30_000);
      if (fault.isNoticed) expect(report.errors.size).toBeGreaterThan(0);
      else expect([...report.errors]).toEqual([]);
    },
  );

  it('keeps its role through a crash right after the start', async () => {
    await using young = await startPostgres();
    await young.kill();
    await young.restart();
    expect(await young.query("SELECT rolname FROM pg_roles WHERE rolname = 'rxpool'")).toEqual([
      { rolname: 'rxpool' },
    ]);
  });
});

describe('a trial', () => {
  let strangers: Client[] = [];

  afterEach(async () => {
    await Promise.allSettled(strangers.map(stranger => stranger.end()));
    strangers = [];
  });

  const quiet: Fault = { name: 'nothing', isNoticed: false, happen: () => Promise.resolve() };

  it.each<[string, Partial<Fault>, RegExp]>([
    [
      'the server counts a connection that the pool does not',
      {
        happen: async () => {
          const stranger = new Client({ connectionString: server.url, application_name: 'faults' });
          strangers.push(stranger);
          stranger.on('error', () => undefined); // ended with the trial
          await stranger.connect();
        },
      },
      /the server counts 9, the pool 8/,
    ],
    [
      'a row is there that nobody was told of',
      {
        happen: async () => {
          await server.query('INSERT INTO fault_work DEFAULT VALUES');
        },
      },
      /rows on the server/,
    ],
    [
      'somebody notices what nobody should',
      { happen: async ({ proxy }) => proxy.resetAll() },
      /[1-9]\d* borrowings failed/,
    ],
    ['nobody notices what somebody must', { isNoticed: true }, /0 borrowings failed/],
  ])('fails where %s', async (_, change, message) => {
    await expect(runTrial(server, { ...quiet, ...change })).rejects.toThrow(message);
  });
});

describe('the table of faults', () => {
  const trial: TrialReport = {
    fault: 'rain',
    recoveryMillis: 30,
    served: 10,
    failed: 2,
    errors: new Map([['ECONNRESET', 2]]),
    longestWaitMillis: 40,
    mostOnServer: 8,
  };

  it('has one row for all trials of a fault', () => {
    const sun = { ...trial, fault: 'sun', failed: 0, errors: new Map<string, number>() };
    const rows = table([trial, sun, { ...trial, recoveryMillis: 10, mostOnServer: 9 }]).split('\n');
    expect(rows.slice(2)).toEqual([
      '| rain | 30 (30) | 20 | 4 | 40 | 9 | ECONNRESET |',
      '| sun | 30 (30) | 10 | 0 | 40 | 8 | none |',
    ]);
  });
});
