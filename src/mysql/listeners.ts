/** The face of an `EventEmitter`, as far as it is needed to put it back in order. */
interface Emitter {
  eventNames(): (string | symbol)[];
  rawListeners(event: string | symbol): Listener[];
  on(event: string | symbol, listener: Listener): unknown;
  off(event: string | symbol, listener: Listener): unknown;
}

type Listener = (...parameters: unknown[]) => void;

const kept = new WeakMap<object, Listeners>();

/** Who listens to a connection when nobody has borrowed it. */
export class Listeners {
  readonly #emitter: Emitter;
  #own: ReadonlyMap<string | symbol, readonly Listener[]> = new Map();

  private constructor(emitter: Emitter) {
    this.#emitter = emitter;
  }

  /** Those of now stay, and no others. */
  static keep(connection: object): void {
    // What was made by something else than mysql2 may have less.
    if (!('eventNames' in connection && 'rawListeners' in connection)) return;
    const emitter = connection as unknown as Emitter;
    const listeners = kept.get(connection) ?? new Listeners(emitter);
    kept.set(connection, listeners);
    listeners.#own = new Map(
      emitter.eventNames().map(event => [event, emitter.rawListeners(event)] as const),
    );
  }

  /** Takes away what a borrower has added, and brings back what it has taken away. */
  static restore(connection: object): void {
    const listeners = kept.get(connection);
    if (listeners !== undefined) listeners.#restore();
  }

  #restore(): void {
    const emitter = this.#emitter;
    for (const event of emitter.eventNames()) {
      const own = this.#own.get(event) ?? [];
      for (const listener of emitter.rawListeners(event)) {
        if (!own.includes(listener)) emitter.off(event, listener);
      }
    }
    for (const [event, own] of this.#own) {
      const present = emitter.rawListeners(event);
      for (const listener of own) {
        if (!present.includes(listener)) emitter.on(event, listener);
      }
    }
  }
}
