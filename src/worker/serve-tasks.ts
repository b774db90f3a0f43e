import { isObservable, Observable, type Subscription } from 'rxjs';
import { builtin } from './builtin.js';
import { isOurs, type FromWorker, type ToWorker } from './messages.js';
import { pack } from './thrown.js';
import { isTransferred, type Transferred } from './transfer.js';

/** What a handler is told beside its task. */
export interface TaskContext {
  /** Aborted when nobody waits for the task any more. Where leaving kills the worker (the default), nothing hears it. */
  readonly signal: AbortSignal;
}

/** What a handler gives: a plain value, or one that moves. */
export type TaskOutcome<Result> = Result | Transferred<Result>;

/** Does a worker's work. An Observable or an async iterable gives several values; a plain array is one. */
export type TaskHandler<Task, Result> = (
  task: Task,
  context: TaskContext,
) =>
  | TaskOutcome<Result>
  | PromiseLike<TaskOutcome<Result>>
  | Observable<TaskOutcome<Result>>
  | AsyncIterable<TaskOutcome<Result>>;

/**
 * In the script of a worker: serves the tasks of a `workerPool`, for as long as the worker lives. Call it once, when the
 * script is ready to work: the pool lends the worker from then on.
 *
 * What the handler throws fails its task and leaves the worker alive; an uncaught error elsewhere ends the worker. When
 * a task is left, its `signal` is aborted, its Observable unsubscribed, its iterator asked to return; the task has
 * ended when its promise has settled. An async iterable is asked for 100 values ahead of the pool at most; an Observable
 * knows no back pressure.
 *
 * Throws where it does not run in a worker.
 *
 * @example
 * serveTasks(async (url: string, { signal }) => parse(await (await fetch(url, { signal })).text()));
 */
export function serveTasks<Task, Result>(handler: TaskHandler<Task, Result>): void {
  const port = portToPool();
  const running = new Map<number, RunningTask>();
  port.listen(message => {
    if (!isOurs(message)) return;
    const told = message as ToWorker;
    switch (told.rxpool) {
      case 'task': {
        const task = new RunningTask(told.id, port, () => running.delete(told.id));
        running.set(told.id, task);
        task.start(context => handler(told.task as Task, context));
        break;
      }
      case 'cancel':
        running.get(told.id)?.cancel();
        break;
      case 'more':
        running.get(told.id)?.more();
        break;
      case 'ping':
        port.send({ rxpool: 'pong', id: told.id });
    }
  });
  port.send({ rxpool: 'ready' });
}

/** The way to the thread that made this one. */
interface Port {
  send(message: FromWorker, transfer?: readonly object[]): void;
  listen(listener: (message: unknown) => void): void;
}

interface Poster {
  postMessage(message: unknown, transfer?: readonly object[]): void;
}

function portToPool(): Port {
  const threads = builtin('worker_threads') as
    | { parentPort?: (Poster & { on(event: string, listener: unknown): void }) | null }
    | undefined;
  const parentPort = threads?.parentPort;
  if (parentPort !== undefined && parentPort !== null) {
    return {
      send: (message, transfer) => parentPort.postMessage(message, transfer),
      listen: listener => parentPort.on('message', listener),
    };
  }
  const scope = globalThis as unknown as Poster & {
    addEventListener(event: string, listener: (event: { data: unknown }) => void): void;
  };
  if (!('WorkerGlobalScope' in scope)) {
    throw new Error('serveTasks is for the script of a worker, and this is none');
  }
  return {
    send: (message, transfer = []) => scope.postMessage(message, transfer),
    listen: listener =>
      scope.addEventListener('message', ({ data }) => {
        listener(data);
      }),
  };
}

/**
 * Values of an iterable that are on their way at once: a generator that never waits for anything would fill the memory of
 * the other thread, and never hear that it is to stop. At 100, waiting for the answers costs little beside the messages.
 */
const valuesAhead = 100;

class RunningTask {
  readonly #id: number;
  readonly #port: Port;
  readonly #onEnd: () => void;
  readonly #controller = new AbortController();
  #values: Subscription | undefined = undefined;
  #hasEnded = false;
  #isLeft = false;
  #onMore: (() => void) | undefined = undefined;

  constructor(id: number, port: Port, onEnd: () => void) {
    this.#id = id;
    this.#port = port;
    this.#onEnd = onEnd;
  }

  start(work: (context: TaskContext) => unknown): void {
    try {
      const { signal } = this.#controller;
      const outcome = work({ signal });
      if (isObservable(outcome)) this.#stream(outcome);
      else if (isAsyncIterable(outcome)) void this.#iterate(outcome);
      else if (isThenable(outcome)) outcome.then(this.#succeed, this.#fail);
      else this.#succeed(outcome);
    } catch (error) {
      this.#fail(error);
    }
  }

  cancel(): void {
    this.#isLeft = true;
    this.#controller.abort();
    this.more();
    if (this.#values === undefined) return;
    this.#values.unsubscribe();
    this.#end({ rxpool: 'end', id: this.#id });
  }

  more(): void {
    this.#onMore?.();
  }

  #stream(values: Observable<unknown>): void {
    this.#values = values.subscribe({
      next: this.#emit,
      error: this.#fail,
      complete: this.#complete,
    });
    // Its first value may have been one that cannot be sent.
    if (this.#hasEnded) this.#values.unsubscribe();
  }

  async #iterate(values: AsyncIterable<unknown>): Promise<void> {
    let count = 0;
    try {
      for await (const value of values) {
        if (this.#hasEnded || this.#isLeft) break;
        count += 1;
        const asks = count % valuesAhead === 0;
        this.#give('value', value, asks);
        if (asks) await this.#wanted();
      }
      this.#complete();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The other side has taken what it was sent so far, or does not want it any more. */
  async #wanted(): Promise<void> {
    if (this.#hasEnded || this.#isLeft) return;
    await new Promise<void>(resolve => {
      this.#onMore = resolve;
    });
    this.#onMore = undefined;
  }

  readonly #emit = (value: unknown): void => {
    if (!this.#hasEnded && !this.#isLeft) this.#give('value', value);
  };

  readonly #succeed = (value: unknown): void => {
    if (this.#isLeft) this.#complete();
    else this.#give('result', value);
  };

  readonly #complete = (): void => {
    this.#end({ rxpool: 'end', id: this.#id });
  };

  readonly #fail = (error: unknown): void => {
    this.#end({ rxpool: 'error', id: this.#id, thrown: pack(error) });
  };

  #give(rxpool: 'value' | 'result', given: unknown, asks?: boolean): void {
    const { value, list } = isTransferred(given) ? given : { value: given, list: undefined };
    try {
      this.#port.send({ rxpool, id: this.#id, value, ...(asks === true && { asks }) }, list);
    } catch (error) {
      // It cannot be sent. Who gives more of the kind is stopped.
      this.#fail(error);
      this.#controller.abort();
      this.#values?.unsubscribe();
      return;
    }
    if (rxpool === 'result') this.#ended();
  }

  #end(message: FromWorker): void {
    if (this.#hasEnded) return;
    this.#ended();
    this.#port.send(message);
  }

  #ended(): void {
    this.#hasEnded = true;
    this.#onEnd();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
