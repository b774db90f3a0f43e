import type { PoolState, PoolStats } from '../index.js';

/** Which names the metrics go by. */
export type Naming = 'rxpool' | 'hikari';

/** A value that is read when Prometheus asks; of several values each has its word for the second label. */
interface Reading<Source> {
  readonly name: string;
  readonly help: string;
  readonly label?: string;
  readonly read: (source: Source) => number | Readonly<Record<string, number>>;
}

interface Duration {
  readonly name: string;
  readonly help: string;
  /** The name of a gauge with the largest of recent values, where the naming has one. */
  readonly maxName?: string;
}

export interface MetricNames {
  readonly gauges: readonly Reading<PoolState>[];
  readonly counters: readonly Reading<PoolStats>[];
  readonly wait: Duration;
  readonly hold: Duration;
  readonly create: Duration;
}

type Counter = {
  [Key in keyof PoolStats]: PoolStats[Key] extends number ? Key : never;
}[keyof PoolStats];

function counter(key: Counter, help: string): Reading<PoolStats> {
  const snake = key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
  return { name: `rxpool_${snake}_total`, help, read: stats => stats[key] };
}

const lifecycles = ['running', 'paused', 'draining', 'closed'] as const;

const rxpool: MetricNames = {
  gauges: [
    {
      name: 'rxpool_resources',
      help: 'Resources by where they are; creating ones are not part of the size yet',
      label: 'state',
      read: ({ idle, leased, creating, validating, resetting, destroying }) => ({
        idle,
        leased,
        creating,
        validating,
        resetting,
        destroying,
      }),
    },
    { name: 'rxpool_size', help: 'Resources that exist', read: state => state.size },
    { name: 'rxpool_size_min', help: 'Resources to be kept alive', read: state => state.min },
    { name: 'rxpool_size_max', help: 'Resources allowed', read: state => state.max },
    { name: 'rxpool_waiting', help: 'Requests that wait', read: state => state.waiting },
    {
      name: 'rxpool_lifecycle',
      help: '1 for where the pool is in its life, 0 for the others',
      label: 'lifecycle',
      read: state =>
        Object.fromEntries(lifecycles.map(word => [word, word === state.lifecycle ? 1 : 0])),
    },
  ],
  counters: [
    counter('created', 'Creates that gave a resource'),
    counter('createFailed', 'Creates that failed'),
    counter('destroyed', 'Resources destroyed'),
    counter('destroyFailed', 'Destroys that failed'),
    counter('validateFailed', 'Validations that failed'),
    counter('resetFailed', 'Resets that failed'),
    counter('acquired', 'Leases given'),
    counter('released', 'Leases ended'),
    counter('timedOut', 'Requests whose deadline passed'),
    counter('cancelled', 'Requests that were unsubscribed or aborted'),
    counter('rejected', 'Requests refused'),
    counter('expired', 'Resources destroyed for their lifetime'),
    counter('pruned', 'Resources destroyed for idling'),
    counter('recycled', 'Resources retired by recycle'),
    counter('leaked', 'Leases held for longer than the leak warning'),
    counter('revoked', 'Leases taken back by the pool'),
  ],
  wait: { name: 'rxpool_wait_seconds', help: 'From request to lease' },
  hold: { name: 'rxpool_hold_seconds', help: 'From lease to its end' },
  create: { name: 'rxpool_create_seconds', help: 'Each create that gave a resource' },
};

const active = (state: PoolState): number => state.size - state.idle;

/** One value under the name that Micrometer gives it and under that of HikariCP's own collector. */
function both<Source>(
  names: readonly [string, string],
  help: string,
  read: (source: Source) => number,
): Reading<Source>[] {
  return names.map(name => ({ name: `hikaricp_${name}`, help, read }));
}

/**
 * HikariCP knows idle and active only, and total is their sum: what is being validated, reset or destroyed counts as
 * active here.
 */
const hikari: MetricNames = {
  gauges: [
    { name: 'hikaricp_connections', help: 'Total connections', read: state => state.size },
    ...both(['connections_active', 'active_connections'], 'Active connections', active),
    ...both(
      ['connections_idle', 'idle_connections'],
      'Idle connections',
      (state: PoolState) => state.idle,
    ),
    ...both(
      ['connections_pending', 'pending_threads'],
      'Requests that wait',
      (state: PoolState) => state.waiting,
    ),
    ...both(
      ['connections_max', 'max_connections'],
      'Max connections',
      (state: PoolState) => state.max,
    ),
    ...both(
      ['connections_min', 'min_connections'],
      'Min connections',
      (state: PoolState) => state.min,
    ),
  ],
  counters: both(
    ['connections_timeout_total', 'connection_timeout_total'],
    'Requests whose deadline passed',
    (stats: PoolStats) => stats.timedOut,
  ),
  wait: hikariTimer('acquire', 'Connection acquire time'),
  hold: hikariTimer('usage', 'Connection usage time'),
  create: hikariTimer('creation', 'Connection creation time'),
};

function hikariTimer(what: string, help: string): Duration {
  const name = `hikaricp_connections_${what}_seconds`;
  return { name, help, maxName: `${name}_max` };
}

export const namings: Readonly<Record<Naming, MetricNames>> = { rxpool, hikari };
