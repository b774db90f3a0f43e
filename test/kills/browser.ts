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

/** At Ctrl-C Playwright would end this process before there is a verdict. */
const ownSignals = { handleSIGINT: false, handleSIGTERM: false };

/** Of all kills: those that take the whole browser, and those that take the process of a page. The others close a context. */
const crashes = { browser: 0.3, page: 0.4 };

export const trial: KillTrial = {
  name: 'browser',
  costs: 25,
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
      launch: async () => (browser = await openChromium(ownSignals)),
    });
    return {
      pool,
      borrow: () => work(pool, site.url.replace('ws:', 'http:')),
      async kill() {
        if (browser?.isConnected() === true) await killSomethingOf(browser);
      },
      serverCount: async () =>
        browser?.isConnected() === true ? (await contextIds(browser)).length : 0,
      counts: 'contexts, by the browser',
      close: () => site.stop(),
    };
  },
};

async function killSomethingOf(browser: Browser): Promise<void> {
  const choice = Math.random();
  const session = await browser.newBrowserCDPSession();
  if (choice < crashes.browser) {
    // It does not live to answer.
    await session.send('Browser.crash').catch(() => undefined);
    return;
  }
  if (choice < crashes.browser + crashes.page) {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    const renderers = processInfo.filter(({ type }) => type === 'renderer');
    const victim = oneOf(renderers);
    if (victim !== undefined) killProcess(victim.id);
  } else {
    await oneOf(browser.contexts())?.close();
  }
  await session.detach();
}

function killProcess(id: number): void {
  try {
    process.kill(id, 'SIGKILL');
  } catch (error) {
    // Its page has ended by itself meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function oneOf<Item>(items: readonly Item[]): Item | undefined {
  return items[Math.floor(Math.random() * items.length)];
}

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
