import { Draw } from '../simulation/draw.js';
import { BudgetNetwork, type Tamper } from './budget-network.js';
import { Database } from './database.js';
import { jainIndex } from './fairness.js';
import { FleetProcess, type ProcessPlan } from './fleet-process.js';
import { FleetTime } from './fleet-time.js';

/** A process beside its successors: one place in the fleet, as an orchestrator keeps it filled. */
interface Place {
  readonly index: number;
  lives: number;
  process: FleetProcess | undefined;
  /** Leases of the lives before. */
  servedBefore: number;
}

/** The longest lease, its destroy, and what a message may take: after that nothing is left of what was given up. */
const clearMillis = 1_500;
/** As above, of who gives up in time. */
const leaveMillis = 1_000;

/** Many processes, one budget and one database in virtual time, and what can befall them. */
export class Fleet {
  readonly time: FleetTime = new FleetTime();
  readonly database: Database = new Database();
  readonly network: BudgetNetwork;
  readonly plan: ProcessPlan;
  /** What a crowd of faults came to. */
  readonly faults: Record<string, number> = {};
  readonly #draw: Draw;
  readonly #places: Place[];

  constructor(size: number, plan: ProcessPlan, draw: Draw, tamper?: Tamper) {
    this.plan = plan;
    this.#draw = draw;
    this.network = new BudgetNetwork(this.time, new Draw(draw.seed()), tamper);
    this.#places = Array.from({ length: size }, (_, index) => ({
      index,
      lives: 0,
      process: undefined,
      servedBefore: 0,
    }));
    // A deployment does not start them all in one millisecond.
    for (const place of this.#places)
      this.time.after(draw.between(0, 5_000), () => this.#start(place));
  }

  get processes(): readonly FleetProcess[] {
    return this.#places.flatMap(({ process }) => process ?? []);
  }

  /** Leases served so far, by place. */
  get served(): readonly number[] {
    return this.#places.map(({ process, servedBefore }) => servedBefore + (process?.served ?? 0));
  }

  /** How even the connections are spread at this moment. */
  get evenness(): number {
    return jainIndex(this.processes.map(({ name }) => this.database.of(name)));
  }

  /** The longest wait since the last call, of any request. */
  takeLongestWait(): number {
    return Math.max(0, ...this.processes.map(process => process.takeLongestWait()));
  }

  /** So large a share of all, chosen by lot; one at least. */
  some(share: number): FleetProcess[] {
    const all = [...this.processes];
    const count = Math.max(1, Math.round(share * all.length));
    return Array.from({ length: count }, () => all.splice(this.#draw.below(all.length), 1)).flat();
  }

  /** As SIGKILL does; something starts it again after so long. */
  crash(victim: FleetProcess, restartAfterMillis: number): void {
    const place = this.#places.find(({ process }) => process === victim);
    if (place === undefined) return;
    this.#count('crashes');
    victim.clock.isDead = true;
    victim.link.cut(false, false);
    place.process = undefined;
    place.servedBefore += victim.served;
    this.network.left(victim.name);
    this.database.lost(victim.name);
    this.time.after(restartAfterMillis, () => this.#start(place));
  }

  /** Cuts it off from the budget's server, not from the database. */
  partition(
    process: FleetProcess,
    millis: number,
    kind: 'both' | 'deaf' | 'mute' = this.#draw.one('both', 'both', 'deaf', 'mute'),
  ): void {
    this.#count('partitions');
    process.link.cut(kind === 'mute', kind === 'deaf');
    this.time.after(millis, () => {
      if (!process.clock.isDead) process.link.heal();
    });
  }

  /** The process stands still; where its permits run out before it had the time to give them up, others may have them. */
  freeze(process: FleetProcess, millis: number): void {
    this.#count('freezes');
    process.clock.freeze(millis);
    this.#excuse(process);
    this.time.at(process.clock.thawsAt + clearMillis, () => {
      // Unless it stands still once more.
      if (this.time.now >= process.clock.thawsAt + clearMillis) {
        this.database.pardon(process.name, false);
      }
    });
  }

  #excuse(process: FleetProcess): void {
    const { name, clock } = process;
    const heardAt = this.network.heardAt(name);
    const runsOutAt = heardAt + this.plan.ttlMillis;
    // It runs again in time to give up, or had done so long before.
    if (clock.thawsAt <= runsOutAt - leaveMillis || runsOutAt <= this.time.now) return;
    this.time.at(runsOutAt, () => {
      if (clock.isDead) return;
      if (this.network.heardAt(name) === heardAt) this.database.pardon(name, true);
      // What it had said before was on its way, or it was quick enough.
      else if (this.time.now < clock.thawsAt + clearMillis) this.#excuse(process);
    });
  }

  setClock(process: FleetProcess, byMillis: number): void {
    this.#count('clock jumps');
    process.clock.set(byMillis);
  }

  takeServerDown(millis: number): void {
    this.#count('server outages');
    this.network.isUp = false;
    this.time.after(millis, () => {
      this.network.isUp = true;
    });
  }

  #start(place: Place): void {
    place.lives += 1;
    place.process = new FleetProcess(
      `process-${place.index}-${place.lives}`,
      this.plan,
      this.time,
      this.network,
      this.database,
      new Draw(this.#draw.seed()),
    );
  }

  #count(fault: string): void {
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
  }
}
