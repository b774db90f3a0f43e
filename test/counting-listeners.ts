import { defer, finalize, type Observable } from 'rxjs';
import type { Pool } from '../src/index.js';

/** The pool, and how many listen to its events or states through this view of it. */
export function countingListeners<T>(pool: Pool<T>): { pool: Pool<T>; listeners: () => number } {
  let count = 0;
  const counted = <V>(source: Observable<V>): Observable<V> =>
    defer(() => {
      count += 1;
      return source.pipe(finalize(() => (count -= 1)));
    });
  const view = new Proxy(pool, {
    get(target, name) {
      if (name === 'stats$') return counted(target.stats$);
      if (name === 'state$') return counted(target.state$);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { pool: view, listeners: () => count };
}
