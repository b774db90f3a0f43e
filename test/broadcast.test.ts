import { config, Observable, type Subscriber } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Broadcast } from '../src/internal/broadcast.js';

describe('a broadcast', () => {
  it('is observed as long as somebody listens', () => {
    const broadcast = new Broadcast<number>();
    expect(broadcast.observed).toBe(false);
    const first = broadcast.stream$.subscribe();
    const second = broadcast.stream$.subscribe();
    first.unsubscribe();
    expect(broadcast.observed).toBe(true);
    second.unsubscribe();
    expect(broadcast.observed).toBe(false);
  });

  it('tells everybody in the order of joining, and nobody who has left', () => {
    const broadcast = new Broadcast<number>();
    const heard: string[] = [];
    const first = broadcast.stream$.subscribe(value => heard.push(`first ${value}`));
    broadcast.stream$.subscribe(value => heard.push(`second ${value}`));
    broadcast.next(1);
    first.unsubscribe();
    broadcast.next(2);
    expect(heard).toEqual(['first 1', 'second 1', 'second 2']);
  });

  it('whoever joins or leaves within an event changes nothing for the others', () => {
    const broadcast = new Broadcast<number>();
    const heard: string[] = [];
    const first = broadcast.stream$.subscribe(value => {
      heard.push(`first ${value}`);
      first.unsubscribe();
      broadcast.stream$.subscribe(later => heard.push(`third ${later}`));
    });
    broadcast.stream$.subscribe(value => heard.push(`second ${value}`));
    broadcast.next(1);
    broadcast.next(2);
    expect(heard).toEqual(['first 1', 'second 1', 'second 2', 'third 2']);
  });

  it('completes once for all, also for those who come later', () => {
    const broadcast = new Broadcast<number>();
    const ends: string[] = [];
    broadcast.stream$.subscribe({ complete: () => ends.push('first') });
    broadcast.stream$.subscribe({ complete: () => ends.push('second') });
    broadcast.complete();
    expect(broadcast.observed).toBe(false);
    broadcast.stream$.subscribe({ complete: () => ends.push('late') });
    broadcast.complete();
    expect(ends).toEqual(['first', 'second', 'late']);
    expect(broadcast.observed).toBe(false);
  });

  it('a subscriber that throws keeps nothing from the others, and is reported', async () => {
    const reported: unknown[] = [];
    const { onUnhandledError } = config;
    onTestFinished(() => {
      config.onUnhandledError = onUnhandledError;
    });
    const both = new Promise<void>(resolve => {
      config.onUnhandledError = error => {
        reported.push(error);
        if (reported.length === 2) resolve();
      };
    });
    const broadcast = new Broadcast<number>();
    const heard: unknown[] = [];
    const ends: string[] = [];
    const throwing = (what: string) => () => {
      throw new Error(what);
    };
    // RxJS isolates consumers by itself, but not what stands in for a subscriber's own methods, nor teardowns.
    const wild = subscriberOfMyOwn();
    wild.next = throwing('next');
    broadcast.stream$.subscribe(wild);
    broadcast.stream$.subscribe().add(throwing('teardown'));
    broadcast.stream$.subscribe({
      next: value => heard.push(value),
      complete: () => ends.push('third'),
    });
    broadcast.next(1);
    broadcast.complete();
    await both;
    expect(heard).toEqual([1]);
    expect(ends).toEqual(['third']);
    expect(reported).toMatchObject([{ message: 'next' }, { errors: [{ message: 'teardown' }] }]);
  });
});

function subscriberOfMyOwn(): Subscriber<number> {
  const subscribers: Subscriber<number>[] = [];
  new Observable<number>(subscriber => {
    subscribers.push(subscriber);
  }).subscribe();
  return subscribers[0]!;
}
