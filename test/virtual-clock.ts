import { SimulatedClock, SimulatedTime } from './simulation/simulated-time.js';

/** Rounds of promises that what happens in one step is given to settle in. */
const ticks = 20;

/** Virtual time that a test moves on, promises included. */
export class VirtualClock {
  readonly scheduler: SimulatedClock;
  readonly #time = new SimulatedTime();

  constructor() {
    this.scheduler = new SimulatedClock(this.#time);
  }

  get now(): number {
    return this.#time.frame;
  }

  /** Runs what falls due within so many milliseconds, and ends after them. */
  async pass(millis: number): Promise<void> {
    const end = this.#time.frame + millis;
    await settle();
    while (this.#time.step(end)) await settle();
    this.#time.freeze(end - this.#time.frame);
  }

  /** Time goes by and nothing runs: what falls due meanwhile is late. */
  freeze(millis: number): void {
    this.#time.freeze(millis);
  }

  /** Somebody sets the clock back; what is due stays due as long from now. */
  setBack(millis: number): void {
    this.#time.offset -= millis;
  }
}

async function settle(): Promise<void> {
  for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
}
