import type { LinkedList } from './linked-list.js';
import type { Request } from './request.js';

/** Requests that are served in the order in which they came. */
export interface Lane<T> {
  readonly priority: number;
  readonly list: LinkedList<Request<T>>;
}

/** Everybody who waits, and who of them is next. Leaving takes constant time from anywhere. */
export interface Queue<T> {
  /** Who is served next. */
  first(now: number): Request<T> | undefined;
  /** Who came last, among those that stand where the first does. */
  newest(now: number): Request<T> | undefined;
  push(request: Request<T>, priority: number): void;
  /** Takes the request out if it is in. */
  remove(request: Request<T>): boolean;
  /** Everybody, as nearly as can be in the order of being served. */
  [Symbol.iterator](): Iterator<Request<T>>;
  /** A lease under this label began (1) or ended (-1). For queues that look at who has how much. */
  holds?(label: string | undefined, change: 1 | -1): void;
}
