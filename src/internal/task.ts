import { isObservable, Subscription, type Observable } from 'rxjs';
import type { HookName } from '../errors.js';
import type { Deadline } from './agenda.js';
import type { CreationContext } from './create-context.js';
import { reportError } from './report.js';
import type { Slot } from './slot.js';
import { isThenable } from './thenable.js';

/** What a task answers to. */
export interface TaskOwner<T> {
  settled(task: Task<T>, failed: boolean, value: unknown): void;
  overdue(task: Task<T>, now: number): void;
  /** The source of a resource failed after it had given the resource. */
  sourceFailed(task: Task<T>, error: unknown): void;
}

/** Told whether the hook went well. */
export type TaskEnd = (good: boolean, error: unknown) => void;

/**
 * One call of a user's hook for a slot. Whatever the hook returns or throws comes back as one `settled`, within the
 * call when nothing asynchronous stands between.
 */
export class Task<T> implements Deadline {
  dueAt: number = Infinity;
  place = -1;
  readonly order: number;
  readonly hook: HookName;
  readonly slot: Slot<T>;
  readonly startedAt: number;
  /** Nothing has come of it yet. */
  running = true;
  /** Its slot is given up; a resource that still comes is late. */
  late = false;
  /** What an Observable hook is subscribed by. */
  source: Subscription | undefined = undefined;
  /** Tells a `create` that nobody waits for it any more. */
  context: CreationContext | undefined = undefined;
  /** A `validate` that a waiter counts on. */
  forBorrow = false;
  /** A `validate` that is followed by `reset`. */
  onReturn = false;
  onEnd: TaskEnd | undefined = undefined;
  readonly #owner: TaskOwner<T>;

  constructor(hook: HookName, slot: Slot<T>, startedAt: number, owner: TaskOwner<T>) {
    this.hook = hook;
    this.slot = slot;
    this.order = slot.id;
    this.startedAt = startedAt;
    this.#owner = owner;
  }

  due(now: number): void {
    this.#owner.overdue(this, now);
  }

  run(call: () => unknown): void {
    let result: unknown;
    try {
      result = call();
      if (isThenable(result)) {
        this.#follow(result);
        return;
      }
    } catch (error) {
      this.#settle(true, error);
      return;
    }
    if (isObservable(result)) this.#subscribe(result);
    else this.#settle(false, result);
  }

  /** Whatever still comes is ignored; an Observable's teardown runs now. */
  giveUp(): void {
    this.running = false;
    this.unsubscribe();
  }

  /** A teardown is users' code and may throw. */
  unsubscribe(): void {
    try {
      this.source?.unsubscribe();
    } catch (error) {
      reportError(error);
    }
  }

  #follow(result: PromiseLike<unknown>): void {
    result.then(
      value => {
        this.#settle(false, value);
      },
      (error: unknown) => {
        this.#settle(true, error);
      },
    );
  }

  /** `create` and `validate` take the first value, `reset` and `destroy` are done on completion. */
  #subscribe(result: Observable<unknown>): void {
    const takesFirst = this.hook === 'create' || this.hook === 'validate';
    // There before subscribing: a synchronous source settles before `subscribe` returns.
    const source = new Subscription();
    this.source = source;
    source.add(
      result.subscribe({
        next: value => {
          if (!takesFirst || !this.running) return;
          this.#settle(false, value);
          if (this.hook === 'validate') this.unsubscribe();
        },
        error: (error: unknown) => {
          if (this.running) this.#settle(true, error);
          else if (this.hook === 'create') this.#owner.sourceFailed(this, error);
        },
        complete: () => {
          this.#settle(false, undefined);
        },
      }),
    );
  }

  /** The first settlement counts. */
  #settle(failed: boolean, value: unknown): void {
    if (!this.running) return;
    this.running = false;
    this.#owner.settled(this, failed, value);
  }
}
