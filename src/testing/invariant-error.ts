import { PoolError, type PoolEvent, type PoolState } from '../index.js';

/** What a pool must never break. Each has its line in the guide. */
export type InvariantRule =
  /** `seq` counts without a gap. */
  | 'sequence'
  /** The clock never runs backwards, and no duration is negative. */
  | 'time'
  /** Counts are whole numbers from 0, and `size` is the sum of its parts. */
  | 'counts'
  /** `size + creating` never grows past `max`. */
  | 'capacity'
  /** The state is what the events add up to. */
  | 'fold'
  /** A request waits beyond `maxWaiting` only where something is on its way to it. */
  | 'waitingLimit'
  /** A request ends exactly once: acquired, cancelled, timedOut or rejected. */
  | 'requestEnd'
  /** Within a pool without priorities nobody is served before an older request. */
  | 'order'
  /** A resource has at most one lease. */
  | 'oneLease'
  /** A lease ends exactly once, and a resource is reset at most once for it. */
  | 'releaseOnce'
  /** Only what is whole is lent: not what is gone, under a hook, failed, broken, evicted or past its lifetime. */
  | 'lendable'
  /** Ids are never given twice, and what is gone never comes back. */
  | 'identity'
  /** Nothing is destroyed under a lease. */
  | 'destroyLeased'
  /** A destroy ends exactly once, in `destroyed` or in `destroyFailed`, with the reason it began with. */
  | 'destroyOnce'
  /** `evicted` comes before each destroy that the pool decided, and before no other. */
  | 'evicted'
  /** Hooks of one resource never overlap, and none ends that did not begin. */
  | 'hookOverlap'
  /** Paused nothing is lent or created; after `closed` nothing happens and nothing is left. */
  | 'lifecycle'
  /** `state$` publishes every state that events carry, in their order, and ends with the pool's. */
  | 'states'
  /** `resources()` and `stats` say the same as the state and the events. */
  | 'books'
  /** What the outside counts (the oracle, the test) is what the pool counts. */
  | 'outside'
  /** At rest nobody waits for what is there. */
  | 'stuckWaiter'
  /** At rest no hook is under way. */
  | 'unsettledHook'
  /** At rest there are at least `min` resources. */
  | 'minimum'
  /** No request outlives its deadline. */
  | 'deadline'
  /** A close with nothing left to wait for ends, and both streams complete. */
  | 'close';

/** Takes in what is wrong. */
export type Report = (rule: InvariantRule, message: string) => void;

/** One broken rule, in words. */
export interface InvariantViolation {
  /** Which rule is broken. */
  readonly rule: InvariantRule;
  /** How, in a sentence. */
  readonly message: string;
}

/**
 * The pool broke a promise that no use of it can make it break: a bug of the pool, or of a hook that plays with the
 * pool's own objects. `violations` says which, `events` are the last ones up to that moment.
 *
 * @example
 * pool.stats$.pipe(checkInvariants()).subscribe({
 *   error: error => {
 *     if (error instanceof InvariantError) console.error(error.violations, error.events);
 *   },
 * });
 */
export class InvariantError extends PoolError {
  /** The name of the class. */
  override readonly name = 'InvariantError';
  /** Everything that is wrong, in the order in which it was found. */
  readonly violations: readonly InvariantViolation[];
  /** The last events before it was found, oldest first. */
  readonly events: readonly PoolEvent[];

  constructor(
    pool: string,
    state: PoolState | undefined,
    violations: readonly InvariantViolation[],
    events: readonly PoolEvent[],
  ) {
    super('INVARIANT', pool, state, describe(violations, events));
    this.violations = violations;
    this.events = events;
  }
}

/** How many events a message shows: the error itself has them all. */
const shownEvents = 10;

function describe(violations: readonly InvariantViolation[], events: readonly PoolEvent[]): string {
  const broken = violations.map(({ rule, message }) => `${rule}: ${message}`).join('; ');
  if (events.length === 0) return broken;
  return `${broken}; last events: ${events.slice(-shownEvents).map(nameEvent).join(', ')}`;
}

/** An event in a few letters: `#12 acquired 3 for 7`. */
export function nameEvent(event: PoolEvent): string {
  const id = 'id' in event ? ` ${event.id}` : '';
  const request = 'requestId' in event ? ` for ${event.requestId}` : '';
  const reason = 'reason' in event ? ` (${event.reason})` : '';
  return `#${event.seq} ${event.type}${id}${request}${reason}`;
}
