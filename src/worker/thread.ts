import { builtin } from './builtin.js';

/**
 * What this adapter needs of a worker: the `Worker` of `node:worker_threads` and that of browsers have it. Structural,
 * so that neither the types of Node nor those of a DOM are needed.
 */
export interface WorkerThread {
  /** Sends a copy of the message to the thread; what is in `transfer` moves there instead. */
  postMessage(message: unknown, transfer?: readonly object[]): void;
  /** Ends the thread at once, whatever it runs. The pool does so when the worker leaves it. */
  terminate(): unknown;
}

/** What happens on a thread, in the words of neither Node nor browsers. */
export interface ThreadListener {
  message(message: unknown): void;
  /** It is of no use any more. */
  broke(error: unknown, exitCode?: number): void;
}

type NodeThread = WorkerThread & {
  on(event: string, listener: (value: never) => void): unknown;
  ref(): void;
  unref(): void;
};

type WebThread = WorkerThread & {
  addEventListener(event: string, listener: (event: never) => void): void;
};

interface FailureEvent {
  readonly error?: unknown;
  readonly message?: string;
  readonly filename?: string;
  readonly lineno?: number;
  preventDefault?(): void;
}

type WorkerConstructor = new (script: string | URL, options?: object) => WorkerThread;

/** Starts the script in a thread of the platform's own kind. */
export function startThread(script: string | URL, options: object | undefined): WorkerThread {
  const nodes = builtin('worker_threads') as { Worker?: WorkerConstructor } | undefined;
  if (nodes?.Worker !== undefined) {
    // Node takes a path or a URL, but no URL that is a text.
    const isUrl = typeof script === 'string' && /^(file|data):/.test(script);
    return new nodes.Worker(isUrl ? new URL(script) : script, options);
  }
  const { Worker } = globalThis as { Worker?: WorkerConstructor };
  if (Worker === undefined) throw new Error('There are no workers on this platform');
  return new Worker(script, { type: 'module', ...options });
}

/** For good: an `error` that nobody listens to ends a Node process. */
export function listen(thread: WorkerThread, listener: ThreadListener): void {
  const unreadable = (): void => {
    listener.broke(new Error('A message of the worker could not be read'));
  };
  if ('on' in thread) {
    const nodes = thread as NodeThread;
    nodes.on('message', (message: unknown) => {
      listener.message(message);
    });
    nodes.on('error', (error: unknown) => {
      listener.broke(error);
    });
    nodes.on('exit', (code: number) => {
      listener.broke(new Error(`The worker ended with exit code ${code}`), code);
    });
    nodes.on('messageerror', unreadable);
    return;
  }
  const webs = thread as WebThread;
  webs.addEventListener('message', ({ data }: { data: unknown }) => {
    listener.message(data);
  });
  webs.addEventListener('error', (event: FailureEvent) => {
    event.preventDefault?.(); // Told to who runs the task: the page need not hear of it, too.
    listener.broke(failureOf(event));
  });
  webs.addEventListener('messageerror', unreadable);
}

function failureOf({ error, message, filename, lineno }: FailureEvent): unknown {
  if (error !== undefined && error !== null) return error;
  if (message === undefined || message === '') {
    return new Error('The script of the worker could not be loaded');
  }
  return new Error(`${message} (${filename ?? 'somewhere'}:${lineno ?? 0})`);
}

/** Whether the thread keeps a Node process alive. */
export function keepAlive(thread: WorkerThread, on: boolean): void {
  const { ref, unref } = thread as Partial<NodeThread>;
  (on ? ref : unref)?.call(thread);
}

/** How many threads the machine can really run at once. */
export function availableParallelism(): number {
  const os = builtin('os') as { availableParallelism?(): number } | undefined;
  const { navigator } = globalThis as { navigator?: { hardwareConcurrency?: number } };
  return os?.availableParallelism?.() ?? navigator?.hardwareConcurrency ?? 4;
}
