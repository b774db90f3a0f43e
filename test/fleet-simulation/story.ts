import { Draw } from '../simulation/draw.js';
import type { Tamper } from './budget-network.js';
import { jainIndex } from './fairness.js';
import { Fleet } from './fleet.js';
import type { ProcessPlan } from './fleet-process.js';

/** One run of a fleet: everything in it follows from the seed. */
export interface StoryPlan {
  readonly title: string;
  readonly seed: number;
  readonly processes: number;
  readonly limit: number;
  readonly min: number;
  readonly turnMillis: number;
  readonly chaosSeconds: number;
  readonly progress: (line: string) => void;
  readonly tamper?: Tamper | undefined;
}

/** What came of it. Durations are milliseconds of virtual time. */
export interface StoryReport {
  readonly title: string;
  readonly seed: number;
  readonly limit: number;
  readonly peak: number;
  readonly peakOfAll: number;
  readonly jainBefore: number;
  readonly jainAfter: number;
  readonly refillAfterCrash: number;
  readonly evenAfterRestart: number;
  readonly refillAfterPartition: number;
  readonly evenAfterPartition: number;
  readonly evenAfterChaos: number;
  readonly longestWait: number;
  readonly waitBound: number;
  readonly unserved: number;
  readonly served: number;
  readonly reports: number;
  readonly virtualMillis: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
}

const ttlMillis = 5_000;
const lookMillis = 100;
/** What messages, polls and connecting may take beside. */
const clearMillis = 1_500;
/** Of the limit: a connection is on its way to somebody else now and then. */
const full = 0.95;
const fair = 0.95;

/** Plays a fleet's life: a quiet start, a crash of many, a partition of many, a time of chaos, and peace. */
export function playFleet(plan: StoryPlan): StoryReport {
  const { random } = Math;
  const draw = new Draw(plan.seed);
  const chance = new Draw(draw.seed());
  Math.random = () => chance.share();
  try {
    return new Story(plan, draw).play();
  } finally {
    Math.random = random;
  }
}

class Story {
  readonly #plan: StoryPlan;
  readonly #draw: Draw;
  readonly #fleet: Fleet;
  readonly #violations: string[] = [];

  constructor(plan: StoryPlan, draw: Draw) {
    this.#plan = plan;
    this.#draw = draw;
    const { limit, min, turnMillis } = plan;
    const process: ProcessPlan = {
      limit,
      ttlMillis,
      turnMillis,
      whenAway: 'none',
      min,
      max: 5,
      borrowers: 6,
    };
    this.#fleet = new Fleet(plan.processes, process, draw, plan.tamper);
  }

  play(): StoryReport {
    const fleet = this.#fleet;
    const plan = this.#plan;
    const { limit, processes, turnMillis, title, seed } = plan;
    // Whoever is below a whole permit has one for a part of the turns, and two may be needed to see all.
    const round = turnMillis * Math.max(1, processes / limit);
    const measured = 6 * round;

    this.#pass(5_000 + 2 * ttlMillis, 'start');
    const jainBefore = this.#jainOver(measured, 'quiet');

    // Together, and they stay away until the others have long had their permits.
    for (const victim of fleet.some(0.1)) fleet.crash(victim, 3 * ttlMillis);
    const refillAfterCrash = this.#refill('crash');
    const evenAfterRestart = this.#untilEven('evenness after the restart');
    this.#pass(ttlMillis, 'restarted');

    for (const process of fleet.some(0.2)) fleet.partition(process, 3 * ttlMillis, 'both');
    const refillAfterPartition = this.#refill('partition');
    const evenAfterPartition = this.#untilEven('evenness after the partition');
    this.#pass(ttlMillis, 'healed');

    this.#chaos(plan.chaosSeconds);
    const evenAfterChaos = this.#untilEven('evenness after the chaos');

    fleet.takeLongestWait();
    const before = fleet.served;
    const jainAfter = this.#jainOver(Math.max(measured, 2 * ttlMillis), 'peace');
    const unserved = fleet.served.filter((served, index) => served === before[index]).length;
    const longestWait = fleet.takeLongestWait();
    // Six borrowers share what their process has: the last of them waits while the others have theirs.
    const waitBound = 3 * round + 6 * 800 + clearMillis;

    this.#demand(fleet.database.peak <= limit, `${fleet.database.peak} connections of ${limit}`);
    this.#demand(jainBefore >= fair, `Jain ${jainBefore.toFixed(3)} before`);
    this.#demand(jainAfter >= fair, `Jain ${jainAfter.toFixed(3)} after the chaos`);
    this.#demand(unserved === 0, `${unserved} processes were served nothing in the end`);
    this.#demand(
      longestWait <= waitBound,
      `a request waited ${Math.round(longestWait)} ms in peace, more than ${Math.round(waitBound)}`,
    );
    const { peak, peakOfAll } = fleet.database;
    return {
      title,
      seed,
      limit,
      peak,
      peakOfAll,
      jainBefore,
      jainAfter,
      refillAfterCrash,
      evenAfterRestart,
      refillAfterPartition,
      evenAfterPartition,
      evenAfterChaos,
      longestWait,
      waitBound,
      unserved,
      served: fleet.served.reduce((total, each) => total + each, 0),
      reports: fleet.network.reports,
      virtualMillis: fleet.time.now,
      faults: fleet.faults,
      violations: this.#violations,
    };
  }

  /**
   * Looks on for three times to live, and returns when the database was full for good again: before that the permits
   * of those who are gone are nobody's.
   */
  #refill(phase: string): number {
    const { time } = this.#fleet;
    const start = time.now;
    let fullSince = start;
    let lacking = 0;
    while (time.now - start < 3 * ttlMillis) {
      this.#run(lookMillis);
      lacking = this.#isFull() ? 0 : lacking + 1;
      // For a moment a connection is closed here and not yet opened there.
      if (lacking >= 5) fullSince = time.now;
    }
    this.#tell(phase);
    const refill = fullSince - start;
    const bound = ttlMillis + clearMillis;
    this.#demand(refill <= bound, `not full ${refill} ms after the ${phase}, more than ${bound}`);
    return refill;
  }

  #isFull(): boolean {
    return this.#fleet.database.total >= full * this.#plan.limit;
  }

  /** Where there is less than one for each, being even at one moment is impossible: being full has to do. */
  #isEven(): boolean {
    const { limit, processes } = this.#plan;
    return this.#isFull() && (limit < processes || this.#fleet.evenness >= fair);
  }

  #untilEven(what: string): number {
    return this.#until(what, () => this.#isEven(), 4 * ttlMillis);
  }

  /** How long it takes, from now on; it is a violation when it takes longer than the limit. */
  #until(what: string, reached: () => boolean, limitMillis: number): number {
    const { time } = this.#fleet;
    const start = time.now;
    let since = Infinity;
    while (time.now - start < limitMillis) {
      this.#run(lookMillis);
      since = reached() ? Math.min(since, time.now) : Infinity;
      if (time.now - since >= 10 * lookMillis) return since - start;
    }
    this.#demand(false, `${what} took more than ${limitMillis} ms`);
    return limitMillis;
  }

  #chaos(seconds: number): void {
    const fleet = this.#fleet;
    const draw = this.#draw;
    // A small fleet would hardly ever be hit.
    const size = Math.max(50, this.#plan.processes);
    for (let second = 0; second < seconds; second += 1) {
      const perSecond = (share: number): boolean => draw.chance(share * size);
      const victim = () => draw.one(...fleet.processes);
      // All is over when the chaos is, so that what comes after measures the recovery alone.
      const upTo = (millis: number): number =>
        Math.min(millis, 1_000 * (seconds - second) - lookMillis);
      // Of 500 processes one crashes every second, and five are cut off, stand still or have their clocks set.
      for (let trial = 0; trial < 5; trial += 1) {
        if (perSecond(0.0004)) fleet.crash(victim(), upTo(draw.between(500, 8_000)));
        if (perSecond(0.0008)) fleet.partition(victim(), upTo(draw.between(500, 25_000)));
        if (perSecond(0.0006)) fleet.freeze(victim(), upTo(draw.between(100, 20_000)));
        if (perSecond(0.0004)) fleet.setClock(victim(), draw.between(-60_000, 60_000));
      }
      if (second === Math.floor(seconds / 3)) {
        for (const process of fleet.some(0.3)) fleet.partition(process, upTo(15_000));
      }
      if (second === Math.floor((2 * seconds) / 3)) fleet.takeServerDown(4_000);
      this.#run(1_000);
      if (second % 20 === 19) this.#tell('chaos');
    }
  }

  #jainOver(millis: number, phase: string): number {
    const before = this.#fleet.served;
    this.#pass(millis, phase);
    return jainIndex(this.#fleet.served.map((served, index) => served - (before[index] ?? 0)));
  }

  #pass(millis: number, phase: string): void {
    this.#run(millis);
    this.#tell(phase);
  }

  #run(millis: number): void {
    const { time } = this.#fleet;
    time.run(time.now + millis);
  }

  #tell(phase: string): void {
    const { time, database, processes, network } = this.#fleet;
    this.#plan.progress(
      `${(time.now / 1_000).toFixed(0).padStart(5)} s  ${phase.padEnd(10)} ` +
        `${processes.length} processes, ${database.total} of ${this.#plan.limit} connections ` +
        `(peak ${database.peak}), ${network.reports} reports (${network.entries} entered)`,
    );
  }

  #demand(holds: boolean, otherwise: string): void {
    if (!holds) this.#violations.push(otherwise);
  }
}
