import { Observable, timer } from 'rxjs';
import { Member } from '../../src/budget/member.js';
import { resolveOptions, type WhenAway } from '../../src/budget/options.js';
import { createPool, type Pool } from '../../src/index.js';
import type { Draw } from '../simulation/draw.js';
import { Link, type BudgetNetwork } from './budget-network.js';
import type { Database } from './database.js';
import type { FleetTime } from './fleet-time.js';
import { ProcessClock } from './process-clock.js';

export interface ProcessPlan {
  readonly limit: number;
  readonly ttlMillis: number;
  readonly turnMillis: number;
  readonly whenAway: WhenAway;
  readonly min: number;
  readonly max: number;
  /** Borrowers that come back as soon as they have given back. */
  readonly borrowers: number;
}

/** One process: a pool, its membership in the budget, and borrowers that never have enough. */
export class FleetProcess {
  readonly name: string;
  readonly clock: ProcessClock;
  readonly link: Link;
  readonly pool: Pool<object>;
  /** Leases that ended. */
  served = 0;
  failed = 0;
  readonly #time: FleetTime;
  readonly #draw: Draw;
  /** Since when each borrower waits, in true time; Infinity while it has a lease. */
  readonly #waitingSince: number[];
  #longestWait = 0;
  #countsFrom = 0;

  constructor(
    name: string,
    plan: ProcessPlan,
    time: FleetTime,
    network: BudgetNetwork,
    database: Database,
    draw: Draw,
  ) {
    this.name = name;
    this.#time = time;
    this.#draw = draw;
    const hour = 3_600_000;
    const drift = 1 + (draw.share() - 0.5) * 0.02;
    this.clock = new ProcessClock(time, Math.floor((draw.share() - 0.5) * 2 * hour), drift);
    this.link = new Link(this.clock);
    const { limit, ttlMillis, turnMillis, whenAway, min, max, borrowers } = plan;
    const options = { limit, ttlMillis, turnMillis, whenAway, scheduler: this.clock, member: name };
    const permits = new Member(
      network.for(name, this.link),
      resolveOptions('fleet', options, { member: () => name, ttlMillis }),
    );
    this.pool = createPool<object>({
      create: () => {
        database.changed(name, 1);
        return this.#later({}, 5, 20);
      },
      destroy: () =>
        new Observable(subscriber =>
          timer(draw.between(1, 3), this.clock).subscribe(() => {
            database.changed(name, -1);
            subscriber.complete();
          }),
        ),
      name,
      min,
      max,
      permits,
      scheduler: this.clock,
      acquireTimeoutMillis: Infinity,
    });
    this.#waitingSince = new Array<number>(borrowers).fill(time.now);
    for (let index = 0; index < borrowers; index += 1) this.#borrow(index);
  }

  /** The longest wait of a request, those that wait still included, of what is after the last call alone. */
  takeLongestWait(): number {
    const { now } = this.#time;
    for (const since of this.#waitingSince) this.#waited(now, since);
    const longest = this.#longestWait;
    this.#longestWait = 0;
    this.#countsFrom = now;
    return longest;
  }

  #waited(upTo: number, since: number): void {
    const waited = upTo - Math.max(since, this.#countsFrom);
    this.#longestWait = Math.max(this.#longestWait, waited);
  }

  #borrow(index: number): void {
    this.#waitingSince[index] = this.#time.now;
    this.pool
      .use(() => {
        this.#waited(this.#time.now, this.#waitingSince[index] as number);
        this.#waitingSince[index] = Infinity;
        return timer(this.#draw.between(200, 800), this.clock);
      })
      .subscribe({
        complete: () => {
          this.served += 1;
          this.#borrow(index);
        },
        error: () => {
          this.failed += 1;
          this.clock.schedule(() => this.#borrow(index), 100);
        },
      });
  }

  #later<Value>(value: Value, least: number, most: number): Observable<Value> {
    return new Observable(subscriber =>
      timer(this.#draw.between(least, most), this.clock).subscribe(() => {
        subscriber.next(value);
        subscriber.complete();
      }),
    );
  }
}
