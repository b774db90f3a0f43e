import {
  Observable,
  Subscriber,
  type Observer,
  type Subscription,
  type TeardownLogic,
  type Unsubscribable,
} from 'rxjs';
import { reportError } from './report.js';

/** What people subscribe with, when it is no Subscriber of an operator. */
type Consumer<V> = Partial<Observer<V>> | ((value: V) => void);

/**
 * An Observable whose producer hangs its one teardown on the subscriber by `attach`. For a consumer that subscribes
 * directly it makes one object where RxJS makes four and a list (Subscriber, observer of the consumer, record of its
 * functions, closure, finalizers): a quarter of an idle acquire's time, and half of a waiter's memory. Operators bring
 * their own Subscribers, and go RxJS's way.
 */
export class DirectStream<V> extends Observable<V> {
  readonly #start: (subscriber: Subscriber<V>) => void;

  /** `start` must not throw. */
  constructor(start: (subscriber: Subscriber<V>) => void) {
    super(start);
    this.#start = start;
  }

  override subscribe(
    consumer?: Consumer<V> | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    if (isSubscriber(consumer)) return super.subscribe(consumer);
    // The old way to subscribe is with a function for each kind of notification.
    const observer = { next: consumer, error, complete } as Partial<Observer<V>>;
    const subscriber = new DirectSubscriber(error || complete ? observer : (consumer ?? {}));
    this.#start(subscriber);
    return subscriber;
  }
}

/** Hangs a producer's teardown on its subscriber. Once for each subscriber. */
export function attach(subscriber: Subscriber<never>, teardown: Unsubscribable): void {
  if (subscriber instanceof DirectSubscriber) subscriber.attached = teardown;
  else subscriber.add(teardown);
}

class DirectSubscriber<V> extends Subscriber<V> {
  attached: Unsubscribable | undefined = undefined;
  #consumer: Consumer<V> | undefined;

  constructor(consumer: Consumer<V>) {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- What operators pass on is told from a plain observer by being one of these.
    super();
    this.#consumer = consumer;
  }

  /** What others add is torn down after what the producer attached, so from now on both are in RxJS's list. */
  override add(teardown: TeardownLogic): void {
    const { attached } = this;
    this.attached = undefined;
    super.add(attached);
    super.add(teardown);
  }

  /** Lets go of the consumer too: a subscription that is kept must not keep what it was made for. */
  override unsubscribe(): void {
    if (this.closed) return;
    const { attached } = this;
    this.attached = undefined;
    this.#consumer = undefined;
    try {
      super.unsubscribe();
    } finally {
      attached?.unsubscribe();
    }
  }

  protected override _next(value: V): void {
    const consumer = this.#consumer;
    try {
      if (typeof consumer === 'function') consumer(value);
      else consumer?.next?.(value);
    } catch (thrown) {
      reportError(thrown);
    }
  }

  protected override _error(error: unknown): void {
    const consumer = this.#consumer;
    try {
      if (typeof consumer === 'object' && consumer.error) consumer.error(error);
      else reportError(error);
    } catch (thrown) {
      reportError(thrown);
    } finally {
      this.unsubscribe();
    }
  }

  protected override _complete(): void {
    const consumer = this.#consumer;
    try {
      if (typeof consumer === 'object') consumer.complete?.();
    } catch (thrown) {
      reportError(thrown);
    } finally {
      this.unsubscribe();
    }
  }
}

/** Of whichever copy of RxJS: it can be unsubscribed. */
function isSubscriber<V>(consumer: Consumer<V> | null | undefined): consumer is Subscriber<V> {
  return typeof consumer === 'object' && consumer !== null && 'unsubscribe' in consumer;
}
