import { Observable, Subject } from 'rxjs';
import { enter, type Ledger } from '../../src/budget/ledger.js';
import type { Answer, BudgetServer, Report } from '../../src/budget/protocol.js';
import type { Draw } from '../simulation/draw.js';
import type { FleetTime } from './fleet-time.js';
import type { ProcessClock } from './process-clock.js';

/** What one process has to reach the budget's server: each direction can be cut alone. */
export class Link {
  hears = true;
  speaks = true;
  readonly woken = new Subject<readonly string[] | undefined>();
  readonly clock: ProcessClock;

  constructor(clock: ProcessClock) {
    this.clock = clock;
  }

  cut(hears: boolean, speaks: boolean): void {
    this.hears = hears;
    this.speaks = speaks;
  }

  heal(): void {
    // What is subscribed again is subscribed anew: messages of meanwhile are gone.
    this.cut(true, true);
  }
}

/** Changes what the server hears: to see whether the simulation notices a server that errs. */
export type Tamper = (report: Report) => Report;

/** The budget's server, with the rules of its ledger, its own clock, and the network before it. */
export class BudgetNetwork {
  isUp = true;
  reports = 0;
  /** Of them, those that were more than a sign of life. */
  entries = 0;
  readonly #time: FleetTime;
  readonly #draw: Draw;
  readonly #tamper: Tamper;
  readonly #rate: number;
  readonly #links = new Map<string, Link>();
  #ledger: Ledger | undefined = undefined;
  /** What each member said last. */
  readonly #said = new Map<string, string>();
  /** When each member was last heard, in true time. */
  readonly #heard = new Map<string, number>();
  /** When time alone changes something: a death, a turn, a wait that has become long. */
  #dueAt = -Infinity;
  /** When the first of the members is dead, as of the last entry. */
  #deathAt = Infinity;
  #lastAnswer: Answer | undefined = undefined;
  #epochs = 0;

  constructor(time: FleetTime, draw: Draw, tamper: Tamper = report => report) {
    this.#time = time;
    this.#draw = draw;
    this.#tamper = tamper;
    this.#rate = 1 + (draw.share() - 0.5) * 0.001;
  }

  /** The server as one member reaches it. */
  for(member: string, link: Link): BudgetServer {
    this.#links.set(member, link);
    return {
      report: report => this.#report(report, link),
      wake$: link.woken,
    };
  }

  left(member: string): void {
    this.#links.delete(member);
    this.#heard.delete(member);
  }

  /** -Infinity where it never spoke. */
  heardAt(member: string): number {
    return this.#heard.get(member) ?? -Infinity;
  }

  /** It starts anew with nothing in its memory. */
  forget(): void {
    this.#ledger = undefined;
    this.#said.clear();
  }

  #report(report: Report, link: Link): Observable<Answer> {
    return new Observable(subscriber => {
      if (!link.speaks) return;
      this.#time.after(this.#latency(), () => {
        if (!this.isUp) {
          link.clock.arrive(this.#latency(), () => {
            subscriber.error(new Error('connection refused'));
          });
          return;
        }
        // What was on its way when the process died is heard all the same.
        const answer = this.#enter(this.#tamper(report));
        if (!link.hears) return;
        link.clock.arrive(this.#latency(), () => {
          subscriber.next(answer);
          subscriber.complete();
        });
      });
    });
  }

  #enter(report: Report): Answer {
    this.reports += 1;
    this.#heard.set(report.member, this.#time.now);
    const now = Math.floor(this.#time.now * this.#rate);
    const known = this.#repeat(report, now);
    if (known !== undefined) return known;
    this.entries += 1;
    const { ledger, answer, wake } = enter(this.#ledger, report, now, () => {
      this.#epochs += 1;
      return `epoch ${this.#epochs}`;
    });
    this.#ledger = ledger;
    this.#lastAnswer = answer;
    this.#deathAt = now + answer.expiresMillis;
    this.#said.set(report.member, textOf(report));
    // Whoever was given something says so the next time.
    if (answer.granted.length + answer.lost.length > 0) this.#said.delete(report.member);
    for (const member of wake) this.#said.delete(member);
    this.#dueAt = dueAfter(ledger, report, now);
    for (const member of wake) {
      const link = this.#links.get(member);
      if (link?.hears !== true) continue;
      link.clock.arrive(this.#latency(), () => {
        link.woken.next(wake);
      });
    }
    return answer;
  }

  /**
   * A report that says what the last one said, while nothing is due, only prolongs the life of its permits. The Lua
   * script has the same short way; without it a fleet costs the square of its size.
   */
  #repeat(report: Report, now: number): Answer | undefined {
    const account = this.#ledger?.members[report.member];
    const isShort =
      account !== undefined &&
      now < this.#dueAt &&
      report.sequence > account.sequence &&
      this.#said.get(report.member) === textOf(report);
    if (!isShort || this.#lastAnswer === undefined) return undefined;
    account.sequence = report.sequence;
    account.expiresAt = now + report.ttlMillis;
    const { recall } = account;
    const expiresMillis = this.#deathAt - now;
    return { ...this.#lastAnswer, stale: false, granted: [], lost: [], recall, expiresMillis };
  }

  /** Half a millisecond mostly, and now and then much more. */
  #latency(): number {
    return this.#draw.chance(0.01) ? this.#draw.between(5, 100) : 0.2 + this.#draw.share() * 0.6;
  }
}

function textOf({ epoch, holds, asks, weight, limit }: Report): string {
  return JSON.stringify([epoch, weight, limit, holds, asks]);
}

function dueAfter(ledger: Ledger, report: Report, now: number): number {
  const { turnMillis, recallAfterMillis } = report;
  let waiting = 0;
  let dueAt = Infinity;
  let isUnripe = false;
  for (const { asks, expiresAt } of Object.values(ledger.members)) {
    dueAt = Math.min(dueAt, expiresAt);
    waiting += asks.length;
    isUnripe ||= asks.some(([, floor, , since]) => floor === 0 && now - since < recallAfterMillis);
  }
  if (waiting === 0) return dueAt;
  let millis = turnMillis / 4;
  if (isUnripe) millis = Math.min(millis, recallAfterMillis);
  if (ledger.closedUntil > now) millis = Math.min(millis, ledger.closedUntil - now);
  return Math.min(dueAt, now + Math.max(1, Math.ceil(millis)));
}
