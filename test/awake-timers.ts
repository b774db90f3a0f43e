import { onTestFinished, vi } from 'vitest';

/** From now on, until the end of the test: whether a timer that was armed meanwhile keeps the process alive. */
export function watchAwakeTimers(): { readonly isAwake: boolean } {
  const timers: NodeJS.Timeout[] = [];
  const { setInterval } = globalThis;
  const arm = vi.spyOn(globalThis, 'setInterval').mockImplementation(((
    work: () => void,
    millis: number,
  ) => {
    const timer = setInterval(work, millis);
    timers.push(timer);
    return timer;
  }) as typeof globalThis.setInterval);
  const clear = vi.spyOn(globalThis, 'clearInterval');
  onTestFinished(() => {
    arm.mockRestore();
    clear.mockRestore();
  });
  return {
    get isAwake() {
      return timers.some(timer => timer.hasRef() && !clear.mock.calls.some(([id]) => id === timer));
    },
  };
}
