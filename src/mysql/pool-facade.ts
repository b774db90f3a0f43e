import { EventEmitter } from 'node:events';
import type { AcquireOptions, Lease, Pool } from '../index.js';
import { keepListeners } from '../shared/listeners.js';
import type { MysqlConnection } from './connection.js';
import { coreOf, deathOf, type Core } from './driver.js';

type Callback = (error: unknown, ...results: unknown[]) => void;

type Run = (...parameters: unknown[]) => Promise<unknown[]>;

/** A connection that is out, in the two shapes that mysql2 gives it. */
interface Loan<C> {
  readonly connection: C;
  readonly core: Core;
  readonly lease: Lease<C>;
}

/** The server has become one that only reads: mysql2's own pool drops such a connection too. */
const readOnlyErrors: readonly unknown[] = [1290, 1836];

/** The surface of mysql2's pools over a pool of ours. */
export class MysqlPool<C extends MysqlConnection> extends EventEmitter {
  /** Some tell a pool from one connection by the name of its class; a minifier must not change that. */
  static override readonly name = 'MysqlPool';

  readonly #pool: Pool<C>;
  readonly #acquireOptions: AcquireOptions | undefined;
  readonly #loans = new WeakMap<Core, Loan<C>>();
  readonly #known = new WeakSet<Core>();
  /** `escape` and its like are the connection's; any one will do, also one that has ended. */
  #escaping: C | undefined = undefined;

  constructor(pool: Pool<C>, acquireOptions: AcquireOptions | undefined) {
    super();
    this.#pool = pool;
    this.#acquireOptions = acquireOptions;
  }

  get config(): { readonly connectionLimit: number } {
    return { connectionLimit: this.#pool.state.max };
  }

  promise(): this {
    return this;
  }

  getConnection(callback?: Callback): Promise<C> | undefined {
    const borrowed = this.#borrow();
    if (callback === undefined) return borrowed.then(({ connection }) => connection);
    void answer(borrowed, callback, ({ core }) => [core]);
    return undefined;
  }

  releaseConnection(connection: C | Core): void {
    (connection as C & { release(): void }).release();
  }

  query(...parameters: unknown[]): Promise<unknown> | undefined {
    return this.#run('query', parameters);
  }

  execute(...parameters: unknown[]): Promise<unknown> | undefined {
    return this.#run('execute', parameters);
  }

  end(callback?: Callback): Promise<void> | undefined {
    return answer(this.#pool.close(), callback, () => []);
  }

  escape(value: unknown): string {
    return this.#anyConnection().escape(value);
  }

  escapeId(name: string): string {
    return this.#anyConnection().escapeId(name);
  }

  format(sql: string, values?: unknown): string {
    const connection = this.#anyConnection() as C & {
      format(sql: string, values: unknown): string;
    };
    return connection.format(sql, values);
  }

  unprepare(): never {
    throw new TypeError('prepared statements belong to a connection: use getConnection()');
  }

  [Symbol.dispose](): void {
    // Who cannot wait cannot be told either; the events of the pool tell it all.
    this.#pool.close().catch(() => undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool.close();
  }

  async #borrow(): Promise<Loan<C>> {
    const asked = this.#pool.lease(this.#acquireOptions);
    const { waiting, creating, validating } = this.#pool.state;
    if (waiting > creating + validating) this.emit('enqueue');
    const lease = await asked;
    const connection = lease.resource;
    const core = coreOf(connection);
    const loan = { connection, core, lease };
    this.#loans.set(core, loan);
    this.#escaping = connection;
    const release = (): void => {
      this.#release(loan);
    };
    // On the objects themselves: Kysely knows its connections by them. `end` of a lent connection gives it back, as
    // with mysql2's pool: Drizzle's iterator relies on that.
    Object.assign(connection, { release });
    Object.assign(core, { release, end: ending(release) });
    try {
      if (!this.#known.has(core)) {
        this.#known.add(core);
        this.#follow(core);
        this.#introduce(loan);
      }
      this.emit('acquire', core);
      return loan;
    } catch (error) {
      // A listener threw: nobody gets the connection, so nobody would give it back.
      release();
      throw error;
    }
  }

  /** Who begins to listen to the connection now does so for its whole life, as with mysql2's pool. */
  #introduce({ connection, core }: Loan<C>): void {
    try {
      this.emit('connection', core);
    } finally {
      keepListeners(connection);
      keepListeners(core);
    }
  }

  #run(method: 'query' | 'execute', parameters: unknown[]): Promise<unknown> | undefined {
    const last = parameters.at(-1);
    const callback = typeof last === 'function' ? (parameters.pop() as Callback) : undefined;
    return answer(this.#runOnce(method, parameters), callback, results => [...results]);
  }

  async #runOnce(method: 'query' | 'execute', parameters: unknown[]): Promise<unknown[]> {
    const loan = await this.#borrow();
    try {
      const { connection } = loan as { readonly connection: Record<typeof method, Run> };
      return await connection[method](...parameters);
    } catch (error) {
      if (readOnlyErrors.includes((error as { errno?: unknown }).errno)) {
        void loan.lease.destroy(error);
      }
      throw error;
    } finally {
      this.#release(loan);
    }
  }

  /** What is dirty, or in a transaction still, the pool's reset sees to. */
  #release(loan: Loan<C>): void {
    const { core, lease } = loan;
    if (this.#loans.get(core) !== loan) return;
    this.#loans.delete(core);
    delete (core as Partial<Core>).end;
    void lease.release();
    this.emit('release', core);
  }

  #follow(core: Core): void {
    deathOf(core).subscribe(error => {
      const loan = this.#loans.get(core);
      if (loan === undefined) return;
      // Nobody can do anything with it any more; some who find it broken forget to give it back.
      this.#loans.delete(core);
      void loan.lease.destroy(error);
    });
  }

  #anyConnection(): C {
    if (this.#escaping !== undefined) return this.#escaping;
    throw new Error('there was no connection yet, and escaping depends on its settings');
  }
}

function ending(release: () => void): (callback?: () => void) => void {
  return callback => {
    release();
    callback?.();
  };
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
      process.nextTick(callback, null, ...results(value));
    },
    (error: unknown) => {
      process.nextTick(callback, error);
    },
  );
  return undefined;
}
