const HALF_MILLIS = 60_000;

/** The largest value of the last one to two minutes, as Micrometer's `_max` is meant: it falls again after a peak. */
export class RecentMaximum {
  #current = 0;
  #previous = 0;
  #half = -1;

  add(value: number, now: number): void {
    this.#turn(now);
    if (value > this.#current) this.#current = value;
  }

  at(now: number): number {
    this.#turn(now);
    return Math.max(this.#current, this.#previous);
  }

  #turn(now: number): void {
    const half = Math.floor(now / HALF_MILLIS);
    if (half === this.#half) return;
    this.#previous = half === this.#half + 1 ? this.#current : 0;
    this.#current = 0;
    this.#half = half;
  }
}
