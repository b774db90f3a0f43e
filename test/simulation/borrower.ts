import { of, Subject, Subscription, take, takeUntil, throwError, type Observable } from 'rxjs';
import {
  AcquireTimeoutError,
  LeaseReleasedError,
  LeaseRevokedError,
  PoolError,
  type AcquireOptions,
  type Lease,
  type Pool,
} from '../../src/index.js';
import type { Oracle, OracleResource, OracleUse } from '../../src/testing/index.js';
import type { Arrival, Ending, Operation } from './plan.js';
import type { SimulatedClock } from './simulated-time.js';
import { DeliberateError } from './world.js';

/** What borrowers ask of the life that they belong to. */
export interface BorrowerOwner {
  readonly pool: Pool<OracleResource>;
  readonly oracle: Oracle;
  readonly clock: SimulatedClock;
  /** Whether the clock has always told the truth. */
  readonly isHonest: boolean;
  /** Whether anything may be done inside the call that subscribes. */
  readonly isReentrant: boolean;
  readonly defaultTimeoutMillis: number;
  moved(borrower: Borrower, to: Borrower['state']): void;
  perform(operation: Operation): void;
  problem(message: string): void;
  stir(): void;
  /** The promise must settle by the end of the life, and not reject. */
  keeps(what: string, promise: Promise<unknown>, then?: () => void): void;
}

/** One request and what becomes of it: the model that the pool is compared with. */
export class Borrower {
  state: 'new' | 'waiting' | 'holding' | 'over' = 'new';
  readonly limitMillis: number;
  requestedAt = 0;
  /** When it got its lease or touched it last. */
  heldSince = 0;
  readonly #owner: BorrowerOwner;
  readonly #arrival: Arrival;
  readonly #connection = new Subscription();
  readonly #left$ = new Subject<void>();
  readonly #controller: AbortController | undefined;
  #lease: Lease<OracleResource> | undefined = undefined;
  #use: OracleUse | undefined = undefined;
  #outcome: 'ok' | 'error' | undefined = undefined;
  readonly #outcome$ = new Subject<number>();
  #hasCompleted = false;
  #mustComplete = false;

  constructor(owner: BorrowerOwner, arrival: Arrival) {
    this.#owner = owner;
    this.#arrival = arrival;
    this.#controller = arrival.signal === undefined ? undefined : new AbortController();
    this.limitMillis = arrival.timeoutMillis ?? owner.defaultTimeoutMillis;
  }

  /** Its lease is over, although it did nothing: the pool took it back. */
  get isRevoked(): boolean {
    return this.state === 'holding' && this.#lease?.released === true;
  }

  /** Whether it is told by its stream when the pool takes its lease back. */
  get hasStream(): boolean {
    return this.#arrival.way === 'acquire' || this.#arrival.way === 'use';
  }

  start(): void {
    const { pool, clock } = this.#owner;
    const { way, leaveAfterMillis, signal } = this.#arrival;
    this.requestedAt = clock.now();
    this.#move('waiting');
    if (signal === 'before') this.#controller?.abort(new DeliberateError('aborted before'));
    const options = this.#options();
    switch (way) {
      case 'acquire':
        this.#follow(pool.acquire(options), lease => this.#begin(lease));
        break;
      case 'take':
        this.#follow(pool.acquire(options).pipe(take(1)), lease => this.#begin(lease));
        break;
      case 'use':
        this.#follow(
          pool.use((_resource, lease) => this.#project(lease), options),
          () => undefined,
        );
        break;
      case 'lease':
        pool.lease(options).then(
          lease => {
            this.#owner.stir();
            this.#begin(lease);
          },
          (error: unknown) => this.#fail(error),
        );
        break;
      case 'try':
        this.#beginAtOnce(pool.tryAcquire());
        break;
    }
    if (leaveAfterMillis !== undefined) clock.schedule(() => this.leave(), leaveAfterMillis);
  }

  /** Unsubscribes, waiting or not; `lease()` cannot be left, but its lease can be given back. */
  leave(): void {
    if (this.state === 'holding') this.end('leave');
    const { way } = this.#arrival;
    if (this.state !== 'waiting' || way === 'lease' || way === 'try') return;
    this.#move('over');
    this.#disconnect();
  }

  abort(): void {
    if (this.state === 'holding' && this.#arrival.way === 'use') {
      if (this.#controller === undefined) return;
      this.#use?.end();
      this.#move('over');
    }
    this.#controller?.abort(new DeliberateError('aborted'));
  }

  touch(): void {
    if (this.state !== 'holding') return;
    this.heldSince = this.#owner.clock.now();
    this.#lease?.touch();
  }

  /** Ends its lease by hand. */
  end(ending: Ending): void {
    const lease = this.#lease;
    if (this.state !== 'holding' || lease === undefined) return;
    if (lease.released) {
      // The pool has taken it back, and the stream will say so.
      if (!this.hasStream) this.wasRevoked();
      return;
    }
    const { resource } = lease;
    this.#use?.end();
    this.#move('over');
    this.#endLease(lease, resource, ending);
    this.#finish(ending === 'break' ? 'error' : 'ok');
    // Who leaves within `next` has no subscription yet; `use` gives back when its project has ended.
    if (ending === 'leave' || (this.#arrival.way === 'use' && ending !== 'twice')) return;
    this.#mustBeOver(lease);
  }

  /** The pool has taken the lease back. */
  wasRevoked(): void {
    if (this.#owner.pool.stats.revoked === 0) {
      this.#owner.problem('a lease ended by itself, and none was revoked');
    }
    this.#use?.end();
    this.#move('over');
  }

  /** What its stream owed it. */
  checkEnd(): void {
    if (this.#mustComplete && !this.#hasCompleted) {
      this.#owner.problem('a lease was ended by hand and its stream did not complete');
    }
  }

  #options(): AcquireOptions | undefined {
    const { timeoutMillis, priority, onCancel } = this.#arrival;
    const signal = this.#controller?.signal;
    if (timeoutMillis === undefined && priority === undefined && onCancel === undefined) {
      if (signal === undefined) return undefined;
    }
    const label = priority === undefined ? undefined : String(priority);
    return { timeoutMillis, priority, signal, label, onCancel };
  }

  #move(to: Borrower['state']): void {
    this.state = to;
    this.#owner.moved(this, to);
  }

  #disconnect(): void {
    this.#connection.unsubscribe();
    this.#left$.next();
  }

  #follow<R>(source: Observable<R>, next: (value: R) => void): void {
    // Who may have to leave before `subscribe` has returned needs more than a subscription.
    const left = this.#owner.isReentrant ? source.pipe(takeUntil(this.#left$)) : source;
    this.#connection.add(
      left.subscribe({
        next: value => {
          this.#owner.stir();
          next(value);
        },
        error: (error: unknown) => this.#fail(error),
        complete: () => this.#completed(),
      }),
    );
  }

  #beginAtOnce(lease: Lease<OracleResource> | undefined): void {
    if (lease === undefined) this.#move('over');
    else this.#begin(lease);
  }

  #begin(lease: Lease<OracleResource>): void {
    const owner = this.#owner;
    const { way, holdMillis, ending, within, throws } = this.#arrival;
    if (this.state !== 'waiting')
      owner.problem(`a lease came to a borrower that was ${this.state}`);
    this.#lease = lease;
    this.#move('holding');
    this.heldSince = owner.clock.now();
    if (lease.released) {
      if (way !== 'lease') owner.problem('a lease was over when it came');
      this.wasRevoked();
      return;
    }
    // What is wrong with it the oracle keeps in its own list.
    try {
      this.#use = owner.oracle.use(lease.resource);
    } catch {
      this.#use = undefined;
    }
    if (within !== undefined) owner.perform(within);
    if (way === 'take') {
      this.#use?.end();
      if (this.state === 'holding') this.#move('over');
    } else if (holdMillis === 0) {
      this.end(throws === true && way === 'use' ? 'break' : ending);
    } else if (holdMillis !== undefined) {
      owner.clock.schedule(() => this.end(ending), holdMillis);
    }
    if (throws === true && way !== 'use' && way !== 'lease' && way !== 'try') {
      throw new DeliberateError('a consumer threw');
    }
  }

  #project(lease: Lease<OracleResource>): number | Promise<number> | Observable<number> {
    this.#begin(lease);
    const { answer } = this.#arrival;
    const outcome = this.#outcome;
    if (outcome === undefined) {
      if (answer === 'observable') return this.#outcome$;
      return new Promise((resolve, reject) => {
        this.#outcome$.subscribe({ next: resolve, error: reject });
      });
    }
    const error = new DeliberateError('a project failed');
    if (answer === 'observable') return outcome === 'ok' ? of(1) : throwError(() => error);
    if (answer === 'promise') return outcome === 'ok' ? Promise.resolve(1) : Promise.reject(error);
    if (outcome === 'error') throw error;
    return 1;
  }

  #finish(outcome: 'ok' | 'error'): void {
    this.#outcome = outcome;
    if (outcome === 'ok') {
      this.#outcome$.next(1);
      this.#outcome$.complete();
    } else {
      this.#outcome$.error(new DeliberateError('a project failed'));
    }
  }

  #endLease(lease: Lease<OracleResource>, resource: OracleResource, ending: Ending): void {
    const { way } = this.#arrival;
    const isScoped = way === 'use';
    switch (ending) {
      case 'release':
        if (!isScoped) this.#release(lease);
        break;
      case 'break':
        if (!isScoped) this.#destroy(lease, new DeliberateError('broken'));
        break;
      case 'destroy':
        this.#destroy(lease, undefined);
        break;
      case 'detach':
        this.#owner.oracle.detach(resource);
        if (lease.detach() !== resource) this.#owner.problem('detach gave another resource');
        this.#mustComplete = way === 'acquire';
        break;
      case 'leave':
        if (way === 'lease' || way === 'try') this.#release(lease);
        this.#disconnect();
        this.#mustComplete = false;
        break;
      case 'twice':
        this.#release(lease);
        if (lease.release() !== lease.release()) {
          this.#owner.problem('a second release gave another promise');
        }
        this.#disconnect();
        this.#mustComplete = false;
        break;
    }
  }

  #release(lease: Lease<OracleResource>): void {
    this.#mustComplete = this.#arrival.way === 'acquire';
    const { pool } = this.#owner;
    const promise = lease.release();
    const { id, uses } = lease.info;
    this.#owner.keeps('release', promise, () => {
      const info = pool.resources().find(resource => resource.id === id);
      if (info?.uses === uses && info.state === 'resetting') {
        this.#owner.problem(`release resolved while resource ${id} is being reset`);
      }
    });
  }

  #destroy(lease: Lease<OracleResource>, error: unknown): void {
    this.#mustComplete = this.#arrival.way === 'acquire';
    const { pool } = this.#owner;
    const promise = lease.destroy(error);
    const { id } = lease.info;
    this.#owner.keeps('destroy', promise, () => {
      if (pool.resources().some(resource => resource.id === id)) {
        this.#owner.problem(`destroy resolved while resource ${id} is still there`);
      }
    });
  }

  #mustBeOver(lease: Lease<OracleResource>): void {
    if (!lease.released) this.#owner.problem('a lease was ended and does not say so');
    try {
      const { id } = lease.resource;
      this.#owner.problem(`a lease that is over still shows its resource ${id}`);
    } catch (error) {
      if (!(error instanceof LeaseReleasedError)) this.#owner.problem(String(error));
    }
  }

  #fail(error: unknown): void {
    const owner = this.#owner;
    owner.stir();
    const isExpected = error instanceof PoolError || error instanceof DeliberateError;
    if (!isExpected) owner.problem(`a request ended with ${String(error)}`);
    if (this.state === 'waiting') this.#checkTimeOut(error);
    if (this.state === 'holding' && !(error instanceof LeaseRevokedError)) {
      owner.problem(`a stream with a lease ended with ${String(error)}`);
    }
    if (this.state === 'over') {
      if (this.#arrival.way !== 'use') owner.problem(`an ended stream was told ${String(error)}`);
      return;
    }
    this.#use?.end();
    this.#move('over');
  }

  #checkTimeOut(error: unknown): void {
    if (!(error instanceof AcquireTimeoutError)) return;
    const { waitedMillis } = error;
    const isRight = this.#owner.isHonest
      ? waitedMillis === this.limitMillis
      : waitedMillis >= this.limitMillis;
    if (!isRight) {
      this.#owner.problem(`a request with ${this.limitMillis} ms ran out after ${waitedMillis}`);
    }
  }

  #completed(): void {
    this.#owner.stir();
    this.#hasCompleted = true;
    if (this.state !== 'over') {
      this.#owner.problem(`a stream completed for a borrower that was ${this.state}`);
    }
  }
}
