import type { PoolEvent, PoolState } from '../index.js';
import { leftovers, wrongCounts } from './counts.js';
import { differences, isSameState, PoolFold } from './fold.js';
import { nameEvent, type InvariantRule, type InvariantViolation } from './invariant-error.js';
import { RequestRules } from './request-rules.js';
import { ResourceRules } from './resource-rules.js';

/** What a check cannot see in the events. */
export interface InvariantOptions {
  /** The pool's `maxWaiting`, to check that it holds. Default: not checked. */
  readonly maxWaiting?: number | undefined;
  /** The pool's `maxLifetimeMillis`, to check that nothing older is lent. Default: not checked. */
  readonly maxLifetimeMillis?: number | undefined;
  /** Whether every request has the same priority, so that they must be served in their order. Default false. */
  readonly fifo?: boolean | undefined;
  /** How many of the last events an InvariantError carries. Default 50. */
  readonly history?: number | undefined;
}

/**
 * Looks at the events of one pool, one after another, for what must not be. It works on whole transitions: the events
 * that carry one state. What holds of requests and of resources, `RequestRules` and `ResourceRules` know; what holds
 * of the counts, the time and the life of the pool stands here.
 *
 * Heard from the middle on (the first `seq` is not 1), it knows nothing of what was before: it checks what it can.
 */
export class InvariantChecker {
  readonly violations: InvariantViolation[] = [];
  readonly #options: InvariantOptions;
  #requests!: RequestRules;
  #resources!: ResourceRules;
  #fold: PoolFold | undefined = undefined;
  #last: PoolEvent | undefined = undefined;
  /** What `size + creating` may be: above `max` only as what is left of a larger one. */
  #ceiling = 0;
  /** A resource was retired in this transition. */
  #retired = false;
  #paused = false;

  constructor(options: InvariantOptions = {}) {
    this.#options = options;
  }

  /** Takes one event in, and adds what is wrong to `violations`. */
  add(event: PoolEvent): void {
    const last = this.#last;
    if (last === undefined) this.#begin(event);
    else {
      if (!isSameState(event.state, last.state)) this.#endTransition(last);
      if (event.seq !== last.seq + 1) {
        this.#report('sequence', `${nameEvent(event)} follows ${nameEvent(last)}`);
      }
      if (event.at < last.at) {
        this.#report('time', `${nameEvent(event)} is at ${event.at}, after one at ${last.at}`);
      }
      if (last.type === 'closed') {
        this.#report('lifecycle', `${nameEvent(event)} comes after the pool was closed`);
      }
    }
    if (event.state !== last?.state) this.#checkCounts(event.state);
    this.#checkDurations(event);
    this.#check(event);
    this.#fold?.add(event);
    this.#last = event;
    this.#checkLifecycle(event);
  }

  /** Looks at the last transition, which no further event ends. */
  end(): void {
    if (this.#last !== undefined) this.#endTransition(this.#last);
  }

  readonly #report = (rule: InvariantRule, message: string): void => {
    this.violations.push({ rule, message });
  };

  #begin(event: PoolEvent): void {
    const { min, max } = event.state;
    const { fifo = false, maxLifetimeMillis = Infinity } = this.#options;
    const fromStart = event.seq === 1;
    this.#requests = new RequestRules(this.#report, fifo, fromStart);
    this.#resources = new ResourceRules(this.#report, maxLifetimeMillis, fromStart);
    if (fromStart) this.#fold = new PoolFold({ min, max });
    this.#ceiling = fromStart ? max : Math.max(max, event.state.size + event.state.creating);
  }

  #endTransition(last: PoolEvent): void {
    const { state } = last;
    if (this.#fold?.equals(state) === false) {
      const folded = this.#fold.state;
      for (const field of differences(folded, state)) {
        this.#report(
          'fold',
          `after ${nameEvent(last)} the state says ${field} ${state[field]}, its events ${folded[field]}`,
        );
      }
    }
    this.#checkCapacity(last);
    this.#checkWaitingLimit(last);
  }

  #checkCounts(state: PoolState): void {
    for (const wrong of wrongCounts(state)) this.#report('counts', wrong);
  }

  #checkCapacity(last: PoolEvent): void {
    const { size, creating, max } = last.state;
    const held = size + creating;
    if (held > Math.max(this.#ceiling, max)) {
      this.#report('capacity', `after ${nameEvent(last)} ${held} are held with a max of ${max}`);
    }
    this.#ceiling = Math.max(max, Math.min(this.#ceiling, held));
  }

  #checkWaitingLimit(last: PoolEvent): void {
    const { maxWaiting } = this.#options;
    const { state } = last;
    const wasQueued = this.#requests.endTransition() && !this.#retired;
    this.#retired = false;
    if (maxWaiting === undefined || !wasQueued || state.lifecycle !== 'running') return;
    const free = Math.max(0, state.max - state.size - state.creating);
    const unserved = state.waiting - state.creating - state.validating - state.idle - free;
    if (unserved > maxWaiting) {
      this.#report(
        'waitingLimit',
        `after ${nameEvent(last)} ${state.waiting} wait where ${maxWaiting} may, and nothing comes for ${unserved}`,
      );
    }
  }

  #checkDurations(event: PoolEvent): void {
    const took = durationOf(event);
    if (!(took >= 0)) this.#report('time', `${nameEvent(event)} took ${took} ms`);
  }

  #check(event: PoolEvent): void {
    switch (event.type) {
      case 'requested':
        this.#requests.asked(event);
        return;
      case 'acquired':
        this.#requests.served(event);
        this.#checkNotPaused(event);
        break;
      case 'cancelled':
      case 'timedOut':
      case 'rejected':
        this.#requests.ended(event);
        return;
      case 'creating':
        this.#checkNotPaused(event);
        break;
      case 'destroying':
        if (event.reason !== 'lateCreate') this.#retired = true;
        break;
    }
    if ('id' in event) this.#resources.add(event);
  }

  #checkNotPaused(event: PoolEvent): void {
    if (this.#paused) this.#report('lifecycle', `${nameEvent(event)} while the pool is paused`);
  }

  #checkLifecycle(event: PoolEvent): void {
    if (event.type === 'paused') this.#paused = true;
    if (event.type === 'resumed' || event.type === 'draining') this.#paused = false;
    if (event.type !== 'closed') return;
    const left = leftovers(event.state);
    if (left !== undefined) this.#report('lifecycle', left);
  }
}

/** The one duration that an event carries; 0 where it carries none. */
function durationOf(event: PoolEvent): number {
  if ('tookMillis' in event) return event.tookMillis;
  if ('waitedMillis' in event) return event.waitedMillis;
  return 'heldMillis' in event ? event.heldMillis : 0;
}
