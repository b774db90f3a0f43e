import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';

/** Asks the server how many connections it has of the role of the pools, as often as it answers. */
export class Census {
  samples = 0;
  most = 0;
  /** The longest time between two answers: what was not looked at. */
  longestGapMillis = 0;
  /** Of each process, by the name of its connections, at the last look. */
  byProcess: ReadonlyMap<string, number> = new Map();
  #isOver = false;
  readonly #client: Client;
  readonly #pauseMillis: number;
  #work: Promise<void> = Promise.resolve();

  constructor(port: number, pauseMillis: number) {
    this.#client = new Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' });
    this.#pauseMillis = pauseMillis;
  }

  async start(): Promise<void> {
    await this.#client.connect();
    this.#work = this.#count();
  }

  /** How many sessions the server has begun so far, those that end before anybody looks included. */
  async sessions(): Promise<number> {
    const { rows } = await this.#client.query<{ sessions: string }>(
      'SELECT sessions FROM pg_stat_database WHERE datname = current_database()',
    );
    return Number(rows[0]?.sessions);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#work;
    await this.#client.end();
  }

  async #count(): Promise<void> {
    let lookedAt = performance.now();
    while (!this.#isOver) {
      const { rows } = await this.#client.query<{ name: string; count: number }>({
        name: 'census',
        text: `SELECT application_name AS name, count(*)::int AS count FROM pg_stat_activity
               WHERE usename = 'rxpool' AND backend_type = 'client backend' GROUP BY 1`,
      });
      const now = performance.now();
      this.longestGapMillis = Math.max(this.longestGapMillis, now - lookedAt);
      lookedAt = now;
      this.byProcess = new Map(rows.map(({ name, count }) => [name, count]));
      this.samples += 1;
      this.most = Math.max(
        this.most,
        rows.reduce((sum, { count }) => sum + count, 0),
      );
      await sleep(this.#pauseMillis);
    }
  }
}
