import { defer, tap, type MonoTypeOperatorFunction, type Observable } from 'rxjs';
import type { DurationStats, Pool, PoolEvent, PoolState, PoolStats } from '../index.js';
import { leftovers, wrongCounts } from './counts.js';
import { differences, PoolFold } from './fold.js';
import { InvariantChecker, type InvariantOptions } from './invariant-checker.js';
import { InvariantError, type InvariantRule, type InvariantViolation } from './invariant-error.js';

const defaultHistory = 50;

/**
 * Passes a pool's events on and errors with an {@link InvariantError} at the first one that must not be: a resource
 * lent twice, more than `max` alive, a request that ends twice, a state that is not what the events add up to, and so
 * on (see {@link InvariantRule}). A transition of several events is judged at its end, by the event after it.
 *
 * Made to be left running in production: one subscription, no timer, a record for each resource and each open
 * request. Cold: each subscription checks for itself. Subscribe in the tick that makes the pool, so that it hears
 * every event; later it can check less, and does so. The pool itself is not touched: the error ends this
 * subscription only.
 *
 * @example
 * pool.stats$.pipe(checkInvariants()).subscribe({ error: error => logger.error(error) });
 */
export function checkInvariants<T = unknown>(
  options: InvariantOptions = {},
): MonoTypeOperatorFunction<PoolEvent<T>> {
  return events =>
    defer(() => {
      const checker = new InvariantChecker(options);
      const history = new History(options.history ?? defaultHistory);
      return events.pipe(
        tap({
          next: event => {
            history.add(event);
            checker.add(event);
            history.demand(checker.violations);
          },
          complete: () => {
            checker.end();
            history.demand(checker.violations);
          },
        }),
      );
    });
}

/** The last events, oldest first: a ring, so that a long life costs no more than a short one. */
class History {
  readonly #limit: number;
  readonly #events: PoolEvent[] = [];
  #next = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(event: PoolEvent): void {
    if (this.#limit < 1) return;
    this.#events[this.#next] = event;
    this.#next = (this.#next + 1) % this.#limit;
  }

  demand(violations: readonly InvariantViolation[]): void {
    if (violations.length === 0) return;
    const events = [...this.#events.slice(this.#next), ...this.#events.slice(0, this.#next)];
    const last = events.at(-1);
    throw new InvariantError(last?.pool ?? 'pool', last?.state, violations, events);
  }
}

/** What a test knows beside the pool. What is not given is not checked. */
export interface PoolFacts extends InvariantOptions {
  /** All of the pool's events so far, from the first on. */
  readonly events?: readonly PoolEvent[] | undefined;
  /** All that `state$` published, since before the first event. */
  readonly states?: readonly PoolState[] | undefined;
  /** Who made the resources: it must count as many alive or being made as the pool, and have nothing to complain of. */
  readonly oracle?: { readonly live: number; readonly violations: readonly string[] } | undefined;
  /** Creates and destroys that the pool gave up and that still run: what the oracle may count beyond the pool. Default 0. */
  readonly abandoned?: number | undefined;
  /** Leases that the test holds. */
  readonly leased?: number | undefined;
  /** Requests of the test that have neither a lease nor an end. */
  readonly waiting?: number | undefined;
}

/**
 * Throws an {@link InvariantError} that lists all that is wrong with a pool, or with one state of it, at this moment.
 * For tests: call it after each step, also inside callbacks. It changes nothing.
 *
 * With the pool itself, `resources()` is compared with the state too, and `stats` with the events. Inside a callback
 * the pool may be ahead of the events that have gone out: leave `events` out there.
 *
 * @example
 * assertInvariants(pool, { events, oracle, leased: leases.length });
 */
export function assertInvariants<T>(pool: Pool<T> | PoolState, facts: PoolFacts = {}): void {
  const violations: InvariantViolation[] = [];
  const report = (rule: InvariantRule, message: string): void => {
    violations.push({ rule, message });
  };
  const whole = 'stats$' in pool ? pool : undefined;
  const state = 'stats$' in pool ? pool.state : pool;
  const { events, states } = facts;
  checkState(state, events === undefined, report);
  if (events !== undefined) violations.push(...checkEvents(events, state, facts));
  if (states !== undefined) checkStates(states, events, state, report);
  if (whole !== undefined) checkBooks(whole, state, events, report);
  checkOutside(state, facts, report);
  if (violations.length > 0) {
    const last = (events ?? []).slice(-(facts.history ?? defaultHistory));
    throw new InvariantError(whole?.name ?? 'pool', state, violations, last);
  }
}

type Report = (rule: InvariantRule, message: string) => void;

function checkState(state: PoolState, isAlone: boolean, report: Report): void {
  for (const wrong of wrongCounts(state)) report('counts', wrong);
  const held = state.size + state.creating;
  // Events tell whether max was larger before.
  if (isAlone && held > state.max)
    report('capacity', `${held} are held with a max of ${state.max}`);
  const left = state.lifecycle === 'closed' ? leftovers(state) : undefined;
  if (left !== undefined) report('lifecycle', left);
}

function checkEvents(
  events: readonly PoolEvent[],
  state: PoolState,
  options: InvariantOptions,
): readonly InvariantViolation[] {
  const checker = new InvariantChecker(options);
  for (const event of events) checker.add(event);
  checker.end();
  const last = events.at(-1);
  if (last === undefined) return checker.violations;
  const late = differences(last.state, state).map(field => ({
    rule: 'fold' as const,
    message: `the pool says ${field} ${state[field]}, its last event ${last.state[field]}`,
  }));
  return [...checker.violations, ...late];
}

/** `state$` publishes each state that events carry, and no other. */
function checkStates(
  states: readonly PoolState[],
  events: readonly PoolEvent[] | undefined,
  state: PoolState,
  report: Report,
): void {
  const last = states.at(-1);
  for (const field of last === undefined ? [] : differences(last, state)) {
    report(
      'states',
      `state$ ended with ${field} ${last?.[field] ?? '?'}, the pool says ${state[field]}`,
    );
  }
  if (events === undefined) return;
  const published = withoutRepeats(states);
  const carried = withoutRepeats([...states.slice(0, 1), ...events.map(event => event.state)]);
  const length = Math.max(published.length, carried.length);
  for (let place = 0; place < length; place += 1) {
    const [one, other] = [published[place], carried[place]];
    if (one !== undefined && other !== undefined && differences(one, other).length === 0) continue;
    report(
      'states',
      `the state number ${place} of state$ is ${JSON.stringify(one)}, of the events ${JSON.stringify(other)}`,
    );
    return;
  }
}

function withoutRepeats(states: readonly PoolState[]): readonly PoolState[] {
  return states.filter((state, index) => {
    const before = states[index - 1];
    return before === undefined || differences(before, state).length > 0;
  });
}

const statuses = ['idle', 'leased', 'validating', 'resetting', 'destroying'] as const;

const totalOf = {
  acquired: 'acquired',
  released: 'released',
  timedOut: 'timedOut',
  cancelled: 'cancelled',
  rejected: 'rejected',
  created: 'created',
  createFailed: 'createFailed',
  validateFailed: 'validateFailed',
  resetFailed: 'resetFailed',
  leaked: 'leaked',
  revoked: 'revoked',
} as const satisfies Partial<Record<PoolEvent['type'], keyof PoolStats>>;

function checkBooks<T>(
  pool: Pool<T>,
  state: PoolState,
  events: readonly PoolEvent[] | undefined,
  report: Report,
): void {
  const resources = pool.resources();
  for (const status of statuses) {
    const count = resources.filter(resource => resource.state === status).length;
    if (count !== state[status]) {
      report('books', `resources() shows ${count} ${status}, the state says ${state[status]}`);
    }
  }
  if (new Set(resources.map(({ id }) => id)).size !== resources.length) {
    report('identity', 'resources() shows an id twice');
  }
  if (events?.[0]?.seq !== 1) return;
  const { stats } = pool;
  const isSilent = events.at(-1)?.type === 'closed';
  for (const [type, total] of Object.entries(totalOf)) {
    const count = events.filter(event => event.type === type).length;
    // A closed pool goes on refusing, but tells nobody.
    if (total === 'rejected' && isSilent && stats.rejected > count) continue;
    if (count !== stats[total]) {
      report('books', `stats counts ${stats[total]} ${total}, the events ${count}`);
    }
  }
  const durations: readonly (readonly [string, DurationStats, number])[] = [
    ['wait', stats.wait, stats.acquired],
    ['hold', stats.hold, stats.released],
    ['create', stats.create, stats.created],
  ];
  for (const [name, { count }, expected] of durations) {
    if (count !== expected) report('books', `stats.${name} counts ${count} of ${expected}`);
  }
}

function checkOutside(state: PoolState, facts: PoolFacts, report: Report): void {
  const { oracle, leased, waiting, abandoned = 0 } = facts;
  if (oracle !== undefined) {
    const live = state.size + state.creating;
    if (oracle.live !== live + abandoned) {
      report(
        'outside',
        `${oracle.live} are alive or being made, the pool counts ${live} and ${abandoned} abandoned`,
      );
    }
    for (const violation of oracle.violations) report('outside', violation);
  }
  if (leased !== undefined && leased !== state.leased) {
    report('outside', `${leased} leases are held, the pool counts ${state.leased}`);
  }
  if (waiting !== undefined && waiting !== state.waiting) {
    report('outside', `${waiting} requests wait, the pool counts ${state.waiting}`);
  }
}

/** What a test knows of a pool at rest. */
export interface QuiescenceFacts {
  /** Hooks under way that the test keeps open on purpose. Default 0. */
  readonly unsettled?: number | undefined;
  /** The pool has a `permits` budget: a free slot alone entitles nobody to a create. Default false. */
  readonly permits?: boolean | undefined;
  /** `createConcurrency` of the pool: more creates do not begin while this many are under way. Default Infinity. */
  readonly createConcurrency?: number | undefined;
  /** All of the pool's events, to find requests that outlived their deadline; needs `now` and `acquireTimeoutMillis`. */
  readonly events?: readonly PoolEvent[] | undefined;
  /** The scheduler's time. */
  readonly now?: number | undefined;
  /** The longest deadline that a request has, in milliseconds. */
  readonly acquireTimeoutMillis?: number | undefined;
}

/**
 * Throws an {@link InvariantError} if a pool at rest is stuck: somebody waits for what is there, a hook that has
 * settled is still counted, `min` is not kept, a close with nothing left does not end.
 *
 * For the end of a test, with all gates open and time moved past every backoff: in between, any of these is fine.
 * Safety checks alone miss the commonest bug of all, the waiter that hangs.
 *
 * @example
 * gate.openAll('ok');
 * assertQuiescent(pool);
 */
export function assertQuiescent<T>(pool: Pool<T>, facts: QuiescenceFacts = {}): void {
  const violations: InvariantViolation[] = [];
  const report: Report = (rule, message) => {
    violations.push({ rule, message });
  };
  const { state } = pool;
  const unsettled = facts.unsettled ?? 0;
  const running = state.creating + state.validating + state.resetting + state.destroying;
  if (running !== unsettled) {
    report('unsettledHook', `${running} hooks are under way, ${unsettled} are known to be`);
  }
  checkWaiters(state, facts, report);
  if (state.lifecycle === 'running' && unsettled === 0 && state.size < state.min) {
    report('minimum', `the size is ${state.size} with a min of ${state.min}`);
  }
  checkDeadlines(facts, report);
  checkEnd(pool, unsettled, report);
  if (violations.length > 0) {
    const last = (facts.events ?? []).slice(-defaultHistory);
    throw new InvariantError(pool.name, state, violations, last);
  }
}

function checkWaiters(state: PoolState, facts: QuiescenceFacts, report: Report): void {
  const { waiting, idle, size, creating, max } = state;
  if (waiting === 0 || state.lifecycle !== 'running') return;
  if (idle > 0) report('stuckWaiter', `${waiting} wait while ${idle} are idle`);
  const mayCreate = facts.permits !== true && creating < (facts.createConcurrency ?? Infinity);
  const unserved = waiting - creating;
  if (mayCreate && unserved > 0 && size + creating < max) {
    report(
      'stuckWaiter',
      `${unserved} wait with nothing under way and ${max - size - creating} slots free`,
    );
  }
}

function checkDeadlines(facts: QuiescenceFacts, report: Report): void {
  const { events, now, acquireTimeoutMillis } = facts;
  if (events === undefined || now === undefined || acquireTimeoutMillis === undefined) return;
  const fold = new PoolFold();
  for (const event of events) fold.add(event);
  for (const event of events) {
    if (event.type !== 'requested' || !fold.isWaiting(event.requestId)) continue;
    const waited = now - event.at;
    if (waited > acquireTimeoutMillis) {
      report('deadline', `request ${event.requestId} has waited for ${waited} ms`);
    }
  }
}

function checkEnd<T>(pool: Pool<T>, unsettled: number, report: Report): void {
  const { lifecycle, leased, waiting } = pool.state;
  if (lifecycle === 'draining' && leased + unsettled + waiting === 0) {
    report('close', 'the pool drains with nothing left to wait for');
  }
  if (lifecycle !== 'closed') return;
  const left = leftovers(pool.state);
  if (left !== undefined) report('close', left);
  const streams: readonly (readonly [string, Observable<unknown>])[] = [
    ['state$', pool.state$],
    ['stats$', pool.stats$],
  ];
  for (const [name, stream] of streams) {
    let completed = false;
    stream
      .subscribe({
        complete: () => {
          completed = true;
        },
      })
      .unsubscribe();
    if (!completed) report('close', `the pool is closed and ${name} goes on`);
  }
}
