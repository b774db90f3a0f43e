import {
  catchError,
  concat,
  defer,
  from,
  ignoreElements,
  isObservable,
  mergeMap,
  of,
  tap,
  throwError,
  type Observable,
  type ObservableInput,
} from 'rxjs';

/** What the project of a transaction may give. */
type Outcome<R> = R | PromiseLike<R> | Observable<R> | AsyncIterable<R>;

/** The steps of a transaction, each begun when the one before has completed. What begin and commit emit is dropped. */
export interface TransactionSteps<R> {
  readonly begin: () => ObservableInput<unknown>;
  readonly project: () => Outcome<R>;
  readonly commit: () => ObservableInput<unknown>;
}

interface Borrowed {
  readonly released: boolean;
  release(): Promise<void>;
}

/**
 * Begins, runs the project and commits; what the project gives is passed on: a value or a promise after the commit,
 * values of a stream as they come. Where a step fails the lease is given back, whose reset rolls back, and the error is
 * passed on after that.
 */
export function commitOrGiveBack<R>(lease: Borrowed, steps: TransactionSteps<R>): Observable<R> {
  const commit = (): ObservableInput<unknown> => {
    if (lease.released) {
      throw new Error(
        'the project of the transaction gave back what it had borrowed, so nothing was committed',
      );
    }
    return steps.commit();
  };
  return concat(
    silent(steps.begin),
    defer(() => committed(steps.project(), silent(commit), lease)),
  ).pipe(
    // Whoever hears of the error may rely on it that nothing of the transaction runs any more.
    catchError((error: unknown) =>
      from(lease.release()).pipe(mergeMap(() => throwError(() => error))),
    ),
  );
}

function committed<R>(
  outcome: Outcome<R>,
  commit$: Observable<never>,
  lease: Borrowed,
): Observable<R> {
  if (isStream(outcome)) return concat(from(outcome), commit$);
  let value: R;
  return concat(
    valueOf(outcome).pipe(
      tap(given => {
        value = given;
      }),
      ignoreElements(),
    ),
    commit$,
    defer(() => {
      // Given back before `next`, so that a consumer who leaves on the one value does not leave in flight.
      void lease.release();
      return of(value);
    }),
  );
}

/** At once where it is there: a synchronous transaction lets nobody in between. */
function valueOf<R>(outcome: R | PromiseLike<R>): Observable<R> {
  const isThenable =
    typeof outcome === 'object' &&
    outcome !== null &&
    typeof (outcome as { then?: unknown }).then === 'function';
  return isThenable ? from(outcome as PromiseLike<R>) : of(outcome as R);
}

function isStream<R>(outcome: Outcome<R>): outcome is Observable<R> | AsyncIterable<R> {
  if (isObservable(outcome)) return true;
  return typeof outcome === 'object' && outcome !== null && Symbol.asyncIterator in outcome;
}

function silent(step: () => ObservableInput<unknown>): Observable<never> {
  return defer(step).pipe(ignoreElements());
}
