import type { Agenda, Deadline } from './agenda.js';

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
  readonly #agenda: Agenda;
  #failures = 0;

  constructor(agenda: Agenda) {
    this.#agenda = agenda;
  }

  get active(): boolean {
    return this.place >= 0;
  }

  untilNextTurn(now: number): void {
    this.#agenda.add(this, now);
  }

  /** Several fills that fail during one pause count once. */
  afterFailure(now: number): void {
    if (this.active) return;
    const pause = Math.min(FIRST_PAUSE_MILLIS * 2 ** this.#failures, LONGEST_PAUSE_MILLIS);
    this.#failures += 1;
    this.#agenda.add(this, now + pause);
  }

  /** A create succeeded: whatever was wrong is over. */
  afterSuccess(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.end();
  }

  end(): void {
    this.#agenda.remove(this);
  }

  due(): void {
    // Being out of the agenda is all there is to it: the turn that rang it goes on to fill.
  }
}
