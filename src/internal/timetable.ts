import type { SchedulerLike } from 'rxjs';
import { Agenda, type Deadline } from './agenda.js';
import { Clock } from './clock.js';
import type { Runner } from './context.js';
import { Delays } from './delays.js';
import type { Request } from './request.js';
import type { Turns } from './turns.js';

/** The pool's deadlines on its clock, with one alarm for all of them. */
export class Timetable<T> {
  readonly #agenda = new Agenda();
  readonly #delays = new Delays<T>();
  readonly #clock: Clock;
  readonly #turns: Turns;
  /** Something was planned since the alarm was armed. */
  changed = false;

  constructor(scheduler: SchedulerLike, keepProcessAlive: boolean, detached: Runner, turns: Turns) {
    this.#turns = turns;
    this.#clock = new Clock(scheduler, keepProcessAlive, detached, () => {
      this.#ring();
    });
  }

  now(): number {
    return this.#clock.now();
  }

  /** The deadline must not be planned already. */
  plan(deadline: Deadline, dueAt: number): void {
    if (dueAt === Infinity) return;
    this.#agenda.add(deadline, dueAt);
    this.changed = true;
  }

  /** Takes the deadline out if it is in. The alarm may ring once for nothing. */
  cancel(deadline: Deadline): void {
    this.#agenda.remove(deadline);
  }

  /** Limits the wait of a request that begins now. */
  limit(request: Request<T>, millis: number): void {
    if (millis === Infinity) return;
    if (this.#delays.add(request, millis)) this.changed = true;
  }

  /** The wait of a request is over. */
  unlimit(request: Request<T>): void {
    this.#delays.remove(request);
  }

  /** Arms the alarm for what is due first. At the end of a turn: what came and went within it needs none. */
  arm(): void {
    this.changed = false;
    const next = this.#next();
    if (next !== undefined) this.#clock.arm(next.dueAt, this.#clock.now());
  }

  /** While held, the process stays alive: somebody awaits an answer. */
  hold(held: boolean): void {
    this.#clock.hold(held);
  }

  /** Final. */
  stop(): void {
    this.#clock.stop();
  }

  #ring(): void {
    const outermost = this.#turns.enter();
    const now = this.#clock.now();
    let next = this.#next();
    while (next !== undefined && next.dueAt <= now) {
      if ('place' in next) this.#agenda.remove(next);
      next.due(now);
      next = this.#next();
    }
    this.changed = true;
    // What was due may have been all that something waited for: a pause of fills, a step of a rotation.
    this.#turns.restless = true;
    this.#turns.leave(outermost, now);
  }

  /** Of what is due at one time, requests come first: a request's own deadline names the phase that it ended in. */
  #next(): Deadline | Request<T> | undefined {
    const request = this.#delays.earliest;
    const deadline = this.#agenda.earliest;
    if (deadline === undefined || request === undefined) return request ?? deadline;
    return request.dueAt <= deadline.dueAt ? request : deadline;
  }
}
