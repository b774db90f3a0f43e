import type { Browser, BrowserContext, Page } from 'playwright-core';
import { takeUntil, timer, type Observable } from 'rxjs';
import { browserContextPool, withPage } from '../../src/browser/index.js';
import type { Pool } from '../../src/index.js';
import { MissingServerError } from '../services/missing-server.js';
import { startServer } from '../websocket/server.js';
import type { KillTrial } from './contestant.js';

const max = 3;
/** Not compiled, and so not beside what is compiled of this file. */
const chromium = new URL('../../../../test/dashboard/chromium.mjs', import.meta.url);

/** Of all kills: those that take the whole browser. */
const crashes = 0.3;

export const trial: KillTrial = {
  name: 'browser',
  async open() {
    const { chromiumPath, openChromium } = (await import(
      chromium.href
    )) as typeof import('../dashboard/chromium.mjs');
    if (chromiumPath === undefined) {
      throw new MissingServerError(
        'Chromium',
        '`apt-get install chromium`, or name one in CHROMIUM',
      );
    }
    const site = await startServer('<!doctype html><title>alive</title>');
    let browser: Browser | undefined;
    const pool = browserContextPool({
      name: 'browser',
      max,
      minIdle: 1,
      launch: async () => (browser = await openChromium()),
    });
    return {
      pool,
      borrow: () => work(pool, site.url.replace('ws:', 'http:')),
      async kill() {
        if (browser === undefined || !browser.isConnected()) return;
        const session = await browser.newBrowserCDPSession();
        if (Math.random() < crashes) {
          // It does not live to answer.
          await session.send('Browser.crash').catch(() => undefined);
          return;
        }
        const ids = await contextIds(browser);
        const browserContextId = ids[Math.floor(Math.random() * ids.length)];
        if (browserContextId === undefined) return;
        await session.send('Target.disposeBrowserContext', { browserContextId });
        await session.detach();
      },
      serverCount: async () =>
        browser?.isConnected() === true ? (await contextIds(browser)).length : 0,
      counts: 'contexts, by the browser',
      close: () => site.stop(),
    };
  },
};

async function contextIds(browser: Browser): Promise<string[]> {
  const session = await browser.newBrowserCDPSession();
  try {
    const { browserContextIds } = await session.send('Target.getBrowserContexts');
    return browserContextIds;
  } finally {
    await session.detach();
  }
}

function work(pool: Pool<BrowserContext>, url: string): Observable<unknown> {
  const visit$ = withPage(pool, async (page: Page) => {
    await page.goto(url);
    const title = await page.title();
    if (title !== 'alive') throw new Error(`The page gave ${title}`);
    return title;
  });
  // Some leave half-way.
  return Math.random() < 0.1 ? visit$.pipe(takeUntil(timer(30))) : visit$;
}
