/** Something that ends when a signal is aborted. */
export interface Abortable {
  aborted(): void;
}

/**
 * One listener for each signal, however many wait with it: a signal that a whole service shares would else carry a
 * listener per request, which Node warns of, and walks through at every leave.
 */
export class AbortWatch {
  readonly #watched = new WeakMap<AbortSignal, Watched>();

  /** Twice is once. */
  add(signal: AbortSignal, waiting: Abortable): void {
    let watched = this.#watched.get(signal);
    if (watched === undefined) {
      watched = new Watched();
      this.#watched.set(signal, watched);
    }
    if (watched.waiting.size === 0) signal.addEventListener('abort', watched, { once: true });
    watched.waiting.add(waiting);
  }

  /** Does nothing for those who are not in. */
  remove(signal: AbortSignal, waiting: Abortable): void {
    const watched = this.#watched.get(signal);
    if (watched?.waiting.delete(waiting) !== true) return;
    if (watched.waiting.size === 0) signal.removeEventListener('abort', watched);
  }
}

/** The listener of one signal. It stays with its signal, empty or not. */
class Watched {
  readonly waiting = new Set<Abortable>();

  handleEvent(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const each of waiting) each.aborted();
  }
}
