import { Worker } from 'node:worker_threads';
import type { Answer, Order } from './worker.js';

const lookMillis = 100;

/** The worker did not answer: it hangs in an endless loop. */
export interface Hang {
  readonly seed: number;
  readonly life: number;
}

/**
 * One thread that plays lives. An endless loop cannot be interrupted from within, so it works where it can be ended
 * from outside; the next order gets a new thread.
 */
export class Hand {
  /** Seed, life, seeds done, operations done, and whether the thread is up: a busy machine takes its time for that. */
  readonly #told = new Float64Array(new SharedArrayBuffer(5 * Float64Array.BYTES_PER_ELEMENT));
  #worker: Worker | undefined = undefined;

  get operations(): number {
    return this.#told[3] ?? 0;
  }

  get seeds(): number {
    return this.#told[2] ?? 0;
  }

  /** Hands over an order; without any progress for so long it hangs. */
  async do(order: Order, limitMillis: number): Promise<Answer | Hang> {
    const worker = (this.#worker ??= new Worker(new URL('worker.js', import.meta.url), {
      workerData: this.#told,
    }));
    const told = this.#told;
    return new Promise((resolve, reject) => {
      let last = told.join();
      let since = performance.now();
      const watch = setInterval(() => {
        if (told[4] !== 1 || told.join() !== last) {
          last = told.join();
          since = performance.now();
        }
        if (performance.now() - since < limitMillis) return;
        end();
        void this.dismiss();
        resolve({ seed: told[0] ?? 0, life: told[1] ?? 0 });
      }, lookMillis);
      const answered = (answer: Answer): void => {
        end();
        resolve(answer);
      };
      const failed = (error: Error): void => {
        end();
        this.#worker = undefined;
        reject(error);
      };
      const end = (): void => {
        clearInterval(watch);
        worker.off('message', answered);
        worker.off('error', failed);
      };
      worker.on('message', answered);
      worker.on('error', failed);
      worker.postMessage(order);
    });
  }

  async dismiss(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#told[4] = 0;
    await worker?.terminate();
  }
}
