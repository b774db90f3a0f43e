import { setTimeout as sleep } from 'node:timers/promises';
import { ignoreElements, lastValueFrom, throwError, timeout } from 'rxjs';
import type { OpenTrial } from './contestant.js';

/** A borrower that was refused tries again after this, as a polite client does. */
const retryMillis = 10;

export interface CrowdOptions {
  readonly size: number;
  /** Borrowings that have to succeed. */
  readonly borrows: number;
  /** A borrowing that takes longer hangs. */
  readonly patienceMillis: number;
  readonly signal: AbortSignal;
  /** Told after each borrowing, failed or not. */
  readonly onEnd: () => void;
}

/** A steady number of borrowers, each with one borrowing at a time. */
export class Crowd {
  succeeded = 0;
  failed = 0;
  hung = 0;
  /** Everybody has failed for so long that nobody will succeed any more. */
  isStuck = false;
  /** How often each error was met. */
  readonly errors = new Map<string, number>();
  readonly #trial: OpenTrial;
  readonly #options: CrowdOptions;
  #started = 0;
  #succeededAt = performance.now();

  constructor(trial: OpenTrial, options: CrowdOptions) {
    this.#trial = trial;
    this.#options = options;
  }

  async work(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.size }, () => this.#goOn()));
  }

  async #goOn(): Promise<void> {
    const { borrows, signal } = this.#options;
    // After a hang there is a verdict already, and the next one would only take as long again.
    while (this.#started < borrows && this.hung === 0 && !this.isStuck && !signal.aborted) {
      this.#started += 1;
      if (!(await this.#borrow())) {
        this.#started -= 1;
        this.isStuck ||= performance.now() - this.#succeededAt > this.#options.patienceMillis;
        await sleep(retryMillis);
      }
    }
  }

  async #borrow(): Promise<boolean> {
    const { patienceMillis, onEnd } = this.#options;
    const borrow$ = this.#trial
      .borrow()
      .pipe(
        ignoreElements(),
        timeout({ first: patienceMillis, with: () => throwError(() => new HangError()) }),
      );
    try {
      await lastValueFrom(borrow$, { defaultValue: undefined });
      this.succeeded += 1;
      this.#succeededAt = performance.now();
      return true;
    } catch (error) {
      if (error instanceof HangError) this.hung += 1;
      this.failed += 1;
      const name = nameOf(error);
      this.errors.set(name, (this.errors.get(name) ?? 0) + 1);
      return false;
    } finally {
      onEnd();
    }
  }
}

class HangError extends Error {
  override readonly name = 'HangError';
}

/** The code says more than the class: `53300` and not `error`. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const { code } = error as { code?: unknown };
  const [line = ''] = error.message.split('\n', 1);
  const own = typeof code === 'string' ? code : `${error.name}: ${line}`.slice(0, 80);
  return cause instanceof Error ? `${own} < ${nameOf(cause)}` : own;
}
