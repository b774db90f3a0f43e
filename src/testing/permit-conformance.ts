import type { SchedulerLike, Subscription } from 'rxjs';
import type { Permit, PermitRequest, PermitSource } from '../index.js';
import { demand, Patience, type ConformanceCheck } from './conformance.js';
import { seededRandom } from './random.js';

/** What a pool would say of itself: nothing that a budget has to look at. */
const REQUEST: PermitRequest = { pool: 'conformance', floor: false };

/** A budget under test. */
export interface PermitSubject {
  /** A source with nothing taken from it. */
  readonly source: PermitSource;
  /** Another source of the same budget, as another process has it. Without one, what needs two is asked of one. */
  readonly peer?: PermitSource | undefined;
  /** Told after each check. */
  close?(): PromiseLike<unknown> | undefined;
}

/** Options of {@link permitSourceConformance}. */
export interface PermitConformanceOptions {
  /** Makes a fresh budget of that many permits; called for each check. */
  make(limit: number): PermitSubject | PromiseLike<PermitSubject>;
  /** How long the source may take to answer, in milliseconds. Default 1,000. */
  readonly patienceMillis?: number | undefined;
  /** How long to look for what must not happen, in milliseconds. Default 20. */
  readonly quietMillis?: number | undefined;
  /** Whether those who wait are to be served in the order in which they came. Default false: a source need not. */
  readonly fifo?: boolean | undefined;
  /** The clock of the waits above. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

/**
 * What every PermitSource must do, as a list of checks for any test framework. Each makes a budget of its own.
 *
 * @example
 * for (const { name, run } of permitSourceConformance({ make: limit => ({ source: myPermits(limit) }) })) {
 *   it(name, run);
 * }
 */
export function permitSourceConformance(
  options: PermitConformanceOptions,
): readonly ConformanceCheck[] {
  const { patienceMillis = 1_000, quietMillis = 20, scheduler } = options;
  const patience = new Patience(patienceMillis, quietMillis, scheduler);
  const questions = options.fifo === true ? { ...always, ...inOrder } : always;
  return Object.entries(questions).map(([name, ask]) => ({
    name,
    run: async () => {
      const subject = await options.make(ask.limit);
      const budget = new Budget(subject, ask.limit, patience);
      try {
        await ask.of(budget);
        budget.demandNoFailure();
      } finally {
        budget.giveAllBack();
        await subject.close?.();
      }
    },
  }));
}

/** One request for a permit, and what came of it. */
class Ask {
  permits: Permit[] = [];
  failure: { readonly error: unknown } | undefined = undefined;
  completed = false;
  subscription: Subscription | undefined = undefined;
  released = false;

  get permit(): Permit | undefined {
    return this.permits[0];
  }
}

/** A source at work: makes requests and keeps what they were given. */
class Budget {
  readonly asks: Ask[] = [];
  readonly limit: number;
  readonly patience: Patience;
  readonly #subject: PermitSubject;

  constructor(subject: PermitSubject, limit: number, patience: Patience) {
    this.#subject = subject;
    this.limit = limit;
    this.patience = patience;
  }

  get source(): PermitSource {
    return this.#subject.source;
  }

  get peer(): PermitSource {
    return this.#subject.peer ?? this.#subject.source;
  }

  /** Permits out at this moment. */
  get held(): number {
    return this.asks.filter(ask => ask.permit !== undefined && !ask.released).length;
  }

  ask(from: PermitSource = this.source, granted: (ask: Ask) => void = () => undefined): Ask {
    const ask = new Ask();
    this.asks.push(ask);
    ask.subscription = from.acquire(REQUEST).subscribe({
      next: permit => {
        ask.permits.push(permit);
        granted(ask);
      },
      error: (error: unknown) => {
        ask.failure = { error };
      },
      complete: () => {
        ask.completed = true;
      },
    });
    return ask;
  }

  release(ask: Ask): void {
    if (ask.permit === undefined || ask.released) return;
    ask.released = true;
    ask.permit.release();
  }

  /** Takes all permits that there are. */
  async fill(): Promise<Ask[]> {
    const asks = Array.from({ length: this.limit }, () => this.ask());
    for (const ask of asks) await this.granted(ask, 'a permit that is free is not given');
    return asks;
  }

  granted(ask: Ask, otherwise: string): Promise<void> {
    return this.patience.until(() => {
      this.demandNoFailure();
      return ask.permit !== undefined;
    }, otherwise);
  }

  /** Whether the whole budget is free: it is taken and given back. */
  async demandFree(otherwise: string): Promise<void> {
    const asks = Array.from({ length: this.limit }, () => this.ask());
    for (const ask of asks) await this.granted(ask, otherwise);
    for (const ask of asks) this.release(ask);
  }

  demandWithin(): void {
    demand(this.held <= this.limit, `${this.held} permits are out of a budget of ${this.limit}`);
  }

  demandNoFailure(): void {
    for (const { failure, completed, permits } of this.asks) {
      if (failure !== undefined) demand(false, `a request failed: ${String(failure.error)}`);
      demand(!completed || permits.length > 0, 'a request completed without a permit');
      demand(permits.length <= 1, 'a request was given two permits');
    }
  }

  giveAllBack(): void {
    for (const ask of this.asks) {
      ask.subscription?.unsubscribe();
      this.release(ask);
    }
  }
}

interface Question {
  readonly limit: number;
  of(budget: Budget): Promise<void>;
}

const always: Readonly<Record<string, Question>> = {
  'gives as many permits as the budget has': {
    limit: 3,
    of: async budget => {
      await budget.fill();
    },
  },
  'gives no more than the budget has': {
    limit: 3,
    of: async budget => {
      await budget.fill();
      const waiting = budget.ask(budget.peer);
      await budget.patience.quiet();
      demand(waiting.permit === undefined, 'one permit more than the budget has was given');
    },
  },
  'takes nothing before it is subscribed to': {
    limit: 1,
    of: async budget => {
      budget.source.acquire(REQUEST);
      await budget.patience.quiet();
      await budget.fill();
    },
  },
  'takes every subscription to one acquire() for a request of its own': {
    limit: 2,
    of: async budget => {
      const acquire$ = budget.source.acquire(REQUEST);
      const once: PermitSource = { acquire: () => acquire$ };
      const [first, second] = [budget.ask(once), budget.ask(once)];
      await budget.granted(first, 'the first subscription has no permit');
      await budget.granted(second, 'the second subscription has no permit');
      demand(first.permit !== second.permit, 'both subscriptions have the same permit');
      await budget.patience.quiet();
      demand(budget.held === 2, 'two subscriptions took one permit');
      const third = budget.ask(budget.peer);
      await budget.patience.quiet();
      demand(third.permit === undefined, 'two subscriptions took one permit of the budget');
    },
  },
  'gives a permit that comes back to one who waits': {
    limit: 1,
    of: async budget => {
      const [held] = await budget.fill();
      const waiting = budget.ask();
      await budget.patience.quiet();
      if (held !== undefined) budget.release(held);
      await budget.granted(waiting, 'who waits is not given the permit that came back');
    },
  },
  'gives a permit that comes back to one who waits elsewhere': {
    limit: 1,
    of: async budget => {
      const [held] = await budget.fill();
      const waiting = budget.ask(budget.peer);
      await budget.patience.quiet();
      demand(waiting.permit === undefined, 'who waits elsewhere has a permit of another budget');
      if (held !== undefined) budget.release(held);
      await budget.granted(waiting, 'who waits elsewhere is not given the permit that came back');
    },
  },
  'gives one permit to one only of those who wait': {
    limit: 1,
    of: async budget => {
      const [held] = await budget.fill();
      const waiting = [budget.ask(), budget.ask(), budget.ask(budget.peer)];
      if (held !== undefined) budget.release(held);
      await budget.patience.until(() => budget.held > 0, 'nobody is given the permit');
      await budget.patience.quiet();
      budget.demandWithin();
      demand(
        waiting.filter(ask => ask.permit !== undefined).length === 1,
        'not one has the permit',
      );
    },
  },
  'forgets a request that was withdrawn': {
    limit: 1,
    of: async budget => {
      const [held] = await budget.fill();
      const gone = budget.ask();
      const waiting = budget.ask();
      await budget.patience.quiet();
      gone.subscription?.unsubscribe();
      if (held !== undefined) budget.release(held);
      await budget.granted(
        waiting,
        'a withdrawn request keeps the permit from who waits behind it',
      );
      demand(gone.permit === undefined, 'a withdrawn request was given a permit');
    },
  },
  'loses no permit to a request that is withdrawn at once': {
    limit: 1,
    of: async budget => {
      for (let round = 0; round < 10; round += 1) {
        const ask = budget.ask();
        ask.subscription?.unsubscribe();
        // Given in the same call it is the requester's, withdrawn or not.
        budget.release(ask);
      }
      await budget.demandFree('a request that was withdrawn at once keeps its permit');
    },
  },
  'leaves a permit with who was given it, unsubscribed or not': {
    limit: 1,
    of: async budget => {
      const [held] = await budget.fill();
      held?.subscription?.unsubscribe();
      const other = budget.ask(budget.peer);
      await budget.patience.quiet();
      demand(other.permit === undefined, 'unsubscribing gave the permit back');
      if (held !== undefined) budget.release(held);
      await budget.granted(other, 'release after unsubscribing gives nothing back');
    },
  },
  'accepts a release inside the call that gives the permit': {
    limit: 1,
    of: async budget => {
      const asks = Array.from({ length: 20 }, () =>
        budget.ask(budget.source, ask => {
          budget.release(ask);
        }),
      );
      for (const ask of asks) {
        await budget.granted(ask, 'a permit released as soon as it was given is lost');
      }
      await budget.demandFree('a permit released as soon as it was given is lost');
    },
  },
  'accepts a request inside the call that gives a permit': {
    limit: 2,
    of: async budget => {
      let inner: Ask | undefined;
      const outer = budget.ask(budget.source, () => {
        inner ??= budget.ask();
      });
      await budget.granted(outer, 'a free permit is not given');
      await budget.patience.until(
        () => inner?.permit !== undefined,
        'the request inside gets none',
      );
      budget.demandWithin();
    },
  },
  'completes or stays open after its one permit, and never fails': {
    limit: 2,
    of: async budget => {
      const asks = await budget.fill();
      await budget.patience.quiet();
      budget.demandNoFailure();
      for (const ask of asks) budget.release(ask);
      await budget.patience.quiet();
    },
  },
  'keeps to its limit, and loses nothing, whatever comes together': {
    limit: 3,
    of: async budget => {
      for (let seed = 1; seed <= 5; seed += 1) await storm(budget, seededRandom(seed));
      await budget.demandFree(
        'after a storm of requests, releases and withdrawals a permit is missing',
      );
    },
  },
};

const inOrder: Readonly<Record<string, Question>> = {
  'serves those who wait in their order': {
    limit: 1,
    of: async budget => {
      let [holder] = await budget.fill();
      const waiting: Ask[] = [];
      for (let place = 0; place < 5; place += 1) {
        waiting.push(budget.ask());
        await budget.patience.quiet();
      }
      for (const next of waiting) {
        if (holder !== undefined) budget.release(holder);
        await budget.patience.until(() => budget.held > 0, 'nobody is given the permit');
        demand(next.permit !== undefined, 'a younger request overtook an older one');
        holder = next;
      }
    },
  },
};

/** Requests, releases and withdrawals as the numbers have it. */
async function storm(budget: Budget, random: () => number): Promise<void> {
  const open: Ask[] = [];
  for (let step = 0; step < 120; step += 1) {
    const drawn = random();
    const chosen = open[Math.floor(random() * open.length)];
    if (chosen === undefined || drawn < 0.5) {
      open.push(budget.ask(random() < 0.5 ? budget.source : budget.peer));
    } else {
      open.splice(open.indexOf(chosen), 1);
      if (chosen.permit === undefined) chosen.subscription?.unsubscribe();
      budget.release(chosen);
    }
    budget.demandWithin();
    if (drawn < 0.2) await Promise.resolve();
    budget.demandWithin();
  }
  // Whoever still waits withdraws: a permit that was on its way must find its way back.
  for (const ask of open) {
    ask.subscription?.unsubscribe();
    budget.release(ask);
  }
  budget.demandNoFailure();
}
