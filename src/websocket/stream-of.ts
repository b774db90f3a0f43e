import { EMPTY, from, isObservable, type Observable } from 'rxjs';
import type { Hook } from '../index.js';

/** The end of a hook. */
export function streamOf(outcome: Hook<unknown>): Observable<unknown> {
  if (outcome === undefined) return EMPTY;
  return isObservable(outcome) ? outcome : from(Promise.resolve(outcome));
}
