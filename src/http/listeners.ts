type Listener = (...facts: unknown[]) => void;

interface Emitter {
  eventNames(): (string | symbol)[];
  rawListeners(event: string | symbol): unknown[];
  off(event: string | symbol, listener: Listener): unknown;
}

/** What listened to a client before anybody had borrowed it. */
export class Listeners {
  readonly #emitter: Emitter;
  readonly #own = new Map<string | symbol, ReadonlySet<unknown>>();

  constructor(client: object) {
    this.#emitter = client as Emitter;
    for (const event of this.#emitter.eventNames()) {
      this.#own.set(event, new Set(this.#emitter.rawListeners(event)));
    }
  }

  /** Takes away what borrowers have added. */
  restore(): void {
    for (const event of this.#emitter.eventNames()) {
      const own = this.#own.get(event);
      for (const listener of this.#emitter.rawListeners(event)) {
        if (own?.has(listener) !== true) this.#emitter.off(event, listener as Listener);
      }
    }
  }
}
