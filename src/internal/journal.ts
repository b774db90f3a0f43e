import { BehaviorSubject, Observable } from 'rxjs';
import type { PoolEvent, PoolEventFacts, PoolEventType } from '../events.js';
import type { Lifecycle, PoolState } from '../state.js';
import { Broadcast } from './broadcast.js';
import type { Delivery, Turns } from './turns.js';

/** An event before its transition is committed: without the state that it will carry. */
export interface Draft {
  state: PoolState | undefined;
  at: number;
  readonly [fact: string]: unknown;
}

/**
 * The pool's books: the counts, and the streams that publish them.
 *
 * The counts are changed in place; a transition ends with `commit`, which comes before any call-out. A record of them
 * and an event object are built only for those who look: with no subscriber a commit is one assignment.
 */
export class Journal<T> {
  lifecycle: Lifecycle = 'running';
  min: number;
  max: number;
  idle = 0;
  leased = 0;
  creating = 0;
  validating = 0;
  resetting = 0;
  destroying = 0;
  waiting = 0;
  /** Creates that wait for a permit: a slot is reserved for each. */
  asked = 0;
  /** Checks in flight that a waiter counts on. */
  checking = 0;
  /** A close still serves those who came before it. */
  serving = false;

  /** Counts the requests: their ids. */
  requests = 0;

  /** Counts the events, heard or not. Who skips `record` because nobody listens adds to it. */
  sequence = 0;

  readonly state$: Observable<PoolState>;
  readonly stats$: Observable<PoolEvent<T>>;
  readonly #states: BehaviorSubject<PoolState>;
  /** Who subscribes to the states. */
  #watchers = 0;
  readonly #events = new Broadcast<PoolEvent<T>>();
  readonly #turns: Turns;
  readonly #pool: string;
  #record: PoolState | undefined = undefined;
  /** The events of the transition, if it has any. */
  #drafts: Draft[] | undefined = undefined;
  /** The time of the newest event. */
  #at = -Infinity;
  /** Notifications that are on their way: until they have gone out, the subject's value is the last published one. */
  #unpublished = 0;
  /** What state$ showed last. */
  #published: PoolState;
  /** The newest record that was made for somebody; later ones of the same counts are the same object. */
  #latest: PoolState;

  constructor(pool: string, min: number, max: number, turns: Turns) {
    this.#pool = pool;
    this.min = min;
    this.max = max;
    this.#turns = turns;
    this.#published = this.state;
    this.#latest = this.#published;
    this.#states = new BehaviorSubject(this.#published);
    this.state$ = new Observable(subscriber => {
      this.#refresh();
      this.#watchers += 1;
      subscriber.add(() => {
        this.#watchers -= 1;
      });
      this.#states.subscribe(subscriber);
    });
    this.stats$ = this.#events.stream$;
  }

  get size(): number {
    return this.idle + this.leased + this.validating + this.resetting + this.destroying;
  }

  get isRunning(): boolean {
    return this.lifecycle === 'running';
  }

  get isClosing(): boolean {
    return this.lifecycle === 'draining' || this.lifecycle === 'closed';
  }

  /** Whether grants and creates go on: not while paused, and in a close only for those who came before it. */
  get mayServe(): boolean {
    return this.lifecycle === 'running' || (this.serving && this.waiting > 0);
  }

  /** The committed state. */
  get state(): PoolState {
    return (this.#record ??= {
      lifecycle: this.lifecycle,
      min: this.min,
      max: this.max,
      size: this.size,
      idle: this.idle,
      leased: this.leased,
      creating: this.creating,
      validating: this.validating,
      resetting: this.resetting,
      destroying: this.destroying,
      waiting: this.waiting,
    });
  }

  /** Whether events are worth building. Every event is counted, heard or not. */
  get heard(): boolean {
    return this.#events.observed;
  }

  /**
   * Adds events that are built already, in literals: spreading facts, as `record` does, costs ten times that, and a
   * list that grows twice what a list of known length does.
   */
  add(events: Draft[]): void {
    if (this.#drafts === undefined) this.#drafts = events;
    else this.#drafts.push(...events);
  }

  /** Adds an event to the transition that the next `commit` ends. */
  record<Type extends PoolEventType>(type: Type, at: number, facts: PoolEventFacts[Type]): void {
    this.sequence += 1;
    if (!this.#events.observed) return;
    const seq = this.sequence;
    this.add([{ type, seq, at, pool: this.#pool, state: undefined, ...facts }]);
  }

  /** Ends a transition: from here on its state is the pool's, and its events are on their way. Inside a turn only. */
  commit(): void {
    // Somebody may have looked in mid-transition.
    this.#record = undefined;
    const isTold = this.#drafts !== undefined || this.#watchers > 0;
    this.#turns.committed(isTold ? this.#notification() : undefined);
  }

  /** What this transition has to say; nothing, where it has no event and changed no count. */
  #notification(): Delivery | undefined {
    const drafts = this.#drafts;
    if (isSame(this.#latest, this)) {
      this.#record = this.#latest;
      if (drafts === undefined) return undefined;
    }
    const { state } = this;
    this.#latest = state;
    if (drafts !== undefined) {
      this.#drafts = undefined;
      for (let index = 0; index < drafts.length; index += 1) {
        const draft = drafts[index] as Draft;
        draft.state = state;
        // A turn reads the clock once, but a hook inside it may take its time: events still never go back.
        if (draft.at < this.#at) draft.at = this.#at;
        else this.#at = draft.at;
      }
    }
    this.#unpublished += 1;
    return new Notification(this, state, drafts);
  }

  /** State first, then its events: whoever hears an event finds the state at least as new. */
  publish(state: PoolState, events: readonly object[] | undefined): void {
    this.#unpublished -= 1;
    this.#published = state;
    if (this.#watchers > 0 && state !== this.#states.value) this.#states.next(state);
    if (events === undefined) return;
    for (let index = 0; index < events.length; index += 1) {
      this.#events.next(events[index] as PoolEvent<T>);
    }
  }

  /** Nothing is published any more. */
  complete(): void {
    this.#refresh();
    this.#states.complete();
    this.#events.complete();
  }

  /** Commits that nobody heard are published by being looked at. */
  #refresh(): void {
    if (this.#unpublished === 0) {
      this.#published = this.state;
      this.#latest = this.#published;
    }
    if (this.#published !== this.#states.value) this.#states.next(this.#published);
  }
}

class Notification<T> implements Delivery {
  following: Delivery | undefined = undefined;
  readonly #journal: Journal<T>;
  readonly #state: PoolState;
  readonly #events: readonly object[] | undefined;

  constructor(journal: Journal<T>, state: PoolState, events: readonly object[] | undefined) {
    this.#journal = journal;
    this.#state = state;
    this.#events = events;
  }

  deliver(): void {
    this.#journal.publish(this.#state, this.#events);
  }
}

function isSame(a: PoolState, b: Omit<PoolState, 'size'>): boolean {
  return (
    a.idle === b.idle &&
    a.leased === b.leased &&
    a.waiting === b.waiting &&
    a.creating === b.creating &&
    a.validating === b.validating &&
    a.resetting === b.resetting &&
    a.destroying === b.destroying &&
    a.lifecycle === b.lifecycle &&
    a.min === b.min &&
    a.max === b.max
  );
}
