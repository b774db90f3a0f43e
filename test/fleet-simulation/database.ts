/** What all pools connect to: it counts who is connected, as a database does. */
export class Database {
  /** Connections of processes whose permits nobody else may have: these must never be above the limit. */
  peak = 0;
  /** Connections of all, also of processes that stood still for longer than a permit lives. */
  peakOfAll = 0;
  readonly #connections = new Map<string, number>();
  readonly #excused = new Set<string>();
  #total = 0;
  #excusedTotal = 0;

  get total(): number {
    return this.#total;
  }

  get counted(): number {
    return this.#total - this.#excusedTotal;
  }

  of(process: string): number {
    return this.#connections.get(process) ?? 0;
  }

  changed(process: string, by: 1 | -1): void {
    this.#connections.set(process, this.of(process) + by);
    this.#total += by;
    if (this.#excused.has(process)) this.#excusedTotal += by;
    this.#note();
  }

  /** The process is dead, and the system has closed its sockets. */
  lost(process: string): void {
    this.pardon(process, false);
    this.#total -= this.of(process);
    this.#connections.delete(process);
  }

  /** What it has is beyond the bound, or not any more. */
  pardon(process: string, isExcused: boolean): void {
    if (this.#excused.has(process) === isExcused) return;
    if (isExcused) this.#excused.add(process);
    else this.#excused.delete(process);
    this.#excusedTotal += (isExcused ? 1 : -1) * this.of(process);
    this.#note();
  }

  #note(): void {
    this.peak = Math.max(this.peak, this.counted);
    this.peakOfAll = Math.max(this.peakOfAll, this.#total);
  }
}
