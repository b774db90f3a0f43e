import { Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';

/** Actions that one instant may take before it counts as going on for ever. */
const longestInstant = 100_000;

/** Real timers take no more: a longer delay fires at once, so asking for one is a mistake. */
const longestDelay = 2 ** 31 - 1;

interface Action {
  readonly at: number;
  readonly owner: SimulatedClock;
  readonly work: () => void;
}

/**
 * Virtual time: nothing happens until it is moved, and then in the order of being due. Its clocks can be wrong: a
 * process that stands still, a wall clock that jumps.
 */
export class SimulatedTime {
  /** True time, by which everything falls due. */
  frame = 0;
  /** Delays that no real timer could have kept. */
  readonly overflows: number[] = [];
  /** What the clocks show beside it. */
  offset = 0;
  /** Sorted: the next one is the last. */
  readonly #actions: Action[] = [];
  #instant = 0;

  /** When the next action is due; Infinity without one. */
  get nextAt(): number {
    return this.#actions.at(-1)?.at ?? Infinity;
  }

  /** Actions of one clock that have not run. */
  pending(owner: SimulatedClock): number {
    return this.#actions.filter(action => action.owner === owner).length;
  }

  /** Runs what is due next, if that is not after the frame; returns whether there was anything. */
  step(upTo: number): boolean {
    const action = this.#actions.at(-1);
    if (action === undefined || action.at > upTo) return false;
    this.#actions.pop();
    if (action.at > this.frame) {
      this.frame = action.at;
      this.#instant = 0;
    }
    this.#instant += 1;
    if (this.#instant > longestInstant) throw new Error('time does not go on: livelock');
    action.work();
    return true;
  }

  /** The process stands still: time passes, and what was due meanwhile is late. */
  freeze(millis: number): void {
    this.frame += millis;
    this.#instant = 0;
  }

  schedule(owner: SimulatedClock, work: () => void, delay: number): Subscription {
    if (!(delay <= longestDelay)) this.overflows.push(delay);
    const at = this.frame + Math.max(0, delay);
    const action: Action = { at, owner, work };
    const actions = this.#actions;
    let place = actions.length;
    while (place > 0 && (actions[place - 1] as Action).at <= at) place -= 1;
    actions.splice(place, 0, action);
    return new Subscription(() => {
      const found = actions.indexOf(action);
      if (found >= 0) actions.splice(found, 1);
    });
  }
}

/** One user's view of the time, so that its actions can be told from others'. */
export class SimulatedClock implements SchedulerLike {
  readonly #time: SimulatedTime;

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  get pending(): number {
    return this.#time.pending(this);
  }

  now(): number {
    return this.#time.frame + this.#time.offset;
  }

  schedule<State>(
    work: (this: SchedulerAction<State>, state?: State) => void,
    delay = 0,
    state?: State,
  ): Subscription {
    const act = work as (this: unknown, state?: State) => void;
    return this.#time.schedule(this, () => act.call(undefined, state), delay);
  }
}
