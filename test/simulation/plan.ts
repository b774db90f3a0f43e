import type { HookName, PoolEventType } from '../../src/index.js';
import type { SettleStyle } from '../../src/testing/index.js';
import { Draw } from './draw.js';

/** How a borrower ends its lease. `twice` releases twice and unsubscribes; `break` tells of an error. */
export type Ending = 'release' | 'twice' | 'destroy' | 'break' | 'detach' | 'leave';

/** By which way a borrower comes; `take` is `acquire().pipe(take(1))`. */
export type Way = 'acquire' | 'take' | 'use' | 'lease' | 'try';

export interface Arrival {
  readonly do: 'arrive';
  readonly way: Way;
  /** How long the lease is held: 0 ends it in the call that hands it over, undefined when an operation says so. */
  readonly holdMillis: number | undefined;
  readonly ending: Ending;
  readonly timeoutMillis?: number | undefined;
  readonly priority?: number | undefined;
  /** It can be aborted by a signal; true: it is so already. */
  readonly signal?: 'later' | 'before' | undefined;
  /** It leaves after so long, waiting or not. */
  readonly leaveAfterMillis?: number | undefined;
  /** What `use` is given for an answer. */
  readonly answer?: 'value' | 'promise' | 'observable' | undefined;
  readonly onCancel?: 'release' | 'destroy' | undefined;
  /** Done inside `next`, before anything else. */
  readonly within?: Operation | undefined;
  /** Throws inside `next`, after all else. */
  readonly throws?: boolean | undefined;
}

/** One thing that is done to the pool or its world. An `index` is taken modulo the number of what there is. */
export type Operation =
  | Arrival
  | { readonly do: 'end'; readonly index: number; readonly ending: Ending }
  | { readonly do: 'leave' | 'abort' | 'touch' | 'ruin'; readonly index: number }
  | {
      readonly do: 'open';
      readonly hook: HookName;
      readonly index: number;
      readonly outcome: Outcome;
    }
  | { readonly do: 'advance' | 'freeze' | 'jump'; readonly millis: number }
  | { readonly do: 'pause' | 'resume' | 'recycle' | 'evict' | 'check' | 'settle' | 'throw' }
  | { readonly do: 'prefill'; readonly count: number }
  | { readonly do: 'resize'; readonly min: number; readonly max: number }
  | {
      readonly do: 'close';
      readonly waiters: 'reject' | 'serve';
      readonly drainTimeoutMillis: number;
      readonly force: boolean;
    }
  /** One after another in the same tick: no promise settles between. */
  | { readonly do: 'together'; readonly operations: readonly Operation[] };

/** How a call of a hook ends: `invalid` with `false`, `empty` without a value. */
export type Outcome = 'ok' | 'error' | 'invalid' | 'empty';

/** How one hook behaves: shares of its calls. */
export interface Profile {
  readonly error: number;
  /** `validate` says no. */
  readonly invalid: number;
  readonly empty: number;
  /** Waits until an operation opens it, or the end of the life. */
  readonly never: number;
  /** Answers within the call. */
  readonly now: number;
  /** What does not answer within the call takes from the one up to the other. */
  readonly leastMillis: number;
  readonly longestMillis: number;
}

export interface HookPlan {
  readonly seed: number;
  /** Each call draws one. */
  readonly styles: readonly SettleStyle[];
  /** Share of calls inside which something is done to the pool. */
  readonly reenter: number;
  readonly create: Profile;
  readonly validate: Profile;
  readonly reset: Profile;
  readonly destroy: Profile;
}

/** Options of the pool, as data. */
export interface PlannedOptions {
  readonly min: number;
  readonly max: number;
  readonly minIdle: number;
  readonly maxWaiting: number;
  readonly maxUses: number;
  readonly createConcurrency: number;
  readonly order: 'lifo' | 'fifo' | 'leastUsed';
  readonly acquireTimeoutMillis: number;
  readonly createTimeoutMillis: number;
  readonly validateTimeoutMillis: number;
  readonly resetTimeoutMillis: number;
  readonly destroyTimeoutMillis: number;
  readonly idleTimeoutMillis: number;
  readonly maxLifetimeMillis: number;
  readonly lifetimeJitter: number;
  readonly validateOnBorrow: boolean;
  readonly validateOnReturn: boolean;
  readonly validateIdleEveryMillis: number;
  readonly validateAfterIdleMillis: number;
  readonly leakWarningMillis: number;
  readonly maxLeaseMillis: number;
  readonly onCancel: 'release' | 'destroy';
  /** Which hooks there are, beside `create` and `destroy`. */
  readonly validate: boolean;
  readonly reset: boolean;
  readonly watch: boolean;
  /** Permits of a budget beside `max`; Infinity: no budget. */
  readonly permits: number;
}

/** Whose call it is inside which something is done: a subscriber of `stats$` that is told, or a hook that is called. */
export type Occasion = PoolEventType | `${HookName} hook`;

/** Done inside a call of somebody's, the n-th of its kind, counted from 1. */
export interface Reaction {
  readonly on: Occasion;
  readonly nth: number;
  readonly operation: Operation;
}

/** The life of one pool, from its making to its end. Data only: it can be printed, cut down and played again. */
export interface Plan {
  readonly options: PlannedOptions;
  readonly hooks: HookPlan;
  readonly operations: readonly Operation[];
  readonly reactions: readonly Reaction[];
  /** Whether anybody subscribes to `stats$`: what nobody hears is not built, which is another way through the pool. */
  readonly heard: boolean;
}

/** Options that bring nothing about by themselves. */
export const plainOptions: PlannedOptions = {
  min: 0,
  max: 2,
  minIdle: 0,
  maxWaiting: Infinity,
  maxUses: Infinity,
  createConcurrency: Infinity,
  order: 'lifo',
  acquireTimeoutMillis: Infinity,
  createTimeoutMillis: 30_000,
  validateTimeoutMillis: 5_000,
  resetTimeoutMillis: 5_000,
  destroyTimeoutMillis: 5_000,
  idleTimeoutMillis: Infinity,
  maxLifetimeMillis: Infinity,
  lifetimeJitter: 0,
  validateOnBorrow: false,
  validateOnReturn: false,
  validateIdleEveryMillis: Infinity,
  validateAfterIdleMillis: 0,
  leakWarningMillis: Infinity,
  maxLeaseMillis: Infinity,
  onCancel: 'release',
  validate: false,
  reset: false,
  watch: false,
  permits: Infinity,
};

/** A hook that always succeeds within the call. */
export const plainProfile: Profile = {
  error: 0,
  invalid: 0,
  empty: 0,
  never: 0,
  now: 1,
  leastMillis: 0,
  longestMillis: 0,
};

/** A hook that waits until an operation opens it. */
export const gatedProfile: Profile = { ...plainProfile, now: 0, never: 1 };

/** Below every time limit that a calm life has. */
const calmMillis = 15;
const shortLimitMillis = 20;
/** More than a timer can be set to. */
const monthMillis = 31 * 24 * 60 * 60 * 1_000;

/** Draws the life of one pool, of about so many operations. */
export function drawPlan(seed: number, operations: number): Plan {
  const draw = new Draw(seed);
  const options = drawOptions(draw);
  const hooks = drawHooks(draw);
  const usesPriorities = draw.chance(0.2);
  const list: Operation[] = [];
  const closesAt = draw.chance(0.6) ? draw.below(operations) : Infinity;
  const isWrongClock = draw.chance(0.2);
  for (let count = 0; count < operations; count += 1) {
    list.push(
      count === closesAt ? drawClose(draw) : drawTop(draw, options, usesPriorities, isWrongClock),
    );
    // A closed pool has little left to show.
    if (count > closesAt + 20) break;
  }
  const reactions = draw.chance(0.4) ? drawReactions(draw, options) : [];
  const heard = reactions.length > 0 || draw.chance(0.9);
  return { options, hooks, operations: list, reactions, heard };
}

function drawOptions(draw: Draw): PlannedOptions {
  const max = draw.one(1, 1, 2, 2, 3, 4, 6);
  const validate = draw.chance(0.5);
  return {
    min: draw.chance(0.6) ? 0 : draw.between(0, max),
    max,
    minIdle: draw.chance(0.85) ? 0 : draw.between(1, max),
    maxWaiting: draw.one(Infinity, Infinity, Infinity, 0, 1, 3),
    maxUses: draw.one(Infinity, Infinity, Infinity, Infinity, 1, 3),
    createConcurrency: draw.one(Infinity, Infinity, Infinity, 1, 2),
    order: draw.one('lifo', 'lifo', 'fifo', 'leastUsed'),
    acquireTimeoutMillis: draw.one(Infinity, Infinity, 30_000, 50, 200),
    createTimeoutMillis: draw.one(30_000, 30_000, shortLimitMillis, 100),
    validateTimeoutMillis: draw.one(5_000, 5_000, shortLimitMillis),
    resetTimeoutMillis: draw.one(5_000, 5_000, shortLimitMillis),
    destroyTimeoutMillis: draw.one(5_000, 5_000, shortLimitMillis),
    idleTimeoutMillis: draw.one(Infinity, Infinity, 60, 200),
    maxLifetimeMillis: draw.one(Infinity, monthMillis, 100, 400),
    lifetimeJitter: draw.one(0, 0, 0.5),
    validateOnBorrow: validate && draw.chance(0.8),
    validateOnReturn: validate && draw.chance(0.3),
    validateIdleEveryMillis: draw.one(Infinity, Infinity, Infinity, 40),
    validateAfterIdleMillis: draw.one(0, 0, 20),
    // Rare: a stack is written down for each lease, and that is dear.
    leakWarningMillis: draw.chance(0.95) ? Infinity : 50,
    maxLeaseMillis: draw.one(Infinity, Infinity, Infinity, 80),
    onCancel: draw.one('release', 'release', 'release', 'destroy'),
    validate,
    reset: draw.chance(0.5),
    watch: draw.chance(0.3),
    permits: draw.chance(0.9) ? Infinity : draw.between(1, max),
  };
}

function drawHooks(draw: Draw): HookPlan {
  const styles = draw.one<readonly SettleStyle[]>(
    ['sync'],
    ['sync'],
    ['promise'],
    ['scheduler'],
    ['sync', 'promise', 'scheduler'],
  );
  const mood = draw.one('calm', 'calm', 'bad', 'bad', 'terrible');
  const overruns = draw.chance(0.25);
  const profile = (isDestroy: boolean): Profile => {
    const trouble = mood === 'calm' ? 0 : mood === 'bad' ? 0.1 : 0.4;
    return {
      error: draw.share() * trouble,
      invalid: draw.share() * trouble,
      empty: draw.chance(0.1) ? 0.1 : 0,
      never: overruns && draw.chance(0.5) ? 0.1 : 0,
      now: draw.one(0, 0.2, 0.5, 1),
      leastMillis: 0,
      longestMillis: overruns && draw.chance(0.5) ? 60 : isDestroy ? 10 : calmMillis,
    };
  };
  return {
    seed: draw.seed(),
    styles,
    reenter: draw.chance(0.3) ? 0.05 : 0,
    create: profile(false),
    validate: profile(false),
    reset: profile(false),
    destroy: profile(true),
  };
}

function drawTop(
  draw: Draw,
  options: PlannedOptions,
  usesPriorities: boolean,
  isWrongClock: boolean,
): Operation {
  const kind = draw.weighted({
    arrive: 40,
    advance: 30,
    end: 10,
    leave: 5,
    together: 4,
    settle: 1.5,
    open: 2,
    other: 6,
    clock: isWrongClock ? 1 : 0,
  });
  switch (kind) {
    case 'arrive':
      return drawArrival(draw, usesPriorities);
    case 'advance':
      return { do: 'advance', millis: draw.one(0, 1, 2, 5, 5, 10, 20, draw.below(120)) };
    case 'end':
      return drawEnd(draw);
    case 'leave':
      return { do: draw.one('leave', 'leave', 'abort'), index: draw.below(8) };
    case 'together':
      return {
        do: 'together',
        operations: Array.from({ length: draw.between(2, 4) }, () =>
          drawNested(draw, options, usesPriorities),
        ),
      };
    case 'settle':
      return { do: 'settle' };
    case 'open':
      return {
        do: 'open',
        hook: draw.one('create', 'validate', 'reset', 'destroy'),
        index: draw.below(4),
        outcome: draw.one('ok', 'ok', 'error', 'invalid', 'empty'),
      };
    case 'other':
      return drawOther(draw, options);
    case 'clock':
      return draw.chance(0.5)
        ? { do: 'freeze', millis: draw.below(300) }
        : { do: 'jump', millis: draw.between(-200, 200) };
  }
}

/** What can be done anywhere, also inside somebody's callback. */
export function drawNested(
  draw: Draw,
  options: PlannedOptions,
  usesPriorities: boolean,
): Operation {
  const kind = draw.weighted({ arrive: 50, end: 25, leave: 15, other: 9, close: 1 });
  switch (kind) {
    case 'arrive':
      return drawArrival(draw, usesPriorities);
    case 'end':
      return drawEnd(draw);
    case 'leave':
      return { do: draw.one('leave', 'abort'), index: draw.below(8) };
    case 'other':
      return drawOther(draw, options);
    case 'close':
      return drawClose(draw);
  }
}

function drawArrival(draw: Draw, usesPriorities: boolean, depth = 0): Arrival {
  const way = draw.one<Way>('acquire', 'acquire', 'take', 'use', 'use', 'lease', 'try');
  const ending = draw.weighted<Ending>({
    release: 50,
    leave: 25,
    twice: 5,
    destroy: 8,
    break: 5,
    detach: 3,
  });
  return {
    do: 'arrive',
    way,
    holdMillis: draw.one(0, 0, undefined, draw.below(10), draw.below(40), draw.below(40)),
    ending,
    ...(draw.chance(0.1) ? { timeoutMillis: draw.one(1, 5, 20, 100) } : undefined),
    ...(usesPriorities ? { priority: draw.between(-1, 1) } : undefined),
    ...(draw.chance(0.1) ? { signal: draw.one('later', 'later', 'before') } : undefined),
    ...(draw.chance(0.15) ? { leaveAfterMillis: draw.one(0, 1, 5, draw.below(40)) } : undefined),
    ...(way === 'use' ? { answer: draw.one('value', 'promise', 'observable') } : undefined),
    ...(draw.chance(0.05) ? { onCancel: draw.one('release', 'destroy') } : undefined),
    ...(depth === 0 && draw.chance(0.05)
      ? { within: draw.chance(0.6) ? drawArrival(draw, usesPriorities, 1) : drawEnd(draw) }
      : undefined),
    ...(draw.chance(0.02) ? { throws: true } : undefined),
  };
}

function drawEnd(draw: Draw): Operation {
  const ending = draw.weighted<Ending>({
    release: 40,
    leave: 30,
    twice: 8,
    destroy: 10,
    break: 7,
    detach: 5,
  });
  return { do: 'end', index: draw.below(8), ending };
}

function drawOther(draw: Draw, options: PlannedOptions): Operation {
  const kind = draw.weighted({
    pause: 2,
    resume: 3,
    recycle: 1,
    evict: 2,
    check: 1,
    prefill: 2,
    resize: 2,
    touch: 2,
    ruin: options.watch ? 2 : 0,
  });
  switch (kind) {
    case 'prefill':
      return { do: 'prefill', count: draw.between(0, options.max + 1) };
    case 'resize': {
      const max = draw.between(1, options.max + 2);
      return { do: 'resize', min: draw.between(0, Math.min(options.min + 1, max)), max };
    }
    case 'touch':
    case 'ruin':
      return { do: kind, index: draw.below(8) };
    default:
      return { do: kind };
  }
}

function drawClose(draw: Draw): Operation {
  return {
    do: 'close',
    waiters: draw.one('reject', 'serve'),
    drainTimeoutMillis: draw.one(30_000, 10, 100),
    force: draw.chance(0.2),
  };
}

function drawReactions(draw: Draw, options: PlannedOptions): Reaction[] {
  const occasions: readonly Occasion[] = [
    'requested',
    // Often: between being chosen and being told is where waiters get lost.
    'acquired',
    'acquired',
    'acquired',
    'released',
    'created',
    'createFailed',
    'destroyed',
    'destroying',
    'cancelled',
    'rejected',
    'validated',
    'reset',
    'timedOut',
    'closed',
    'create hook',
    'validate hook',
    'reset hook',
    'destroy hook',
  ];
  return Array.from({ length: draw.between(1, 8) }, () => ({
    on: draw.one(...occasions),
    nth: draw.between(1, 20),
    operation: draw.chance(0.05)
      ? { do: 'throw' }
      : draw.chance(0.2)
        ? { do: 'leave', index: 0 }
        : drawNested(draw, options, false),
  }));
}
