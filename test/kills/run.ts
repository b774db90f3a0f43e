import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from '../../src/index.js';
import { assertInvariants, checkInvariants, PoolFold } from '../../src/testing/index.js';
import { Census } from './census.js';
import type { KillTrial, OpenTrial } from './contestant.js';
import { Crowd } from './crowd.js';
import { Strays } from './strays.js';

export interface RunOptions {
  /** Borrowings that have to succeed; those that a kill fails are counted beside. */
  readonly borrows: number;
  /** Aborting ends the run early, with a verdict on what there was. */
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** A borrowing, or a close, that takes longer hangs: on a busy machine everything takes longer. Default 60,000. */
  readonly patienceMillis?: number;
  /** How long the server may take to notice that a connection was closed. Default 10,000. */
  readonly settleMillis?: number;
}

export interface Progress {
  readonly trial: string;
  readonly borrows: number;
  readonly failed: number;
  readonly kills: number;
}

export interface KillReport extends Progress {
  readonly counts: string;
  readonly created: number;
  readonly destroyed: number;
  /** The most resources that the server counted at one time, and the pool's `max`. */
  readonly mostOnServer: number;
  readonly max: number;
  readonly tookMillis: number;
  readonly errors: ReadonlyMap<string, number>;
  /** What must not be. */
  readonly violations: readonly string[];
}

const drainTimeoutMillis = 10_000;
/** Kills in a whole run, about. */
const killsWanted = 50;
const borrowsBetweenKills = { least: 20, most: 400 };

/** Borrows from the trial's pool again and again while its resources are killed, then compares the pool's books with the server's. */
export async function runTrial(trial: KillTrial, options: RunOptions): Promise<KillReport> {
  using strays = new Strays();
  const open = await trial.open();
  try {
    const report = await observe(trial.name, open, options);
    // Rejections are reported late.
    await new Promise(resolve => setImmediate(resolve));
    return { ...report, violations: [...report.violations, ...strays.found] };
  } finally {
    await open.close();
  }
}

async function observe(name: string, open: OpenTrial, options: RunOptions): Promise<KillReport> {
  const { borrows, signal, onProgress, patienceMillis = 60_000, settleMillis = 10_000 } = options;
  const { pool } = open;
  const { max } = pool.state;
  const violations: string[] = [];
  const books = new Books(pool, violations);
  const killer = new Killer(open, borrows, violations);
  const progress = (): Progress => ({
    trial: name,
    borrows: crowd.succeeded,
    failed: crowd.failed,
    kills: killer.kills,
  });
  const crowd = new Crowd(open, {
    size: 2 * max,
    borrows,
    patienceMillis,
    signal,
    onEnd: () => {
      if (!signal.aborted) killer.look(crowd.succeeded);
      onProgress?.(progress());
    },
  });
  const census = new Census(open);

  const startedAt = performance.now();
  await crowd.work();
  await killer.end();
  const tookMillis = performance.now() - startedAt;

  if (crowd.hung > 0) violations.push(`${crowd.hung} borrowings hang`);
  if (crowd.isStuck) violations.push(`nobody succeeds: ${[...crowd.errors.keys()].join(', ')}`);
  const quiet = await settles(settleMillis, async () => {
    assertInvariants(pool, { leased: 0, waiting: 0 });
    const { idle, size, creating } = pool.state;
    const counted = await open.serverCount();
    if (idle === size && creating === 0 && counted === size) return;
    throw new Error(`the server counts ${counted}, the pool ${JSON.stringify(pool.state)}`);
  });
  if (quiet !== undefined) violations.push(`at rest: ${quiet}`);
  const { created, destroyed } = pool.stats;
  if (killer.kills > 0 && destroyed === 0) violations.push('no kill ended a resource of the pool');

  await close(pool, patienceMillis, violations);
  await census.end();
  if (census.answers === 0) violations.push('the server never said how many it counts');
  if (census.most > max) violations.push(`the server counted ${census.most}, above max (${max})`);
  const empty = await settles(settleMillis, async () => {
    const counted = await open.serverCount();
    if (counted !== 0) throw new Error(`the server still counts ${counted}`);
  });
  if (empty !== undefined) violations.push(`after close: ${empty}`);
  books.close();

  return {
    ...progress(),
    counts: open.counts,
    created,
    destroyed,
    mostOnServer: census.most,
    max,
    tookMillis,
    errors: crowd.errors,
    violations,
  };
}

/** What the pool's events add up to, checked one by one and as a whole. */
class Books {
  readonly #pool: Pool<unknown>;
  readonly #violations: string[];
  readonly #fold: PoolFold;

  constructor(pool: Pool<unknown>, violations: string[]) {
    this.#pool = pool;
    this.#violations = violations;
    this.#fold = new PoolFold(pool.state);
    let isFirst = true;
    pool.stats$.subscribe(event => {
      if (isFirst && event.seq !== 1)
        violations.push(`the first event heard is number ${event.seq}`);
      isFirst = false;
      this.#fold.add(event);
    });
    pool.stats$.pipe(checkInvariants()).subscribe({
      error: (error: unknown) => violations.push(String(error)),
    });
  }

  close(): void {
    const { acquired, released, created, destroyed, destroyFailed } = this.#pool.stats;
    if (!this.#fold.equals(this.#pool.state)) {
      this.#violations.push(
        `the events add up to ${JSON.stringify(this.#fold.state)}, the pool is ${JSON.stringify(this.#pool.state)}`,
      );
    }
    if (acquired !== released) this.#violations.push(`${acquired} acquired, ${released} released`);
    // The goodbye of what was killed may fail; whether it is gone is for the server's count to say.
    if (created !== destroyed + destroyFailed) {
      this.#violations.push(`${created} created, ${destroyed + destroyFailed} ended`);
    }
  }
}

/** Kills every now and then, one at a time. */
class Killer {
  kills = 0;
  readonly #open: OpenTrial;
  readonly #violations: string[];
  readonly #between: number;
  #next: number;
  #isAtWork = false;
  #work: Promise<void> = Promise.resolve();

  constructor(open: OpenTrial, borrows: number, violations: string[]) {
    this.#open = open;
    this.#violations = violations;
    const { least, most } = borrowsBetweenKills;
    this.#between = Math.min(most, Math.max(least, Math.floor(borrows / killsWanted)));
    this.#next = this.#pause();
  }

  look(borrows: number): void {
    if (this.#isAtWork || borrows < this.#next) return;
    this.#isAtWork = true;
    this.#work = this.#kill().finally(() => {
      this.#isAtWork = false;
      this.#next = borrows + this.#pause();
    });
  }

  async end(): Promise<void> {
    await this.#work;
  }

  async #kill(): Promise<void> {
    try {
      await this.#open.kill();
      this.kills += 1;
    } catch (error) {
      this.#violations.push(`a kill failed: ${String(error)}`);
    }
  }

  #pause(): number {
    return Math.ceil(this.#between * (0.5 + Math.random()));
  }
}

async function close(
  pool: Pool<unknown>,
  patienceMillis: number,
  violations: string[],
): Promise<void> {
  const late = new AbortController();
  const limit = sleep(patienceMillis, 'late', { signal: late.signal }).catch(() => 'late');
  const closing = pool.close({ drainTimeoutMillis }).then(
    () => 'closed',
    (error: unknown) => `close fails: ${String(error)}`,
  );
  const outcome = await Promise.race([closing, limit]);
  late.abort();
  if (outcome !== 'closed') violations.push(outcome === 'late' ? 'close hangs' : outcome);
}

/** Tries until it does not throw any more; past the deadline it gives the last error's message. */
async function settles(
  withinMillis: number,
  check: () => Promise<void>,
): Promise<string | undefined> {
  const deadline = performance.now() + withinMillis;
  for (;;) {
    try {
      await check();
      return undefined;
    } catch (error) {
      if (performance.now() > deadline)
        return error instanceof Error ? error.message : String(error);
      await sleep(5);
    }
  }
}
