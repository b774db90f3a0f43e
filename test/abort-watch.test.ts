import { describe, expect, it, vi } from 'vitest';
import { AbortWatch } from '../src/internal/abort-watch.js';

function watcher() {
  const waiting = {
    times: 0,
    aborted: () => {
      waiting.times += 1;
    },
  };
  return waiting;
}

describe('the watch over abort signals', () => {
  it('tells everybody who waits with the signal, once', () => {
    const { signal, controller } = signals();
    const watch = new AbortWatch();
    const [first, second, other] = [watcher(), watcher(), watcher()];
    watch.add(signal, first);
    watch.add(signal, first);
    watch.add(signal, second);
    watch.add(new AbortController().signal, other);
    controller.abort();
    expect([first.times, second.times, other.times]).toEqual([1, 1, 0]);
    signal.dispatchEvent(new Event('abort'));
    expect([first.times, second.times]).toEqual([1, 1]);
  });

  it('tells nobody who left', () => {
    const { signal, controller } = signals();
    const watch = new AbortWatch();
    const [stays, leaves] = [watcher(), watcher()];
    watch.add(signal, stays);
    watch.add(signal, leaves);
    watch.remove(signal, leaves);
    controller.abort();
    expect([stays.times, leaves.times]).toEqual([1, 0]);
  });

  it('has one listener per signal, and none once everybody has left', () => {
    const { signal, listeners } = signals();
    const watch = new AbortWatch();
    const [first, second, stranger] = [watcher(), watcher(), watcher()];
    watch.remove(signal, stranger);
    watch.add(signal, first);
    watch.add(signal, second);
    watch.remove(signal, stranger);
    expect(listeners()).toEqual({ added: 1, removed: 0 });
    watch.remove(signal, first);
    expect(listeners()).toEqual({ added: 1, removed: 0 });
    watch.remove(signal, second);
    watch.remove(signal, second);
    expect(listeners()).toEqual({ added: 1, removed: 1 });
    watch.add(signal, first);
    expect(listeners()).toEqual({ added: 2, removed: 1 });
  });

  it('the listener leaves by itself when the signal is aborted', () => {
    const { signal } = signals();
    const watch = new AbortWatch();
    const add = vi.spyOn(signal, 'addEventListener');
    watch.add(signal, watcher());
    expect(add.mock.calls).toEqual([['abort', expect.anything(), { once: true }]]);
  });

  it('one that leaves while the others are told is told nothing new and breaks nothing', () => {
    const { signal, controller } = signals();
    const watch = new AbortWatch();
    const last = watcher();
    const leaving = {
      aborted: () => {
        watch.remove(signal, leaving);
        watch.remove(signal, last);
      },
    };
    watch.add(signal, leaving);
    watch.add(signal, last);
    controller.abort();
    expect(last.times).toBe(1);
  });
});

/** A signal, and how many listeners it was given and lost. */
function signals() {
  const controller = new AbortController();
  const { signal } = controller;
  const add = vi.spyOn(signal, 'addEventListener');
  const remove = vi.spyOn(signal, 'removeEventListener');
  return {
    controller,
    signal,
    listeners: () => {
      const count = (calls: unknown[][]) => calls.filter(([type]) => type === 'abort').length;
      return { added: count(add.mock.calls), removed: count(remove.mock.calls) };
    },
  };
}
