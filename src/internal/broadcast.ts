import { Observable, type Subscriber } from 'rxjs';
import { reportError } from './report.js';

/**
 * A hot stream for any number of subscribers. A Subject does the same at three times the price an event (it copies
 * and iterates its observers the way of ES5), and events are what a busy pool has most of.
 */
export class Broadcast<V> {
  readonly stream$: Observable<V>;
  /** Replaced, never changed: a loop over it is safe from whoever joins or leaves meanwhile. */
  #subscribers: readonly Subscriber<V>[] = [];
  #completed = false;

  constructor() {
    this.stream$ = new Observable(subscriber => {
      if (this.#completed) {
        subscriber.complete();
        return undefined;
      }
      this.#subscribers = [...this.#subscribers, subscriber];
      return () => {
        this.#subscribers = this.#subscribers.filter(other => other !== subscriber);
      };
    });
  }

  get observed(): boolean {
    return this.#subscribers.length > 0;
  }

  next(value: V): void {
    const subscribers = this.#subscribers;
    for (let index = 0; index < subscribers.length; index += 1) {
      try {
        (subscribers[index] as Subscriber<V>).next(value);
      } catch (error) {
        reportError(error);
      }
    }
  }

  complete(): void {
    this.#completed = true;
    const subscribers = this.#subscribers;
    this.#subscribers = [];
    for (const subscriber of subscribers) {
      try {
        subscriber.complete();
      } catch (error) {
        reportError(error);
      }
    }
  }
}
