import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { delay, lastValueFrom, map, NEVER, of, type Subscription, take, timer } from 'rxjs';
import {
  createPool,
  type AcquireOptions,
  type Lease,
  type Pool,
  PoolError,
  type PoolOptions,
} from '../../src/index.js';
import { assertInvariants, assertQuiescent, checkInvariants } from '../../src/testing/index.js';
import { CountingScheduler } from './counting-scheduler.js';
import { Complaints, type Leak, type Load, playWorkers, untilFine } from './load.js';
import { Machine } from './machine.js';

/** An error that the load arranges itself. */
class Mishap extends Error {
  override readonly name = 'Mishap';
}

const workers = 24;
const smallest = 2;
const largest = 8;
/** A leak of the heap: half a megabyte in each round, so that a long soak has room for it too. */
const leakedNumbers = 65_536;
/** Of the machines that end, with a leak of handles or timers. */
const leakingShare = 0.25;

/**
 * Plain objects with asynchronous hooks that are slow, fail and hang now and then, borrowed in every way there is,
 * with cancels, time-outs, aborts and revocations, while somebody resizes, pauses, recycles and evicts.
 */
export class MachineLoad implements Load {
  readonly name = 'machines';
  operations = 0;
  readonly #complaints = new Complaints();
  readonly #time = new CountingScheduler();
  readonly #leak: Leak | undefined;
  readonly #leaked: unknown[] = [];
  /** One for the whole life, as a service has for its shutdown. */
  readonly #shutdown = new AbortController();
  readonly #pool: Pool<Machine>;
  #isPaused = false;

  constructor(leak?: Leak) {
    this.#leak = leak;
    this.#pool = this.#open('soak');
  }

  get failures(): readonly string[] {
    return this.#complaints.list;
  }

  get timers(): number {
    return this.#time.pending;
  }

  get ownHandles(): number {
    return Machine.running;
  }

  async play(millis: number, signal: AbortSignal): Promise<void> {
    const short = this.#liveAndClose();
    if (this.#leak === 'heap') this.#leaked.push(new Array<number>(leakedNumbers).fill(0));
    await playWorkers(workers, millis, signal, this.#complaints, () => this.#step());
    await short;
  }

  async rest(): Promise<void> {
    if (this.#isPaused) this.#setPaused(false);
    this.#pool.resize({ min: smallest, max: largest });
    await untilFine(this.#complaints, () => {
      assertInvariants(this.#pool, { leased: 0, waiting: 0 });
      assertQuiescent(this.#pool);
      const { size } = this.#pool.state;
      if (Machine.running !== size) {
        throw new Error(`${Machine.running} machines run, the pool counts ${size}`);
      }
      const listeners = getEventListeners(this.#shutdown.signal, 'abort').length;
      if (listeners > 0) throw new Error(`${listeners} listeners are left on a signal`);
    });
  }

  async close(): Promise<void> {
    await this.#pool.close().catch((error: unknown) => this.#expect(error));
    await untilFine(this.#complaints, () => {
      if (Machine.running > 0) throw new Error(`${Machine.running} machines run after the close`);
      // A leak that was injected stays.
      if (this.timers > 0 && this.#leak !== 'timer') {
        throw new Error(`${this.timers} timers are armed after the close`);
      }
    });
  }

  #open(name: string): Pool<Machine> {
    const pool = createPool<Machine>({ ...this.#hooks(), ...limits, name, scheduler: this.#time });
    pool.stats$.pipe(checkInvariants()).subscribe({
      error: (error: unknown) => this.#complaints.add('the events contradict one another', error),
    });
    return pool;
  }

  #hooks(): Pick<PoolOptions<Machine>, 'create' | 'validate' | 'reset' | 'destroy' | 'watch'> {
    return {
      create: ({ signal }) => {
        signal.throwIfAborted();
        if (chance(0.02)) throw new Mishap('create');
        if (chance(0.002)) return NEVER;
        if (chance(0.2)) return new Machine();
        // The rare long one comes too late for its limit.
        if (chance(0.5)) return sleep(chance(0.005) ? 80 : between(0, 3)).then(() => new Machine());
        return timer(between(0, 3)).pipe(map(() => new Machine()));
      },
      validate: () => {
        if (chance(0.01)) return false;
        if (chance(0.002)) throw new Mishap('validate');
        if (chance(0.001)) return NEVER;
        return chance(0.5) ? true : sleep(between(0, 1), true);
      },
      reset: () => {
        if (chance(0.005)) return Promise.reject(new Mishap('reset'));
        if (chance(0.001)) return NEVER;
        return chance(0.5) ? undefined : timer(between(0, 1));
      },
      destroy: machine => {
        machine.end(this.#leak === 'handle' && chance(leakingShare));
        if (this.#leak === 'timer' && chance(leakingShare)) {
          this.#time.schedule(() => undefined, 3_600_000);
        }
        if (chance(0.01)) throw new Mishap('destroy');
        if (chance(0.005)) return NEVER;
        return chance(0.5) ? undefined : sleep(between(0, 2));
      },
      watch: machine => machine.broken$,
    };
  }

  /** A pool that is made, used and closed, as in a test or a serverless function. */
  async #liveAndClose(): Promise<void> {
    const pool = this.#open('short');
    const waiting = Array.from({ length: 12 }, () =>
      lastValueFrom(pool.use(() => sleep(between(0, 5)))).catch((error: unknown) =>
        this.#expect(error),
      ),
    );
    await sleep(between(0, 10));
    await pool
      .close({ drainTimeoutMillis: 20, waiters: chance(0.5) ? 'serve' : 'reject' })
      .catch((error: unknown) => this.#expect(error));
    await Promise.all(waiting);
  }

  async #step(): Promise<void> {
    try {
      await this.#draw()();
    } catch (error) {
      this.#expect(error);
    }
    this.operations += 1;
    // A refusal at once must not make this loop starve the timers.
    if (chance(0.2)) await sleep(between(0, 2));
    else await Promise.resolve();
  }

  #draw(): () => Promise<unknown> {
    const drawn = Math.random();
    if (drawn < 0.25) return () => this.#useInEveryWay();
    if (drawn < 0.45) return () => this.#own();
    if (drawn < 0.6) return () => this.#subscribe();
    if (drawn < 0.8) return () => this.#leaveEarly();
    if (drawn < 0.9) return () => this.#abort();
    if (drawn < 0.97) return () => this.#tryOnce();
    if (drawn < 0.99) return () => this.#look();
    return () => this.#operate();
  }

  async #useInEveryWay(): Promise<unknown> {
    const options: AcquireOptions = { priority: between(0, 2), label: 'use' };
    const use$ = this.#pool.use(machine => {
      machine.memory[0] = 1;
      if (chance(0.02)) throw new Mishap('project');
      if (chance(0.3)) return between(0, 3);
      if (chance(0.3)) return sleep(between(0, 3), 1);
      if (chance(0.5)) return countTo(3);
      return of(1, 2).pipe(delay(between(0, 2)));
    }, options);
    return lastValueFrom(use$);
  }

  async #own(): Promise<void> {
    await using lease = await this.#pool.lease({ timeoutMillis: between(1, 100) });
    await sleep(between(0, 4));
    if (chance(0.05)) await lease.destroy(chance(0.5) ? new Mishap('lease') : undefined);
    else if (chance(0.02)) lease.resource.break(new Mishap('broke by itself'));
    else if (chance(0.02) && !lease.released) lease.detach().end();
    // Past `leakWarningMillis`, some past `maxLeaseMillis` too.
    else if (chance(0.002)) await sleep(between(20, 80));
  }

  /** Subscribes to `acquire()` and leaves with the lease, or without one. */
  async #subscribe(): Promise<void> {
    const leases: Lease<Machine>[] = [];
    await new Promise<void>((resolve, reject) => {
      const subscription: Subscription = this.#pool.acquire().subscribe({
        next: lease => {
          leases.push(lease);
          lease.touch();
          setTimeout(
            () => {
              if (chance(0.5)) void lease.release();
              else subscription.unsubscribe();
              resolve();
            },
            between(0, 4),
          );
        },
        error: reject,
        complete: resolve,
      });
    });
  }

  /** Unsubscribes while waiting, in mid-create, in mid-use: whenever it happens to be. */
  async #leaveEarly(): Promise<void> {
    const onCancel = chance(0.05) ? 'destroy' : 'release';
    const subscription = this.#pool
      .use(() => timer(0, 2).pipe(take(3)), { onCancel })
      .subscribe({ error: (error: unknown) => this.#expect(error) });
    if (chance(0.7)) await sleep(between(0, 5));
    subscription.unsubscribe();
  }

  async #abort(): Promise<void> {
    if (chance(0.5)) {
      await using lease = await this.#pool.lease({ signal: this.#shutdown.signal });
      await sleep(lease.released ? 0 : 1);
      return;
    }
    const abort = new AbortController();
    const lease = this.#pool.lease({ signal: abort.signal });
    setTimeout(() => abort.abort(), between(0, 5));
    await (await lease).release();
  }

  async #tryOnce(): Promise<void> {
    using lease = this.#pool.tryAcquire();
    if (lease !== undefined) await sleep(between(0, 2));
  }

  /** A dashboard that is opened and closed again. */
  async #look(): Promise<void> {
    const subscription = this.#pool.stats$.subscribe();
    subscription.add(this.#pool.state$.subscribe());
    await sleep(between(0, 20));
    subscription.unsubscribe();
  }

  async #operate(): Promise<void> {
    switch (between(0, 5)) {
      case 0:
        await this.#pool.recycle();
        return;
      case 1:
        await this.#pool.evict();
        return;
      case 2:
        await this.#pool.healthCheck();
        return;
      case 3:
        await this.#pool.prefill();
        return;
      case 4:
        this.#pool.resize({ min: between(0, 3), max: between(3, 12) });
        return;
      default:
        if (this.#isPaused) return;
        this.#setPaused(true);
        await sleep(between(1, 10));
        this.#setPaused(false);
    }
  }

  #setPaused(paused: boolean): void {
    this.#isPaused = paused;
    if (paused) this.#pool.pause();
    else this.#pool.resume();
  }

  /** Errors of the pool and mishaps belong to the load; all others do not. */
  #expect(error: unknown): void {
    if (!(error instanceof PoolError || error instanceof Mishap)) throw error;
  }
}

const limits = {
  min: smallest,
  max: largest,
  minIdle: 1,
  maxWaiting: 60,
  maxUses: 300,
  acquireTimeoutMillis: 100,
  createTimeoutMillis: 40,
  validateTimeoutMillis: 20,
  resetTimeoutMillis: 20,
  destroyTimeoutMillis: 20,
  idleTimeoutMillis: 50,
  maxLifetimeMillis: 3_000,
  validateIdleEveryMillis: 25,
  validateAfterIdleMillis: 5,
  leakWarningMillis: 25,
  maxLeaseMillis: 60,
} satisfies Partial<PoolOptions<Machine>>;

async function* countTo(last: number): AsyncGenerator<number> {
  for (let n = 1; n <= last; n += 1) {
    await Promise.resolve();
    yield n;
  }
}

function chance(share: number): boolean {
  return Math.random() < share;
}

/** A whole number, both ends included. */
function between(least: number, most: number): number {
  return least + Math.floor(Math.random() * (most - least + 1));
}
