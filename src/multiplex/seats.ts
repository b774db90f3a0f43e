import { filter, Observable, Subscription, timer, type SchedulerLike, type Subscriber } from 'rxjs';
import {
  CreateError,
  type Lease,
  type Permit,
  type PermitSource,
  type Pool,
  type PoolEvent,
} from '../index.js';
import type { Concurrency } from './options.js';
import { SharedResource, type SharedResourceOwner } from './shared-resource.js';

/** Between two looks at a resource whose limit lets nobody in. */
const lookAgainMillis = 1_000;

/** How a lease ended that had a seat. */
export type SeatEnd = 'normal' | 'unwanted' | 'detached';

/** Who has to know what becomes of the seats. */
export interface SeatsOwner<T> {
  /** All leases of the resource have to end. */
  broke(resource: SharedResource<T>, error: unknown): void;
  /** How many seats there can be has changed. */
  capacityChanged(seats: number): void;
}

/**
 * The places on shared resources. A lease of the pool above is one seat: its permit is that a seat is free, its create
 * takes it, its destroy gives it up.
 *
 * How many seats are promised but not taken is never counted for itself: it is the permits that are out less the seats
 * that are taken.
 */
export class Seats<T> implements PermitSource, SharedResourceOwner<T> {
  readonly #underlying: Pool<T>;
  readonly #concurrency: Concurrency<T>;
  readonly #target: number;
  readonly #scheduler: SchedulerLike;
  readonly #owner: SeatsOwner<T>;
  /** In the order in which they were opened. */
  readonly #shared = new Map<T, SharedResource<T>>();
  readonly #opening = new Set<Subscription>();
  /** Leases that want a seat, the oldest first. */
  readonly #asks = new Set<Subscriber<Permit>>();
  /** Takers that found no seat although one was promised: its resource was lost, or its limit sank. */
  readonly #late = new Set<Subscriber<T>>();
  /** What a resource may carry that is not open yet: the last limit that was heard. */
  #usualLimit: number;
  /** Infinity until one was heard. */
  #highestLimit: number;
  #isHeard = false;
  #permits = 0;
  /** Of those, of seats that are given up: they come back in a moment. */
  #leaving = 0;
  #toldCapacity = Infinity;
  #looking: Subscription | undefined = undefined;
  #isServing = false;
  /** Whether more may be opened although nobody waits, because the target utilization is passed. */
  #mayGrowAhead = true;
  readonly #acquire = new Observable<Permit>(subscriber => {
    this.#asks.add(subscriber);
    this.#mayGrowAhead = true;
    subscriber.add(() => {
      this.#asks.delete(subscriber);
      this.#closeNeedless();
    });
    this.#serve();
  });

  constructor(
    underlying: Pool<T>,
    concurrency: Concurrency<T>,
    target: number,
    scheduler: SchedulerLike,
    owner: SeatsOwner<T>,
  ) {
    this.#scheduler = scheduler;
    this.#underlying = underlying;
    this.#concurrency = concurrency;
    this.#target = target;
    this.#owner = owner;
    this.#usualLimit = typeof concurrency === 'number' ? concurrency : Infinity;
    this.#highestLimit = this.#usualLimit;
    underlying.stats$
      .pipe(filter(event => event.type === 'resourceError'))
      .subscribe((event: PoolEvent<T> & { type: 'resourceError' }) => {
        const resource = [...this.#shared.values()].find(({ id }) => id === event.id);
        if (resource !== undefined) this.broke(resource, event.error);
      });
    // Room may have come: a larger `max`, a resource that is gone.
    underlying.state$.subscribe(() => {
      this.#serve();
    });
  }

  /** The resources that carry leases now. */
  get shared(): readonly SharedResource<T>[] {
    return [...this.#shared.values()];
  }

  /** Whether a lease could be had this instant. */
  get hasRoom(): boolean {
    return this.#asks.size === 0 && this.#free() > this.#promised;
  }

  acquire(): Observable<Permit> {
    return this.#acquire;
  }

  /** Takes a seat: on the least utilized resource, of several on the one that was opened first. */
  take(): T | Observable<T> {
    const resource = this.#best();
    if (resource !== undefined) return this.#sit(resource);
    return new Observable(subscriber => {
      this.#late.add(subscriber);
      subscriber.add(() => {
        this.#late.delete(subscriber);
      });
      this.#serve();
    });
  }

  find(resource: T): SharedResource<T> | undefined {
    return this.#shared.get(resource);
  }

  /** Gives a seat up. An `unwanted` resource takes no further leases, and ends with its last one. */
  leave(resource: T, how: SeatEnd): void {
    const shared = this.#shared.get(resource);
    if (shared === undefined) return;
    shared.taken -= 1;
    if (how !== 'detached') this.#leaving += 1;
    if (how === 'unwanted') {
      shared.isEnding = true;
      shared.end ??= {};
    }
    this.#leaveEmpty(shared);
    this.#closeNeedless();
    this.#serve();
  }

  limitChanged(resource: SharedResource<T>): void {
    const { limit = 0 } = resource;
    if (limit > 0) {
      this.#usualLimit = limit;
      this.#highestLimit = this.#isHeard ? Math.max(this.#highestLimit, limit) : limit;
      this.#isHeard = true;
    }
    this.#serve();
  }

  /** Nobody sits on it any more in a moment: its leases are ended. */
  broke(resource: SharedResource<T>, error: unknown): void {
    if (this.#shared.get(resource.resource) !== resource || 'error' in (resource.end ?? {})) return;
    resource.isEnding = true;
    resource.end = { error };
    this.#owner.broke(resource, error);
    this.#leaveEmpty(resource);
    this.#serve();
  }

  get #promised(): number {
    let taken = 0;
    for (const shared of this.#shared.values()) taken += shared.taken;
    return this.#permits - this.#leaving - taken;
  }

  #free(): number {
    let free = 0;
    for (const shared of this.#shared.values()) free += shared.free;
    return free;
  }

  /**
   * The seats there could be, were every resource open and at the highest limit that was heard. Not at the limits of
   * now: what the pool above asks for would then depend on what is open, and what is open on what it asks for.
   */
  #tellCapacity(): void {
    const seats = this.#underlying.state.max * this.#highestLimit;
    if (seats === this.#toldCapacity) return;
    this.#toldCapacity = seats;
    this.#owner.capacityChanged(seats);
  }

  #best(): SharedResource<T> | undefined {
    let best: SharedResource<T> | undefined;
    for (const shared of this.#shared.values()) {
      if (shared.free === 0) continue;
      const isBetter =
        best === undefined || shared.utilizationWithOneMore < best.utilizationWithOneMore;
      if (isBetter) best = shared;
    }
    return best;
  }

  #sit(shared: SharedResource<T>): T {
    shared.taken += 1;
    return shared.resource;
  }

  /** Whoever is given a seat may ask for more, or leave, meanwhile: one loop serves them all. */
  #serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    try {
      do {
        this.#tellCapacity();
        while (this.#serveOne());
      } while (this.#open());
      // One that was opened for somebody who has gone, say.
      for (const shared of this.shared) this.#leaveEmpty(shared);
      this.#lookAgain();
    } finally {
      this.#isServing = false;
    }
  }

  /**
   * Whoever waits for the limit of a resource that nobody shares is told by nothing that its lifetime is over: there is
   * no lease that could end.
   */
  #lookAgain(): void {
    if (this.#asks.size === 0 || this.#looking?.closed === false) return;
    if (this.shared.every(({ taken }) => taken > 0)) return;
    this.#looking = timer(lookAgainMillis, this.#scheduler).subscribe(() => {
      this.#looking = undefined;
      this.#serve();
    });
  }

  #serveOne(): boolean {
    const [taker] = this.#late;
    const best = taker === undefined ? undefined : this.#best();
    if (taker !== undefined && best !== undefined) {
      this.#late.delete(taker);
      taker.next(this.#sit(best));
      taker.complete();
      return true;
    }
    const [ask] = this.#asks;
    if (ask === undefined || this.#free() <= this.#promised) return false;
    this.#asks.delete(ask);
    this.#permits += 1;
    ask.next(this.#permit());
    ask.complete();
    return true;
  }

  #permit(): Permit {
    return {
      release: () => {
        this.#permits -= 1;
        this.#leaving = Math.max(0, this.#leaving - 1);
        this.#serve();
      },
    };
  }

  /**
   * Opens as many as carry all who sit and wait at the target utilization, if there may be so many. Whether anything
   * came of it already.
   */
  #open(): boolean {
    const open = this.#shared.size;
    while (this.#needsMore()) {
      const subscription = new Subscription();
      this.#opening.add(subscription);
      subscription.add(() => {
        this.#opening.delete(subscription);
      });
      this.#openOne(subscription);
    }
    return this.#shared.size > open;
  }

  #needsMore(): boolean {
    const { lifecycle, max } = this.#underlying.state;
    if (lifecycle === 'draining' || lifecycle === 'closed') return false;
    if (this.#shared.size + this.#opening.size >= max) return false;
    if (this.#asks.size === 0 && !this.#mayGrowAhead) return false;
    return this.#wanted > this.#capacity() * this.#target;
  }

  /** Seats that somebody has, or wants. */
  get #wanted(): number {
    return this.#permits - this.#leaving + this.#asks.size;
  }

  /** Of what is open, or will be in a moment. */
  #capacity(without?: SharedResource<T>): number {
    let capacity = this.#opening.size === 0 ? 0 : this.#opening.size * this.#usualLimit;
    for (const shared of this.#shared.values()) {
      if (shared === without) continue;
      if (shared.isOpen) capacity += shared.limit ?? this.#usualLimit;
      // Those who sit on one that is ending need no room elsewhere.
      else capacity += shared.taken / this.#target;
    }
    return capacity;
  }

  #openOne(subscription: Subscription): void {
    let shared: SharedResource<T> | undefined;
    subscription.add(
      this.#underlying.acquire({ timeoutMillis: Infinity }).subscribe({
        next: lease => {
          // The stream is as long as the lease: it is not to be unsubscribed from here on.
          this.#opening.delete(subscription);
          shared = this.#opened(lease);
        },
        error: (error: unknown) => {
          this.#opening.delete(subscription);
          if (shared === undefined) this.#openFailed(error);
          else this.broke(shared, error);
        },
      }),
    );
  }

  #opened(lease: Lease<T>): SharedResource<T> | undefined {
    const { resource } = lease;
    if (this.#shared.has(resource)) {
      const error = new TypeError('create gave a resource that is shared already');
      void lease.destroy(error);
      this.#openFailed(error);
      return undefined;
    }
    const shared = new SharedResource(lease);
    this.#shared.set(resource, shared);
    shared.follow(this.#concurrency, this);
    this.#serve();
    return shared;
  }

  #openFailed(error: unknown): void {
    const [ask] = this.#free() > this.#promised ? [] : this.#asks;
    // Without anybody who could be told, the next request tries again, and not this at once.
    if (ask === undefined) this.#mayGrowAhead = false;
    // What the pool above makes of it has the original error as its cause again.
    else ask.error(error instanceof CreateError ? error.cause : error);
    this.#serve();
  }

  #leaveEmpty(shared: SharedResource<T>): void {
    if (shared.taken > 0 || this.#shared.get(shared.resource) !== shared) return;
    if (shared.isOpen) {
      // Its limit may rise: below it would only be lent to us again.
      if (this.#asks.size > 0) return;
      if (this.#wanted > this.#capacity(shared) * this.#target) return;
    }
    this.#shared.delete(shared.resource);
    shared.leave();
  }

  /** What happened below may have made room, or taken some. */
  refresh(): void {
    this.#serve();
  }

  /** Nobody waits: what is being opened goes idle below when it is there. */
  #closeNeedless(): void {
    if (this.#wanted > 0) return;
    this.#looking?.unsubscribe();
    for (const subscription of this.#opening) subscription.unsubscribe();
    for (const shared of this.shared) this.#leaveEmpty(shared);
  }
}
