import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type Budget,
  type BudgetEvent,
  postgresPermits,
  type PostgresPermitsOptions,
} from '../src/budget/index.js';
import type { Ledger } from '../src/budget/ledger.js';
import { InvalidOptionsError } from '../src/index.js';
import { permitSourceConformance } from '../src/testing/index.js';
import { ask, grantedOf } from './budget-fixture.js';
import { describeOnServer } from './services/describe-on-server.js';
import { startPostgres } from './services/postgres.js';

const patience = { timeout: 20_000, interval: 2 };

let keys = 0;
function anyKey(): string {
  return `test-${(keys += 1)}`;
}

await describeOnServer('postgresPermits', startPostgres, server => {
  let client: Pool;
  beforeAll(() => {
    client = new Pool({ connectionString: server.url, max: 4 });
    client.on('error', () => undefined);
  });
  afterAll(() => client.end());

  function budgetOn(options: PostgresPermitsOptions): Budget & { events: BudgetEvent[] } {
    const budget = postgresPermits(client, { pollMillis: 5, ...options });
    const events: BudgetEvent[] = [];
    budget.events$.subscribe(event => events.push(event));
    onTestFinished(() => budget.dispose());
    return Object.assign(budget, { events });
  }

  async function accountsOf(key: string): Promise<Ledger['members']> {
    const rows = await server.query('SELECT ledger FROM rxpool_budgets WHERE key = $1', [key]);
    return (JSON.parse(String(rows[0]?.['ledger'])) as Ledger).members;
  }

  describe('keeps the contract of a PermitSource', () => {
    for (const { name, run } of permitSourceConformance({
      fifo: true,
      quietMillis: 30,
      patienceMillis: 5_000,
      make: limit => {
        const options = { key: anyKey(), limit, pollMillis: 5 };
        const [source, peer] = [postgresPermits(client, options), postgresPermits(client, options)];
        return {
          source,
          peer,
          close: async () => {
            await Promise.all([source.dispose(), peer.dispose()]);
          },
        };
      },
    })) {
      it(name, run);
    }
  });

  it('never gives more than there is to members that ask all at once, with a table that none has made', async () => {
    const options = {
      key: anyKey(),
      limit: 5,
      table: 'public.budgets_of_a_test',
      ttlMillis: 60_000,
      pollMillis: 30,
    };
    const budgets = Array.from({ length: 12 }, () =>
      budgetOn({ ...options, answerTimeoutMillis: 20_000 }),
    );
    const askers = budgets.flatMap(budget => ask(budget, 2));
    await vi.waitFor(() => expect(grantedOf(askers)).toHaveLength(5), patience);
    // Each that is given back goes to one other; all are served in the end, and never more than five at once.
    const done = new Set<object>();
    let served = 0;
    while (served < askers.length) {
      await vi.waitFor(() => expect(grantedOf(askers).length).toBeGreaterThan(served), patience);
      expect(grantedOf(askers).length - served).toBeLessThanOrEqual(5);
      const next = grantedOf(askers).find(asker => !done.has(asker));
      if (next === undefined) continue;
      done.add(next);
      served += 1;
      next.release();
    }
    expect(budgets.flatMap(({ events }) => events.filter(({ type }) => type === 'away'))).toEqual(
      [],
    );
  });

  // Which of them the server complains of depends on how far the other has come.
  it.each([
    ['table', '42P07'],
    ['type', '42710'],
    ['index', '23505'],
  ])(
    'takes it for a success when another member has made the table, and the %s is there already',
    async (_, code) => {
      const key = anyKey();
      const table = `public.made_meanwhile_${code.toLowerCase()}`;
      const budget = postgresPermits(
        {
          query: async (text, values) => {
            const answer = await client.query(text, values);
            if (text.startsWith('CREATE'))
              throw Object.assign(new Error('already exists'), { code });
            return answer;
          },
        },
        { key, table, limit: 1 },
      );
      onTestFinished(() => budget.dispose());
      const events: BudgetEvent[] = [];
      budget.events$.subscribe(event => events.push(event));
      const [asker] = ask(budget, 1);
      await vi.waitFor(() => expect(asker?.permit).toBeDefined(), patience);
      expect(events.filter(({ type }) => type === 'away')).toEqual([]);
    },
  );

  it('gives the permits of a dead member back one time to live after its last sign of life', async () => {
    const key = anyKey();
    const options = { key, limit: 2, ttlMillis: 500, recallAfterMillis: 60_000 };
    let isDead = false;
    let lastCall: Promise<unknown> = Promise.resolve();
    const dying = postgresPermits(
      {
        query: (text, values) => {
          if (isDead) return new Promise<never>(() => undefined);
          const call = client.query(text, values);
          lastCall = call;
          return call;
        },
      },
      { ...options, member: 'dying' },
    );
    onTestFinished(() => dying.dispose());
    const held = ask(dying, 2);
    await vi.waitFor(() => expect(grantedOf(held)).toHaveLength(2), patience);
    isDead = true;
    await lastCall;
    const lastSeen = ((await accountsOf(key))['dying']?.expiresAt ?? NaN) - 500;
    const living = budgetOn(options);
    const waiting = ask(living, 2);
    await vi.waitFor(() => expect(grantedOf(waiting)).toHaveLength(2), patience);
    // By the server's clock, in its own books; and long before anybody would have been asked to give back.
    for (const [, , grantedAt] of (await accountsOf(key))[living.member]?.holds ?? []) {
      expect(grantedAt - lastSeen).toBeGreaterThanOrEqual(500);
      expect(grantedAt - lastSeen).toBeLessThan(options.recallAfterMillis);
    }
  });

  it('leaves no member in the table that was disposed of', async () => {
    const key = anyKey();
    const budget = budgetOn({ key, limit: 1 });
    const [asker] = ask(budget, 1);
    await vi.waitFor(() => expect(asker?.permit).toBeDefined(), patience);
    expect(Object.keys(await accountsOf(key))).toEqual([budget.member]);
    await budget.dispose();
    expect(asker?.losses).toBe(1);
    expect(await accountsOf(key)).toEqual({});
  });

  it('writes nothing while a member only asks whether something became free', async () => {
    const key = anyKey();
    const options = { key, limit: 1, ttlMillis: 60_000, turnMillis: 60_000 };
    const [holder] = ask(budgetOn(options), 1);
    await vi.waitFor(() => expect(holder?.permit).toBeDefined(), patience);
    const questions: string[] = [];
    const budget = postgresPermits(
      {
        query: (text, values) => {
          questions.push(text);
          return client.query(text, values);
        },
      },
      { ...options, pollMillis: 5 },
    );
    onTestFinished(() => budget.dispose());
    ask(budget, 1);
    await vi.waitFor(() => expect(budget.state.fleet?.waiting).toBe(1), patience);
    const versionOf = async (): Promise<unknown> =>
      (await server.query('SELECT version FROM rxpool_budgets WHERE key = $1', [key]))[0]?.[
        'version'
      ];
    const before = await versionOf();
    const { length: asked } = questions;
    await vi.waitFor(() => expect(questions.length).toBeGreaterThan(asked + 10), patience);
    expect(await versionOf()).toBe(before);
  });

  it('keeps what it holds while its server is down, and is heard first when that has lost the table', async () => {
    const key = anyKey();
    const budget = budgetOn({ key, limit: 2, ttlMillis: 900 });
    const held = ask(budget, 2);
    await vi.waitFor(() => expect(grantedOf(held)).toHaveLength(2), patience);
    await server.kill();
    await vi.waitFor(() => expect(budget.state.away).toBe(true), patience);
    await server.restart();
    await vi.waitFor(() => expect(budget.state.away).toBe(false), patience);
    await vi.waitFor(() => expect(budget.state.fleet?.out).toBe(2), patience);
    expect(held.map(({ losses }) => losses)).toEqual([0, 0]);
  });

  it('says that its table is missing where it must not make one', async () => {
    const budget = budgetOn({ key: 'k', limit: 1, table: 'nowhere', createTable: false });
    ask(budget, 1);
    await vi.waitFor(() => expect(budget.state.away).toBe(true), patience);
    expect(budget.events[0]).toMatchObject({ type: 'away', error: { code: '42P01' } });
  });
});

describe('postgresPermits', () => {
  it('refuses what it can not use, by name', () => {
    const client = { query: () => Promise.resolve({ rows: [], rowCount: 0 }) };
    const make = (options: object) => () =>
      postgresPermits(client, { key: 'k', limit: 1, ...options });
    expect(make({ key: '' })).toThrow(InvalidOptionsError);
    expect(make({ table: 'a; DROP TABLE b' })).toThrow('must be the name of a table');
    expect(make({ createTable: 'yes' })).toThrow('"createTable"');
    expect(make({ tabel: 'a' })).toThrow('did you mean "table"?');
    expect(() => postgresPermits({} as never, { key: 'k', limit: 1 })).toThrow(
      'must be a client of PostgreSQL',
    );
  });
});
