import { concat, defer, of } from 'rxjs';
import { serveTasks } from '../../../src/worker/index.js';

/** A little work, work that never ends, and three ways to die. */
export type Task =
  | { readonly kind: 'sum'; readonly numbers: Float64Array }
  | { readonly kind: 'spin' }
  | { readonly kind: 'die'; readonly how: 'throw' | 'exit' };

serveTasks<Task, number>(task => {
  switch (task.kind) {
    case 'sum':
      return task.numbers.reduce((sum, value) => sum + value, 0);
    case 'spin':
      return concat(
        of(0),
        defer(() => {
          for (;;);
        }),
      );
    case 'die':
      setImmediate(() => {
        if (task.how === 'exit') process.exit(1);
        throw new Error('killed from within');
      });
      return new Promise<number>(() => undefined);
  }
});
