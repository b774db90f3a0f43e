import type { SchedulerLike, Subscription } from 'rxjs';

/** Runs the work once, after so long. A real timer does not keep the process alive for it. */
export function later(scheduler: SchedulerLike, millis: number, work: () => void): Subscription {
  const action = scheduler.schedule(() => {
    work();
  }, millis);
  const { id } = action as { id?: unknown };
  if (typeof id === 'object' && id !== null && 'unref' in id) {
    (id as { unref(): unknown }).unref();
  }
  return action;
}
