import { EventEmitter } from 'node:events';
import type { AcquireOptions, Lease, Pool } from '../index.js';
import { keepListeners } from '../shared/listeners.js';
import type { PgPoolClient } from './as-pg-pool.js';
import type { PostgresClient } from './client.js';

type Callback = (error?: unknown, result?: unknown, release?: PgPoolClient['release']) => void;

/** The surface of `pg.Pool` over a pool of ours. */
export class PgPool<C extends PostgresClient> extends EventEmitter {
  /** Drizzle takes what is not called `…Pool` for one connection; a minifier must not change that. */
  static override readonly name = 'PgPool';

  readonly #pool: Pool<C>;
  readonly #acquireOptions: AcquireOptions | undefined;
  /** The clients that were here, with the lease of those that are out. */
  readonly #leases = new WeakMap<C, Lease<C> | undefined>();

  constructor(pool: Pool<C>, acquireOptions: AcquireOptions | undefined) {
    super();
    this.#pool = pool;
    this.#acquireOptions = acquireOptions;
  }

  get totalCount(): number {
    const { size, creating } = this.#pool.state;
    return size + creating;
  }

  get idleCount(): number {
    return this.#pool.state.idle;
  }

  get waitingCount(): number {
    return this.#pool.state.waiting;
  }

  get expiredCount(): number {
    return this.#pool.resources().filter(({ state, stale }) => stale && state === 'leased').length;
  }

  get ending(): boolean {
    const { lifecycle } = this.#pool.state;
    return lifecycle === 'draining' || lifecycle === 'closed';
  }

  get ended(): boolean {
    return this.#pool.state.lifecycle === 'closed';
  }

  get options(): { readonly min: number; readonly max: number } {
    const { min, max } = this.#pool.state;
    return { min, max };
  }

  connect(callback?: Callback): Promise<C & PgPoolClient> | undefined {
    return answer(this.#connect(), callback, client => [client, client.release]);
  }

  query(...parameters: unknown[]): Promise<unknown> | undefined {
    const last = parameters.at(-1);
    const callback = typeof last === 'function' ? (parameters.pop() as Callback) : undefined;
    return answer(this.#query(parameters), callback, result => [result]);
  }

  end(callback?: Callback): Promise<void> | undefined {
    return answer(this.#pool.close(), callback, () => []);
  }

  async #connect(): Promise<C & PgPoolClient> {
    const lease = await this.#pool.lease(this.#acquireOptions);
    const client = lease.resource;
    const isNew = !this.#leases.has(client);
    this.#leases.set(client, lease);
    // The client itself, as `pg.Pool` does: Kysely knows its connections by it.
    const lent = Object.assign(client, {
      release: (error?: unknown) => {
        this.#release(lease, client, error);
      },
    });
    try {
      if (isNew) {
        this.#follow(client);
        this.#introduce(lent);
      }
      this.emit('acquire', lent);
      return lent;
    } catch (error) {
      // A listener threw: nobody gets the client, so nobody would give it back.
      lent.release();
      throw error;
    }
  }

  async #query(parameters: unknown[]): Promise<unknown> {
    const [config] = parameters;
    if (typeof config === 'object' && config !== null && 'submit' in config) {
      throw new TypeError('a cursor or a stream of rows needs a client of its own: use connect()');
    }
    const client = await this.#connect();
    try {
      return await (client.query as (...given: unknown[]) => Promise<unknown>)(...parameters);
    } finally {
      client.release();
    }
  }

  /** Who begins to listen to the client now does so for its whole life, as with `pg.Pool`. */
  #introduce(client: C & PgPoolClient): void {
    try {
      this.emit('connect', client);
    } finally {
      keepListeners(client);
    }
  }

  /** What is dirty, or in a transaction still, the pool's reset sees to. */
  #release(lease: Lease<C>, client: C, error: unknown): void {
    if (lease.released) return;
    this.#leases.set(client, undefined);
    if (error === undefined || error === null || error === false) void lease.release();
    else void lease.destroy(error);
    this.emit('release', error, client);
  }

  #follow(client: C): void {
    let isBroken = false;
    client.on('error', error => {
      if (isBroken) return;
      isBroken = true;
      const lease = this.#leases.get(client);
      // Nobody can do anything with it any more; some who find it broken forget to give it back.
      if (lease !== undefined) void lease.destroy(error);
      // A dead idle connection is replaced: no reason to end the process where nobody listens.
      else if (this.listenerCount('error') > 0) this.emit('error', error, client);
    });
    client.on('end', () => {
      void this.#leases.get(client)?.destroy();
      this.#leases.delete(client);
      this.emit('remove', client);
    });
  }
}

/** As a promise, or to the callback where there is one. What a callback throws is nobody's to catch. */
function answer<R>(
  outcome: Promise<R>,
  callback: Callback | undefined,
  results: (value: R) => readonly unknown[],
): Promise<R> | undefined {
  if (callback === undefined) return outcome;
  outcome.then(
    value => {
      process.nextTick(callback, undefined, ...results(value));
    },
    (error: unknown) => {
      process.nextTick(callback, error);
    },
  );
  return undefined;
}
