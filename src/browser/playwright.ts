/**
 * What this adapter needs of a browser: the `Browser` of Playwright has it. Structural, so that the types of
 * `playwright-core` are needed by nobody.
 */
export interface BrowserLike<C extends BrowserContextLike = BrowserContextLike, O = object> {
  newContext(options?: O): Promise<C>;
  isConnected(): boolean;
  close(): Promise<void>;
  on(event: 'disconnected', listener: () => void): unknown;
}

/** What this adapter needs of a context: the `BrowserContext` of Playwright has it. */
export interface BrowserContextLike<P extends PageLike = PageLike> {
  pages(): P[];
  newPage(): Promise<P>;
  close(): Promise<void>;
  cookies(): Promise<unknown[]>;
  clearPermissions(): Promise<void>;
  setExtraHTTPHeaders(headers: Record<string, string>): Promise<void>;
  setGeolocation(geolocation: null): Promise<void>;
  setOffline(offline: boolean): Promise<void>;
  unrouteAll(options: { behavior: 'ignoreErrors' }): Promise<void>;
  on(event: 'close', listener: () => void): unknown;
  off(event: 'close', listener: () => void): unknown;
}

/** What this adapter needs of a page. */
export interface PageLike {
  close(): Promise<void>;
}
