import type { DestroyReason, PoolEvent, PoolState, ResourceStatus } from '../index.js';
import { leftovers, wrongCounts } from './counts.js';
import { differences, isSameState, PoolFold } from './fold.js';
import { nameEvent, type InvariantRule, type InvariantViolation } from './invariant-error.js';

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

/** What is known of one resource. */
interface ResourceRecord {
  /** Undefined until told: it was there before the first event that was heard. */
  status: ResourceStatus | 'creating' | undefined;
  createdAt: number;
  /** The request whose lease it has. */
  lease: number | undefined;
  /** A lease has ended and no reset has run for it. */
  mayReset: boolean;
  /** Why it may not be lent any more. */
  spoiled: string | undefined;
  evicted: DestroyReason | undefined;
  destroying: DestroyReason | undefined;
}

/** An event that tells of one resource. */
type ResourceEvent = Extract<PoolEvent, { readonly id: number }>;
type EventOf<Type extends PoolEvent['type']> = Extract<PoolEvent, { readonly type: Type }>;

const evictions: ReadonlySet<DestroyReason> = new Set([
  'idle',
  'lifetime',
  'surplus',
  'recycled',
  'maxUses',
]);

/**
 * Looks at the events of one pool, one after another, for what must not be. It holds one record for each resource and
 * each open request, and works on whole transitions: the events that carry one state.
 *
 * Heard from the middle on (the first `seq` is not 1), it knows nothing of what was before: it checks what it can.
 */
export class InvariantChecker {
  readonly violations: InvariantViolation[] = [];
  readonly #options: InvariantOptions;
  readonly #resources = new Map<number, ResourceRecord>();
  /** The destroys of resources that came after their create was given up. */
  readonly #late = new Set<number>();
  /** Open requests, the oldest first. */
  readonly #requests = new Set<number>();
  #fold: PoolFold | undefined = undefined;
  #fromStart = false;
  #last: PoolEvent | undefined = undefined;
  #highestId = 0;
  #firstRequest = Infinity;
  #highestRequest = 0;
  /** What `size + creating` may be: above `max` only as what is left of a larger one. */
  #ceiling = 0;
  /** The last request of this transition. */
  #queued: number | undefined = undefined;
  #destroyed = false;
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

  #report(rule: InvariantRule, message: string): void {
    this.violations.push({ rule, message });
  }

  #begin(event: PoolEvent): void {
    const { min, max } = event.state;
    this.#fromStart = event.seq === 1;
    if (this.#fromStart) this.#fold = new PoolFold({ min, max });
    this.#ceiling = this.#fromStart ? max : Math.max(max, event.state.size + event.state.creating);
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
    const waits = this.#queued !== undefined && this.#requests.has(this.#queued);
    const wasQueued = waits && !this.#destroyed;
    this.#queued = undefined;
    this.#destroyed = false;
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
        this.#request(event);
        break;
      case 'acquired':
        this.#acquire(event);
        break;
      case 'cancelled':
      case 'timedOut':
      case 'rejected':
        this.#endRequest(event);
        break;
      case 'leaked':
      case 'revoked':
        this.#leaseOf(event);
        break;
      case 'released':
        this.#release(event);
        break;
      case 'creating':
        this.#create(event);
        break;
      case 'created': {
        const record = this.#step(event, 'creating', 'idle');
        if (record !== undefined) record.createdAt = event.at;
        break;
      }
      case 'createFailed':
        this.#step(event, 'creating', undefined);
        this.#resources.delete(event.id);
        break;
      case 'validating':
        this.#step(event, 'idle', 'validating');
        break;
      case 'validated':
        this.#step(event, 'validating', 'idle');
        break;
      case 'validateFailed':
        this.#spoil(this.#step(event, 'validating', 'idle'), 'its validation failed');
        break;
      case 'resetting':
        this.#reset(event);
        break;
      case 'reset':
        this.#step(event, 'resetting', 'idle');
        break;
      case 'resetFailed':
        this.#spoil(this.#step(event, 'resetting', 'idle'), 'its reset failed');
        break;
      case 'resourceError':
        this.#spoil(this.#known(event), 'it broke');
        break;
      case 'permitLost':
        this.#spoil(this.#known(event), 'its permit was lost');
        break;
      case 'evicted':
        this.#evict(event);
        break;
      case 'destroying':
        this.#destroy(event);
        break;
      case 'destroyed':
      case 'destroyFailed':
        this.#endDestroy(event);
        break;
      case 'nestedAcquire':
      case 'revoking':
      case 'resized':
      case 'paused':
      case 'resumed':
      case 'draining':
      case 'closed':
        break;
    }
  }

  #newRecord(status: ResourceRecord['status']): ResourceRecord {
    return {
      status,
      createdAt: Infinity,
      lease: undefined,
      mayReset: status === undefined,
      spoiled: undefined,
      evicted: undefined,
      destroying: undefined,
    };
  }

  /** The record of the event's resource. One that was there before the first event heard gets its record now. */
  #known(event: ResourceEvent): ResourceRecord | undefined {
    let record = this.#resources.get(event.id);
    if (record !== undefined) return record;
    if (this.#fromStart) {
      this.#report('identity', `${nameEvent(event)}: there is no such resource`);
      return undefined;
    }
    record = this.#newRecord(undefined);
    this.#resources.set(event.id, record);
    return record;
  }

  /** A hook begins on a resource that rests and ends where it began. */
  #step(
    event: ResourceEvent,
    from: ResourceRecord['status'],
    to: ResourceRecord['status'],
  ): ResourceRecord | undefined {
    const record = this.#known(event);
    if (record === undefined) return undefined;
    if (record.status !== undefined && record.status !== from) {
      this.#report(
        'hookOverlap',
        `${nameEvent(event)}: the resource is ${record.status}, not ${from}`,
      );
    }
    record.status = to;
    return record;
  }

  #spoil(record: ResourceRecord | undefined, why: string): void {
    if (record !== undefined) record.spoiled = why;
  }

  // ── Requests and leases ───────────────────────────────────────────────────────────────────────────────────────

  #request(event: EventOf<'requested'>): void {
    const { requestId } = event;
    if (requestId <= this.#highestRequest) {
      this.#report('identity', `${nameEvent(event)} has an id that was given before`);
    }
    this.#firstRequest = Math.min(this.#firstRequest, requestId);
    this.#highestRequest = Math.max(this.#highestRequest, requestId);
    this.#requests.add(requestId);
    this.#queued = requestId;
  }

  #endRequest(event: EventOf<'acquired' | 'cancelled' | 'timedOut' | 'rejected'>): void {
    const { requestId } = event;
    if (this.#requests.delete(requestId)) return;
    // A request from before the first event heard has a lower id than all that were heard.
    if (!this.#fromStart && requestId < this.#firstRequest) return;
    this.#report('requestEnd', `${nameEvent(event)}: request ${requestId} does not wait`);
  }

  #acquire(event: EventOf<'acquired'>): void {
    if (this.#options.fifo === true) this.#checkOrder(event);
    this.#endRequest(event);
    this.#checkNotPaused(event);
    const record = this.#known(event);
    if (record === undefined) return;
    if (record.lease !== undefined) {
      this.#report('oneLease', `${nameEvent(event)}: request ${record.lease} has the lease of it`);
    }
    const obstacle = this.#obstacle(record, event.at);
    if (obstacle !== undefined) this.#report('lendable', `${nameEvent(event)}: ${obstacle}`);
    record.status = 'leased';
    record.lease = event.requestId;
    record.mayReset = false;
  }

  #checkOrder(event: EventOf<'acquired'>): void {
    const [oldest] = this.#requests;
    if (oldest === undefined || oldest >= event.requestId) return;
    this.#report('order', `${nameEvent(event)} is served while request ${oldest} waits`);
  }

  /** Why a resource may not be lent, if it may not. */
  #obstacle(record: ResourceRecord, now: number): string | undefined {
    const { status, spoiled, evicted, createdAt } = record;
    // A second lease is told as such.
    if (status !== undefined && status !== 'idle' && status !== 'leased') return `it is ${status}`;
    if (spoiled !== undefined) return spoiled;
    if (evicted !== undefined) return `it was evicted (${evicted})`;
    const age = now - createdAt;
    const limit = this.#options.maxLifetimeMillis ?? Infinity;
    return age > limit ? `it is ${age} ms old, with a limit of ${limit}` : undefined;
  }

  #leaseOf(event: EventOf<'released' | 'leaked' | 'revoked'>): ResourceRecord | undefined {
    const record = this.#known(event);
    if (record === undefined || record.status === undefined) return record;
    if (record.lease !== event.requestId) {
      const holder = record.lease === undefined ? 'nobody' : `request ${record.lease}`;
      this.#report('releaseOnce', `${nameEvent(event)}: ${holder} has the lease of it`);
    }
    return record;
  }

  #release(event: EventOf<'released'>): void {
    const record = this.#leaseOf(event);
    if (record === undefined) return;
    if (event.reason === 'detached') {
      this.#resources.delete(event.id);
      return;
    }
    record.status = 'idle';
    record.lease = undefined;
    record.mayReset = event.reason === 'released';
  }

  // ── Resources ─────────────────────────────────────────────────────────────────────────────────────────────────

  #create(event: EventOf<'creating'>): void {
    this.#checkNotPaused(event);
    if (event.id <= this.#highestId) {
      this.#report('identity', `${nameEvent(event)} has an id that was given before`);
    }
    this.#highestId = Math.max(this.#highestId, event.id);
    this.#resources.set(event.id, this.#newRecord('creating'));
  }

  #reset(event: EventOf<'resetting'>): void {
    const record = this.#step(event, 'idle', 'resetting');
    if (record === undefined) return;
    if (!record.mayReset) {
      this.#report('releaseOnce', `${nameEvent(event)}: no lease ended since it was last reset`);
    }
    record.mayReset = false;
  }

  #evict(event: EventOf<'evicted'>): void {
    const record = this.#known(event);
    if (!evictions.has(event.reason)) {
      this.#report('evicted', `${nameEvent(event)}: this is no decision of the pool's own`);
    }
    if (record !== undefined) record.evicted = event.reason;
  }

  #destroy(event: EventOf<'destroying'>): void {
    if (event.reason === 'lateCreate') {
      this.#destroyLate(event);
      return;
    }
    const record = this.#known(event);
    if (record === undefined) return;
    if (record.status === 'leased') {
      this.#report('destroyLeased', `${nameEvent(event)}: request ${record.lease ?? '?'} has it`);
    } else if (record.status !== undefined && record.status !== 'idle') {
      this.#report('hookOverlap', `${nameEvent(event)}: the resource is ${record.status}`);
    }
    this.#checkEviction(event, record);
    record.status = 'destroying';
    record.destroying = event.reason;
    this.#destroyed = true;
  }

  #checkEviction(event: EventOf<'destroying'>, record: ResourceRecord): void {
    const { evicted, status } = record;
    const mayBeUnheard = status === undefined && evicted === undefined;
    const expected = evictions.has(event.reason) ? event.reason : undefined;
    if (evicted === expected || mayBeUnheard) return;
    this.#report('evicted', `${nameEvent(event)} comes after ${evicted ?? 'no'} eviction`);
  }

  /** Outside the count, and after its create has failed for the pool. */
  #destroyLate(event: EventOf<'destroying'>): void {
    if (this.#resources.has(event.id) || this.#late.has(event.id) || this.#isNew(event.id)) {
      this.#report('destroyOnce', `${nameEvent(event)}: its create was not given up`);
    }
    this.#late.add(event.id);
  }

  #isNew(id: number): boolean {
    return this.#fromStart && id > this.#highestId;
  }

  #endDestroy(event: EventOf<'destroyed' | 'destroyFailed'>): void {
    const { id, reason } = event;
    if (reason === 'lateCreate' && this.#late.delete(id)) return;
    const record = this.#resources.get(id);
    if (record === undefined && !this.#fromStart && !this.#isNew(id)) return;
    if (record?.status !== undefined && record.status !== 'destroying') {
      this.#report('destroyOnce', `${nameEvent(event)}: the resource is ${record.status}`);
    } else if (record === undefined) {
      this.#report('destroyOnce', `${nameEvent(event)}: nothing of it is being destroyed`);
    } else if (record.destroying !== undefined && record.destroying !== reason) {
      this.#report('destroyOnce', `${nameEvent(event)} began as ${record.destroying}`);
    }
    this.#resources.delete(id);
  }

  // ── Lifecycle ─────────────────────────────────────────────────────────────────────────────────────────────────

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
