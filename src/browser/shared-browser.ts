import { Subscription, timer, type SchedulerLike } from 'rxjs';

/** What of a browser is needed to share it. */
export interface Shareable {
  isConnected(): boolean;
  close(): Promise<void>;
  on(event: 'disconnected', listener: () => void): unknown;
}

/** How to come by a browser, and when to end it. */
export interface SharedBrowserOptions<B extends Shareable> {
  launch(): B | PromiseLike<B>;
  /** Whether the browser is the pool's own, to be ended by it. */
  readonly isOwn: boolean;
  readonly idleMillis: number;
  readonly scheduler: SchedulerLike;
}

/** The one browser of a pool: launched for the first context, again after a crash, and ended when nobody needs it. */
export class SharedBrowser<B extends Shareable> {
  readonly #options: SharedBrowserOptions<B>;
  #current: Promise<B> | undefined = undefined;
  /** Contexts, those that are being opened included. */
  #users = 0;
  #ending = Subscription.EMPTY;

  constructor(options: SharedBrowserOptions<B>) {
    this.#options = options;
  }

  /** Whoever has called this calls `leave` once, whatever came of it. */
  enter(): Promise<B> {
    this.#users += 1;
    this.#ending.unsubscribe();
    this.#current ??= this.#launch();
    return this.#current;
  }

  leave(): void {
    this.#users -= 1;
    const { idleMillis, scheduler } = this.#options;
    if (this.#users > 0 || idleMillis === Infinity || this.#current === undefined) return;
    this.#ending = timer(idleMillis, scheduler).subscribe(() => {
      // What it fails with nobody could be told; a browser that does not close is gone, or ends with the process.
      this.end().catch(() => undefined);
    });
  }

  /** Ends a browser that is the pool's own; one that is on its way is waited for. */
  async end(): Promise<void> {
    this.#ending.unsubscribe();
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined || !this.#options.isOwn) return;
    const browser = await current.catch(() => undefined); // A launch that failed was told to who asked for it.
    await browser?.close();
  }

  #launch(): Promise<B> {
    const forget = (): void => {
      if (this.#current === launched) this.#current = undefined;
    };
    const launched = (async () => {
      try {
        const browser = await this.#options.launch();
        if (!browser.isConnected()) throw new Error('The browser is not connected any more');
        browser.on('disconnected', forget);
        return browser;
      } catch (error) {
        forget();
        throw error;
      }
    })();
    return launched;
  }
}
