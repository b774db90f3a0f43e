/**
 * What this adapter needs of a browser: the `Browser` of Playwright has it. Structural, so that the types of
 * `playwright-core` are needed by nobody.
 */
export interface BrowserLike<C extends BrowserContextLike = BrowserContextLike, O = object> {
  /** Opens a context with cookies, storage and pages of its own; the pool closes it. */
  newContext(options?: O): Promise<C>;
  /** Whether the browser runs and can be reached. */
  isConnected(): boolean;
  /** Ends the browser with all its contexts. The pool calls it only for a browser that it launched itself. */
  close(): Promise<void>;
  /** The browser has ended or crashed, or its connection broke. */
  on(event: 'disconnected', listener: () => void): unknown;
}

/** What this adapter needs of a context: the `BrowserContext` of Playwright has it. */
export interface BrowserContextLike<P extends PageLike = PageLike> {
  /** The pages that are open in it. */
  pages(): P[];
  /** Opens a page; whoever opens it closes it, else the end of the context does. */
  newPage(): Promise<P>;
  /** Ends the context with all its pages. For the pool to call: a context that is closed leaves it. */
  close(): Promise<void>;
  /** All cookies. The pool asks for them to see whether the browser still answers for the context. */
  cookies(): Promise<unknown[]>;
  /** Takes back every permission that was granted. */
  clearPermissions(): Promise<void>;
  /** Sets the headers that every request of its pages carries, in place of those before. */
  setExtraHTTPHeaders(headers: Record<string, string>): Promise<void>;
  /** With `null`, the pages are told no position any more. */
  setGeolocation(geolocation: null): Promise<void>;
  /** Whether its pages are cut off from the network. */
  setOffline(offline: boolean): Promise<void>;
  /** Removes all routes; `ignoreErrors` waits for no handler under way, and swallows what it throws. */
  unrouteAll(options: { behavior: 'ignoreErrors' }): Promise<void>;
  /** The context was closed, or its browser is gone. */
  on(event: 'close', listener: () => void): unknown;
  /** Takes away a listener for `close`. */
  off(event: 'close', listener: () => void): unknown;
}

/** What this adapter needs of a page. */
export interface PageLike {
  /** Closes the page, which ends whatever Playwright does on it. */
  close(): Promise<void>;
}
