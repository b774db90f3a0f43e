/** The face of an `EventEmitter`, as far as it is needed to put it back in order. */
interface Emitter {
  eventNames(): (string | symbol)[];
  rawListeners(event: string | symbol): Listener[];
  on(event: string | symbol, listener: Listener): unknown;
  off(event: string | symbol, listener: Listener): unknown;
}

type Listener = (...parameters: unknown[]) => void;

/** The listeners that a client has when nobody has borrowed it yet. */
export class Listeners {
  readonly #emitter: Emitter;
  readonly #own = new Map<string | symbol, readonly Listener[]>();

  constructor(client: object) {
    this.#emitter = client as Emitter;
    for (const event of this.#emitter.eventNames()) {
      this.#own.set(event, this.#emitter.rawListeners(event));
    }
  }

  /** Takes away what a borrower has added, and brings back what it has taken away. */
  restore(): void {
    for (const event of this.#emitter.eventNames()) {
      const own = this.#own.get(event) ?? [];
      for (const listener of this.#emitter.rawListeners(event)) {
        if (!own.includes(listener)) this.#emitter.off(event, listener);
      }
    }
    for (const [event, own] of this.#own) {
      const present = this.#emitter.rawListeners(event);
      for (const listener of own) {
        if (!present.includes(listener)) this.#emitter.on(event, listener);
      }
    }
  }
}
