import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  filter,
  firstValueFrom,
  from,
  lastValueFrom,
  mergeMap,
  NEVER,
  of,
  range,
  take,
  toArray,
} from 'rxjs';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  AcquireAbortedError,
  CreateError,
  InvalidOptionsError,
  type Pool,
  type PoolEvent,
  type PoolState,
} from '../src/index.js';
import {
  browserContextPool,
  withPage,
  type BrowserContextPoolOptions,
} from '../src/browser/index.js';
import { assertInvariants } from '../src/testing/index.js';
import { chromiumPath, openChromium } from './dashboard/chromium.mjs';
import { patience } from './patience.js';

const why = 'there is no Chromium here: `apt-get install chromium`, or name one in CHROMIUM';
if (chromiumPath === undefined) {
  console.warn(`The tests of browser contexts are skipped: ${why}.`);
}

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

describe.skipIf(chromiumPath === undefined && process.env['CI'] === undefined)(
  'browser contexts',
  () => {
    /** One browser for the tests that do not end it. */
    let browser: Browser;
    let site: { url: string; stop(): Promise<void> };
    let closings: (() => Promise<void>)[] = [];

    beforeAll(async () => {
      if (chromiumPath === undefined) throw new Error(why);
      site = await startSite();
      browser = await openChromium();
    });

    afterAll(async () => {
      await browser.close();
      await site.stop();
    });

    afterEach(async () => {
      const open = closings;
      closings = [];
      for (const close of open) await close();
      expect(browser.contexts()).toEqual([]);
    });

    function openPool(
      options: Partial<BrowserContextPoolOptions<BrowserContext>> = {},
    ): Pool<BrowserContext> {
      const source = options.launch === undefined ? { browser } : {};
      const pool = browserContextPool({ ...source, max: 1, ...options });
      const events: PoolEvent[] = [];
      pool.stats$.subscribe(event => events.push(event));
      closings.push(async () => {
        await pool.close({ force: true }).catch(() => undefined);
        assertInvariants(pool, { events });
      });
      return pool;
    }

    /** A pool whose browser is its own, with every browser that it has launched. */
    function openOwn(options: Partial<BrowserContextPoolOptions<BrowserContext>> = {}) {
      const launched: Browser[] = [];
      const launch = async (): Promise<Browser> => {
        const own = await openChromium();
        launched.push(own);
        return own;
      };
      return { pool: openPool({ launch, ...options }), launched };
    }

    function stateOf(
      pool: Pool<BrowserContext>,
      wanted: (state: PoolState) => boolean,
    ): Promise<PoolState> {
      return firstValueFrom(pool.state$.pipe(filter(wanted)));
    }

    const visit = (page: Page, path = ''): Promise<unknown> => page.goto(`${site.url}${path}`);

    /** What the page has from earlier visits, and leaves for later ones. */
    async function traces(page: Page): Promise<string[]> {
      await visit(page);
      // Run in the page, as a text: the types here have no DOM.
      return page.evaluate<string[]>(`(async () => {
        const databases = (await indexedDB.databases()).map(({ name }) => name);
        const seen = [document.cookie, localStorage.getItem('seen') ?? '', ...databases];
        document.cookie = 'seen=cookie';
        localStorage.setItem('seen', 'storage');
        await new Promise(done => (indexedDB.open('seen').onsuccess = done));
        return seen.filter(Boolean);
      })()`);
    }

    describe('pages', () => {
      it('are opened for a project, and closed before its value is emitted', async () => {
        const pool = openPool();
        let left: number | undefined;
        let context: BrowserContext | undefined;
        const title = await firstValueFrom(
          withPage(pool, async page => {
            context = page.context();
            context.on('close', () => (left = context?.pages().length));
            await visit(page, 'shop');
            return page.title();
          }).pipe(filter(() => context?.pages().length === 0)),
        );
        expect(title).toBe('/shop');
        expect(pool.state.leased).toBe(0);
        await stateOf(pool, ({ size }) => size === 0);
        expect(left).toBe(0);
      });

      it('are open side by side, max at once, each in a context of its own', async () => {
        const pool = openPool({ max: 3 });
        const titles = await lastValueFrom(
          range(0, 6).pipe(
            mergeMap(n =>
              withPage(pool, async (page: Page) => {
                const seen = await traces(page);
                return `${n}:${seen.length}`;
              }),
            ),
            toArray(),
          ),
        );
        expect(titles.sort()).toEqual(['0:0', '1:0', '2:0', '3:0', '4:0', '5:0']);
        expect(pool.stats).toMatchObject({ created: 6, peakLeased: 3 });
      });

      it('give streams, and are closed at their end', async () => {
        const pool = openPool();
        const links = await lastValueFrom(
          withPage(pool, (page: Page) =>
            from(visit(page)).pipe(
              mergeMap(() => page.locator('a').allInnerTexts()),
              mergeMap(texts => from(texts)),
            ),
          ).pipe(toArray()),
        );
        expect(links).toEqual(['shop', 'about']);
        await stateOf(pool, ({ size }) => size === 0);
      });

      it('are closed when the project fails, whose error is passed on', async () => {
        const pool = openPool({ maxUses: 2 });
        const lease = await pool.lease();
        const failing = withPage(lease.resource, (page: Page) => page.locator('#').click());
        await expect(lastValueFrom(failing)).rejects.toThrow('locator');
        expect(lease.resource.pages()).toEqual([]);
        await lease.release();
      });

      it('are closed at once by who leaves, which ends what runs on them', async () => {
        const pool = openPool();
        let waiting: Promise<unknown> | undefined;
        const isOpen = new Promise<void>(resolve => {
          const leaving = withPage(pool, async (page: Page) => {
            await visit(page);
            waiting = page.waitForSelector('#never', { timeout: 0 }).catch(String);
            setTimeout(() => {
              leaving.unsubscribe();
              resolve();
            });
            return waiting;
          }).subscribe();
        });
        await isOpen;
        expect(await waiting).toContain('closed');
        await stateOf(pool, ({ size }) => size === 0);
      });

      it('are closed when they were on their way as their borrower left', async () => {
        const pool = openPool({ maxUses: 2 });
        const lease = await pool.lease();
        const leaving = withPage(lease.resource, () => NEVER).subscribe();
        leaving.unsubscribe();
        const page = await lease.resource.waitForEvent('page');
        if (!page.isClosed()) await page.waitForEvent('close');
        expect(lease.resource.pages()).toEqual([]);
        await lease.release();
      });

      it('fail when their context is closed while they open', async () => {
        const pool = openPool();
        const lease = await pool.lease();
        const opening = lastValueFrom(withPage(lease.resource, () => of(1)));
        const failing = expect(opening).rejects.toThrow('closed');
        await lease.resource.close();
        await failing;
        await lease.release();
      });

      it('end with a signal', async () => {
        const pool = openPool();
        const controller = new AbortController();
        const ended = lastValueFrom(
          withPage(
            pool,
            () => {
              controller.abort();
              return NEVER;
            },
            { signal: controller.signal },
          ),
        );
        await expect(ended).rejects.toBeInstanceOf(AcquireAbortedError);
        await stateOf(pool, ({ size }) => size === 0);
      });
    });

    describe('contexts', () => {
      it('get the options of all contexts', async () => {
        const contextOptions = { locale: 'fr-CH', viewport: { width: 321, height: 123 } };
        const pool = openPool({ contextOptions });
        const seen = await lastValueFrom(
          withPage(pool, (page: Page) => page.evaluate('navigator.language + innerWidth')),
        );
        expect(seen).toBe('fr-CH321');
      });

      it('are new for every borrower', async () => {
        const pool = openPool();
        expect(await lastValueFrom(withPage(pool, traces))).toEqual([]);
        expect(await lastValueFrom(withPage(pool, traces))).toEqual([]);
        expect(pool.stats).toMatchObject({ created: 2, acquired: 2 });
        expect(pool.stats.resetFailed).toBe(0);
      });

      it('are clean for the next borrower where several may have them', async () => {
        const pool = openPool({ maxUses: Infinity, contextOptions: { locale: 'de' } });
        const first = await pool.lease();
        const context = first.resource;
        expect(await lastValueFrom(withPage(context, traces))).toEqual([]);
        expect(await lastValueFrom(withPage(context, traces))).toEqual([
          'seen=cookie',
          'storage',
          'seen',
        ]);
        const requested = vi.fn();
        context.on('request', requested);
        await context.route('**/*', route => route.fulfill({ body: 'intercepted' }));
        await context.grantPermissions(['geolocation']);
        await context.setExtraHTTPHeaders({ 'x-borrower': 'first' });
        await context.newPage();
        await context.setOffline(true);
        await first.release();

        const second = await pool.lease();
        expect(second.resource).toBe(context);
        expect(context.pages()).toEqual([]);
        expect(await lastValueFrom(withPage(context, traces))).toEqual([]);
        const about = await lastValueFrom(
          withPage(context, async (page: Page) => {
            await visit(page, 'headers');
            const text = await page.innerText('body');
            const permission = await page.evaluate(
              "navigator.permissions.query({ name: 'geolocation' }).then(({ state }) => state)",
            );
            return { text, permission };
          }),
        );
        expect(about.text).not.toContain('first');
        expect(about.text).toContain('"accept-language":"de');
        expect(about.permission).not.toBe('granted');
        expect(requested).not.toHaveBeenCalled();
        await second.release();
        expect(pool.stats).toMatchObject({ created: 1, resetFailed: 0 });
      });

      it('are destroyed where something would stay that cannot be taken back', async () => {
        const pool = openPool({ maxUses: Infinity });
        const lease = await pool.lease();
        await lease.resource.addInitScript('globalThis.spy = true');
        await lease.release();
        expect(pool.state.size).toBe(0);
        expect(pool.stats).toMatchObject({ resetFailed: 1, destroyed: 1 });
      });

      it('that are closed leave the pool at once', async () => {
        const pool = openPool({ maxUses: Infinity });
        const lease = await pool.lease();
        const context = lease.resource;
        await lease.release();
        expect(pool.state.idle).toBe(1);
        await context.close();
        await stateOf(pool, ({ size }) => size === 0);
      });

      it('that the browser does not know any more are not lent', async () => {
        const { pool, launched } = openOwn({ maxUses: Infinity, validateAfterIdleMillis: 0 });
        const lease = await pool.lease();
        const { id } = lease.info;
        await lease.release();
        const session = await launched[0]!.newBrowserCDPSession();
        const { browserContextIds } = await session.send('Target.getBrowserContexts');
        for (const browserContextId of browserContextIds) {
          await session.send('Target.disposeBrowserContext', { browserContextId });
        }
        const next = await pool.lease();
        expect(next.info.id).not.toBe(id);
        expect(pool.stats.validateFailed).toBe(1);
        await next.release();
      });
    });

    describe('the browser', () => {
      it('is launched once, with the first context, and has ended when the pool is closed', async () => {
        const { pool, launched } = openOwn({ max: 2 });
        expect(launched).toEqual([]);
        const leases = await Promise.all([pool.lease(), pool.lease()]);
        expect(launched).toHaveLength(1);
        expect(leases.map(({ resource }) => resource.browser())).toEqual([
          launched[0],
          launched[0],
        ]);
        await Promise.all(leases.map(lease => lease.release()));
        expect(pool.state.size).toBe(0);
        expect(launched[0]?.isConnected()).toBe(true);
        await pool.close();
        expect(launched[0]?.isConnected()).toBe(false);
      });

      it('is launched again after a crash, which every context leaves the pool with', async () => {
        const { pool, launched } = openOwn({ max: 3, maxUses: Infinity });
        await pool.prefill(2);
        const lease = await pool.lease();
        const session = await launched[0]!.newBrowserCDPSession();
        session.send('Browser.crash').catch(() => undefined); // It does not live to answer.
        await stateOf(pool, ({ size }) => size === 1);
        await expect(lease.resource.newPage()).rejects.toThrow('closed');
        await lease.release();
        expect(pool.state.size).toBe(0);

        expect(
          await lastValueFrom(
            withPage(pool, async (page: Page) => {
              await visit(page);
              return page.title();
            }),
          ),
        ).toBe('/');
        expect(launched).toHaveLength(2);
      });

      it('is ended when it has had no context for a while', async () => {
        const { pool, launched } = openOwn({ browserIdleTimeoutMillis: 50 });
        await lastValueFrom(withPage(pool, () => of(1)));
        await vi.waitUntil(() => launched[0]?.isConnected() === false, patience);
        await lastValueFrom(withPage(pool, () => of(1)));
        expect(launched).toHaveLength(2);
      });

      it('that does not start fails the acquire, and is tried again for the next', async () => {
        let tries = 0;
        const launch = async (): Promise<Browser> => {
          tries += 1;
          if (tries === 1) throw new Error('no display');
          return openChromium();
        };
        const pool = openPool({ launch });
        const error = await pool.lease().catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(CreateError);
        expect(error).toMatchObject({ cause: { message: 'no display' } });
        await lastValueFrom(withPage(pool, () => of(1)));
        expect(tries).toBe(2);
      });

      it('of somebody else is left alone', async () => {
        const pool = openPool({ browserIdleTimeoutMillis: 1 });
        await lastValueFrom(withPage(pool, () => of(1)).pipe(take(1)));
        await pool.close();
        expect(browser.isConnected()).toBe(true);
      });

      it('closes once for all who close the pool', async () => {
        const { pool, launched } = openOwn();
        await lastValueFrom(withPage(pool, () => of(1)));
        const closing = pool.close();
        expect(pool.close()).toBe(closing);
        await closing;
        expect(launched[0]?.isConnected()).toBe(false);
      });
    });
  },
);

describe('what is refused', () => {
  const launch = (): undefined => undefined;

  it.each([
    ['launch', {}],
    ['launch', { launch: 'chromium' }],
    ['launch', { launch, browser: { newContext: launch } }],
    ['browser', { browser: {} }],
    ['browserIdleTimeoutMillis', { launch, browserIdleTimeoutMillis: 0 }],
    ['destroy', { launch, destroy: launch }],
    ['maxUse', { launch, maxUse: 1 }],
  ])('%s, in %o', (option, options) => {
    expect(() => browserContextPool(options as never)).toThrow(InvalidOptionsError);
    expect(() => browserContextPool(options as never)).toThrow(`"${option}"`);
  });

  it('a page without a project', () => {
    const pool = browserContextPool({ launch: () => openChromium() });
    expect(() => withPage(pool, undefined as never)).toThrow('"project"');
  });
});

/** A small site on a free port of 127.0.0.1; every page has its path as its title. */
async function startSite() {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    const body =
      request.url === '/headers'
        ? JSON.stringify(request.headers)
        : '<a href="/shop">shop</a> <a href="/about">about</a>';
    response.end(`<!doctype html><title>${request.url}</title><body>${body}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
