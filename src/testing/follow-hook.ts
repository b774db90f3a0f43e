import { isObservable, Observable } from 'rxjs';
import type { Hook } from '../index.js';

/** How a hook ended; `dropped`: it was unsubscribed first. */
export type HookEnd = 'ok' | 'error' | 'dropped';

/**
 * Passes a hook's answer on in the style it was given in (a value at once, a promise, an Observable) and tells, once,
 * when it ended. `ended` gives what is passed on instead of the answer. An Observable ends with its first value, or
 * where the answer does not matter with its completion.
 */
export function followHook<R, S>(
  call: () => Hook<R>,
  endsWith: 'value' | 'completion',
  ended: (end: HookEnd, answer: R | undefined) => S,
): Hook<S> {
  let answer: Hook<R>;
  try {
    answer = call();
  } catch (error) {
    ended('error', undefined);
    throw error;
  }
  if (isObservable(answer)) return followObservable(answer, endsWith, ended);
  if (isThenable(answer)) {
    return answer.then(
      value => ended('ok', value),
      (error: unknown) => {
        ended('error', undefined);
        throw error;
      },
    );
  }
  return ended('ok', answer as R);
}

function followObservable<R, S>(
  source: Observable<R>,
  endsWith: 'value' | 'completion',
  ended: (end: HookEnd, answer: R | undefined) => S,
): Observable<S> {
  return new Observable(subscriber => {
    let open = true;
    const end = (how: HookEnd, value?: R): S | undefined => {
      if (!open) return undefined;
      open = false;
      return ended(how, value);
    };
    subscriber.add(() => end('dropped'));
    subscriber.add(
      source.subscribe({
        next: value => {
          if (!open || endsWith === 'completion') return;
          subscriber.next(end('ok', value) as S);
        },
        error: (error: unknown) => {
          end('error');
          subscriber.error(error);
        },
        complete: () => {
          if (endsWith === 'completion') end('ok');
          else end('error');
          subscriber.complete();
        },
      }),
    );
  });
}

export function isThenable(value: unknown): value is PromiseLike<never> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';
}
