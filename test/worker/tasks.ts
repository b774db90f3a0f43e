import { concat, defer, EMPTY, interval, map, of, range, throwError } from 'rxjs';
import { serveTasks, transfer } from '../../src/worker/index.js';

/** What the worker of the tests can be asked for. */
export type Task =
  | { readonly kind: 'double'; readonly value: number }
  | { readonly kind: 'meet'; readonly place: number; readonly arrived: Int32Array }
  | { readonly kind: 'thread' }
  | { readonly kind: 'list' }
  | { readonly kind: 'range'; readonly count: number }
  | { readonly kind: 'generate'; readonly count: number }
  | { readonly kind: 'invert'; readonly pixels: Uint8Array }
  | { readonly kind: 'fail' }
  | { readonly kind: 'fail late' }
  | { readonly kind: 'throw text' }
  | { readonly kind: 'function' }
  | { readonly kind: 'many functions' }
  | { readonly kind: 'spin' }
  | { readonly kind: 'spin later' }
  | { readonly kind: 'until aborted'; readonly tidyMillis: number }
  | { readonly kind: 'ticks' }
  | { readonly kind: 'tidied' }
  | { readonly kind: 'crash' }
  | { readonly kind: 'crash later' }
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'eat memory' };

class QuotaError extends RangeError {
  override readonly name = 'QuotaError';
  readonly code = 'QUOTA';
  readonly limits = { perDay: 3 };
  readonly notSendable = (): void => undefined;
}

const bornAs = Math.random();
let tidied = 0;

function spin(): never {
  for (;;);
}

/** Blocks the thread until the other one of the pair has come: the tasks of places 0 and 1, of 2 and 3, and so on. */
function meet(place: number, arrived: Int32Array): void {
  Atomics.add(arrived, 0, 1);
  Atomics.notify(arrived, 0);
  const both = place - (place % 2) + 2;
  for (let here = Atomics.load(arrived, 0); here < both; here = Atomics.load(arrived, 0)) {
    Atomics.wait(arrived, 0, here);
  }
}

const crash = (): void => {
  setTimeout(() => {
    throw new TypeError('the worker has a bug');
  });
};

serveTasks<Task, unknown>((task, { signal }) => {
  switch (task.kind) {
    case 'double':
      return task.value * 2;
    case 'meet':
      meet(task.place, task.arrived);
      return { place: task.place, thread: bornAs };
    case 'thread':
      return bornAs;
    case 'list':
      return [1, 2, 3];
    case 'range':
      return range(0, task.count);
    case 'generate':
      return generate(task.count);
    case 'invert': {
      const pixels = task.pixels.map(value => 255 - value);
      return transfer({ pixels, sourceBytes: task.pixels.buffer.byteLength }, [pixels.buffer]);
    }
    case 'fail':
      throw new QuotaError('no more today', { cause: new Error('the disk is full') });
    case 'fail late':
      return concat(
        of(1),
        throwError(() => new QuotaError('after one')),
      );
    case 'throw text':
      return Promise.reject('just a text');
    case 'function':
      return () => undefined;
    case 'many functions':
      return interval(1).pipe(map(() => () => undefined));
    case 'spin':
      return concat(of('spinning'), defer(spin));
    case 'spin later':
      queueMicrotask(spin); // after the result is sent
      return 'soon';
    case 'until aborted':
      return new Promise(resolve => {
        signal.addEventListener('abort', () => {
          setTimeout(() => {
            tidied += 1;
            resolve('nobody hears this');
          }, task.tidyMillis);
        });
      });
    case 'ticks':
      return interval(1);
    case 'tidied':
      return tidied;
    case 'crash':
      crash();
      return new Promise(() => undefined);
    case 'crash later':
      crash();
      return 'soon';
    case 'exit':
      process.exit(task.code);
      return EMPTY;
    case 'eat memory': {
      const eaten: unknown[] = [];
      for (;;) eaten.push(new Array(10_000).fill(eaten.length));
    }
  }
});

async function* generate(count: number): AsyncGenerator<number> {
  try {
    for (let value = 0; value < count; value += 1) yield await Promise.resolve(value);
  } finally {
    tidied += 1;
  }
}
