import {
  AsyncSubject,
  asyncScheduler,
  concat,
  defer,
  EMPTY,
  from,
  isObservable,
  type Observable,
} from 'rxjs';
import {
  createPool,
  InvalidOptionsError,
  type Hook,
  type Pool,
  type PoolOptions,
} from '../index.js';
import { ContextCleaning, type ContextSettings } from './context-cleaning.js';
import type { BrowserContextLike, BrowserLike } from './playwright.js';
import { SharedBrowser, type Shareable } from './shared-browser.js';

/** The pool's options, but for the hooks that the adapter brings itself. All durations are milliseconds. */
export interface BrowserContextPoolOptions<C extends BrowserContextLike, O = object>
  extends Omit<PoolOptions<C>, 'create' | 'destroy' | 'watch'> {
  /** Launches the browser of all contexts, when the first is needed, and again when it is gone. The pool ends it. */
  readonly launch?: (() => BrowserLike<C, O> | PromiseLike<BrowserLike<C, O>>) | undefined;
  /** Instead of `launch`: a browser of yours, which the pool neither replaces nor ends. */
  readonly browser?: BrowserLike<C, O> | undefined;
  /** For `browser.newContext`: `viewport`, `locale`, `storageState` … */
  readonly contextOptions?: NoInfer<O> | undefined;
  /** The browser is ended when it has had no context for this long. `Infinity`: with the pool only. Default 30,000. */
  readonly browserIdleTimeoutMillis?: number | undefined;
  /**
   * Default 1: every borrower gets a context that nobody had. That is the one reset that leaves no trace, and a quick
   * one: opening a context takes less than emptying one. With more, contexts are cleaned for the next borrower.
   */
  maxUses?: number | undefined;
  /** Default: the browser is connected, and answers for the context. */
  validate?: PoolOptions<C>['validate'];
  /** Default 1,000: a context that was made or used within the last second is lent without a check. */
  validateAfterIdleMillis?: number | undefined;
  /** Runs once the context is clean, where it will be used again; nothing by default. */
  reset?: PoolOptions<C>['reset'];
  /** Default 1,800,000: 30 minutes. */
  maxLifetimeMillis?: number | undefined;
}

/**
 * A pool of browser contexts, each with cookies, storage and pages of its own, in one browser that all of them share.
 * `withPage` opens a page in one.
 *
 * The browser is launched with the first context. When it crashes, every context leaves the pool at once, and the next
 * that is needed launches another. `close()` resolves when the browser has ended, too.
 *
 * With `maxUses` above 1 a context that comes back has its pages closed, routes and listeners removed, cookies, local
 * storage and IndexedDB, permissions, headers, geolocation and offline mode as they were in the beginning. What stays
 * are the HTTP cache, service workers and their caches. One that was given scripts or bindings is destroyed.
 *
 * Throws InvalidOptionsError as `createPool` does. A browser that does not start is an error of the acquire.
 *
 * @example
 * const pool = browserContextPool({ launch: () => chromium.launch(), max: 4 });
 * withPage(pool, async page => { await page.goto(url); return page.title(); }).subscribe(console.log);
 */
export function browserContextPool<C extends BrowserContextLike, O = object>(
  options: BrowserContextPoolOptions<C, O>,
): Pool<C> {
  checkOptions(options);
  const { launch, browser, contextOptions, browserIdleTimeoutMillis, ...others } = options;
  const { validate, reset, ...poolOptions } = others;
  const shared = new SharedBrowser<BrowserLike<C, O>>({
    launch: () => (launch === undefined ? (browser as BrowserLike<C, O>) : launch()),
    isOwn: launch !== undefined,
    idleMillis: browserIdleTimeoutMillis ?? 30_000,
    scheduler: poolOptions.scheduler ?? asyncScheduler,
  });
  const rooms = new WeakMap<C, Room>();

  const pool = createPool<C>({
    ...poolOptions,
    maxUses: poolOptions.maxUses ?? 1,
    maxLifetimeMillis: poolOptions.maxLifetimeMillis ?? 30 * 60_000,
    validateAfterIdleMillis: poolOptions.validateAfterIdleMillis ?? 1_000,
    create: async () => {
      try {
        const home = await shared.enter();
        const context = await home.newContext(contextOptions);
        rooms.set(context, new Room(home, context, contextOptions ?? {}));
        return context;
      } catch (error) {
        shared.leave();
        throw error;
      }
    },
    validate: validate ?? (context => roomOf(rooms, context).isAlive()),
    reset: context =>
      concat(
        defer(() => roomOf(rooms, context).cleaning.clean()),
        defer(() => streamOf(reset?.(context))),
      ),
    destroy: async context => {
      try {
        await context.close();
      } finally {
        shared.leave();
      }
    },
    watch: context => roomOf(rooms, context).gone$,
  });
  endWith(pool, shared);
  return pool;
}

/** One context, and what is known of it. */
class Room {
  readonly cleaning: ContextCleaning;
  readonly #gone = new AsyncSubject<unknown>();
  readonly #browser: Shareable;
  readonly #context: BrowserContextLike;
  #isGone = false;

  constructor(browser: Shareable, context: BrowserContextLike, settings: ContextSettings) {
    this.#browser = browser;
    this.#context = context;
    // Playwright tells each context of a browser that is gone.
    context.on('close', () => {
      this.#isGone = true;
      const why = browser.isConnected() ? 'The context was closed' : 'The browser is gone';
      this.#gone.next(new Error(why));
      this.#gone.complete();
    });
    this.cleaning = new ContextCleaning(context, settings);
  }

  /** Emits once: the context was closed, or the browser is gone. */
  get gone$(): Observable<unknown> {
    return this.#gone;
  }

  async isAlive(): Promise<boolean> {
    if (this.#isGone || !this.#browser.isConnected()) return false;
    await this.#context.cookies();
    return true;
  }
}

function roomOf<C extends BrowserContextLike>(rooms: WeakMap<C, Room>, context: C): Room {
  return rooms.get(context) as Room;
}

function streamOf(outcome: Hook<unknown>): Observable<unknown> {
  if (outcome === undefined) return EMPTY;
  return isObservable(outcome) ? outcome : from(Promise.resolve(outcome));
}

/** The end of the pool is that of its browser, which outlives the last context by a little. */
function endWith(pool: Pool<unknown>, shared: { end(): Promise<void> }): void {
  const close = pool.close.bind(pool);
  let closing: Promise<void> | undefined;
  let ending: Promise<void> = Promise.resolve();
  pool.close = options => {
    const latest = close(options);
    if (latest !== closing) {
      closing = latest;
      ending = latest.finally(() => shared.end());
    }
    return ending;
  };
}

function checkOptions<C extends BrowserContextLike, O>(
  options: BrowserContextPoolOptions<C, O>,
): void {
  const given = (options ?? {}) as BrowserContextPoolOptions<C, O> & Record<string, unknown>;
  const { launch, browser, browserIdleTimeoutMillis: idle, name } = given;
  const refuse = (option: string, value: unknown, expected: string): never => {
    const pool = typeof name === 'string' ? name : 'browserContextPool';
    throw new InvalidOptionsError(pool, option, value, expected);
  };
  if (typeof options !== 'object' || (options as unknown) === null) {
    refuse('options', options, 'must be an object');
  }
  for (const hook of ['create', 'destroy', 'watch']) {
    if (given[hook] !== undefined) refuse(hook, given[hook], 'is brought by the adapter');
  }
  if (browser === undefined && typeof launch !== 'function') {
    refuse('launch', launch, 'must be a function that launches a browser');
  }
  if (browser !== undefined && launch !== undefined) {
    refuse('launch', launch, 'is needless where a `browser` is given');
  }
  if (
    browser !== undefined &&
    typeof (browser as Partial<typeof browser>)?.newContext !== 'function'
  ) {
    refuse('browser', browser, 'must be a browser of Playwright');
  }
  const isDuration = idle === undefined || (idle > 0 && idle < 2 ** 31) || idle === Infinity;
  if (!isDuration) {
    const expected = 'must be a number of milliseconds above 0, or Infinity for off';
    refuse('browserIdleTimeoutMillis', idle, expected);
  }
}
