import { Subscription } from 'rxjs';
import type { DestroyReason } from '../events.js';
import type { Permit, PermitRequest, PermitSource } from '../permits.js';
import type { Prefill } from './prefill.js';
import { reportError } from './report.js';
import type { CreateCause } from './slot.js';

/** One create that waits for its permit. */
export interface PermitAsk {
  readonly cause: CreateCause;
  readonly prefill: Prefill | undefined;
}

/** What becomes of an ask. */
export interface PermitAsker {
  permitted(ask: PermitAsk, permit: Permit): void;
  permitFailed(ask: PermitAsk, error: unknown): void;
}

/** Asks a shared budget for permits and withdraws what is not needed any more. */
export class PermitDesk {
  readonly #source: PermitSource;
  readonly #asker: PermitAsker;
  readonly #counts: { asked: number };
  readonly #asks = new Map<PermitAsk, Subscription>();

  constructor(source: PermitSource, asker: PermitAsker, counts: { asked: number }) {
    this.#source = source;
    this.#asker = asker;
    this.#counts = counts;
  }

  ask(ask: PermitAsk, request: PermitRequest): void {
    // Registered before subscribing: a permit may come at once.
    const subscription = new Subscription();
    this.#asks.set(ask, subscription);
    this.#counts.asked += 1;
    try {
      subscription.add(
        this.#source.acquire(request).subscribe({
          next: permit => {
            // A source that gives twice, or after the withdrawal, gets it back.
            if (this.#takeOut(ask)) this.#asker.permitted(ask, permit);
            else giveBack(permit);
            subscription.unsubscribe();
          },
          error: (error: unknown) => {
            this.#fail(ask, error);
          },
          complete: () => {
            this.#fail(ask, new TypeError('the permit source completed without a permit'));
          },
        }),
      );
    } catch (error) {
      this.#fail(ask, error);
    }
  }

  /** Withdraws the youngest asks of a cause, or of any. */
  withdraw(count: number, cause?: CreateCause): void {
    let left = count;
    for (const [ask, subscription] of [...this.#asks].reverse()) {
      if (left <= 0) return;
      if (cause !== undefined && ask.cause !== cause) continue;
      left -= 1;
      this.#takeOut(ask);
      ask.prefill?.ended();
      subscription.unsubscribe();
    }
  }

  count(cause: CreateCause): number {
    let count = 0;
    for (const ask of this.#asks.keys()) if (ask.cause === cause) count += 1;
    return count;
  }

  #fail(ask: PermitAsk, error: unknown): void {
    if (this.#takeOut(ask)) this.#asker.permitFailed(ask, error);
  }

  #takeOut(ask: PermitAsk): boolean {
    if (!this.#asks.delete(ask)) return false;
    this.#counts.asked -= 1;
    return true;
  }
}

/** Why a resource must go although nothing is wrong with it: its budget wants the permit for somebody else. */
export function recalled(permit: Permit | undefined): DestroyReason | undefined {
  try {
    return permit?.recall?.() === true ? 'surplus' : undefined;
  } catch (error) {
    reportError(error);
    return undefined;
  }
}

export function giveBack(permit: Permit | undefined): void {
  try {
    permit?.release();
  } catch (error) {
    reportError(error);
  }
}
