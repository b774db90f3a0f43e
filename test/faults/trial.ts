import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Pool, PoolEvent } from '../../src/index.js';
import { postgresPool } from '../../src/postgres/index.js';
import { assertInvariants, assertQuiescent } from '../../src/testing/index.js';
import type { PostgresServer } from '../services/postgres.js';
import { startTcpProxy, type TcpProxy } from '../services/tcp-proxy.js';
import { Borrowers } from './borrowers.js';
import type { Fault } from './faults.js';

/** What the server of a trial must admit. */
export const serverConnections = 24;

/** Where a fault happens. */
export interface Stage {
  readonly server: PostgresServer;
  readonly proxy: TcpProxy;
  readonly max: number;
  /** Connections of somebody else. */
  strangers: Client[];
}

export interface TrialReport {
  readonly fault: string;
  /** From the end of the fault until nobody failed any more and all `max` connections were up. */
  readonly recoveryMillis: number;
  readonly served: number;
  readonly failed: number;
  readonly errors: ReadonlyMap<string, number>;
  /** The longest that anybody waited for a lease, or for the news that there is none. */
  readonly longestWaitMillis: number;
  /** The most connections of the pool that the server counted at one time. */
  readonly mostOnServer: number;
}

const max = 8;
const borrowers = 16;
/** What the limits of the pool are on a machine that has time, and with a fault that they must find. */
const shortest = {
  acquireTimeoutMillis: 1_000,
  createTimeoutMillis: 500,
  validateTimeoutMillis: 300,
  resetTimeoutMillis: 300,
  // The only limit that finds a connection fallen silent in the middle of a statement.
  maxLeaseMillis: 500,
};
/** Where nobody may notice anything, no limit may be near. */
const roomy = 10;
/** A connection is made and used in less on a machine that has time. */
const usualConnectMillis = 20;
/** Borrowings in a row without a failure that say that it is over. */
const calm = 100;
/** On a busy machine everything takes longer; a pool that hangs takes for ever. */
const patienceMillis = 60_000;

/**
 * Loads a pool through a proxy, lets the fault happen, waits for the recovery and then compares the pool's books with
 * the server's. Throws where anything is lost, hangs or is counted wrong.
 */
export async function runTrial(server: PostgresServer, fault: Fault): Promise<TrialReport> {
  await using proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
  const stage: Stage = { server, proxy, max, strangers: [] };
  const strays: unknown[] = [];
  const onStray = (error: unknown): void => void strays.push(error);
  process.on('unhandledRejection', onStray);
  try {
    await server.query(
      'DROP TABLE IF EXISTS fault_work; CREATE TABLE fault_work (); GRANT ALL ON fault_work TO rxpool',
    );
    await server.query('CHECKPOINT');
    const limits = await limitsFor(server, fault);
    await fault.prepare?.(stage);
    const report = await observe(stage, fault, limits);
    await new Promise(resolve => setImmediate(resolve)); // rejections are reported late
    demand(strays.length === 0, `unhandled rejections: ${strays.map(String).join('; ')}`);
    return report;
  } finally {
    process.off('unhandledRejection', onStray);
    await Promise.allSettled(stage.strangers.map(stranger => stranger.end()));
    await server.terminateBackends(); // those that heard of no end
  }
}

type Limits = typeof shortest;

/** On a busy machine everything takes longer, and limits that are too short would be a fault of their own. */
async function limitsFor(server: PostgresServer, fault: Fault): Promise<Limits> {
  const rounds = 5;
  const startedAt = performance.now();
  for (let round = 0; round < rounds; round += 1) await server.query('SELECT 1');
  const connectMillis = (performance.now() - startedAt) / rounds;
  const factor = Math.max(1, connectMillis / usualConnectMillis) * (fault.isNoticed ? 1 : roomy);
  const scaled = Object.entries(shortest).map(([name, millis]) => [
    name,
    Math.ceil(millis * factor),
  ]);
  return Object.fromEntries(scaled) as Limits;
}

async function observe(stage: Stage, fault: Fault, limits: Limits): Promise<TrialReport> {
  const { acquireTimeoutMillis } = limits;
  const pool = openPool(stage.proxy.url(stage.server.url), limits);
  const events: PoolEvent<Client>[] = [];
  pool.stats$.subscribe(event => events.push(event));
  const load = new Borrowers(pool, borrowers);
  const census = new Census(stage.server);
  let report: TrialReport;
  try {
    await until('the load is on', () => load.served > calm);
    await fault.happen(stage);
    const recoveryMillis = await recovery(pool, load);
    await within(load.stop(), 'all borrowers come to an end');
    report = {
      fault: fault.name,
      recoveryMillis,
      served: load.served,
      failed: load.failed,
      errors: load.errors,
      longestWaitMillis: longestWait(events),
      mostOnServer: await census.end(),
    };
    demand(fault.isNoticed === load.failed > 0, `${load.failed} borrowings failed`);
    demand(
      report.longestWaitMillis < 2 * acquireTimeoutMillis,
      `somebody waited for ${report.longestWaitMillis} ms`,
    );
    await until('the pool is at rest', () => {
      assertQuiescent(pool, { now: Date.now(), acquireTimeoutMillis, events });
      assertInvariants(pool, { events, leased: 0, waiting: 0 });
      return true;
    });
    await compareWithServer(stage, fault, pool, load);
    const mostAllowed = fault.isExact === true ? max : 2 * max;
    demand(report.mostOnServer <= mostAllowed, `the server counted ${report.mostOnServer}`);
  } finally {
    await census.end();
    await within(load.stop(), 'all borrowers come to an end');
    await pool.close({ force: true });
  }
  await until('the pool leaves no socket behind', () => stage.proxy.connections === 0);
  assertInvariants(pool, { events, leased: 0, waiting: 0 });
  return report;
}

function openPool(url: string, limits: Limits): Pool<Client> {
  return postgresPool({
    connection: { connectionString: url, application_name: 'faults' },
    Client,
    name: 'faults',
    max,
    ...limits,
    validateAfterIdleMillis: 100,
    idleTimeoutMillis: Infinity,
  });
}

/** Waits until all is well and says how long that took. */
async function recovery(pool: Pool<Client>, load: Borrowers): Promise<number> {
  const overAt = performance.now();
  const servedThen = load.served;
  let wholeAt: number | undefined;
  await until(`the pool has recovered`, () => {
    if (pool.state.size < max || pool.state.destroying > 0) wholeAt = undefined;
    else wholeAt ??= performance.now();
    const isCalm = load.streak >= calm && load.served - servedThen >= calm;
    return isCalm && wholeAt !== undefined;
  });
  return Math.round(Math.max(0, load.streakSince - overAt, (wholeAt ?? overAt) - overAt));
}

/** The pool's connections are alive, different, and those that the server counts. */
async function compareWithServer(
  { server, proxy }: Stage,
  fault: Fault,
  pool: Pool<Client>,
  load: Borrowers,
): Promise<void> {
  const leases = await within(
    Promise.all(Array.from({ length: max }, () => pool.lease())),
    'every slot can be lent',
  );
  const pids = await Promise.all(leases.map(lease => pidOf(lease.resource)));
  const known = await backends(server);
  await Promise.all(leases.map(lease => lease.release()));
  demand(new Set(pids).size === max, `${max} leases of the connections ${pids.join(', ')}`);
  demand(
    pids.every(pid => known.includes(pid)),
    `the pool has ${pids.join(', ')}, the server ${known.join(', ')}`,
  );
  demand(proxy.connections === max, `${proxy.connections} sockets for ${max} connections`);
  if (!fault.isSilent) {
    demand(known.length === max, `the server counts ${known.length}, the pool ${max}`);
  }
  const [{ count } = {}] = await server.query('SELECT count(*)::int FROM fault_work');
  const rows = Number(count);
  const { inserted, unknown } = load;
  demand(
    rows <= inserted + unknown && (rows >= inserted || fault.losesData === true),
    `${rows} rows on the server, ${inserted} acknowledged and ${unknown} in doubt`,
  );
}

/** Counts the pool's connections on the server, again and again. */
class Census {
  #most = 0;
  #isOver = false;
  readonly #work: Promise<void>;

  constructor(server: PostgresServer) {
    this.#work = this.#count(server);
  }

  async end(): Promise<number> {
    this.#isOver = true;
    await this.#work;
    return this.#most;
  }

  async #count(server: PostgresServer): Promise<void> {
    while (!this.#isOver) {
      // A server that is down counts nobody.
      const pids = await backends(server).catch(() => []);
      this.#most = Math.max(this.#most, pids.length);
      await sleep(50);
    }
  }
}

async function backends(server: PostgresServer): Promise<number[]> {
  const rows = await server.query(
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'faults'",
  );
  return rows.map(row => Number(row['pid']));
}

async function pidOf(client: Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

function longestWait(events: readonly PoolEvent<Client>[]): number {
  let longest = 0;
  for (const event of events) {
    if ('waitedMillis' in event) longest = Math.max(longest, event.waitedMillis);
  }
  return longest;
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + patienceMillis;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      if (isTrue()) return;
    } catch (error) {
      last = error;
    }
    await sleep(2);
  }
  throw new Error(`Not within ${patienceMillis} ms: ${what}`, { cause: last });
}

async function within<R>(work: Promise<R>, what: string): Promise<R> {
  const patience = new AbortController();
  const late = sleep(patienceMillis, undefined, { signal: patience.signal }).then(() => {
    throw new Error(`Not within ${patienceMillis} ms: ${what}`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    patience.abort();
  }
}

function demand(isTrue: boolean, otherwise: string): void {
  if (!isTrue) throw new Error(otherwise);
}
