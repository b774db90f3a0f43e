import { asyncScheduler } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { marbles } from './marbles.js';

/** Lets virtual time pass: what is due within it, its last frame included, has happened afterwards. */
export type Advance = (millis: number) => void;

/**
 * A marble test in steps: `it('…', inVirtualTime(advance => { …; advance(100); expect(…); }))`. For what is
 * easier to say between the frames than as one diagram. Don't mix it with `m.expect`: each step flushes.
 * The scheduler is for tests that look at what is armed.
 */
export function inVirtualTime(
  test: (advance: Advance, scheduler: TestScheduler) => void,
): () => void {
  return marbles(m => {
    const { scheduler } = m;
    // What is due later than the test goes must not happen behind its back.
    scheduler.maxFrames = 0;
    test(millis => {
      scheduler.maxFrames = scheduler.frame + millis;
      scheduler.schedule(() => undefined, millis);
      m.flush();
    }, scheduler);
  });
}

/** Does something at a frame of a marble test, before the subscriptions of `m.expect` at that frame. */
export function at(frame: number, work: () => void): void {
  asyncScheduler.schedule(work, frame - asyncScheduler.now());
}
