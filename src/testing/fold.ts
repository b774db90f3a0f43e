import { defer, map, type OperatorFunction } from 'rxjs';
import type { Lifecycle, PoolEvent, PoolState, ResourceStatus } from '../index.js';

/** The sizes that a pool has before its first event. */
export interface FoldStart {
  /** The `min` of the pool. Default: what the first event says; 0 before it. */
  readonly min?: number | undefined;
  /** The `max` of the pool. Default: what the first event says; 10 before it. */
  readonly max?: number | undefined;
}

/**
 * Rebuilds a pool's state from its events, one at a time: `fold.add(event)`, then `fold.state`.
 *
 * Only types and ids are read, never the counts that an event carries, so that the two can be compared; `min` and
 * `max` come from the first event and from `resized`, as they are nowhere else. The events must be all from the first on (`seq` 1).
 * An event in the middle of a transition gives a state that the pool never had: of several events that carry the
 * same state the last one completes it.
 *
 * Costs one map entry for each resource and each open request.
 *
 * @example
 * const fold = new PoolFold();
 * pool.stats$.subscribe(event => fold.add(event));
 */
export class PoolFold {
  readonly #resources = new Map<number, ResourceStatus | 'creating'>();
  readonly #requests = new Set<number>();
  readonly #counts: Record<ResourceStatus | 'creating', number> = {
    idle: 0,
    leased: 0,
    creating: 0,
    validating: 0,
    resetting: 0,
    destroying: 0,
  };
  #lifecycle: Lifecycle = 'running';
  /** Undefined until somebody has said it. */
  #min: number | undefined;
  #max: number | undefined;

  constructor(start: FoldStart = {}) {
    this.#min = start.min;
    this.#max = start.max;
  }

  /** Whether the state after everything that was added is this one. Cheaper than to compare `state`. */
  equals(state: PoolState): boolean {
    const counts = this.#counts;
    return (
      state.leased === counts.leased &&
      state.idle === counts.idle &&
      state.waiting === this.#requests.size &&
      state.creating === counts.creating &&
      state.validating === counts.validating &&
      state.resetting === counts.resetting &&
      state.destroying === counts.destroying &&
      state.size === this.#resources.size - counts.creating &&
      state.min === (this.#min ?? 0) &&
      state.max === (this.#max ?? 10) &&
      state.lifecycle === this.#lifecycle
    );
  }

  /** The state after everything that was added: a new object each time. */
  get state(): PoolState {
    const { idle, leased, creating, validating, resetting, destroying } = this.#counts;
    return {
      lifecycle: this.#lifecycle,
      min: this.#min ?? 0,
      max: this.#max ?? 10,
      size: this.#resources.size - creating,
      idle,
      leased,
      creating,
      validating,
      resetting,
      destroying,
      waiting: this.#requests.size,
    };
  }

  /** Where a resource stands by its events; undefined before its `creating`, and once it is gone. */
  statusOf(id: number): ResourceStatus | 'creating' | undefined {
    return this.#resources.get(id);
  }

  /** Whether a request was made and has not ended. */
  isWaiting(requestId: number): boolean {
    return this.#requests.has(requestId);
  }

  /** Takes one event in. */
  add(event: PoolEvent): void {
    this.#min ??= event.state.min;
    this.#max ??= event.state.max;
    switch (event.type) {
      case 'requested':
        this.#requests.add(event.requestId);
        break;
      case 'acquired':
        this.#requests.delete(event.requestId);
        this.#move(event.id, 'leased');
        break;
      case 'cancelled':
      case 'timedOut':
      case 'rejected':
        this.#requests.delete(event.requestId);
        break;
      case 'released':
        // What becomes of it is told by the next event; without one it is idle.
        this.#move(event.id, event.reason === 'detached' ? undefined : 'idle');
        break;
      case 'creating':
        this.#move(event.id, 'creating');
        break;
      case 'created':
      case 'validated':
      case 'validateFailed':
      case 'reset':
      case 'resetFailed':
        this.#move(event.id, 'idle');
        break;
      case 'validating':
        this.#move(event.id, 'validating');
        break;
      case 'resetting':
        this.#move(event.id, 'resetting');
        break;
      case 'destroying':
        // A resource that came after its create was given up is outside the count.
        if (event.reason !== 'lateCreate') this.#move(event.id, 'destroying');
        break;
      case 'createFailed':
        this.#move(event.id, undefined);
        break;
      case 'destroyed':
      case 'destroyFailed':
        if (event.reason !== 'lateCreate') this.#move(event.id, undefined);
        break;
      case 'resized':
        this.#min = event.state.min;
        this.#max = event.state.max;
        break;
      case 'paused':
        this.#lifecycle = 'paused';
        break;
      case 'resumed':
        this.#lifecycle = 'running';
        break;
      case 'draining':
        this.#lifecycle = 'draining';
        break;
      case 'closed':
        this.#lifecycle = 'closed';
        break;
      case 'evicted':
      case 'resourceError':
      case 'permitLost':
      case 'nestedAcquire':
      case 'revoking':
      case 'leaked':
      case 'revoked':
        break;
    }
  }

  #move(id: number, to: ResourceStatus | 'creating' | undefined): void {
    const from = this.#resources.get(id);
    if (from !== undefined) this.#counts[from] -= 1;
    if (to === undefined) {
      this.#resources.delete(id);
    } else {
      this.#resources.set(id, to);
      this.#counts[to] += 1;
    }
  }
}

/**
 * Rebuilds the state that a pool has after `events`, from their types and ids alone (see {@link PoolFold}). `events`
 * are all of the pool's from its first on.
 *
 * @example
 * const events: PoolEvent[] = [];
 * const pool = createPool({ create: connect, max: 4 });
 * pool.stats$.subscribe(event => events.push(event));
 * // … and after the work:
 * expect(foldStats(events)).toEqual(pool.state);
 */
export function foldStats(events: Iterable<PoolEvent>, start?: FoldStart): PoolState {
  const fold = new PoolFold(start);
  for (const event of events) fold.add(event);
  return fold.state;
}

/**
 * The same as an operator: for each event the state rebuilt so far. Cold: each subscription starts from the pool's
 * beginning and so belongs before the pool's first event, in the tick that made the pool. Errors and completes with
 * its source.
 *
 * @example
 * const rebuilt$ = pool.stats$.pipe(foldEvents());
 */
export function foldEvents(start?: FoldStart): OperatorFunction<PoolEvent, PoolState> {
  return events =>
    defer(() => {
      const fold = new PoolFold(start);
      return events.pipe(
        map(event => {
          fold.add(event);
          return fold.state;
        }),
      );
    });
}

/** The names of the fields in which two states differ. */
export function differences(a: PoolState, b: PoolState): readonly (keyof PoolState)[] {
  return isSameState(a, b) ? [] : stateFields.filter(field => a[field] !== b[field]);
}

/** Field by field by name: asked for every event of a pool in production. */
export function isSameState(a: PoolState, b: PoolState): boolean {
  return (
    a === b ||
    (a.leased === b.leased &&
      a.idle === b.idle &&
      a.waiting === b.waiting &&
      a.creating === b.creating &&
      a.size === b.size &&
      a.validating === b.validating &&
      a.resetting === b.resetting &&
      a.destroying === b.destroying &&
      a.lifecycle === b.lifecycle &&
      a.min === b.min &&
      a.max === b.max)
  );
}

const stateFields = [
  'lifecycle',
  'min',
  'max',
  'size',
  'idle',
  'leased',
  'creating',
  'validating',
  'resetting',
  'destroying',
  'waiting',
] as const satisfies readonly (keyof PoolState)[];
