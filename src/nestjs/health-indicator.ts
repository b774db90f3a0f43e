import { Injectable } from '@nestjs/common';
import type { Pool, PoolHealth, PoolState } from '../index.js';

/** What `@nestjs/terminus` wants of an indicator, filled with the health of a pool. */
export type PoolHealthResult<Key extends string = string> = Record<
  Key,
  {
    readonly status: 'up' | 'down';
    readonly health: PoolHealth['status'];
    readonly reasons: readonly string[];
    readonly counts: Pick<PoolState, 'max' | 'size' | 'idle' | 'leased' | 'creating' | 'waiting'>;
    /** Idle resources that `validate` refused just now. */
    readonly invalid: number;
  }
>;

/**
 * A health indicator for the HealthCheckService of `@nestjs/terminus` 11 and 12, which this package does not need.
 * Provided, and exported, by RxpoolModule.
 *
 * @example
 * await health.check([() => indicator.isHealthy('db', pool)]);
 */
export class PoolHealthIndicator {
  /**
   * Runs `pool.healthCheck()`, which validates every idle resource. `critical` (nobody can be served now) and `closed`
   * are down; `degraded` is up, and says why. Never rejects.
   *
   * @example
   * health.check([() => indicator.isHealthy('db', pool)]);
   */
  async isHealthy<Key extends string>(
    key: Key,
    pool: Pick<Pool<unknown>, 'healthCheck'>,
  ): Promise<PoolHealthResult<Key>> {
    const { status: health, reasons, state, invalid } = await pool.healthCheck();
    const { max, size, idle, leased, creating, waiting } = state;
    const isUp = health === 'healthy' || health === 'degraded';
    const result = {
      status: isUp ? 'up' : 'down',
      health,
      reasons,
      counts: { max, size, idle, leased, creating, waiting },
      invalid,
    } as const;
    return { [key]: result } as PoolHealthResult<Key>;
  }
}
Injectable()(PoolHealthIndicator);
