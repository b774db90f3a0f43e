import { CloseError, PoolClosedError } from '../errors.js';
import { Closing, type Closer } from './closing.js';
import type { Housekeeping } from './housekeeping.js';
import type { Inventory } from './inventory.js';
import type { Journal } from './journal.js';
import type { Leasing } from './leasing.js';
import type { Reception } from './reception.js';
import type { Supply } from './supply.js';
import type { Timetable } from './timetable.js';
import { callOut, type Turns } from './turns.js';
import type { Workshop } from './workshop.js';

/** The end of the pool: what is turned away, what is awaited and for how long, and what is told when all is gone. */
export class Shutdown<T> implements Closer {
  readonly #inventory: Inventory<T>;
  readonly #journal: Journal<T>;
  readonly #reception: Reception<T>;
  readonly #supply: Supply<T>;
  readonly #leasing: Leasing<T>;
  readonly #housekeeping: Housekeeping<T>;
  readonly #workshop: Workshop<T>;
  readonly #timetable: Timetable<T>;
  readonly #turns: Turns;
  /** Serves those who wait with what is there. */
  readonly #pump: (now: number) => void;
  #closing: Closing | undefined = undefined;

  constructor(
    inventory: Inventory<T>,
    reception: Reception<T>,
    supply: Supply<T>,
    leasing: Leasing<T>,
    housekeeping: Housekeeping<T>,
    workshop: Workshop<T>,
    timetable: Timetable<T>,
    turns: Turns,
    pump: (now: number) => void,
  ) {
    this.#inventory = inventory;
    this.#journal = inventory.journal;
    this.#reception = reception;
    this.#supply = supply;
    this.#leasing = leasing;
    this.#housekeeping = housekeeping;
    this.#workshop = workshop;
    this.#timetable = timetable;
    this.#turns = turns;
    this.#pump = pump;
  }

  /** A second call gets the first one's promise; with `force` it ends the waiting. */
  close(drainTimeoutMillis: number, serving: boolean, force: boolean): Promise<void> {
    const running = this.#closing;
    if (running !== undefined && (!force || running.overdue)) return running.promise;
    const outermost = this.#turns.enter();
    const now = this.#timetable.now();
    const closing = running ?? this.#start(serving && !force, now);
    if (force) this.#endWaiting(closing, now);
    else if (this.#journal.lifecycle === 'draining') {
      this.#timetable.plan(closing, now + drainTimeoutMillis);
    }
    this.#turns.leave(outermost, now);
    return closing.promise;
  }

  drainLimit(now: number): void {
    const closing = this.#closing;
    if (closing !== undefined) closing.abandoned += this.#endWaiting(closing, now);
  }

  destroyFailed(error: unknown): void {
    this.#closing?.errors.push(error);
  }

  /** Once nobody is served any more, what is idle goes. */
  retireIdle(now: number): void {
    if (this.#journal.isClosing && !this.#journal.mayServe) this.#housekeeping.retireAll(now);
  }

  /** Tells the end, once everything is gone. */
  finish(now: number): void {
    const closing = this.#closing;
    const journal = this.#journal;
    if (closing === undefined || journal.lifecycle === 'closed') return;
    if (journal.size + journal.creating + journal.waiting + journal.asked > 0) return;
    this.#timetable.cancel(closing);
    journal.lifecycle = 'closed';
    journal.record('closed', now, {});
    journal.commit();
    this.#timetable.stop();
    this.#turns.committed(
      callOut(() => {
        journal.complete();
      }),
    );
    const { name } = this.#inventory.options;
    if (closing.clean) closing.resolve();
    else closing.reject(new CloseError(name, journal.state, closing.errors, closing.abandoned));
  }

  #start(serving: boolean, now: number): Closing {
    const journal = this.#journal;
    const closing = new Closing(this);
    this.#closing = closing;
    this.#turns.restless = true;
    journal.serving = serving;
    journal.lifecycle = 'draining';
    journal.record('draining', now, {});
    this.#supply.close();
    if (serving) this.#pump(now);
    else this.#reception.refuseAll(now);
    this.#supply.withdrawAsks(journal.waiting);
    this.#abortCreates(journal.waiting);
    return closing;
  }

  /** From here on nothing is waited for that has no time limit of its own. Returns what was given up. */
  #endWaiting(closing: Closing, now: number): number {
    const { name, destroyTimeoutMillis } = this.#inventory.options;
    let givenUp = 0;
    closing.overdue = true;
    this.#journal.serving = false;
    this.#timetable.cancel(closing);
    this.#reception.refuseAll(now);
    this.#supply.withdrawAsks(0);
    const destroysAreLimited = destroyTimeoutMillis !== Infinity;
    for (const slot of [...this.#inventory.slots.values()]) {
      const { task, lease } = slot;
      if (slot.status === 'leased' && lease !== undefined) {
        givenUp += 1;
        this.#leasing.revoke(lease, now);
      } else if (task !== undefined && (task.hook !== 'destroy' || !destroysAreLimited)) {
        givenUp += 1;
        this.#workshop.giveUp(task, new PoolClosedError(name, this.#journal.state), now);
      }
    }
    this.#housekeeping.retireAll(now);
    return givenUp;
  }

  /** Tells all but the oldest `keep` creates that nobody waits for them. What they still give is destroyed. */
  #abortCreates(keep: number): void {
    const { options, slots } = this.#inventory;
    let kept = 0;
    for (const { status, task } of [...slots.values()]) {
      if (status !== 'creating') continue;
      kept += 1;
      if (kept > keep) {
        task?.context?.abort(new PoolClosedError(options.name, this.#journal.state));
      }
    }
  }
}
