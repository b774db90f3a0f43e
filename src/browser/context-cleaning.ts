import type { BrowserContextLike } from './playwright.js';

/** What a new context was told, and a cleaned one is told again. */
export interface ContextSettings {
  readonly extraHTTPHeaders?: Record<string, string>;
  readonly geolocation?: object;
  readonly offline?: boolean;
  readonly permissions?: readonly string[];
  readonly storageState?: unknown;
}

/** What Playwright has since 1.59. */
interface Storage {
  setStorageState?(state: unknown): Promise<void>;
}

/** What cannot be taken back from a context. */
const lasting = ['addInitScript', 'exposeBinding', 'exposeFunction', 'routeWebSocket'] as const;

interface Emitter {
  eventNames(): (string | symbol)[];
  rawListeners(event: string | symbol): (() => void)[];
  removeListener(event: string | symbol, listener: () => void): void;
}

/** One context that several borrow, one after another. */
export class ContextCleaning {
  readonly #context: BrowserContextLike;
  readonly #settings: ContextSettings;
  readonly #ownListeners: Set<unknown>;
  #tainted: string | undefined = undefined;

  /** Whatever is done to the context from now on is a borrower's. */
  constructor(context: BrowserContextLike, settings: ContextSettings) {
    this.#context = context;
    this.#settings = settings;
    this.#ownListeners = new Set(this.#listeners().map(([, listener]) => listener));
    const target = context as unknown as Record<string, (...given: unknown[]) => unknown>;
    for (const name of lasting) {
      const method = target[name];
      if (method === undefined) continue;
      target[name] = (...given) => {
        this.#tainted = name;
        return method.apply(context, given);
      };
    }
  }

  /** Rejects where something of the borrower would stay: the context is then destroyed. */
  async clean(): Promise<void> {
    const context = this.#context;
    const { extraHTTPHeaders = {}, geolocation = null, offline = false } = this.#settings;
    const { permissions, storageState = { cookies: [], origins: [] } } = this.#settings;
    const storage = context as Storage;
    if (this.#tainted !== undefined) {
      throw new Error(`${this.#tainted} was called on the context, which cannot be taken back`);
    }
    if (storage.setStorageState === undefined) {
      throw new Error('This version of Playwright cannot empty the storage of a context');
    }
    for (const [event, listener] of this.#listeners()) {
      if (!this.#ownListeners.has(listener)) this.#emitter.removeListener(event, listener);
    }
    await Promise.all(context.pages().map(page => page.close()));
    await context.unrouteAll({ behavior: 'ignoreErrors' });
    await storage.setStorageState(storageState);
    await context.clearPermissions();
    const grant = context as { grantPermissions?(permissions: readonly string[]): Promise<void> };
    if (permissions !== undefined) await grant.grantPermissions?.(permissions);
    await context.setExtraHTTPHeaders(extraHTTPHeaders);
    await context.setGeolocation(geolocation as null);
    await context.setOffline(offline);
  }

  get #emitter(): Emitter {
    return this.#context as unknown as Emitter;
  }

  #listeners(): (readonly [string | symbol, () => void])[] {
    return this.#emitter
      .eventNames()
      .flatMap(event => this.#emitter.rawListeners(event).map(each => [event, each] as const));
  }
}
