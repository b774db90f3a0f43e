import { configure } from 'rxjs-marbles';
import { expect } from 'vitest';

/**
 * `it('emits', marbles(m => { m.expect(m.cold('a-b|')).toBeObservable('a-b|'); }))`: runs the test
 * on a `TestScheduler` in run mode, and vitest shows the difference frame by frame.
 */
export const { marbles } = configure({
  run: true,
  frameworkMatcher: true,
  assert: (value, message) => {
    expect(value, message).toBeTruthy();
  },
  assertDeepEqual: (actual, expected) => {
    expect(actual).toStrictEqual(expected);
  },
});
