import {
  asyncScheduler,
  Observable,
  type SchedulerAction,
  type SchedulerLike,
  type Subscription,
} from 'rxjs';
import type { Pool, PoolEvent, PoolState } from '../index.js';
import { checkCount, checkMillis } from './check.js';

/** What can be the matter with a pool, the worst first; `ok` when nothing is. */
export type HealthStatus =
  | 'closed'
  | 'draining'
  | 'createFails'
  | 'saturated'
  | 'leaking'
  | 'paused'
  | 'ok';

/** One thing that is the matter with a pool. */
export interface HealthFinding {
  /** What is the matter. */
  readonly status: Exclude<HealthStatus, 'ok'>;
  /** A plain sentence, with the figures of the moment. */
  readonly reason: string;
}

/** How a pool is at a moment. */
export interface HealthReport {
  /** The pool's name. */
  readonly pool: string;
  /** The pool's clock. */
  readonly at: number;
  /** The worst of the findings. */
  readonly status: HealthStatus;
  /** The worst first; empty when all is well. */
  readonly findings: readonly HealthFinding[];
  /** The counts that it was judged by. */
  readonly state: PoolState;
  /** What `create` failed with last, while it fails. It may name hosts and users: not for everybody's eyes. */
  readonly createError?: unknown;
}

/** When something counts as wrong. */
export interface HealthThresholds {
  /** Somebody has waited all the time for so long. Default 1000. */
  readonly saturatedAfterMillis?: number | undefined;
  /** So many creates failed one after another. Default 2. */
  readonly createFailures?: number | undefined;
  /** So many leases are out that were reported as leaked (the pool needs `leakWarningMillis` for that). Default 1. */
  readonly leaks?: number | undefined;
}

/** Options of `health$`. */
export interface HealthOptions extends HealthThresholds {
  /** Tells when a wait has lasted; the one of the pool. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

/** In the order of the bits of `found`. */
const worstFirst = [
  'closed',
  'draining',
  'createFails',
  'saturated',
  'leaking',
  'paused',
] as const satisfies readonly HealthStatus[];

/**
 * Judges a pool by its events: what `health$` is made of, for those who ask when they like.
 *
 * @example
 * const judge = new HealthJudge(pool.name, pool.state, Date.now(), { saturatedAfterMillis: 500 });
 * pool.stats$.subscribe(event => judge.add(event));
 * show(judge.report(Date.now()).status);
 */
export class HealthJudge {
  readonly #pool: string;
  readonly #saturatedAfter: number;
  readonly #createFailures: number;
  readonly #leaks: number;
  readonly #leaked = new Set<number>();
  #state: PoolState;
  #failures = 0;
  #createError: unknown = undefined;
  /** Since when somebody has waited without a break. */
  #waitingSince: number | undefined = undefined;

  constructor(
    pool: string,
    state: PoolState,
    at: number,
    { saturatedAfterMillis = 1000, createFailures = 2, leaks = 1 }: HealthThresholds = {},
  ) {
    checkMillis(pool, 'saturatedAfterMillis', saturatedAfterMillis);
    checkCount(pool, 'createFailures', createFailures);
    checkCount(pool, 'leaks', leaks);
    this.#pool = pool;
    this.#state = state;
    this.#saturatedAfter = saturatedAfterMillis;
    this.#createFailures = createFailures;
    this.#leaks = leaks;
    if (state.waiting > 0) this.#waitingSince = at;
  }

  /** When the pool will be saturated if nothing happens; undefined when nobody waits. */
  get saturatedAt(): number | undefined {
    return this.#waitingSince === undefined ? undefined : this.#waitingSince + this.#saturatedAfter;
  }

  /** To be given every event of the pool, in order. */
  add(event: PoolEvent): void {
    const { state } = event;
    this.#state = state;
    if (state.waiting === 0) this.#waitingSince = undefined;
    else this.#waitingSince ??= event.at;
    switch (event.type) {
      case 'created':
        this.#failures = 0;
        this.#createError = undefined;
        break;
      case 'createFailed':
        this.#failures += 1;
        this.#createError = event.error;
        break;
      case 'leaked':
        this.#leaked.add(event.requestId);
        break;
      case 'released':
        if (this.#leaked.size > 0) this.#leaked.delete(event.requestId);
        break;
    }
  }

  /** The findings at a moment of the pool's clock, in milliseconds. */
  report(at: number): HealthReport {
    const findings = this.#findings(at);
    const report = {
      pool: this.#pool,
      at,
      status: findings[0]?.status ?? 'ok',
      findings,
      state: this.#state,
    } as const;
    return this.#createError === undefined ? report : { ...report, createError: this.#createError };
  }

  /** Which findings a report would have, as bits: cheap enough to be asked at every event. */
  found(at: number): number {
    const { lifecycle } = this.#state;
    let bits = 0;
    if (lifecycle === 'closed') bits |= 1;
    if (lifecycle === 'draining') bits |= 2;
    if (this.#failures >= this.#createFailures) bits |= 4;
    const { saturatedAt } = this;
    if (saturatedAt !== undefined && at >= saturatedAt && lifecycle !== 'paused') bits |= 8;
    if (this.#leaked.size >= this.#leaks) bits |= 16;
    if (lifecycle === 'paused') bits |= 32;
    return bits;
  }

  #findings(at: number): HealthFinding[] {
    const bits = this.found(at);
    return bits === 0
      ? []
      : worstFirst
          .filter((_, index) => (bits & (1 << index)) !== 0)
          .map(status => ({ status, reason: this.#reason(status, at) }));
  }

  #reason(status: HealthFinding['status'], at: number): string {
    const state = this.#state;
    switch (status) {
      case 'closed':
        return 'the pool is closed';
      case 'draining':
        return `the pool is closing: ${count(state.leased, 'lease')} still out`;
      case 'createFails':
        return `the last ${count(this.#failures, 'create')} failed`;
      case 'saturated':
        return (
          `${count(state.waiting, 'request')} waiting, the queue never empty for ` +
          `${duration(at - (this.#waitingSince ?? at))}: ${whyWaiting(state)}`
        );
      case 'leaking':
        return `${count(this.#leaked.size, 'lease')} held for longer than the leak warning`;
      case 'paused':
        return `the pool is paused: ${count(state.waiting, 'request')} waiting`;
    }
  }
}

/**
 * How a pool is, with reasons: the present report at once, then one whenever what is found changes (a finding that
 * only has new figures is no change). Cold: each subscription judges for itself, from the pool's state of that moment;
 * what was leaked or failing before is unknown to it. One timer while somebody waits, none else. Completes once the
 * pool is closed. Throws InvalidOptionsError for senseless thresholds.
 *
 * @example
 * health$(pool).subscribe(({ status, findings }) => readiness.set(status === 'ok', findings));
 */
export function health$<T>(pool: Pool<T>, options: HealthOptions = {}): Observable<HealthReport> {
  const { scheduler = asyncScheduler, ...thresholds } = options;
  const judgeNow = (): HealthJudge =>
    new HealthJudge(pool.name, pool.state, scheduler.now(), thresholds);
  judgeNow(); // senseless thresholds are refused here, not in a subscription
  return new Observable(subscriber => {
    const judge = judgeNow();
    let shown: number | undefined;
    let timer: Subscription | undefined;
    const show = (): void => {
      const now = scheduler.now();
      const found = judge.found(now);
      if (found === shown) return;
      shown = found;
      subscriber.next(judge.report(now));
    };
    // An armed timer may outlive its reason: to cancel it at every lease would cost more than it saves.
    const arm = (): void => {
      const { saturatedAt } = judge;
      if (timer !== undefined || saturatedAt === undefined) return;
      const delay = saturatedAt - scheduler.now();
      if (delay <= 0) return;
      timer = scheduler.schedule(function (this: SchedulerAction<unknown>) {
        timer = undefined;
        show();
        arm();
      }, delay);
      subscriber.add(timer);
    };
    show();
    arm();
    subscriber.add(
      pool.stats$.subscribe({
        next: event => {
          judge.add(event);
          show();
          arm();
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          subscriber.complete();
        },
      }),
    );
  });
}

function whyWaiting(state: PoolState): string {
  const { max, leased, creating, validating, resetting, destroying, idle } = state;
  if (leased === max) return `all ${max} are leased`;
  const places = [
    [leased, 'leased'],
    [creating, 'being created'],
    [validating, 'being validated'],
    [resetting, 'being reset'],
    [destroying, 'being destroyed'],
    [idle, 'idle'],
  ] as const;
  const taken = places
    .filter(([number]) => number > 0)
    .map(([number, what]) => `${number} ${what}`);
  return taken.length === 0 ? `none of ${max} is made` : `of ${max}, ${taken.join(', ')}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function duration(millis: number): string {
  return millis < 1000 ? `${Math.round(millis)} ms` : `${(millis / 1000).toFixed(1)} s`;
}
