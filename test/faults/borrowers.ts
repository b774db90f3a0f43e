import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { lastValueFrom } from 'rxjs';
import type { Pool } from '../../src/index.js';
import { query } from '../../src/postgres/index.js';

/** A borrower that was refused tries again after this, as a polite client does. */
const retryMillis = 10;

/** A steady number of clients of a pool, each with one borrowing at a time: statements and transactions by turns. */
export class Borrowers {
  served = 0;
  failed = 0;
  /** Inserts that the server has acknowledged, and those of which nobody knows. */
  inserted = 0;
  unknown = 0;
  /** How often each error was met. */
  readonly errors = new Map<string, number>();
  /** Borrowings without a failure up to now. */
  streak = 0;
  streakSince = performance.now();
  #stopped = false;
  readonly #pool: Pool<Client>;
  readonly #work: Promise<unknown>;

  constructor(pool: Pool<Client>, count: number) {
    this.#pool = pool;
    this.#work = Promise.all(Array.from({ length: count }, (_, place) => this.#goOn(place)));
  }

  /** Resolves when the last one has come to the end of its borrowing. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#work;
  }

  async #goOn(place: number): Promise<void> {
    for (let turn = place; !this.#stopped; turn += 1) {
      try {
        await (turn % 2 === 0 ? this.#select() : this.#insert());
        this.served += 1;
        if (this.streak === 0) this.streakSince = performance.now();
        this.streak += 1;
      } catch (error) {
        this.failed += 1;
        this.streak = 0;
        const name = nameOf(error);
        this.errors.set(name, (this.errors.get(name) ?? 0) + 1);
        await sleep(retryMillis);
      }
    }
  }

  #select(): Promise<unknown> {
    return lastValueFrom(query(this.#pool, 'SELECT pg_sleep(0.002)'));
  }

  async #insert(): Promise<void> {
    let isUnderWay = false;
    const insert$ = this.#pool.use(async client => {
      isUnderWay = true;
      await client.query('BEGIN');
      await client.query('INSERT INTO fault_work DEFAULT VALUES');
      await client.query('COMMIT');
      isUnderWay = false;
      this.inserted += 1;
    });
    try {
      await lastValueFrom(insert$, { defaultValue: undefined });
    } finally {
      if (isUnderWay) this.unknown += 1;
    }
  }
}

/** The code says more than the class: `53300` and not `error`. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const { code } = error as { code?: unknown };
  const own = typeof code === 'string' ? code : error.message;
  return cause instanceof Error ? `${own}: ${nameOf(cause)}` : own;
}
