import type { Subscription } from 'rxjs';
import type { Pool, PoolEvent, PoolState, PoolStats, ResourceStatus } from '../index.js';
import {
  HealthJudge,
  HolderBook,
  Ring,
  SummaryWindow,
  type HealthStatus,
  type HealthThresholds,
} from '../metrics/index.js';
import { isRoutine, kindOf, lineOf, shortened, type EventLine } from './event-line.js';

/** What the overview shows of one pool. */
export interface PoolCard {
  readonly key: string;
  readonly name: string;
  readonly status: HealthStatus;
  readonly reasons: readonly string[];
  readonly state: PoolState;
  /** One letter for each slot, in the order of their birth: see `letters`. */
  readonly strip: string;
  readonly perSecond: number;
  readonly failedPerSecond: number;
  /** null when nobody got a lease in the last second. */
  readonly waitP95: number | null;
}

/** One second of a pool's life, for the charts; a list, because there are many. */
export type Point = readonly [
  at: number,
  leased: number,
  idle: number,
  waiting: number,
  max: number | null,
  acquired: number,
  failed: number,
  p50: number | null,
  p95: number | null,
  p99: number | null,
];

interface SlotView {
  readonly id: number;
  readonly state: ResourceStatus;
  readonly age: number;
  /** How long it has been leased, or idle. */
  readonly since: number;
  readonly uses: number;
  readonly stale?: true;
  readonly label?: string;
}

interface HolderView {
  readonly id: number;
  readonly held: number;
  readonly label?: string;
  readonly waited?: number;
  readonly stack?: string;
}

/** What the page shows of the pool that is looked at. */
export interface PoolDetail {
  readonly key: string;
  readonly at: number;
  readonly slots: readonly SlotView[];
  readonly hiddenSlots: number;
  readonly holders: readonly HolderView[];
  readonly waiters: {
    readonly oldest: number;
    readonly labels: readonly (readonly [label: string, count: number])[];
  };
  readonly stats: PoolStats;
  readonly events: readonly EventLine[];
  /** The newest event there was. */
  readonly seq: number;
}

export const letters: Readonly<Record<ResourceStatus | 'creating', string>> = {
  idle: 'I',
  leased: 'L',
  creating: 'C',
  validating: 'V',
  resetting: 'R',
  destroying: 'D',
};

const keptPoints = 300;
const keptNotable = 300;
const keptRoutine = 100;
const eventsInOneFrame = 60;
const shownSlots = 400;
const shownCells = 60;
const shownHolders = 10;
const shownLabels = 6;
const countedWaiters = 1000;

/** Listens to one pool, from now until `unsubscribe` or its end. What it keeps has a fixed size. */
export class PoolFeed {
  readonly key: string;
  /** As its registry calls it, which may not be its own name. */
  readonly name: string;
  readonly pool: Pool<unknown>;
  readonly #subscription: Subscription;
  readonly #window: SummaryWindow;
  readonly #judge: HealthJudge;
  readonly #book: HolderBook;
  readonly #points = new Ring<Point>(keptPoints);
  readonly #notable = new Ring<EventLine>(keptNotable);
  readonly #routine = new Ring<PoolEvent>(keptRoutine);
  #seq = 0;
  #perSecond = 0;
  #failedPerSecond = 0;
  #waitP95: number | null = null;

  constructor(
    key: string,
    name: string,
    pool: Pool<unknown>,
    thresholds: HealthThresholds | undefined,
    sampleStacks: number,
  ) {
    this.key = key;
    this.name = name;
    this.pool = pool;
    const now = Date.now();
    this.#window = new SummaryWindow(now, pool.state);
    this.#judge = new HealthJudge(pool.name, pool.state, now, thresholds);
    this.#book = new HolderBook(sampleStacks);
    this.#subscription = pool.stats$.subscribe(event => {
      this.#hear(event);
    });
  }

  /** The newest event there was. */
  get seq(): number {
    return this.#seq;
  }

  unsubscribe(): void {
    this.#subscription.unsubscribe();
  }

  #hear(event: PoolEvent): void {
    this.#seq = event.seq;
    this.#window.add(event);
    this.#judge.add(event);
    this.#book.add(event);
    if (isRoutine(event.type)) this.#routine.add(event);
    else this.#notable.add(lineOf(event)); // not the event: it may hold an error, and that anything
  }

  /** Ends a second. */
  sample(now: number): Point {
    const { state } = this.pool;
    const { meanLeased, peakWaiting, perSecond, wait } = this.#window.close(now);
    this.#perSecond = perSecond.acquired;
    this.#failedPerSecond = perSecond.timedOut + perSecond.rejected + perSecond.createFailed;
    const waited = (millis: number): number | null => (wait.count === 0 ? null : rounded(millis));
    this.#waitP95 = waited(wait.p95Millis);
    const point: Point = [
      now,
      rounded(meanLeased),
      state.idle,
      peakWaiting,
      Number.isFinite(state.max) ? state.max : null,
      rounded(this.#perSecond),
      rounded(this.#failedPerSecond),
      waited(wait.p50Millis),
      waited(wait.p95Millis),
      waited(wait.p99Millis),
    ];
    this.#points.add(point);
    return point;
  }

  points(): Point[] {
    return this.#points.toArray();
  }

  card(now: number): PoolCard {
    const { state } = this.pool;
    const { status, findings, createError } = this.#judge.report(now);
    return {
      key: this.key,
      name: this.name,
      status,
      reasons: findings.map(finding =>
        finding.status === 'createFails' && createError !== undefined
          ? `${finding.reason}: ${kindOf(createError)}`
          : finding.reason,
      ),
      state,
      strip: this.#strip(state),
      perSecond: rounded(this.#perSecond),
      failedPerSecond: rounded(this.#failedPerSecond),
      waitP95: this.#waitP95,
    };
  }

  /** With the events after `sinceSeq`; of too many the newest, and rather what is rare. */
  detail(now: number, sinceSeq: number): PoolDetail {
    const resources = this.pool.resources();
    const first = resources[0];
    // Ages are told by the pool's own clock, which may be another than ours.
    const poolNow = first === undefined ? now : first.createdAt + first.ageMillis;
    const longest = this.#book.longest(Infinity);
    const holderOf = new Map(longest.map(holder => [holder.id, holder]));
    const slots = resources.map((resource): SlotView => {
      const label = resource.state === 'leased' ? holderOf.get(resource.id)?.label : undefined;
      return {
        id: resource.id,
        state: resource.state,
        age: resource.ageMillis,
        since: poolNow - resource.lastUsedAt,
        uses: resource.uses,
        ...(resource.stale && { stale: true }),
        ...(label !== undefined && { label: shortened(label) }),
      };
    });
    const holders = slots
      .filter(({ state }) => state === 'leased')
      .sort((a, b) => b.since - a.since)
      .slice(0, shownHolders)
      .map(({ id, since, label }): HolderView => {
        const holder = holderOf.get(id);
        return {
          id,
          held: holder === undefined ? since : poolNow - holder.since,
          ...(label !== undefined && { label }),
          ...(holder !== undefined && { waited: holder.waitedMillis }),
          ...(holder?.stack !== undefined && { stack: holder.stack }),
        };
      });
    return {
      key: this.key,
      at: now,
      slots: slots.slice(0, shownSlots),
      hiddenSlots: Math.max(0, slots.length - shownSlots),
      holders,
      waiters: this.#waiters(now),
      stats: this.pool.stats,
      events: this.#events(sinceSeq),
      seq: this.#seq,
    };
  }

  #waiters(now: number): PoolDetail['waiters'] {
    const waiters = this.#book.waiters(countedWaiters);
    const counts = new Map<string, number>();
    for (const { label = '' } of waiters) {
      const shown = shortened(label);
      counts.set(shown, (counts.get(shown) ?? 0) + 1);
    }
    return {
      oldest: waiters[0] === undefined ? 0 : Math.max(0, now - waiters[0].since),
      labels: [...counts].sort((a, b) => b[1] - a[1]).slice(0, shownLabels),
    };
  }

  #events(sinceSeq: number): EventLine[] {
    const notable = this.#notable.toArray().filter(({ seq }) => seq > sinceSeq);
    const rare = notable.slice(-eventsInOneFrame * (sinceSeq === 0 ? 5 : 1));
    const usual = this.#routine
      .toArray(eventsInOneFrame)
      .filter(({ seq }) => seq > sinceSeq)
      .map(lineOf);
    return [...rare, ...usual].sort((a, b) => a.seq - b.seq);
  }

  #strip(state: PoolState): string {
    const cells = this.pool
      .resources()
      .slice(0, shownCells)
      .map(resource => letters[resource.state])
      .join('');
    return cells + letters.creating.repeat(Math.min(state.creating, shownCells - cells.length));
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
