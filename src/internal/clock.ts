import { asyncScheduler, type SchedulerLike, type Subscription } from 'rxjs';
import type { Runner } from './context.js';

/** Timers take a signed 32-bit delay; anything longer fires at once, so longer waits are made in hops. */
export const LONGEST_DELAY_MILLIS: number = 2 ** 31 - 1;

/** A timer handle of Node: one that can stop keeping the process alive. */
interface ProcessHandle {
  ref(): unknown;
  unref(): unknown;
}

/**
 * The pool's time: a clock that never runs backwards and one alarm, both on the user's scheduler.
 * The only place that touches a scheduler.
 */
export class Clock {
  readonly #scheduler: SchedulerLike;
  readonly #keepProcessAlive: boolean;
  readonly #detached: Runner;
  readonly #onAlarm: () => void;
  /** One bound function for all alarms, so that arming allocates no closure. */
  readonly #work = (): void => {
    this.#ring();
  };
  #reading = -Infinity;
  #offset = 0;
  #action: Subscription | undefined = undefined;
  #armedFor = Infinity;
  #held = false;
  /** The alarm that is armed has nothing to ring for: it only keeps a process with a waiting caller alive. */
  #farHop = false;

  constructor(
    scheduler: SchedulerLike,
    keepProcessAlive: boolean,
    detached: Runner,
    onAlarm: () => void,
  ) {
    this.#scheduler = scheduler;
    this.#keepProcessAlive = keepProcessAlive;
    this.#detached = detached;
    this.#onAlarm = onAlarm;
  }

  now(): number {
    const reading = this.#scheduler.now();
    if (reading < this.#reading) this.#offset += this.#reading - reading;
    this.#reading = reading;
    return reading + this.#offset;
  }

  /**
   * Makes sure that the alarm rings at `at` or earlier. An alarm that is already earlier stays: it rings once for
   * nothing, which costs less than cancelling on every acquire.
   */
  arm(at: number, now: number): void {
    if (at >= this.#armedFor) return;
    this.#cancel();
    this.#armedFor = at;
    const delay = Math.min(Math.max(0, at - now), LONGEST_DELAY_MILLIS);
    const action = this.#detached(() => this.#scheduler.schedule(this.#work, delay));
    // A scheduler that runs its work at once has rung already and may have armed the next one.
    if (this.#armedFor !== at || this.#action !== undefined) return;
    this.#action = action;
    if (!this.#held && !this.#keepProcessAlive) processHandle(action)?.unref();
  }

  /** While held, the process stays alive, with or without a deadline to wait for: somebody awaits an answer. */
  hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    if (held) this.#keepAwake();
    else if (this.#farHop) this.#cancel();
    const handle = this.#action === undefined ? undefined : processHandle(this.#action);
    if (held) handle?.ref();
    else if (!this.#keepProcessAlive) handle?.unref();
  }

  /** Final: nothing is armed any more. */
  stop(): void {
    this.#held = false;
    this.#cancel();
  }

  /** On virtual time a far hop would be work without end, so it is kept only where a real process is behind it. */
  #keepAwake(): void {
    if (this.#action !== undefined || this.#scheduler !== asyncScheduler) return;
    const now = this.now();
    this.arm(now + LONGEST_DELAY_MILLIS, now);
    const action: Subscription | undefined = this.#action;
    if (action === undefined || processHandle(action) === undefined) this.#cancel();
    else this.#farHop = true;
  }

  #ring(): void {
    this.#forget();
    this.#onAlarm();
    if (this.#held) this.#keepAwake();
  }

  #cancel(): void {
    this.#action?.unsubscribe();
    this.#forget();
  }

  #forget(): void {
    this.#action = undefined;
    this.#armedFor = Infinity;
    this.#farHop = false;
  }
}

function processHandle(action: Subscription): ProcessHandle | undefined {
  const { id } = action as { id?: unknown };
  return typeof id === 'object' && id !== null && 'unref' in id ? (id as ProcessHandle) : undefined;
}
