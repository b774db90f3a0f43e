/** The face of an `EventEmitter`, as far as it is needed to put it back in order. */
interface Emitter {
  eventNames(): (string | symbol)[];
  rawListeners(event: string | symbol): Listener[];
  on(event: string | symbol, listener: Listener): unknown;
  off(event: string | symbol, listener: Listener): unknown;
}

type Listener = (...facts: unknown[]) => void;

/** Of each emitter, who listens when nobody has borrowed it. */
const kept = new WeakMap<object, ReadonlyMap<string | symbol, readonly Listener[]>>();

/** Those who listen now do so for the emitter's whole life; nobody else does. */
export function keepListeners(emitter: object): void {
  // What a user makes in place of a driver's own may have no more than `on`.
  if (!isEmitter(emitter)) return;
  kept.set(
    emitter,
    new Map(emitter.eventNames().map(event => [event, emitter.rawListeners(event)] as const)),
  );
}

/** Takes away what borrowers have added, and brings back what they have taken away. */
export function restoreListeners(emitter: object): void {
  const own = kept.get(emitter);
  if (own === undefined || !isEmitter(emitter)) return;
  for (const event of emitter.eventNames()) {
    const wanted = own.get(event) ?? [];
    for (const listener of emitter.rawListeners(event)) {
      if (!wanted.includes(listener)) emitter.off(event, listener);
    }
  }
  for (const [event, wanted] of own) {
    const present = emitter.rawListeners(event);
    for (const listener of wanted) {
      if (!present.includes(listener)) emitter.on(event, listener);
    }
  }
}

function isEmitter(object: object): object is Emitter {
  return 'eventNames' in object && 'rawListeners' in object;
}
