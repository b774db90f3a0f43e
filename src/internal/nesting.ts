import type { AsyncStorage } from './context.js';
import type { LeaseHandle } from './lease-handle.js';

/** A lease in whose hands a piece of code runs, and where it was acquired. */
export interface Holding<T> {
  readonly lease: LeaseHandle<T>;
  readonly stack: string | undefined;
}

/**
 * Knows whether the code of now runs because a lease of this pool was handed to it. Code that holds one and waits for
 * another waits for itself, once enough of it runs at once.
 */
export class Nesting<T> {
  readonly #storage: AsyncStorage<Holding<T> | undefined>;
  /** One warning is enough to find the place, and later ones would cost a stack each. */
  warned = false;

  constructor(storage: AsyncStorage<Holding<T> | undefined>) {
    this.#storage = storage;
  }

  /** The lease that the caller of now holds, if it does. */
  get held(): Holding<T> | undefined {
    const holding = this.#storage.getStore();
    return holding?.lease.ended === undefined ? holding : undefined;
  }

  /** Runs a borrower's code. Without a holding it is somebody's who has no lease, whoever's turn this is. */
  run(holding: Holding<T> | undefined, work: () => void): void {
    this.#storage.run(holding, work);
  }
}
