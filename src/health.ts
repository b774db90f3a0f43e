import type { ResourceInfo } from './resource-info.js';
import type { PoolState } from './state.js';

/** What `healthCheck` found. */
export interface PoolHealth {
  /**
   * `critical`: nobody can be served now; `degraded`: somebody can, but something is wrong; `closed`: closing or
   * closed.
   */
  readonly status: 'healthy' | 'degraded' | 'critical' | 'closed';
  /** Plain sentences, one for each thing that is wrong; empty when healthy. */
  readonly reasons: readonly string[];
  /** The counts after the checks. */
  readonly state: PoolState;
  /** Every resource after the checks, oldest first. */
  readonly resources: readonly ResourceInfo[];
  /** Idle resources that `validate` refused just now. */
  readonly invalid: number;
}

/** Judges what was found; asks nothing itself. */
export function judgeHealth(
  state: PoolState,
  resources: readonly ResourceInfo[],
  invalid: number,
  createFails: boolean,
): PoolHealth {
  const reasons: string[] = [];
  const stale = resources.filter(({ stale: isStale }) => isStale).length;
  const saturated = state.idle === 0 && state.size + state.creating >= state.max;
  if (state.lifecycle === 'paused') reasons.push('the pool is paused');
  if (createFails) reasons.push('the last create failed');
  if (invalid > 0) reasons.push(`${invalid} idle resources did not pass validation`);
  if (stale > 0) reasons.push(`${stale} resources wait to be retired`);
  if (saturated && state.waiting > 0) {
    reasons.push(`${state.waiting} requests wait and all ${state.max} resources are taken`);
  }
  const stuck =
    (saturated && state.waiting > 0) ||
    (createFails && state.size === state.destroying) ||
    (state.lifecycle === 'paused' && state.waiting > 0);
  const closed = state.lifecycle === 'draining' || state.lifecycle === 'closed';
  const status = closed
    ? 'closed'
    : stuck
      ? 'critical'
      : reasons.length > 0
        ? 'degraded'
        : 'healthy';
  return { status, reasons, state, resources, invalid };
}
