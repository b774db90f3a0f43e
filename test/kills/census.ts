import { setTimeout as sleep } from 'node:timers/promises';
import type { OpenTrial } from './contestant.js';

/** Between two questions, so that the count does not become the load. */
const pauseMillis = 20;

/** Asks the server again and again how many resources it counts, and remembers the most. */
export class Census {
  most = 0;
  answers = 0;
  #isOver = false;
  readonly #work: Promise<void>;

  constructor(trial: OpenTrial) {
    this.#work = this.#count(trial);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#work;
  }

  async #count(trial: OpenTrial): Promise<void> {
    while (!this.#isOver) {
      const count = await trial.serverCount().catch(() => undefined); // one that is down counts nobody
      if (count !== undefined) {
        this.answers += 1;
        this.most = Math.max(this.most, count);
      }
      await sleep(pauseMillis);
    }
  }
}
