import { defer, map, mergeMap, type Observable, of, Subject, throwError, timer } from 'rxjs';
import { createPool, type Permit, type Pool, type PoolOptions } from '../src/index.js';
import type { Budget, BudgetEvent } from '../src/budget/index.js';
import { enter, type Ledger } from '../src/budget/ledger.js';
import { Member } from '../src/budget/member.js';
import { type BudgetOptions, resolveOptions } from '../src/budget/options.js';
import type { Answer, BudgetServer, Report } from '../src/budget/protocol.js';
import { SteppedScheduler } from './virtual-pool.js';

/** A budget's server in virtual time: the books themselves, without a wire. */
export class LedgerServer implements BudgetServer {
  ledger: Ledger | undefined = undefined;
  readonly reports: Report[] = [];
  /** How long an answer takes; 0 is in the same call, Infinity never. */
  answerMillis = 0;
  failure: Error | undefined = undefined;
  /** Members find their way to the server; those named here do not. */
  readonly cutOff: Set<string> = new Set();
  readonly #wake = new Subject<readonly string[] | undefined>();
  readonly wake$: Observable<readonly string[] | undefined> | undefined;
  readonly #time: SteppedScheduler;
  #lives = 0;

  constructor(time: SteppedScheduler, wakes = false) {
    this.#time = time;
    this.wake$ = wakes ? this.#wake : undefined;
  }

  /** Those who listen for being woken. */
  get isListenedTo(): boolean {
    return this.#wake.observed;
  }

  /** The server has crashed and come back, and remembers nothing. */
  forget(): void {
    this.ledger = undefined;
  }

  report(report: Report): Observable<Answer> {
    return defer(() => {
      if (this.failure !== undefined) return throwError(() => this.failure);
      if (this.cutOff.has(report.member))
        return throwError(() => new Error('no route to the server'));
      if (this.answerMillis === 0) return of(this.#enter(report));
      return timer(this.answerMillis / 2, this.#time).pipe(
        map(() => this.#enter(report)),
        mergeMap(answer => timer(this.answerMillis / 2, this.#time).pipe(map(() => answer))),
      );
    });
  }

  #enter(report: Report): Answer {
    this.reports.push(report);
    const { ledger, answer, changed, wake } = enter(
      structuredClone(this.ledger),
      report,
      this.#time.now(),
      () => `life ${(this.#lives += 1)}`,
    );
    if (changed) this.ledger = ledger;
    if (wake.length > 0) this.#wake.next(wake);
    return answer;
  }
}

/** Virtual time that starts where no clock reads zero. */
export function steppedTime(): SteppedScheduler {
  return new SteppedScheduler(1_000_000);
}

export function memberOf(
  server: BudgetServer,
  time: SteppedScheduler,
  options: BudgetOptions,
): Budget & { readonly events: BudgetEvent[] } {
  let number = 0;
  const resolved = resolveOptions(
    'test',
    { scheduler: time, ...options },
    { member: () => `member ${(number += 1)}`, ttlMillis: 10_000 },
  );
  const member = new Member(server, resolved);
  const events: BudgetEvent[] = [];
  member.events$.subscribe(event => events.push(event));
  return Object.assign(member, { events });
}

/** One request, and what came of it. */
export class Asker {
  permit: Permit | undefined = undefined;
  error: unknown = undefined;
  losses = 0;
  readonly leave: () => void;

  constructor(budget: Budget, request: { pool?: string; floor?: boolean } = {}) {
    const subscription = budget.acquire({ pool: 'pool', floor: false, ...request }).subscribe({
      next: permit => {
        this.permit = permit;
        permit.lost?.subscribe({ error: () => (this.losses += 1) });
      },
      error: (error: unknown) => {
        this.error = error;
      },
    });
    this.leave = () => {
      subscription.unsubscribe();
    };
  }

  get waits(): boolean {
    return this.permit === undefined && this.error === undefined;
  }

  release(): void {
    this.permit?.release();
  }
}

export function ask(
  budget: Budget,
  count: number,
  request?: { pool?: string; floor?: boolean },
): Asker[] {
  return Array.from({ length: count }, () => new Asker(budget, request));
}

export function grantedOf(askers: readonly Asker[]): Asker[] {
  return askers.filter(({ permit }) => permit !== undefined);
}

export function poolOn(
  permits: Budget,
  time: SteppedScheduler,
  options: Partial<PoolOptions<object>> = {},
): Pool<object> {
  return createPool<object>({
    create: () => ({}),
    permits,
    scheduler: time,
    idleTimeoutMillis: Infinity,
    ...options,
  });
}
