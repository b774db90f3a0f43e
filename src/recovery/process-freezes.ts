import { asyncScheduler, Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { later } from '../shared/later.js';
import { checkOptions, duration, scheduler, type Rule } from './rules.js';

/** Options of {@link processFreezes}. Durations are whole milliseconds. */
export interface ProcessFreezeOptions {
  /** How often the clock is looked at. Default 1,000. */
  readonly everyMillis?: number | undefined;
  /** A look that is later than this, beyond `everyMillis`, is a freeze. Default 2,000. */
  readonly toleranceMillis?: number | undefined;
  /** Clock and timer. It does not keep a Node process alive. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

/** The process stood still, or its clock was set forward: nothing of it ran for a while. */
export interface ProcessFreeze {
  /** When it was noticed, by the scheduler's clock. */
  readonly at: number;
  /** For how long nothing ran, at most: milliseconds from the last look to this one. */
  readonly gapMillis: number;
}

export const freezeRules: Readonly<Record<keyof ProcessFreezeOptions, Rule>> = {
  everyMillis: duration,
  toleranceMillis: duration,
  scheduler,
};

/**
 * The gaps in the clock of this process: a suspended laptop, a paused container, a frozen function, a debugger, an
 * event loop that was blocked. What was connected before may be gone without anybody having been told.
 *
 * Cold: each subscription looks at the clock on its own, every `everyMillis`; unsubscribing ends that. Never
 * completes, never errors. A clock that is set back is no gap. Throws InvalidOptionsError.
 *
 * @example
 * processFreezes().subscribe(({ gapMillis }) => console.warn(`nothing ran for ${gapMillis} ms`));
 */
export function processFreezes(options: ProcessFreezeOptions = {}): Observable<ProcessFreeze> {
  checkOptions('processFreezes', options, freezeRules);
  const { everyMillis = 1_000, toleranceMillis = 2_000, scheduler = asyncScheduler } = options;
  return new Observable(subscriber => {
    let lastLook = scheduler.now();
    let timer: Subscription | undefined = undefined;
    const look = (): void => {
      const at = scheduler.now();
      const gapMillis = at - lastLook;
      lastLook = at;
      timer = later(scheduler, everyMillis, look);
      if (gapMillis > everyMillis + toleranceMillis) subscriber.next({ at, gapMillis });
    };
    timer = later(scheduler, everyMillis, look);
    subscriber.add(() => {
      timer?.unsubscribe();
    });
  });
}
