import { config } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { callOut, Turns, type Delivery } from '../src/internal/turns.js';

/** Turns whose owner writes down what is asked of it, and where deliveries write down that they left. */
function recordedTurns() {
  const log: string[] = [];
  const turns = new Turns({
    settle: now => {
      log.push(`settle ${String(now)}`);
    },
    turnEnded: () => {
      log.push('ended');
    },
  });
  const delivery = (name: string, work?: () => void) =>
    callOut(() => {
      log.push(name);
      work?.();
    });
  return { log, turns, delivery };
}

describe('turns', () => {
  it('only the outermost entry ends the turn, and each settles', () => {
    const { log, turns } = recordedTurns();
    const outer = turns.enter();
    const inner = turns.enter();
    expect([outer, inner, turns.busy]).toEqual([true, false, true]);
    turns.leave(inner, 1);
    expect(turns.busy).toBe(true);
    turns.leave(outer, 2);
    expect(log).toEqual(['settle 1', 'settle 2', 'ended']);
    expect(turns.busy).toBe(false);
    expect(turns.enter()).toBe(true);
  });

  it('what leaves behind a notification leaves behind it, in order, and only once it is committed', () => {
    const { log, turns, delivery } = recordedTurns();
    turns.enter();
    turns.later(delivery('lease 1'));
    turns.later(delivery('lease 2'));
    turns.flush();
    expect(log).toEqual([]);
    turns.committed(delivery('event'));
    expect(log).toEqual([]);
    turns.flush();
    expect(log).toEqual(['event', 'lease 1', 'lease 2']);
    turns.flush();
    expect(log).toHaveLength(3);
  });

  it('a commit without a notification sends what was staged', () => {
    const { log, turns, delivery } = recordedTurns();
    turns.later(delivery('lease'));
    turns.committed(undefined);
    turns.flush();
    expect(log).toEqual(['lease']);
  });

  it('what a delivery brings about leaves in the same turn, behind what waits already', () => {
    const { log, turns, delivery } = recordedTurns();
    turns.enter();
    turns.committed(
      delivery('first', () => {
        turns.committed(delivery('third'));
      }),
    );
    turns.committed(delivery('second'));
    turns.end();
    expect(log).toEqual(['first', 'second', 'third', 'ended']);
    expect(turns.busy).toBe(false);
  });

  it('a delivery that throws stops none behind it', async () => {
    const { log, turns, delivery } = recordedTurns();
    const unhandled = new Promise(resolve => {
      const { onUnhandledError } = config;
      config.onUnhandledError = resolve;
      onTestFinished(() => {
        config.onUnhandledError = onUnhandledError;
      });
    });
    const failure = new Error('from next');
    turns.committed(
      delivery('first', () => {
        throw failure;
      }),
    );
    turns.committed(delivery('second'));
    turns.flush();
    expect(log).toEqual(['first', 'second']);
    expect(await unhandled).toBe(failure);
  });

  it('5,000 deliveries in one turn leave in order, more of them coming on the way', () => {
    const { turns } = recordedTurns();
    const left: number[] = [];
    const numbered = (number: number): Delivery =>
      callOut(() => {
        left.push(number);
        if (number < 2500) turns.committed(numbered(number + 2500));
      });
    for (let number = 0; number < 2500; number += 1) turns.committed(numbered(number));
    turns.flush();
    expect(left).toEqual(Array.from({ length: 5000 }, (_, number) => number));
    turns.committed(numbered(9000));
    turns.flush();
    expect(left.at(-1)).toBe(9000);
    expect(left).toHaveLength(5001);
  });
});
