/* eslint rxjs-x/no-redundant-notify: off -- What comes after the end is what some of these tests are about. */
import {
  map,
  mergeMap,
  of,
  Subscription,
  take,
  type Observable,
  type Subscriber,
  type Unsubscribable,
} from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import { attach, DirectStream } from '../src/internal/direct-stream.js';
import { countAlive } from './garbage.js';
import { unhandledErrors } from './unhandled-errors.js';

/** A stream under the test's hand, which writes down when it is torn down. */
function producer() {
  const log: string[] = [];
  let subscriber!: Subscriber<number>;
  const stream = new DirectStream<number>(given => {
    subscriber = given;
    attach(given, {
      unsubscribe: () => {
        log.push('torn down');
      },
    });
  });
  return { log, stream, emit: () => subscriber };
}

describe('a direct stream', () => {
  it('gives values to a function, and is torn down once on unsubscribe', () => {
    const { log, stream, emit } = producer();
    const values: number[] = [];
    const subscription = stream.subscribe(value => values.push(value));
    emit().next(1);
    expect(subscription.closed).toBe(false);
    subscription.unsubscribe();
    subscription.unsubscribe();
    emit().next(2);
    expect(values).toEqual([1]);
    expect(subscription.closed).toBe(true);
    expect(log).toEqual(['torn down']);
  });

  it('tells an observer of the completion, and is torn down behind it', () => {
    const { log, stream, emit } = producer();
    const subscription = stream.subscribe({
      next: value => log.push(`value ${value}`),
      complete: () => log.push('complete'),
    });
    emit().next(1);
    emit().complete();
    emit().complete();
    emit().next(2);
    expect(log).toEqual(['value 1', 'complete', 'torn down']);
    expect(subscription.closed).toBe(true);
  });

  it('tells an observer of the error, and is torn down behind it', () => {
    const { log, stream, emit } = producer();
    stream.subscribe({ error: (error: unknown) => log.push(`error ${String(error)}`) });
    emit().next(1);
    emit().error('broken');
    emit().error('again');
    expect(log).toEqual(['error broken', 'torn down']);
  });

  it('calls the methods of an observer on the observer', () => {
    const { stream, emit } = producer();
    class Sum {
      total = 0;
      ended = false;
      next(value: number) {
        this.total += value;
      }
      complete() {
        this.ended = true;
      }
    }
    const sum = new Sum();
    stream.subscribe(sum);
    emit().next(2);
    emit().next(3);
    emit().complete();
    expect(sum).toMatchObject({ total: 5, ended: true });
  });

  it('takes a function for each kind of notification, as RxJS still does', () => {
    const log: string[] = [];
    const subscribe = (stream: Observable<number>) => {
      const old = stream as { subscribe(...handlers: unknown[]): Subscription };
      return old.subscribe(
        (value: number) => log.push(`value ${value}`),
        (error: unknown) => log.push(`error ${String(error)}`),
        () => log.push('complete'),
      );
    };
    const good = producer();
    subscribe(good.stream);
    good.emit().next(1);
    good.emit().complete();
    const bad = producer();
    subscribe(bad.stream);
    bad.emit().error('broken');
    expect(log).toEqual(['value 1', 'complete', 'error broken']);
  });

  it('takes null for a handler that is not there', () => {
    const reported = unhandledErrors();
    const { log, stream, emit } = producer();
    const old = stream as { subscribe(...handlers: unknown[]): Subscription };
    old.subscribe(null, null, () => log.push('complete'));
    emit().next(1);
    emit().complete();
    expect(log).toEqual(['complete', 'torn down']);
    expect(reported).toEqual([]);
  });

  it('needs no consumer', () => {
    const { log, stream, emit } = producer();
    stream.subscribe();
    emit().next(1);
    emit().complete();
    stream.subscribe({});
    emit().next(1);
    emit().complete();
    expect(log).toEqual(['torn down', 'torn down']);
  });

  it('reports what a consumer throws, goes on after a throw in next, and is torn down after one at the end', async () => {
    const reported = unhandledErrors();
    const thrower = (text: string) => () => {
      throw new Error(text);
    };
    const { log, stream, emit } = producer();
    const subscription = stream.subscribe({
      next: thrower('next'),
      error: thrower('error'),
      complete: thrower('complete'),
    });
    emit().next(1);
    emit().next(2);
    expect(subscription.closed).toBe(false);
    emit().complete();
    expect(log).toEqual(['torn down']);
    stream.subscribe({ error: thrower('error') });
    emit().error('broken');
    expect(log).toEqual(['torn down', 'torn down']);
    await vi.waitFor(() => {
      expect(reported).toHaveLength(4);
    });
    expect(reported.map(error => (error as Error).message)).toEqual([
      'next',
      'next',
      'complete',
      'error',
    ]);
  });

  it('reports an error that no consumer handles', async () => {
    const reported = unhandledErrors();
    const { log, stream, emit } = producer();
    stream.subscribe(() => undefined);
    emit().error('unheard');
    stream.subscribe({ next: () => undefined });
    emit().error('unheard too');
    expect(log).toEqual(['torn down', 'torn down']);
    await vi.waitFor(() => {
      expect(reported).toEqual(['unheard', 'unheard too']);
    });
  });

  it('tears down before what others added to the subscription, in their order', () => {
    const { log, stream } = producer();
    const subscription = stream.subscribe();
    subscription.add(() => log.push('first'));
    subscription.add(new Subscription(() => log.push('second')));
    subscription.unsubscribe();
    expect(log).toEqual(['torn down', 'first', 'second']);
  });

  it('ends with the subscription that it was added to, and leaves it when it ends first', () => {
    const { log, stream, emit } = producer();
    const parent = new Subscription();
    parent.add(stream.subscribe());
    parent.unsubscribe();
    expect(log).toEqual(['torn down']);
    const other = new Subscription();
    other.add(stream.subscribe());
    emit().complete();
    other.unsubscribe();
    expect(log).toEqual(['torn down', 'torn down']);
  });

  it('is torn down though something that others added throws', () => {
    const { log, stream } = producer();
    const subscription = stream.subscribe();
    subscription.add(() => {
      throw new Error('on the way out');
    });
    expect(() => {
      subscription.unsubscribe();
    }).toThrow('on the way out');
    expect(log).toEqual(['torn down']);
  });

  it('may be left from within its own next', () => {
    const { log, stream, emit } = producer();
    const values: number[] = [];
    const subscription = stream.subscribe(value => {
      values.push(value);
      subscription.unsubscribe();
      log.push(`closed ${subscription.closed}`);
    });
    emit().next(1);
    emit().next(2);
    expect(values).toEqual([1]);
    expect(log).toEqual(['torn down', 'closed true']);
  });

  it('goes through operators, which bring Subscribers of their own', () => {
    const { log, stream, emit } = producer();
    const values: number[] = [];
    stream
      .pipe(
        mergeMap(value => of(value, value + 1)),
        map(value => value * 10),
        take(3),
      )
      .subscribe(value => values.push(value));
    emit().next(1);
    expect(log).toEqual([]);
    emit().next(5);
    expect(values).toEqual([10, 20, 50]);
    expect(log).toEqual(['torn down']);
  });

  it('uses a Subscriber of another copy of RxJS as it is', () => {
    const { log, stream, emit } = producer();
    const finalizers: Unsubscribable[] = [];
    const foreign = {
      closed: false,
      values: [] as number[],
      next: (value: number) => foreign.values.push(value),
      error: () => undefined,
      complete: () => undefined,
      add: (finalizer: Unsubscribable | undefined) => finalizer && finalizers.push(finalizer),
      remove: () => undefined,
      unsubscribe: () => {
        for (const finalizer of finalizers) finalizer.unsubscribe();
      },
    };
    const subscription: unknown = stream.subscribe(foreign);
    expect(subscription).toBe(foreign);
    emit().next(1);
    expect(foreign.values).toEqual([1]);
    foreign.unsubscribe();
    expect(log).toEqual(['torn down']);
  });

  it('lets go of its consumer when it is over, though its subscription is kept', async () => {
    const { stream, emit } = producer();
    const consumers: WeakRef<object>[] = [];
    const subscribe = () => {
      const consumer = { next: () => undefined };
      consumers.push(new WeakRef(consumer));
      return stream.subscribe(consumer);
    };
    const first = subscribe();
    emit().complete();
    const second = subscribe();
    second.unsubscribe();
    expect(await countAlive(consumers)).toBe(0);
    expect([first.closed, second.closed]).toEqual([true, true]);
  });
});
