import type { Deadline } from './agenda.js';
import type { Timetable } from './timetable.js';

const FIRST_PAUSE_MILLIS = 100;
const LONGEST_PAUSE_MILLIS = 10_000;

/**
 * When the pool does not fill up to `min`: before the scheduler's first turn, so that whoever subscribes in the tick
 * of `createPool` sees everything; and after a failed fill, for a time that doubles with each failure in a row, so
 * that a server that is down is not stormed.
 */
export class FillPause implements Deadline {
  dueAt: number = Infinity;
  place = -1;
  /** Before any resource: a fill that is due comes before what else is due then. */
  readonly order: number = 0;
  readonly #timetable: Timetable<unknown>;
  #failures = 0;

  constructor(timetable: Timetable<unknown>) {
    this.#timetable = timetable;
  }

  get active(): boolean {
    return this.place >= 0;
  }

  untilNextTurn(now: number): void {
    this.#timetable.plan(this, now);
  }

  /** Several fills that fail during one pause count once. */
  afterFailure(now: number): void {
    if (this.active) return;
    const pause = Math.min(FIRST_PAUSE_MILLIS * 2 ** this.#failures, LONGEST_PAUSE_MILLIS);
    this.#failures += 1;
    this.#timetable.plan(this, now + pause);
  }

  /** A create succeeded: whatever was wrong is over. */
  afterSuccess(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.end();
  }

  end(): void {
    this.#timetable.cancel(this);
  }

  due(): void {
    // Being planned no more is all there is to it: the turn that rang it goes on to fill.
  }
}
