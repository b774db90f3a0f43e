import type { Client } from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from '../../src/index.js';
import type { Load } from './loads.js';

/** Borrowers that never have enough, at work with one load after the other. */
export class Crowd {
  failed = 0;
  readonly #pool: Pool<Client>;
  #load: Load;
  #turn = 0;
  #isOver = false;
  readonly #ends: Promise<void>[];

  constructor(pool: Pool<Client>, load: Load, size: number) {
    this.#pool = pool;
    this.#load = load;
    this.#ends = Array.from({ length: size }, () => this.#borrow());
  }

  set load(load: Load) {
    this.#load = load;
  }

  async leave(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#ends);
  }

  /** Leases that end in a second. */
  async measure(millis: number): Promise<number> {
    const before = this.#pool.stats.released;
    const start = performance.now();
    await sleep(millis);
    return ((this.#pool.stats.released - before) * 1_000) / (performance.now() - start);
  }

  /** As `measure`, at a size of the pool, once it has it. */
  async measureAt(size: number, millis: number): Promise<number> {
    this.#pool.resize({ max: size });
    const deadline = performance.now() + 10_000;
    while (this.#pool.state.size !== size && performance.now() < deadline) await sleep(20);
    await sleep(150);
    return this.measure(millis);
  }

  async #borrow(): Promise<void> {
    while (!this.#isOver) {
      const lease = await this.#pool.lease();
      try {
        await this.#load.work(lease.resource, (this.#turn += 1));
      } catch {
        // Told at the end, where none is expected.
        this.failed += 1;
      }
      void lease.release();
    }
  }
}
