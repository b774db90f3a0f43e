import { Observable, Subscription, type Subscriber } from 'rxjs';
import type { Permit, PermitRequest } from '../index.js';
import { Alarm } from './alarm.js';
import { Announcer } from './announcer.js';
import type { Budget, BudgetEvent, BudgetState, FleetState } from './budget.js';
import {
  BudgetAnswerTimeoutError,
  BudgetDisposedError,
  type PermitLossReason,
  PermitLostError,
} from './errors.js';
import { Holdings, type Hold } from './holdings.js';
import type { ResolvedOptions } from './options.js';
import type { Answer, BudgetServer, Report } from './protocol.js';

/** Where many die one after the other all who wait would look for each: so often one does, the more of them the less. */
const MILLIS_FOR_EACH_MEMBER = 2;

interface Ask {
  readonly request: PermitRequest;
  readonly subscriber: Subscriber<Permit>;
  readonly at: number;
  /** Since when the server surely knows of it. */
  knownAt: number | undefined;
}

interface Call {
  readonly report: Report;
  readonly at: number;
  readonly subscription: Subscription;
}

/** Facts of an event, without what each of them has. */
type Facts = BudgetEvent extends infer Event
  ? Event extends BudgetEvent
    ? Omit<Event, 'at' | 'state'>
    : never
  : never;

/**
 * One member of a budget: it tells the server what it has and wants, always all of it, one call at a time, and does
 * what the answer says.
 */
export class Member implements Budget {
  readonly member: string;
  readonly events$: Observable<BudgetEvent>;
  readonly state$: Observable<BudgetState>;
  readonly #options: ResolvedOptions;
  readonly #server: BudgetServer;
  readonly #alarm: Alarm;
  readonly #announcer: Announcer;
  readonly #asks = new Map<number, Ask>();
  readonly #holdings: Holdings;
  #lastId = 0;
  #sequence = 0;
  #epoch = '';
  #fleet: FleetState | undefined = undefined;
  #call: Call | undefined = undefined;
  /** The server does not know yet what there is. */
  #dirty = false;
  #busy = false;
  #spokeAt = -Infinity;
  #renewedAt = -Infinity;
  /** When the last report left that was answered: from here on the time to live counts, at the latest. */
  #heardAt = -Infinity;
  /** When the first of the others may be dead, as of the last answer: its permits are free then, and nobody says so. */
  #deathAt = Infinity;
  #away: { readonly at: number; retryAt: number } | undefined = undefined;
  #gaveUp = false;
  #waking: Subscription | undefined = undefined;
  #disposing: Promise<void> | undefined = undefined;
  #disposed: (() => void) | undefined = undefined;
  #saidGoodbye = false;

  constructor(server: BudgetServer, options: ResolvedOptions) {
    this.#server = server;
    this.#options = options;
    this.member = options.member;
    this.#alarm = new Alarm(options.scheduler, () => {
      this.#tick();
    });
    this.#holdings = new Holdings(options.takeBackAfterMillis);
    this.#announcer = new Announcer(this.#stateNow());
    this.state$ = this.#announcer.state$;
    this.events$ = this.#announcer.events$;
  }

  get state(): BudgetState {
    return this.#stateNow();
  }

  acquire(request: PermitRequest): Observable<Permit> {
    return new Observable<Permit>(subscriber => {
      if (this.#disposing !== undefined) {
        subscriber.error(new BudgetDisposedError(request.pool));
        return;
      }
      const id = (this.#lastId += 1);
      this.#asks.set(id, {
        request,
        subscriber,
        at: this.#alarm.now(),
        knownAt: undefined,
      });
      subscriber.add(() => {
        if (!this.#asks.delete(id)) return;
        this.#changed();
      });
      this.#changed();
    });
  }

  dispose(): Promise<void> {
    this.#disposing ??= new Promise<void>(resolve => {
      this.#disposed = resolve;
    });
    if (this.#disposed === undefined) return this.#disposing;
    const [asks, holds] = [[...this.#asks.values()], this.#holdings.all];
    this.#asks.clear();
    for (const hold of holds) this.#lose(hold, 'disposed');
    for (const { request, subscriber } of asks) {
      subscriber.error(new BudgetDisposedError(request.pool));
    }
    // A member that never spoke has nothing to take back; one whose server is away has nobody to tell.
    if (this.#sequence === 0 || this.#away !== undefined) this.#end();
    else this.#changed();
    return this.#disposing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  get #hasEnded(): boolean {
    return this.#disposing !== undefined && this.#disposed === undefined;
  }

  get #isIdle(): boolean {
    return this.#asks.size + this.#holdings.size === 0;
  }

  #changed(): void {
    this.#dirty = true;
    this.#pump();
  }

  /** One loop for all: an answer may come at once, and whoever is given a permit may ask for more. */
  #pump(): void {
    if (this.#busy) return;
    this.#busy = true;
    try {
      this.#grantOwnShare();
      while (this.#dirty && this.#call === undefined && this.#away === undefined) this.#speak();
    } finally {
      this.#busy = false;
    }
    this.#publishState();
    this.#arm();
  }

  #speak(): void {
    // Whatever comes of it, there is nothing left to say: a loop waits for that.
    this.#dirty = false;
    if (this.#hasEnded) return;
    // Before the server knows of it: what changes right after would be heard by nobody.
    if (!this.#isIdle) this.#listen();
    const now = this.#alarm.now();
    this.#saidGoodbye = this.#disposed !== undefined;
    const { weight, limit, ttlMillis, turnMillis, recallAfterMillis } = this.#options;
    const report: Report = {
      member: this.member,
      sequence: (this.#sequence += 1),
      weight,
      limit,
      ttlMillis,
      turnMillis,
      recallAfterMillis,
      epoch: this.#epoch,
      holds: this.#holdings.all.map(({ id, floor }) => ({ id, floor })),
      asks: [...this.#asks].map(([id, { request }]) => ({ id, floor: request.floor })),
    };
    const call: Call = { report, at: now, subscription: new Subscription() };
    this.#call = call;
    this.#spokeAt = now;
    // Not by way of #pump's own loop: an answer that comes at once is part of the loop that runs.
    const settle = (work: () => void): void => {
      if (this.#call !== call) return;
      this.#call = undefined;
      call.subscription.unsubscribe();
      if (this.#busy) {
        work();
        return;
      }
      this.#busy = true;
      try {
        work();
      } finally {
        this.#busy = false;
      }
      this.#pump();
    };
    call.subscription.add(
      this.#server.report(report).subscribe({
        next: answer => {
          settle(() => {
            this.#answered(call, answer);
          });
        },
        error: (error: unknown) => {
          settle(() => {
            this.#unanswered(error);
          });
        },
        complete: () => {
          settle(() => {
            this.#unanswered(new TypeError('the budget completed without an answer'));
          });
        },
      }),
    );
  }

  #answered({ report, at }: Call, answer: Answer): void {
    const now = this.#alarm.now();
    const away = this.#away;
    this.#away = undefined;
    this.#gaveUp = false;
    this.#heardAt = at;
    if (answer.stale) {
      this.#dirty = true;
      return;
    }
    const { epoch, limit, out, waiting, members, expiresMillis } = answer;
    this.#epoch = epoch;
    // Clocks of servers have whole milliseconds.
    this.#deathAt = now + expiresMillis + 1;
    this.#fleet = { limit, out, waiting, members };
    if (away !== undefined) this.#publish({ type: 'back', awayMillis: now - away.at });
    if (report.holds.length > 0 && now - this.#renewedAt >= this.#options.renewEveryMillis) {
      this.#renewedAt = now;
      this.#publish({ type: 'renewed', tookMillis: now - at });
    }
    for (const { id } of report.asks) {
      const ask = this.#asks.get(id);
      if (ask !== undefined) ask.knownAt ??= now;
    }
    for (const id of answer.lost) {
      const hold = this.#holdings.get(id);
      if (hold !== undefined) this.#lose(hold, 'expired');
    }
    const kept = report.holds.length - answer.lost.length + answer.granted.length;
    const allowed = answer.recall === 0 ? Infinity : kept - answer.recall;
    const recalled = this.#holdings.allow(allowed, now);
    if (recalled > 0) this.#publish({ type: 'recalled', count: recalled });
    for (const id of answer.granted) this.#grant(id);
    if (this.#disposed !== undefined && this.#isIdle && !this.#dirty) this.#end();
  }

  #unanswered(error: unknown): void {
    const now = this.#alarm.now();
    const retryAt = now + Math.min(1_000, this.#options.ttlMillis / 10);
    this.#dirty = true;
    if (this.#away !== undefined) {
      this.#away.retryAt = retryAt;
    } else {
      this.#away = { at: now, retryAt };
      this.#publish({ type: 'away', error });
    }
    if (this.#disposed === undefined) return;
    // The one that failed may have said what was before: the goodbye has a try of its own.
    if (this.#saidGoodbye) this.#end();
    else this.#speak();
  }

  #grant(id: number): void {
    // Withdrawn meanwhile: the next report does not name it, and so it goes back.
    const ask = this.#asks.get(id);
    if (ask === undefined) {
      this.#dirty = true;
      return;
    }
    const { request, subscriber, at } = ask;
    const now = this.#alarm.now();
    const { pool, floor } = request;
    if (this.#holdings.size === 0) this.#renewedAt = now;
    this.#asks.delete(id);
    const hold = this.#holdings.add(id, pool, floor, now);
    this.#publish({ type: 'granted', pool, floor, waitedMillis: now - at });
    subscriber.next({
      release: () => {
        if (!this.#holdings.remove(hold)) return;
        this.#publish({ type: 'released', pool, heldMillis: this.#alarm.now() - now });
        this.#changed();
      },
      recall: () => this.#holdings.recall(hold, this.#alarm.now()),
      lost: hold.lost$.asObservable(),
    });
    subscriber.complete();
  }

  #lose(hold: Hold, reason: PermitLossReason): void {
    this.#holdings.remove(hold);
    this.#tellLoss(hold, reason);
  }

  /** Once for each permit. */
  #tellLoss(hold: Hold, reason: PermitLossReason): void {
    if (hold.isLost) return;
    hold.isLost = true;
    const { pool, lost$ } = hold;
    const error = new PermitLostError(pool, reason);
    this.#publish({ type: 'lost', pool, error });
    lost$.error(error);
  }

  /** What is ours even while nobody is there to ask. */
  get #ownShare(): number {
    const { whenAway } = this.#options;
    return typeof whenAway === 'object' ? whenAway.share : 0;
  }

  #grantOwnShare(): void {
    if (this.#away === undefined) return;
    const byFloor = [...this.#asks].sort(
      ([, one], [, other]) => Number(other.request.floor) - Number(one.request.floor),
    );
    for (const [id] of byFloor) {
      if (this.#holdings.size >= this.#ownShare) return;
      this.#grant(id);
    }
  }

  /** Before the server gives them to others: what is held beyond one's own share goes, floors last, the youngest first. */
  #giveUp(): void {
    this.#gaveUp = true;
    if (this.#options.whenAway === 'keep') return;
    const now = this.#alarm.now();
    for (const hold of this.#holdings.beyond(this.#ownShare)) {
      // It stays in the books until the pool gives it back: a lease may go on with it, and a server that comes back
      // soon enough must not give it to somebody else meanwhile.
      hold.leavingAt ??= now;
      this.#tellLoss(hold, 'away');
    }
  }

  /**
   * The last moment at which the server surely has not given our permits to others, and some time before that: whether
   * it counts as away by then or not.
   */
  get #surrenderAt(): number {
    if (this.#gaveUp || this.#holdings.size === 0) return Infinity;
    const { ttlMillis } = this.#options;
    const at = this.#heardAt + ttlMillis * 0.8;
    // Whoever comes too late has stood still, or its clock was set: the server may say, but only if it does so at once.
    const moment = ttlMillis / 20;
    const call = this.#away === undefined ? this.#call : undefined;
    return call === undefined || call.at < at + moment ? at : call.at + moment;
  }

  get #speakAt(): number {
    const { pollMillis, renewEveryMillis, recallAfterMillis, turnMillis } = this.#options;
    if (this.#away !== undefined) return this.#away.retryAt;
    if (this.#isIdle) return Infinity;
    const renewAt = this.#spokeAt + renewEveryMillis;
    if (this.#asks.size === 0) return renewAt;
    if (this.#server.wake$ === undefined) return Math.min(renewAt, this.#spokeAt + pollMillis);
    // It is woken when something changes, but nobody is when a wait has become long, a turn is over or somebody is dead.
    const members = this.#fleet?.members ?? 1;
    const restMillis = Math.max(pollMillis, members * MILLIS_FOR_EACH_MEMBER);
    const deathAt = Math.max(this.#deathAt, this.#spokeAt + restMillis);
    let lookAt = Math.min(this.#spokeAt + turnMillis / 4, deathAt);
    for (const { knownAt } of this.#asks.values()) {
      const longAt = (knownAt ?? -Infinity) + recallAfterMillis + 1;
      if (longAt > this.#spokeAt) lookAt = Math.min(lookAt, longAt);
    }
    return Math.min(renewAt, lookAt);
  }

  #tick(): void {
    const now = this.#alarm.now();
    const call = this.#call;
    const { answerTimeoutMillis } = this.#options;
    this.#busy = true;
    try {
      if (call !== undefined && now >= call.at + answerTimeoutMillis) {
        this.#call = undefined;
        call.subscription.unsubscribe();
        this.#unanswered(new BudgetAnswerTimeoutError(now - call.at));
      }
      if (now >= this.#holdings.takeBackAt) {
        for (const hold of this.#holdings.takeBack(now)) this.#tellLoss(hold, 'recalled');
      }
      if (this.#call === undefined && now >= this.#speakAt) {
        this.#dirty = true;
        // What comes of it decides whether it is away still.
        this.#speak();
      }
      if (now >= this.#surrenderAt) this.#giveUp();
    } finally {
      this.#busy = false;
    }
    this.#pump();
  }

  #arm(): void {
    if (this.#hasEnded) return;
    const { answerTimeoutMillis } = this.#options;
    const speakAt = this.#call === undefined ? this.#speakAt : this.#call.at + answerTimeoutMillis;
    this.#alarm.set(Math.min(speakAt, this.#surrenderAt, this.#holdings.takeBackAt));
    if (this.#isIdle) {
      this.#waking?.unsubscribe();
      this.#waking = undefined;
    } else {
      this.#listen();
    }
  }

  #listen(): void {
    const { wake$ } = this.#server;
    if (this.#waking !== undefined || wake$ === undefined) return;
    this.#waking = new Subscription();
    this.#waking.add(
      wake$.subscribe({
        next: members => {
          if (members === undefined || members.includes(this.member)) this.#changed();
        },
        // Without being woken it still renews, and hears of its permits then.
        error: (error: unknown) => {
          this.#publish({ type: 'away', error });
        },
      }),
    );
  }

  #end(): void {
    const resolve = this.#disposed;
    if (resolve === undefined) return;
    this.#disposed = undefined;
    this.#call?.subscription.unsubscribe();
    this.#call = undefined;
    this.#alarm.set(Infinity);
    this.#waking?.unsubscribe();
    this.#publish({ type: 'disposed' });
    this.#publishState();
    this.#announcer.complete(resolve);
  }

  #stateNow(): BudgetState {
    return {
      lifecycle: this.#disposing === undefined ? 'running' : 'disposed',
      held: this.#holdings.size,
      waiting: this.#asks.size,
      recalled: this.#holdings.recalled(this.#alarm.now()),
      away: this.#away !== undefined,
      fleet: this.#fleet,
    };
  }

  #publish(facts: Facts): void {
    const event = { ...facts, at: this.#alarm.now(), state: this.#stateNow() } as BudgetEvent;
    this.#announcer.tell(event);
  }

  #publishState(): void {
    this.#announcer.tellState(this.#stateNow());
  }
}
