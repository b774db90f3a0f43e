/** Why an outage is taken to have begun: creates failed in a row, or resources broke in one burst. */
export type OutageReason = 'createsFailed' | 'resourcesBroke';

/** What the signs add up to. */
export interface OutageVerdict {
  readonly reason: OutageReason;
  readonly count: number;
}

/**
 * Reads from what happens to pools whether what they connect to is away: creates that fail in a row, or so many
 * resources that break within a short time that it cannot be chance. A create that succeeds refutes both.
 */
export class OutageSigns {
  readonly #threshold: number;
  readonly #burstMillis: number;
  #failures = 0;
  #breaks: number[] = [];
  /** Resources there were when the present burst was at its largest. */
  #sizeAtBurst = 0;

  constructor(threshold: number, burstMillis: number) {
    this.#threshold = threshold;
    this.#burstMillis = burstMillis;
  }

  clear(): void {
    this.#failures = 0;
    this.#breaks = [];
    this.#sizeAtBurst = 0;
  }

  createFailed(): OutageVerdict | undefined {
    this.#failures += 1;
    if (this.#failures < this.#threshold) return undefined;
    return { reason: 'createsFailed', count: this.#failures };
  }

  /** `size` counts the resources of all pools at that moment, the broken ones that still have their slot included. */
  broke(at: number, size: number): OutageVerdict | undefined {
    this.#breaks = this.#breaks.filter(then => at - then < this.#burstMillis);
    if (this.#breaks.length === 0) this.#sizeAtBurst = 0;
    this.#breaks.push(at);
    const count = this.#breaks.length;
    this.#sizeAtBurst = Math.max(this.#sizeAtBurst, size);
    // An administrator who ends a few connections of many is no outage.
    if (count < this.#threshold || count * 2 < this.#sizeAtBurst) return undefined;
    return { reason: 'resourcesBroke', count };
  }
}
