import { Client } from 'pg';
import { filter, firstValueFrom, take, takeUntil, timer, toArray } from 'rxjs';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { PoolEvent } from '../src/index.js';
import { postgresPool, query } from '../src/postgres/index.js';
import { outageRecovery, type RecoveryEvent } from '../src/recovery/index.js';
import { assertInvariants } from '../src/testing/index.js';
import { startPostgres, type PostgresServer } from './services/postgres.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
});

afterAll(async () => {
  await server.stop();
});

it('holds the borrowers of a PostgreSQL that is killed, and serves them when it is back', async () => {
  const recovery = outageRecovery({ refillPerSecond: 50, probeBaseMillis: 100 });
  const steps: RecoveryEvent[] = [];
  recovery.events$.subscribe(step => steps.push(step));
  const pool = postgresPool({
    connection: server.url,
    Client,
    name: 'restarted',
    max: 8,
    min: 4,
    permits: recovery,
  });
  recovery.attach(pool);
  const events: PoolEvent<Client>[] = [];
  pool.stats$.subscribe(event => events.push(event));
  await pool.prefill(8);

  const down = firstValueFrom(recovery.state$.pipe(filter(state => state === 'down')));
  await server.kill();
  await down;
  expect(steps[0]).toMatchObject({ type: 'down', reason: 'resourcesBroke' });

  const outcomes = { served: 0, failed: 0 };
  const served = Array.from({ length: 100 }, () =>
    firstValueFrom(query(pool, 'SELECT 1 AS one')).then(
      () => {
        outcomes.served += 1;
      },
      () => {
        outcomes.failed += 1;
      },
    ),
  );
  // A few probes find nobody.
  await firstValueFrom(
    recovery.events$.pipe(
      filter(({ type }) => type === 'probeFailed'),
      take(2),
      takeUntil(timer(20_000)),
      toArray(),
    ),
  );
  expect(pool.state.creating).toBeLessThanOrEqual(1);
  await server.restart();
  await Promise.all(served);
  const probesFailed = steps.filter(({ type }) => type === 'probeFailed').length;
  expect(probesFailed).toBeGreaterThanOrEqual(2);
  expect(outcomes.failed).toBeLessThanOrEqual(probesFailed);
  expect(outcomes.served).toBe(100 - outcomes.failed);
  await firstValueFrom(recovery.state$.pipe(filter(state => state === 'up')));

  await pool.close();
  assertInvariants(pool, { events });
});
