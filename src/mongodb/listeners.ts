type Listener = (...facts: unknown[]) => void;

interface Emitter {
  eventNames(): (string | symbol)[];
  rawListeners(event: string | symbol): Listener[];
  on(event: string | symbol, listener: Listener): unknown;
  off(event: string | symbol, listener: Listener): unknown;
}

/** What listened to a client before anybody had borrowed it. */
export class Listeners {
  readonly #emitter: Emitter;
  readonly #own = new Map<string | symbol, readonly Listener[]>();

  constructor(client: object) {
    this.#emitter = client as Emitter;
    for (const event of this.#emitter.eventNames()) {
      this.#own.set(event, this.#emitter.rawListeners(event));
    }
  }

  /** Takes away what borrowers have added, and brings back what they have taken away. */
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
