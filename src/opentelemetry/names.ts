/**
 * OpenTelemetry's semantic conventions for database client connections. They are in development, and the package of
 * constants may rename them in a minor version; here they change only with ours.
 *
 * @example
 * show(metricNames.waitTime); // db.client.connection.wait_time
 */
export const names = {
  count: 'db.client.connection.count',
  idleMax: 'db.client.connection.idle.max',
  idleMin: 'db.client.connection.idle.min',
  limit: 'db.client.connection.limit',
  /** What `limit` was called until September 2026. */
  max: 'db.client.connection.max',
  pendingRequests: 'db.client.connection.pending_requests',
  timeouts: 'db.client.connection.timeouts',
  createTime: 'db.client.connection.create_time',
  waitTime: 'db.client.connection.wait_time',
  useTime: 'db.client.connection.use_time',
} as const;

/**
 * The names of the attributes that every point has.
 *
 * @example
 * show(attributeNames.poolName, attributeNames.state); // db.client.connection.pool.name, db.client.connection.state
 */
export const attributes = {
  poolName: 'db.client.connection.pool.name',
  state: 'db.client.connection.state',
} as const;

/** In seconds, as the conventions advise for connections. */
export const boundaries: number[] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

const prefix = 'db.client.connection';

/** The same name under a prefix of one's own, for pools of something else than database connections. */
export function renamed(name: string, ownPrefix: string): string {
  return `${ownPrefix}${name.slice(prefix.length)}`;
}
