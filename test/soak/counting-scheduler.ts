import { asyncScheduler, type SchedulerAction, type SchedulerLike, type Subscription } from 'rxjs';

/** The real time, with a count of the timers that a pool has armed. */
export class CountingScheduler implements SchedulerLike {
  /** Armed and neither run nor cancelled. */
  pending = 0;

  now(): number {
    return asyncScheduler.now();
  }

  schedule<S>(
    work: (this: SchedulerAction<S>, state?: S) => void,
    delay?: number,
    state?: S,
  ): Subscription {
    let isPending = true;
    const end = (): void => {
      if (isPending) this.pending -= 1;
      isPending = false;
    };
    this.pending += 1;
    const action = asyncScheduler.schedule(
      function (this: SchedulerAction<S>, given?: S) {
        end();
        work.call(this, given);
      },
      delay,
      state,
    );
    action.add(end);
    return action;
  }
}
