import { asyncScheduler, Observable, throwError, type RetryConfig, type SchedulerLike } from 'rxjs';
import { InvalidOptionsError } from './errors.js';
import { Clock } from './internal/clock.js';
import { currentContext } from './internal/context.js';
import { reportAttempt, schedulerOf } from './internal/create-context.js';
import {
  checkRules,
  countOrMore,
  duration,
  schedulerRule,
  shareRule,
  type Rule,
} from './internal/rules.js';
import type { CreateContext } from './options.js';

/** Options of `backoff`. Durations are whole milliseconds. */
export interface BackoffOptions {
  /** The pause after the first failed attempt. Default 100. */
  readonly baseMillis?: number | undefined;
  /** No pause is longer; `Infinity` sets no limit. Default 30,000, or `baseMillis` where that is more. */
  readonly maxMillis?: number | undefined;
  /** Each pause is this many times the one before. 1 keeps them alike. Default 2. */
  readonly factor?: number | undefined;
  /**
   * Shortens each pause by a random share up to this (0 to 1), so that those who failed together do not come back
   * together. 0: exact pauses. Default 0.5.
   */
  readonly jitter?: number | undefined;
  /** Retries after the first attempt; then the last error is passed on. Default Infinity. */
  readonly count?: number | undefined;
  /** Default: the pool's when a context is given, else `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

const rules: Record<keyof BackoffOptions, Rule> = {
  baseMillis: countOrMore(1, true),
  maxMillis: duration,
  factor: {
    check: value => Number.isFinite(value) && (value as number) >= 1,
    expected: 'must be a finite number from 1',
  },
  jitter: shareRule,
  count: countOrMore(1, false),
  scheduler: schedulerRule,
};

/**
 * A config for RxJS `retry` whose pauses grow.
 *
 * With the context of a `create`, pauses run on the pool's scheduler, an AcquireTimeoutError names the last failed
 * attempt as its cause, and no attempt is made any more once nobody waits for the result (also during a pause: then
 * the last error is passed on at once). All attempts together are one `create`, so they share one
 * `createTimeoutMillis`. What breaks after it was created is not retried: that is the pool's to replace.
 *
 * Each call is for one `retry`. Throws InvalidOptionsError for bad options.
 *
 * @example
 * const pool = createPool({
 *   create: context =>
 *     defer(() => connect('db.example:5432')).pipe(retry(backoff({ baseMillis: 200 }, context))),
 * });
 */
export function backoff(options: BackoffOptions = {}, context?: CreateContext): RetryConfig {
  const given = checkRules('backoff', options, rules);
  const { baseMillis = 100, factor = 2, jitter = 0.5, count = Infinity } = given;
  const maxMillis = given.maxMillis ?? Math.max(baseMillis, 30_000);
  if (baseMillis > maxMillis) {
    throw new InvalidOptionsError(
      'backoff',
      'baseMillis',
      baseMillis,
      `must not be above maxMillis (${maxMillis})`,
    );
  }
  const pause = pauseOn(given.scheduler ?? schedulerOf(context) ?? asyncScheduler, context);
  return {
    count,
    resetOnSuccess: false, // Its default differs between versions of RxJS.
    delay: (error: unknown, attempt) => {
      const wanted = reportAttempt(context, error) && context?.signal.aborted !== true;
      if (!wanted) return throwError(() => error);
      const full = Math.min(baseMillis * factor ** (attempt - 1), maxMillis);
      return pause(Math.max(1, Math.round(full * (1 - jitter * Math.random()))), error);
    },
  };
}

/** A pause emits when it is over; it fails with `error` when the context's signal is aborted before. */
function pauseOn(
  scheduler: SchedulerLike,
  context: CreateContext | undefined,
): (millis: number, error: unknown) => Observable<number> {
  const detached = currentContext();
  return (millis, error) =>
    new Observable(subscriber => {
      // Whether the process must stay for a create is the pool's to say.
      const clock = new Clock(scheduler, context === undefined, detached, () => {
        const now = clock.now();
        if (now >= dueAt) subscriber.next(now);
        else clock.arm(dueAt, now);
      });
      const onAbort = (): void => {
        subscriber.error(error);
      };
      context?.signal.addEventListener('abort', onAbort, { once: true });
      subscriber.add(() => {
        context?.signal.removeEventListener('abort', onAbort);
        clock.stop();
      });
      const start = clock.now();
      const dueAt = start + millis;
      clock.arm(dueAt, start);
    });
}
