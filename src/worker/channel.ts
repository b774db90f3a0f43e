import { AsyncSubject, Observable, type Subscriber } from 'rxjs';
import type { Pool } from '../index.js';
import { isOurs, type FromWorker, type ToWorker } from './messages.js';
import type { TaskOptions, TaskWorker } from './task-worker.js';
import { keepAlive, listen, type ThreadListener, type WorkerThread } from './thread.js';
import { unpack } from './thrown.js';
import { WorkerDiedError } from './worker-died-error.js';

/** A task that the worker has been given and has not ended yet. */
interface Exchange<Result> {
  /** Undefined once nobody waits for it any more. */
  subscriber: Subscriber<Result> | undefined;
  /** Called when the one result is there, before anybody gets it. */
  readonly onResult: (() => void) | undefined;
}

/** One worker and the tasks that run on it. */
export class Channel<Task, Result> implements TaskWorker<Task, Result>, ThreadListener {
  readonly thread: WorkerThread;
  readonly #pool: () => Pool<unknown>;
  readonly #running = new Map<number, Exchange<Result>>();
  readonly #broken = new AsyncSubject<unknown>();
  /** Called with the next sign of life, or with none when the worker is gone. */
  #signsOfLife: ((alive: boolean) => void)[] = [];
  #failure: { readonly error: unknown; readonly exitCode: number | undefined } | undefined;
  #whenQuiet: (() => void) | undefined = undefined;
  #ids = 0;

  private constructor(thread: WorkerThread, pool: () => Pool<unknown>) {
    this.thread = thread;
    this.#pool = pool;
    listen(thread, this);
    // A worker without a task holds no process; who waits for a lease is kept by the pool.
    keepAlive(thread, false);
  }

  /** Waits until the worker's script serves tasks; aborting ends the worker. */
  static async open<Task, Result>(
    thread: WorkerThread,
    pool: () => Pool<unknown>,
    signal: AbortSignal,
  ): Promise<Channel<Task, Result>> {
    const channel = new Channel<Task, Result>(thread, pool);
    let onAbort = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => {
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      signal.throwIfAborted();
      // Asked, too: a worker that its maker has had for a while is ready already.
      if (!(await Promise.race([channel.isAlive(), aborted]))) throw channel.#failure?.error;
      return channel;
    } catch (error) {
      await channel.end();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Emits once, as soon as the worker is known to be of no use any more. */
  get broken$(): Observable<unknown> {
    return this.#broken;
  }

  run(task: Task, options: TaskOptions = {}): Observable<Result> {
    return this.exchange(task, options.transfer, undefined);
  }

  exchange(
    task: Task,
    transfer: readonly object[] | undefined,
    onResult: (() => void) | undefined,
  ): Observable<Result> {
    return new Observable(subscriber => {
      if (this.#failure !== undefined) {
        subscriber.error(this.#died(this.#failure));
        return;
      }
      const id = (this.#ids += 1);
      this.#send({ rxpool: 'task', id, task }, transfer);
      const exchange: Exchange<Result> = { subscriber, onResult };
      this.#running.set(id, exchange);
      if (this.#running.size === 1) keepAlive(this.thread, true);
      subscriber.add(() => {
        this.#leave(id);
      });
    });
  }

  /** One round trip. A worker that is stuck in a task of somebody's does not answer. */
  isAlive(): Promise<boolean> {
    if (this.#failure !== undefined) return Promise.resolve(false);
    const answer = new Promise<boolean>(resolve => {
      this.#signsOfLife.push(resolve);
    });
    this.#send({ rxpool: 'ping', id: (this.#ids += 1) });
    return answer;
  }

  /** Completes when the worker has ended what its last borrower left running; nothing where that is nothing. */
  quiet(): Observable<never> | undefined {
    if (this.#running.size === 0) return undefined;
    return new Observable(subscriber => {
      this.#whenQuiet = () => {
        subscriber.complete();
      };
      for (const [id, { subscriber: borrower }] of [...this.#running]) {
        borrower?.error(new Error('The worker was given back while it ran this task'));
        this.#leave(id);
      }
    });
  }

  /** Ends the thread, whatever it is at. Of a thread of Node it resolves once that is gone. */
  async end(): Promise<void> {
    await this.thread.terminate();
    this.broke(new Error('The worker was ended'));
  }

  message(message: unknown): void {
    if (!isOurs(message)) return;
    const told = message as FromWorker;
    if (told.rxpool === 'ready' || told.rxpool === 'pong') {
      this.#alive(true);
      return;
    }
    const exchange = this.#running.get(told.id);
    if (exchange === undefined) return;
    const { subscriber, onResult } = exchange;
    if (told.rxpool === 'value') {
      subscriber?.next(told.value as Result);
      if (told.asks === true) this.#send({ rxpool: 'more', id: told.id });
      return;
    }
    this.#ended(told.id);
    if (subscriber === undefined) return;
    if (told.rxpool === 'error') {
      subscriber.error(unpack(told.thrown));
      return;
    }
    if (told.rxpool === 'result') {
      onResult?.();
      subscriber.next(told.value as Result);
    }
    subscriber.complete();
  }

  broke(error: unknown, exitCode?: number): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error, exitCode };
    // Before those who wait for results hear of it, so that what they borrow next is another one.
    this.#broken.next(error);
    this.#broken.complete();
    this.#alive(false);
    const left = [...this.#running];
    for (const [id] of left) this.#ended(id);
    for (const [, { subscriber }] of left) subscriber?.error(this.#died(this.#failure));
  }

  #died({ error, exitCode }: { error: unknown; exitCode: number | undefined }): WorkerDiedError {
    const { name, state } = this.#pool();
    return new WorkerDiedError(name, state, error, exitCode);
  }

  #send(message: ToWorker, transfer?: readonly object[]): void {
    this.thread.postMessage(message, transfer);
  }

  /** Nobody waits for the task any more; it counts as running until the worker says that it has ended. */
  #leave(id: number): void {
    const exchange = this.#running.get(id);
    if (exchange?.subscriber === undefined) return;
    exchange.subscriber = undefined;
    this.#send({ rxpool: 'cancel', id });
  }

  #ended(id: number): void {
    this.#running.delete(id);
    if (this.#running.size > 0) return;
    keepAlive(this.thread, false);
    this.#whenQuiet?.();
    this.#whenQuiet = undefined;
  }

  #alive(alive: boolean): void {
    const waiting = this.#signsOfLife;
    this.#signsOfLife = [];
    for (const tell of waiting) tell(alive);
  }
}
