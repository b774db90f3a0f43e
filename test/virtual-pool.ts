import { map, type Observable, tap, timer, VirtualAction, VirtualTimeScheduler } from 'rxjs';
import { onTestFinished } from 'vitest';
import {
  type AcquireOptions,
  createPool,
  type DestroyReason,
  HookTimeoutError,
  type Lease,
  type Pool,
  type PoolEvent,
  type PoolOptions,
  type PoolState,
} from '../src/index.js';
import { Borrower as WatchedBorrower } from './watched-pool.js';
import { assertInvariants, type PoolFacts } from '../src/testing/index.js';

/** Virtual time that a test moves by hand, so that promises can settle between two frames. */
export class SteppedScheduler extends VirtualTimeScheduler {
  constructor(startAt = 0) {
    super(VirtualAction, startAt);
    this.frame = startAt;
  }

  /** Actions that have not run yet: 0 means that no timer is armed. */
  get pending(): number {
    return this.actions.length;
  }

  /** Runs everything that is due up to this frame, itself included. */
  advanceTo(frame: number): void {
    this.maxFrames = frame;
    this.flush();
    this.frame = frame;
  }

  advance(millis: number): void {
    this.advanceTo(this.frame + millis);
  }

  /** The process stands still: time passes and nothing runs, not even what is due. */
  freezeUntil(frame: number): void {
    this.frame = frame;
    for (const action of this.actions) action.delay = Math.max(action.delay, frame);
  }
}

export interface Thing {
  readonly number: number;
  ended: number;
}

/** How long each hook takes in virtual time; 0 is synchronous. Naming `reset` or `validate` installs that hook. */
export interface HookTimes {
  readonly create?: number;
  readonly reset?: number;
  readonly validate?: number;
  readonly destroy?: number;
}

export interface VirtualPool extends Recording {
  readonly pool: Pool<Thing>;
  readonly time: SteppedScheduler;
  /** Every thing that `create` was called for, in order. */
  readonly made: Thing[];
  /** Every call of `destroy`, in order. */
  readonly ended: {
    readonly number: number;
    readonly reason: DestroyReason;
    readonly at: number;
  }[];
  readonly resets: number[];
  readonly validations: number[];
  /** What exists and what is being made, as the factory counts it, and the most there ever was. */
  readonly world: { live: number; pending: number; peak: number };
}

/**
 * A pool of numbered things on virtual time, with everything it publishes written down. After the test the invariants
 * must have held at every step, for the pool and for the factory.
 */
export function virtualPool(
  options: Partial<PoolOptions<Thing>> & { scheduler?: SteppedScheduler } = {},
  times: HookTimes = {},
): VirtualPool {
  const time = options.scheduler ?? new SteppedScheduler();
  const made: Thing[] = [];
  const ended: { number: number; reason: DestroyReason; at: number }[] = [];
  const resets: number[] = [];
  const validations: number[] = [];
  const world = { live: 0, pending: 0, peak: 0 };

  const pool = createPool<Thing>({
    create() {
      const thing = { number: made.length + 1, ended: 0 };
      made.push(thing);
      world.pending += 1;
      world.peak = Math.max(world.peak, world.live + world.pending);
      return after(times.create ?? 0, time, () => {
        world.pending -= 1;
        world.live += 1;
        return thing;
      });
    },
    destroy(thing, reason) {
      ended.push({ number: thing.number, reason, at: time.now() });
      thing.ended += 1;
      return after(times.destroy ?? 0, time, () => {
        world.live -= 1;
      });
    },
    ...(times.reset !== undefined && {
      reset: (thing: Thing) => {
        resets.push(thing.number);
        return after(times.reset ?? 0, time, () => undefined);
      },
    }),
    ...(times.validate !== undefined && {
      validate: (thing: Thing) => {
        validations.push(thing.number);
        return after(times.validate ?? 0, time, () => true);
      },
    }),
    lifetimeJitter: 0,
    ...options,
    scheduler: time,
  });
  const { events, states }: Recording = record(pool, (): PoolFacts => {
    // What was given up or taken out is nothing that the pool counts.
    const differs = events.some(
      event =>
        (event.type === 'released' && event.reason === 'detached') ||
        ('error' in event && event.error instanceof HookTimeoutError),
    );
    const knowsTheWorld = !('create' in options) && !('destroy' in options) && !differs;
    return {
      maxWaiting: options.maxWaiting,
      maxLifetimeMillis: options.maxLifetimeMillis,
      fifo: options.queue === undefined && options.admission === undefined,
      oracle: knowsTheWorld
        ? {
            live: world.live + world.pending,
            violations: made
              .filter(({ ended: times }) => times > 1)
              .map(({ number }) => `${number} ended twice`),
          }
        : undefined,
    };
  });
  return { pool, time, events, states, made, ended, resets, validations, world };
}

/** All that a pool published, in order. */
export interface Recording<T = Thing> {
  readonly events: PoolEvent<T>[];
  readonly states: PoolState[];
}

/** Writes down what a pool publishes; after the test the invariants must have held at every step. */
export function record<T>(pool: Pool<T>, facts: () => PoolFacts = () => ({})): Recording<T> {
  const events: PoolEvent<T>[] = [];
  const states: PoolState[] = [];
  pool.state$.subscribe(state => states.push(state));
  pool.stats$.subscribe(event => events.push(event));
  onTestFinished(() => {
    assertInvariants(pool, { events, states, ...facts() });
  });
  return { events, states };
}

/** The result of `finish`, at once for 0, else as an Observable on that time. */
export function after<R>(
  millis: number,
  time: SteppedScheduler,
  finish: () => R,
): R | Observable<R> {
  return millis === 0 ? finish() : timer(millis, time).pipe(map(finish));
}

/** One subscription to `acquire()`: its lease, its error, its leaving. */
export class Borrower<T> extends WatchedBorrower<T> {
  get error(): unknown {
    return this.errors[0];
  }
}

export function borrow<T>(
  pool: Pool<T>,
  options?: AcquireOptions,
  onLease?: (lease: Lease<T>) => void,
): Borrower<T> {
  const leases = pool.acquire(options);
  return new Borrower(onLease === undefined ? leases : leases.pipe(tap(onLease)));
}

/** Fills and empties the pool again, so that so many things are idle: number 1 idle for longest. */
export function warm(pool: Pool<Thing>, count: number): void {
  const borrowers = Array.from({ length: count }, () => borrow(pool));
  for (const borrower of borrowers) borrower.leave();
}

export function typesOf(events: readonly PoolEvent[]): string[] {
  return events.map(({ type }) => type);
}

export function eventsOf<Type extends PoolEvent['type']>(
  events: readonly PoolEvent[],
  type: Type,
): Extract<PoolEvent, { type: Type }>[] {
  return events.filter(event => event.type === type) as Extract<PoolEvent, { type: Type }>[];
}

/** Lets every promise that can settle do so. */
export function microtasks(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

/** How a promise ended, readable without awaiting it. */
export function outcomeOf<R>(promise: Promise<R>): {
  settled: boolean;
  value: R | undefined;
  error: unknown;
} {
  const outcome: { settled: boolean; value: R | undefined; error: unknown } = {
    settled: false,
    value: undefined,
    error: undefined,
  };
  promise.then(
    value => {
      outcome.settled = true;
      outcome.value = value;
    },
    (error: unknown) => {
      outcome.settled = true;
      outcome.error = error;
    },
  );
  return outcome;
}
