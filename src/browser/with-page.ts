import {
  catchError,
  concat,
  defer,
  finalize,
  from,
  ignoreElements,
  isObservable,
  mergeMap,
  Observable,
  of,
  throwError,
} from 'rxjs';
import { InvalidOptionsError, type AcquireOptions, type Pool } from '../index.js';
import type { BrowserContextLike, PageLike } from './playwright.js';

/** What is done with a page. A plain array is a value. */
export type PageProject<P, R> = (page: P) => R | PromiseLike<R> | Observable<R> | AsyncIterable<R>;

/**
 * Cold: each subscription borrows a context of a `browserContextPool`, opens a page in it, runs `project` and passes on
 * what that gives. The page is closed and the context given back before the stream completes or errors, and before the
 * value of a promise is emitted. Of a context instead of a pool, it opens and closes the page there.
 *
 * Unsubscribing, or aborting `signal`, closes the page at once, which ends whatever Playwright does on it. The deadline
 * covers getting a context, not the work: pages have time limits of their own.
 *
 * Errors: those of `pool.use`, Playwright's, and whatever `project` fails with.
 *
 * @example
 * from(urls).pipe(mergeMap(url => withPage(pool, async page => {
 *   await page.goto(url);
 *   return page.title();
 * })));
 */
export function withPage<P extends PageLike, R>(
  source: Pool<BrowserContextLike<P>> | BrowserContextLike<P>,
  project: PageProject<P, R>,
  options?: AcquireOptions,
): Observable<R> {
  if (typeof project !== 'function') {
    const owner = isPool(source) ? source.name : 'withPage';
    throw new InvalidOptionsError(owner, 'project', project, 'must be a function');
  }
  if (!isPool(source)) return onPage(source, project, () => undefined);
  return source.use(
    (context, lease) => onPage(context, project, () => void lease.release()),
    options,
  );
}

function isPool<P extends PageLike>(
  source: Pool<BrowserContextLike<P>> | BrowserContextLike<P>,
): source is Pool<BrowserContextLike<P>> {
  return 'use' in source && typeof source.use === 'function';
}

function onPage<P extends PageLike, R>(
  context: BrowserContextLike<P>,
  project: PageProject<P, R>,
  giveBack: () => void,
): Observable<R> {
  return opened(context).pipe(
    mergeMap(page => {
      let isOpen = true;
      const close = (): Promise<void> => {
        isOpen = false;
        // One that does not close went with its browser, and else goes with its context.
        return page.close().catch(() => undefined);
      };
      const close$ = defer(close).pipe(ignoreElements());
      return defer(() => outcomeOf(project(page), close$, giveBack)).pipe(
        catchError((error: unknown) =>
          concat(
            close$,
            throwError(() => error),
          ),
        ),
        finalize(() => {
          if (isOpen) void close();
        }),
      );
    }),
  );
}

/** A page that comes too late is closed. When the context is closed meanwhile, Playwright's `newPage` never settles. */
function opened<P extends PageLike>(context: BrowserContextLike<P>): Observable<P> {
  return new Observable(subscriber => {
    const closed = (): void => {
      subscriber.error(new Error('The context was closed while it opened a page'));
    };
    context.on('close', closed);
    subscriber.add(() => context.off('close', closed));
    context.newPage().then(
      page => {
        if (subscriber.closed) page.close().catch(() => undefined); // As above.
        subscriber.next(page);
        subscriber.complete();
      },
      (error: unknown) => {
        subscriber.error(error);
      },
    );
  });
}

function outcomeOf<P extends PageLike, R>(
  outcome: ReturnType<PageProject<P, R>>,
  close$: Observable<never>,
  giveBack: () => void,
): Observable<R> {
  if (isStream(outcome)) return concat(from(outcome), close$);
  return from(Promise.resolve(outcome)).pipe(
    mergeMap(value =>
      concat(
        close$,
        defer(() => {
          // Before `next`, so that a consumer who leaves on the one value does not leave in flight.
          giveBack();
          return of(value);
        }),
      ),
    ),
  );
}

function isStream<R>(
  outcome: R | PromiseLike<R> | Observable<R> | AsyncIterable<R>,
): outcome is Observable<R> | AsyncIterable<R> {
  if (isObservable(outcome)) return true;
  return typeof outcome === 'object' && outcome !== null && Symbol.asyncIterator in outcome;
}
