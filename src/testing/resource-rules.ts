import type { DestroyReason, PoolEvent, ResourceStatus } from '../index.js';
import { nameEvent, type Report } from './invariant-error.js';

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
export type ResourceEvent = Extract<PoolEvent, { readonly id: number }>;
type EventOf<Type extends PoolEvent['type']> = Extract<PoolEvent, { readonly type: Type }>;

const evictions: ReadonlySet<DestroyReason> = new Set([
  'idle',
  'lifetime',
  'surplus',
  'recycled',
  'maxUses',
]);

/** What holds of the resources of one pool and their leases, by its events. Keeps a record for each that lives. */
export class ResourceRules {
  readonly #report: Report;
  readonly #maxLifetimeMillis: number;
  readonly #fromStart: boolean;
  readonly #resources = new Map<number, ResourceRecord>();
  /** The destroys of resources that came after their create was given up. */
  readonly #late = new Set<number>();
  #highestId = 0;

  constructor(report: Report, maxLifetimeMillis: number, fromStart: boolean) {
    this.#report = report;
    this.#maxLifetimeMillis = maxLifetimeMillis;
    this.#fromStart = fromStart;
  }

  add(event: ResourceEvent): void {
    switch (event.type) {
      case 'acquired':
        this.#acquire(event);
        break;
      case 'leaked':
      case 'revoking':
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

  // ── Leases ────────────────────────────────────────────────────────────────────────────────────────────────────

  #acquire(event: EventOf<'acquired'>): void {
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

  /** Why a resource may not be lent, if it may not. */
  #obstacle(record: ResourceRecord, now: number): string | undefined {
    const { status, spoiled, evicted, createdAt } = record;
    // A second lease is told as such.
    if (status !== undefined && status !== 'idle' && status !== 'leased') return `it is ${status}`;
    if (spoiled !== undefined) return spoiled;
    if (evicted !== undefined) return `it was evicted (${evicted})`;
    const age = now - createdAt;
    const limit = this.#maxLifetimeMillis;
    return age > limit ? `it is ${age} ms old, with a limit of ${limit}` : undefined;
  }

  #leaseOf(
    event: EventOf<'released' | 'leaked' | 'revoking' | 'revoked'>,
  ): ResourceRecord | undefined {
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

  // ── Lives ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #create(event: EventOf<'creating'>): void {
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
}
