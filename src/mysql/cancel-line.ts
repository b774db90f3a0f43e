import { firstValueFrom, race, timer, type SchedulerLike } from 'rxjs';
import type { MysqlConnection } from './connection.js';
import { coreOf, cut, deathOf } from './driver.js';

/** How long the line may take to say goodbye. */
const goodbyeMillis = 1_000;

/** What the server is told to end: what runs on a connection, or the connection. */
export type KillTarget = 'QUERY' | 'CONNECTION';

interface Order {
  readonly target: KillTarget;
  readonly threadId: number;
  readonly server: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Who answers: behind one address there may be several servers, each with ids of its own. */
export const serverName = "CONCAT_WS('/', @@hostname, @@port, @@server_id)";

/**
 * MySQL takes a cancel on another connection only. All connections of a pool share this one, which is opened when there
 * is something to kill and ended when there is nothing left: the server counts one more than `max` at most.
 */
export class CancelLine {
  readonly #open: () => Promise<MysqlConnection>;
  readonly #scheduler: SchedulerLike;
  #orders: Order[] = [];
  #work: Promise<void> | undefined = undefined;

  constructor(open: () => Promise<MysqlConnection>, scheduler: SchedulerLike) {
    this.#open = open;
    this.#scheduler = scheduler;
  }

  /** Resolves when the line is closed. */
  get closed(): Promise<void> {
    return this.#work ?? Promise.resolve();
  }

  /** Resolves when the server has taken it on. */
  kill(target: KillTarget, threadId: number, server: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#orders.push({ target, threadId, server, resolve, reject });
      this.#work ??= this.#serve().finally(() => {
        this.#work = undefined;
      });
    });
  }

  async #serve(): Promise<void> {
    while (this.#orders.length > 0) {
      let line: MysqlConnection | undefined;
      let current: Order | undefined;
      try {
        line = await this.#open();
        const [rows] = (await line.query(`SELECT ${serverName} AS server`)) as [
          readonly { readonly server: unknown }[],
          unknown,
        ];
        const server = String(rows[0]?.server);
        while ((current = this.#orders.shift()) !== undefined) {
          await obey(line, server, current);
        }
      } catch (error) {
        for (const order of current === undefined ? this.#orders.splice(0) : [current]) {
          order.reject(error);
        }
      } finally {
        if (line !== undefined) await this.#hangUp(line);
      }
    }
  }

  async #hangUp(line: MysqlConnection): Promise<void> {
    const core = coreOf(line);
    core.end();
    await firstValueFrom(race(deathOf(core), timer(goodbyeMillis, this.#scheduler)));
    cut(core);
  }
}

async function obey(line: MysqlConnection, server: string, order: Order): Promise<void> {
  const { target, threadId } = order;
  if (server !== order.server) {
    throw new Error(
      `connection ${threadId} is one of the server ${order.server}, but ${server} answers: nothing was killed`,
    );
  }
  try {
    await line.query(`KILL ${target} ${threadId}`);
  } catch (error) {
    // ER_NO_SUCH_THREAD: it has ended by itself.
    if ((error as { errno?: number }).errno !== 1094) throw error;
  }
  order.resolve();
}
